"""What is told on one whole training set, and not on parts: the page says what to do, and why it stands out."""

from __future__ import annotations

from dataclasses import replace

from committed_runs import kept

from jaxreg.report.advice import scopes
from jaxreg.report.answer import answer
from jaxreg.report.layout import arrange


def test_what_is_better_on_one_training_set_alone_is_not_what_to_use() -> None:
    results = kept()
    layout, first = arrange(results), results.measures.first
    own = results.whole["measure"] == first
    tried = results.whole["cell"].isin(results.members["cell"]) & (results.whole["cell"] != layout.base)
    best = results.whole[own & tried]["cell"].iloc[0]
    nothing = results.recommendation.assign(cell=layout.base, better="", worse="", as_good="")
    for verdict, chance in (("lower", False), ("undecided", True)):
        told = results.whole["cell"].eq(best) & own
        whole = results.whole.assign(verdict=results.whole["verdict"].mask(told, verdict))
        whole["difference"] = whole["difference"].mask(told, -10.0)
        changed = replace(results, recommendation=nothing, whole=whole)
        assert scopes(changed, layout)[1] is not None
        decided = answer(changed, layout)[0]
        assert decided.split("**")[1].endswith(f"(`{layout.base}`)")
        assert (f"Use `{best}` only if no network will be trained on images other than these" in decided) != chance
        assert ("may be chance" in decided) == chance
