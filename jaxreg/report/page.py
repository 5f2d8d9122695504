"""The page: report.md with its figures, and report.html, from the files of a run.

Needs neither JAX nor the predictions. The text of both is in templates/report.md.j2, its sentences come from
`findings` and `caveats`, its tables from `tables`, its pictures from `figures`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from jaxreg.axes import AXES, present, varies_network
from jaxreg.errors import UserError
from jaxreg.files import write_bytes, write_text
from jaxreg.formatting import count, listing, value_text
from jaxreg.measures import MEASURES
from jaxreg.reading import read as read_bytes
from jaxreg.report import advice, answer, elsewhere, figures, findings, folds, looks, quantities, replication, tables
from jaxreg.report.caveats import LOOKED_FOR, LOOKED_FOR_ELSEWHERE, caveats
from jaxreg.report.data_size import more_data
from jaxreg.report.html import Page
from jaxreg.report.layout import Layout, arrange
from jaxreg.report.markdown import FILTERS, code, text
from jaxreg.report.meaning import reading
from jaxreg.report.parts import Picture
from jaxreg.store.results import Results, read

MOST_STUDY = 1_000_000  # bytes


def write(path: str | Path, purpose: str | None = None) -> Path:
    """Write report.html, report.md and figures/*.png into a run folder, each atomically; return report.md's path.

    `purpose` is what counts, which the page then answers alone; by default what the run was asked for, or everything.

    Raises `UserError` where a file of the run is missing or can't be read, or the folder can't be written.
    """
    results = read(path, for_report=True)
    if purpose is not None:
        results = replace(results, record={**results.record, "purpose": purpose})
    for name in ("report.md", "report.html", "figures"):
        if (results.path / name).is_symlink():
            raise UserError(f"{results.path / name} is a link, and a report is written into its own folder. Remove it.")
    layout = arrange(results)
    pictures = figures.draw(results, layout)
    said = content(results, layout, pictures)
    pages = {"report.html": Page().html(partial(render, said)), "report.md": render(said, FILTERS)}
    try:
        (results.path / "figures").mkdir(exist_ok=True)
        for picture in (picture for part in pictures.values() for picture in part):
            write_bytes(results.path / "figures" / f"{picture.name}.png", picture.png)
        return [write_text(results.path / name, page) for name, page in pages.items()][-1]
    except OSError as error:
        raise UserError(f"{results.path} can't be written: {error.strerror}. Copy it to where you may write.") from None


def headline(path: str | Path) -> str:
    """The decision without markup, for a terminal. Raises `UserError` like `write`."""
    results = read(path, for_report=True)
    return _plain(answer.answer(results, arrange(results))[0])


def warnings(path: str | Path) -> list[str]:
    """What is so wrong with predictions of others that nothing else on their page may hold, without markup."""
    return [_plain(sentence) for sentence in elsewhere.another_order(read(path))]


def _plain(sentence: str) -> str:
    return sentence.replace("**", "").replace("`", "")


def render(said: Mapping[str, Any], filters: Mapping[str, Callable[..., str]]) -> str:
    """The page in Markdown, its tables and figures as `filters` write them: as Markdown, or as what stands for them."""
    environment = Environment(
        loader=PackageLoader("jaxreg.report"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {"code": code, **filters}
    return environment.get_template("report.md.j2").render(said)


def content(results: Results, layout: Layout, pictures: dict[str, list[Picture]]) -> dict[str, Any]:
    """What the page says, by the names that its template has for it."""
    references = dict.fromkeys(results.comparisons["reference"].dropna())
    threshold = results.record.get("small_weight_threshold")
    return dict(
        title=text(results.sweep.get("name") or results.path.resolve().name),
        subtitle=subtitle(results),
        measured="error by cross-validation" if results.folded else "bias, variance and error",
        parts="Error" if results.folded else "Bias and variance",
        answer=answer.answer(results, layout),
        uses=answer.table(results, layout),
        changed=findings.changed(results, layout),
        changes=tables.changes_of_chosen(results, layout),
        whole=tables.whole(results, layout),
        scaling=advice.why_both(results, layout),
        base=code(layout.base),
        loss=MEASURES[results.measures.first].words,
        balanced="class-balanced " if results.measures.of_classes else "",
        score="Accuracy" if results.measures.of_classes else "R²",
        caveats=caveats(results, layout),
        study=study(results.path),
        looked_for=LOOKED_FOR_ELSEWHERE if results.elsewhere else LOOKED_FOR,
        elsewhere=results.elsewhere,
        paired=f"{'fold' if results.folded else 'split'}, seed and {folds.scored(results).removesuffix('s')}",
        examples=results.examples_are,
        scored=folds.scored(results),
        cross_validated=results.folded,
        pictures=pictures,
        reading=reading(results),
        wrong_labels=findings.wrong_labels(results, layout),
        more_data=more_data(results),
        quantities=quantities.tables(results, layout),
        choices=tables.choices(results),
        sparsity=findings.sparsity(results, layout),
        turned=findings.turned(results, layout),
        comparisons=[(cell, table) for cell in references if (table := tables.comparisons(results, cell))],
        cells=tables.cells(results),
        small=f"Small weights: below {value_text(threshold)} in size. " if threshold else "",
        looks=looks.table(results),
        power=tables.power(results),
        power_is=replication.detectable(results),
        outlook=replication.outlook(results),
        made=made(results),
        sweep=json.dumps(results.sweep, indent=2),
        again=code(f"python -m jaxreg.report {path_to_type(results.path)}"),
    )


def study(folder: Path) -> str:
    """What `python -m jaxreg.study` left in the folder, to be taken in; empty where it left nothing."""
    file = folder / "study.md"
    try:
        return read_bytes(file, MOST_STUDY).decode("utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} can't be read ({getattr(error, 'strerror', error)}). Remove it.") from None


def path_to_type(path: Path) -> str:
    """The folder as somebody in a clone would type it, or its last two parts."""
    path = path.resolve()
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return "/".join(path.parts[-2:])


def subtitle(results: Results) -> str:
    """What was trained, in one line."""
    members = results.members
    parts = [count(len(results.cells), "cell")]
    on_splits = members[members["split"] != "all"]
    if len(on_splits):
        deals = results.deals
        most = "up to " if len(results.looks) > 1 else ""
        parts += [f"{most}{count(deals, 'deal')}"] if deals > 1 else []
        parts += [
            count(on_splits["split"].nunique() // deals, "fold" if results.folded else "split"),
            count(on_splits["seed"].nunique(), "seed"),
        ]
    said = " \u00d7 ".join(parts) + f": {count(len(members), results.model_is)}"
    if "architecture" in members and members["architecture"].nunique() == 1:
        said += f" {text(members['architecture'].iloc[0])}"
    for axis in filter(varies_network, present(members) if results.sweep.get("grid") else ()):
        names = [text(value_text(name)) for name in members[axis].unique().tolist()]
        what = "" if axis == "network" else f"{text(AXES[axis].short)} "
        said += f" ({what}{listing(names)}; {names[0]} where a cell names none)" if len(names) > 1 else ""
    if "trained_on" in members and members["trained_on"].notna().any():
        sizes = [f"{int(size):,}" for size in sorted(members["trained_on"].unique())]
        name = None if results.elsewhere else (results.record.get("data") or {}).get("name")
        said += f", trained on {listing(sizes)} {results.examples_are}{f' of {text(name)}' if name else ''}"
    if "epochs" in members and members["epochs"].nunique() == 1:
        epochs = count(int(members["epochs"].iloc[0]), "epoch")
        several = "train_examples" in members and members["train_examples"].nunique() > 1
        said += f" for the steps of {epochs} on a whole split" if several else f" for {epochs}"
    if len(results.second_stage):
        more = results.second_stage
        on = f" {int(more['trained_on'].max()):,}" if "trained_on" in more and more["trained_on"].notna().any() else ""
        said += f"; then {count(len(more), results.model_is)} on all{on} {results.examples_are}"
    return f"{said}; {folds.networks(results) if results.folded else f'every test {results.example_is} is scored.'}"


def made(results: Results) -> list[tuple[str, str]]:
    """How the run was made, from run.json; what it does not say is left out."""
    record = results.record
    data, versions = record.get("data") or {}, record.get("versions") or {}
    spent = {"run": "in all", "train": "training", "compile": "compiling", "report": "analysing"}
    hours = [
        f"{words} {float(record[key]):,.1f} s" for name, words in spent.items() if (key := f"{name}_seconds") in record
    ]
    compiled = [count(int(record[f"{noun}s"]), noun) for noun in ("program", "trace") if f"{noun}s" in record]
    machine = [text(record[key]) for key in ("device", "platform") if key in record]
    machine += [count(int(record[f"{noun}s"]), noun) for noun in ("device", "core") if f"{noun}s" in record]
    machine += [f"matrix precision {text(record['precision'])}"] if "precision" in record else []
    entries = {
        "command": code(record["command"]) if "command" in record else "",
        "when": " to ".join(text(record[key]) for key in ("started", "finished") if key in record),
        "time": ", ".join(hours),
        "compiled": ", ".join(compiled),
        "machine": ", ".join(machine),
        "versions": ", ".join(f"{text(name)} {text(version)}" for name, version in versions.items()),
        "data": f"{text(data.get('name', results.examples_are))}, SHA-256 {code(data['digest'])}"
        if "digest" in data
        else "",
        "network": "; ".join(map(_network, networks)) if isinstance(networks := record.get("networks"), list) else "",
        "read as": "; ".join(map(text, data.get("notes", ()))),
    }
    return [(name, entry) for name, entry in entries.items() if entry]


def _network(about: Any) -> str:
    """Of somebody's own network, what penalties act on."""
    if not isinstance(about, dict) or not isinstance(about.get("penalised"), list):
        return ""
    paths = listing([code(str(path)) for path in about["penalised"][:20]]) or "nothing"
    return f"{text(str(about.get('name')))}, {about.get('parameters', 0):,} parameters; penalised: {paths}"
