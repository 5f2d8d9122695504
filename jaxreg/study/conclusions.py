"""The thirteen conclusions of the notebook, in our words, and what decides each.

Unless it says otherwise, a number comes from `sweeps/regularizers.toml`: every method from scratch, inputs / 255,
cross-entropy without penalty. Numbers of the notebook's own setting (raw inputs, all images) stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxreg.formatting import fixed
from jaxreg.store.results import Results
from jaxreg.study.evidence import (
    Claim,
    Measured,
    NotMeasured,
    Runs,
    best,
    by_unit,
    cells_along,
    paired,
    t_interval,
)

PLAIN, L1, L2, BOTH = "plain", "l1=0.01", "l2=0.01", "l1=0.01,l2=0.01"
DROPOUT, STOPPED, BATCH_NORM, RAW = "dropout=0.3-0.5-0", "early_stopping=1", "batch_norm=true", "scaling=raw"
WORDS = {
    "test_cross_entropy": "test cross-entropy",
    "test_error": "test error, points",
    "gap": "test minus train cross-entropy",
    "weight_l1": "sum of |w|",
    "weight_l2": "sum of w²",
    "live_small_weights": "small weights on live inputs, points",
    "variance_cross_entropy": "variance (cross-entropy)",
}
PERCENT = ("test_error", "live_small_weights")
SAME_COST = 0.02  # a step that is dearer by less than this share costs the same to anybody who waits for it

Pick = str | Callable[[Results], str]
FIGURES = {
    "notebook": "this report, All cells",
    "regularizers": "reports/regularizers/report.md",
    "outliers": "reports/outliers/report.md",
}


@dataclass(frozen=True)
class Conclusion:
    """One conclusion: its claims, or `aside` where no number can decide it."""

    text: str
    claims: tuple[Claim, ...] = ()
    aside: str = ""


def at_best(axis: str) -> Callable[[Results], str]:
    """The cell of this axis with the lowest test cross-entropy."""
    return lambda run: best(run, cells_along(run, axis))


def _best_without_l2(run: Results) -> str:
    return best(run, [cell for cell in run.cells if "l2=" not in cell and "scaling=" not in cell])


def _best_both(run: Results) -> str:
    return best(run, [cell for cell in run.cells if "l1=" in cell and "l2=" in cell])


def _cell(run: Results, pick: Pick) -> str:
    return pick if isinstance(pick, str) else pick(run)


def differs(
    cell: Pick, reference: Pick, column: str, expected: int, where: str = "regularizers", counts: bool = True
) -> Claim:
    """`cell` minus `reference` in a column of members.csv, paired."""

    def measure(runs: Runs) -> Measured:
        run = runs.named(where)
        first, second = _cell(run, cell), _cell(run, reference)
        place = "notebook's setting: " if where == "notebook" else ""
        what = f"{place}{WORDS[column]}, `{first}` minus `{second}`"
        return Measured(what, *t_interval(paired(run, first, second, column)), percent=column in PERCENT)

    return Claim(measure, expected, FIGURES[where], counts)


def compared(cell: Pick, measure_name: str, expected: int) -> Claim:
    """`cell` minus the plain cell in comparisons.csv."""

    def measure(runs: Runs) -> Measured:
        run = runs.named("regularizers")
        name = _cell(run, cell)
        change = run.change(PLAIN, name, measure_name)
        if change is None:
            raise NotMeasured(f"a run that compares {name} with {PLAIN}")
        what = f"{WORDS[measure_name]}, `{name}` minus `{PLAIN}`"
        return Measured(what, change["difference"], change["low"], change["high"], change["p"])

    return Claim(measure, expected, FIGURES["regularizers"])


def sparsity_at_equal_strength(strength: str) -> Claim:
    return differs(f"l1={strength}", f"l2={strength}", "live_small_weights", 1)


def sparsity_at_equal_error(which: str) -> Claim:
    """Small weights of an L1 cell minus those of the L2 cell whose mean test error is nearest to its own.

    `which`: "best", the L1 cell of the lowest test cross-entropy, or "strongest", the strongest L1 that has an L2
    cell within half a point of test error.
    """

    def measure(runs: Runs) -> Measured:
        run = runs.named("regularizers")
        ones, twos = cells_along(run, "l1"), cells_along(run, "l2")
        if not (ones and twos):
            raise NotMeasured("a run with strengths of L1 and of L2")
        error = {cell: by_unit(run, cell, "test_error").mean() for cell in (*ones, *twos)}
        match = {one: min(twos, key=lambda two, e=error[one]: abs(error[two] - e)) for one in ones}  # type: ignore[misc]
        near = [one for one, two in match.items() if abs(error[one] - error[two]) <= 0.005]
        first = best(run, ones) if which == "best" else (near or [""])[-1]
        if first not in near:
            raise NotMeasured("strengths of L1 and L2 with test errors within half a point of each other")
        second = match[first]
        what = (
            f"{WORDS['live_small_weights']}, `{first}` minus `{second}`, the nearest in test error "
            f"({fixed(100 * error[first], 1)} and {fixed(100 * error[second], 1)} %)"
        )
        values = paired(run, first, second, "live_small_weights")
        return Measured(what, *t_interval(values), percent=True)

    return Claim(measure, 1, FIGURES["regularizers"])


def robustness(kind: str, share: str, column: str, counts: bool = True, ends: tuple[str, str] = ("l1", "l2")) -> Claim:
    """What noise in training costs one method beyond what it costs another, each at its best clean strength."""

    def measure(runs: Runs) -> Measured:
        run = runs.named("outliers")
        names = [axis if axis == PLAIN else best(run, cells_along(run, axis)) for axis in ends]
        noisy = [f"{kind}={share}" if name == PLAIN else f"{name},{kind}={share}" for name in names]
        rises = [paired(run, hard, clean, column) for hard, clean in zip(noisy, names, strict=True)]
        if rises[0].size != rises[1].size:
            raise NotMeasured("the same splits for all methods (a member diverged)")
        what = (
            f"rise of {WORDS[column]} with {kind.replace('_', ' ')} {share}: {fixed(_shown(rises[0], column), 2)} "
            f"at `{names[0]}`, {fixed(_shown(rises[1], column), 2)} at `{names[1]}`; difference"
        )
        return Measured(what, *t_interval(rises[0] - rises[1]), percent=column in PERCENT)

    return Claim(measure, -1, FIGURES["outliers"], counts)


def _shown(values: np.ndarray, column: str) -> float:
    return float(values.mean()) * (100 if column in PERCENT else 1)


def cost(dear: str, cheap: str, counts: bool = True) -> Claim:
    """The logarithm of the ratio of two times a step."""

    def measure(runs: Runs) -> Measured:
        if runs.cost is None:
            raise NotMeasured("python -m jaxreg.study --cost")
        table = runs.cost
        logs = np.log(table[dear].to_numpy() / table[cheap].to_numpy())
        mean, low, high, p = t_interval(logs)
        ratio, least, most = (float(np.expm1(x)) for x in (mean, low, high))
        what = f"time of a step, {dear} over {cheap} minus 1, in % ({len(table)} rounds in turn)"
        return Measured(what, ratio, least, most, p, margin=SAME_COST, percent=True)

    return Claim(measure, 1, "python -m jaxreg.study --cost", counts)


CE, VARIANCE = "test_cross_entropy", "variance_cross_entropy"
CONCLUSIONS = (
    Conclusion(
        "L1 makes more weights small than L2 does; L2 shrinks all of them.",
        (
            *map(sparsity_at_equal_strength, ("1e-5", "1e-4", "1e-3", "0.01")),
            sparsity_at_equal_error("best"),
            sparsity_at_equal_error("strongest"),
            differs(at_best("l2"), PLAIN, "weight_l2", -1),
            differs(at_best("l2"), PLAIN, "weight_l1", -1),
            differs("l1", "l2", "live_small_weights", 1, "notebook", counts=False),
        ),
    ),
    Conclusion(
        "Outliers hurt L1 less than L2.",
        tuple(
            robustness(kind, share, column, counts=share == "0.4", ends=ends)
            for kind in ("label_noise", "pixel_noise")
            for column in (CE, "test_error")
            for share, ends in (("0.4", ("l1", "l2")), ("0.2", ("l1", "l2")))
        )
        + tuple(
            robustness(kind, "0.4", "test_error", False, (axis, PLAIN))
            for kind in ("label_noise", "pixel_noise")
            for axis in ("l1", "l2")
        ),
    ),
    Conclusion(
        "A step with L2 is cheaper to compute than one with L1.",
        (cost("l1", "l2"), cost("l1", "none", counts=False), cost("l2", "none", counts=False)),
        "In jaxreg itself all three are one program, so they cost the same by construction.",
    ),
    Conclusion(
        "L1 pulls towards the median of the data, L2 towards the mean.",
        aside="Median and mean are what an absolute and a squared *loss* pull a prediction to. The penalties are "
        "functions of the weights and never see the data; the loss is cross-entropy in every run.",
    ),
    Conclusion(
        "Both penalties make weights smaller, models simpler and overfitting rarer.",
        tuple(
            claim
            for axis in ("l1", "l2")
            for claim in (
                differs(at_best(axis), PLAIN, "weight_l1", -1),
                differs(at_best(axis), PLAIN, "live_small_weights", 1),
                differs(at_best(axis), PLAIN, "gap", -1),
                compared(at_best(axis), VARIANCE, -1),
            )
        ),
    ),
    Conclusion(
        "Deeper networks have a lower loss and more variance.",
        (
            differs("depth=10", "depth=2", CE, -1),
            compared("depth=10", VARIANCE, 1),
            compared("depth=2", VARIANCE, -1),
            differs("depth=5", PLAIN, CE, -1, counts=False),
            differs("depth=10", "depth=2", "test_error", -1, counts=False),
            differs("depth=10", "depth=2", "gap", 1, counts=False),
            differs("depth_10", "depth_2", CE, -1, "notebook", counts=False),
        ),
        "Bias, variance and error of every depth: the row `depth` of the report's figures.",
    ),
    Conclusion(
        "Dividing the inputs by 255 lowers the loss; the variance stays high.",
        (
            differs(PLAIN, RAW, CE, -1),
            compared(RAW, VARIANCE, -1),
            differs(PLAIN, RAW, "gap", 1, counts=False),
            differs("simple_normalized", "simple", CE, -1, "notebook", counts=False),
        ),
        "The notebook's own run went on from trained weights, so there the scaling and 15 more epochs are one.",
    ),
    Conclusion(
        "Batch normalisation lowers the loss below the plain network's; the variance stays high.",
        (
            differs(BATCH_NORM, PLAIN, CE, -1),
            compared(BATCH_NORM, VARIANCE, 1),
            differs(BATCH_NORM, PLAIN, "test_error", -1, counts=False),
            differs("batch_norm", "simple", CE, -1, "notebook", counts=False),
        ),
    ),
    Conclusion(
        "Dropout raises the loss and lowers the variance.",
        (
            differs(DROPOUT, PLAIN, CE, 1),
            compared(DROPOUT, VARIANCE, -1),
            differs(at_best("dropout"), PLAIN, CE, 1, counts=False),
            differs("dropout", "simple", CE, 1, "notebook", counts=False),
        ),
    ),
    Conclusion(
        "Early stopping has a high loss, though lower than dropout's.",
        (
            differs(STOPPED, PLAIN, CE, 1),
            differs(STOPPED, DROPOUT, CE, -1),
            differs("early_stopping=3", PLAIN, CE, 1, counts=False),
            differs("early_stopping=3-best", PLAIN, CE, 1, counts=False),
            differs(STOPPED, PLAIN, "test_error", 1, counts=False),
            differs("early_stopping", "simple", CE, 1, "notebook", counts=False),
        ),
        "In the notebook nothing stopped: its run is the plain one again. Here a tenth of the training images is "
        "held back and the run stops (patience 1 is what Keras's default, 0, does).",
    ),
    Conclusion(
        "L1 has an even higher loss than dropout or early stopping, and overfits less.",
        (
            differs(L1, DROPOUT, CE, 1),
            differs(L1, STOPPED, CE, 1),
            differs(at_best("l1"), DROPOUT, CE, 1),
            differs(at_best("l1"), STOPPED, CE, 1),
            differs(L1, DROPOUT, "gap", -1),
            differs(L1, STOPPED, "gap", -1),
            differs("l1", "dropout", CE, 1, "notebook", counts=False),
        ),
        "The printed loss has the penalty in, so it could not be set beside the others; these have not.",
    ),
    Conclusion(
        "L2's loss is below L1's and its variance very low: L2 is the best choice against overfitting.",
        (
            differs(L2, L1, CE, -1),
            differs(at_best("l2"), at_best("l1"), CE, -1),
            compared(at_best("l2"), VARIANCE, -1),
            differs(at_best("l2"), _best_without_l2, CE, -1),
            differs("l2", "l1", CE, -1, "notebook", counts=False),
        ),
    ),
    Conclusion(
        "L1 and L2 together have a low variance and a bad loss.",
        (
            compared(BOTH, VARIANCE, -1),
            differs(BOTH, PLAIN, CE, 1),
            differs(_best_both, PLAIN, CE, 1),
            differs("l1_l2", "simple", CE, 1, "notebook", counts=False),
        ),
    ),
)
