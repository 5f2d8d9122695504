"""What a sweep consists of: cells, and how often each is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import Field

from jaxreg.axes import AXES, STRENGTHS, unregularised
from jaxreg.formatting import bare, spelled
from jaxreg.spec.checked import Checked
from jaxreg.spec.grid import value_of
from jaxreg.spec.limits import MOST_LOOKS, whole
from jaxreg.spec.rules import Count, CountFromZero, Rate
from jaxreg.spec.settings import Settings

NAME = "a name of letters, digits and . + = , - _, such as l1-strong"
Name = Annotated[str, Field(strict=True, pattern=r"^\w[\w.+=,-]*$", description=NAME)]
ColumnName = Annotated[str | None, Field(strict=True, description="the name of a column, as text")]
FileName = Annotated[str | None, Field(strict=True, description="the path of a file or folder, as text")]


ProgramName = Annotated[str, Field(strict=True, pattern=r"^([\w.]+:)?\w[\w.+-]*@\w+$")]


class Cell(Checked):
    """All members that differ only in split and seed."""

    name: Name
    settings: Settings
    after: Name | None = Field(default=None, description=NAME)  # starts from its final weights: same split and seed


class Run(Settings):
    """A [[run]] table, on top of the recipe. Without a name it is called after its settings."""

    name: Name | None = Field(default=None, description=NAME)
    after: Name | None = Field(default=None, description=NAME)


class SweepFile(Checked):
    """What a sweep file may hold."""

    name: Name = "sweep"
    seed: Annotated[CountFromZero, Field(lt=2**32, description="a whole number from 0 to 4294967295")] = 0
    design: Literal["parts", "folds", "holdout"] | None = Field(
        default=None, description='"parts", "folds" or "holdout"'
    )  # disjoint parts, cross-validation, or all of the training rows in each; by default as the number of rows is
    splits: Count = 5  # disjoint parts, or folds
    deals: Count = 1  # how often the same images are dealt into that many splits
    seeds: Count = 1
    # Looks at most, with a further deal (of one split: with further seeds) before each.
    settle: Annotated[CountFromZero, Field(le=MOST_LOOKS, description=whole(0, MOST_LOOKS))] = 0
    full_seeds: CountFromZero = 0  # members that each cell trains besides, on the whole training set
    second_stage: CountFromZero = 0  # seeds, on the whole training set, of what was best on the splits
    curve_images: Count = 2000  # test images behind a point of a learning curve; the end is measured on all
    data: FileName = None
    test: FileName = None
    label: ColumnName = None  # what is to be predicted; several quantities with commas between them
    task: Literal["classification", "regression"] | None = Field(
        default=None, description='"classification" or "regression"'
    )  # by default as the label looks
    group: ColumnName = None  # rows with the same value stay on one side of every split
    drop: tuple[Annotated[str, Field(strict=True)], ...] = Field(default=(), description="a list of columns")
    # Share of the rows that score, where there is no test table.
    holdout: Annotated[Rate, Field(gt=0, description="a share above 0 and below 1")] = 0.25
    grid: str | None = Field(default=None, strict=True, description='axes, such as "l1,l2" or "l1*l2"')
    recipe: Settings = Field(default=Settings(), description="a table")
    axes: dict[str, Any] = Field(default={}, description="a table of lists, such as l1 = [0, 1e-5]")
    run: tuple[dict[str, Any], ...] = Field(default=(), description="a list of tables, each headed [[run]]")
    # What somebody's own network is with these fields: "CNN(width=16)" is "CNN@7f…". Written by runs, for later ones.
    programs: dict[str, ProgramName] = Field(default={}, description="a table of programs, as run.json has them")


class Sweep(SweepFile):
    """A whole sweep, checked and resolved into cells. Made by `load` or `read`."""

    cells: tuple[Cell, ...]

    @property
    def folded(self) -> bool:
        """Whether it is a cross-validation, of `splits` folds."""
        return self.design == "folds"

    @property
    def left_out(self) -> tuple[tuple[int, ...], ...]:
        """The folds that each member of a deal does not see, for nested cross-validation: one of them, or two."""
        if not self.folded:
            return ((),) * self.splits
        return *((fold,) for fold in range(self.splits)), *combinations(range(self.splits), 2)

    def shuffled(self, split: int | Literal["all"]) -> bool:
        """Whether the rows of a split are in random order, as those of parts. All rows, or folds, keep the file's."""
        return split != "all" and self.splits > 1 and not self.folded

    @property
    def most_deals(self) -> int:
        """Deals that there may be, once all looks are made."""
        return self.settle if self.settle and self.splits > 1 else self.deals

    @property
    def most_seeds(self) -> int:
        """Seeds that there may be on each split, once all looks are made."""
        return self.settle * self.seeds if self.settle and self.splits == 1 else self.seeds

    @property
    def warnings(self) -> tuple[str, ...]:
        """What runs all the same, but may not be what was meant."""
        return tuple(_warnings(self))

    def resolved(self) -> dict[str, Any]:
        """Everything that decides it, as plain values for JSON; `read` gives the same sweep back."""
        return self.model_dump(mode="json", exclude={"cells"})

    def to_toml(self) -> str:
        """The sweep file that gives this sweep."""
        tables = self.resolved()
        parts = {"": {key: tables[key] for key in tables if key not in ("recipe", "axes", "run")}}
        parts |= {"[recipe]": tables["recipe"], "[axes]": tables["axes"]}
        sections = [*parts.items(), *(("[[run]]", run) for run in tables["run"])]
        texts = []
        for header, table in sections:
            lines = [f"{bare(key)} = {spelled(value)}" for key, value in table.items() if value is not None]
            texts.append("\n".join([header, *lines] if header else lines))
        return "\n\n".join(texts) + "\n"

    def differences(self, other: Sweep) -> list[str]:
        """A line for each thing by which this sweep can't go on from another one's results.

        More or fewer seeds, members on everything, deals, cells, axes, values and epochs are no obstacle: members that
        both have are the same ones. Nor are names and paths.
        """
        here, there = _fixed(self), _fixed(other)
        mine, theirs = ({cell.name: cell for cell in sweep.cells} for sweep in (self, other))
        changed = {key: (there[key], here[key]) for key in here if there[key] != here[key]}
        for name in [name for name in mine if name in theirs] if not changed else []:
            a, b = mine[name], theirs[name]
            was, now = b.settings.given(), a.settings.given()
            differing = [key for key in now if key != "epochs" and was[key] != now[key]]
            changed |= {f"{name}: {key}": (spelled(was[key]), spelled(now[key])) for key in differing}
            if a.after != b.after:
                changed[f"{name}: after"] = (spelled(b.after or "nothing"), spelled(a.after or "nothing"))
        return [f"{key}: {was} there, {now} here" for key, (was, now) in changed.items()]


def spelled_path(path: str) -> str:
    """How a sweep file spells a key: "recipe.epochs" is "[recipe] epochs"."""
    table, _, key = path.partition(".")
    if table == "run":
        number, _, key = key.partition(".")
        return f"[[run]] {f'number {number} ' if number else ''}{key}".strip()
    return f"[{table}] {key}".strip() if table in ("recipe", "axes") else path or "the sweep"


def _warnings(sweep: Sweep) -> Iterator[str]:
    if sweep.splits * sweep.seeds == 1:
        yield (
            "1 split and 1 seed: each cell is a single model, so its variance is undefined and not reported. "
            "--splits 5 would give it."
        )
    points = [{axis: value_of(cell.settings, axis) for axis in AXES} for cell in sweep.cells]
    if not any(map(unregularised, points)):
        yield "no cell is unregularised, so there is none to compare with. Add 0 to the values of the axes."
    terms = [term.split("*") for term in (sweep.grid or "").split(",")]
    apart = [axis for term in terms for axis in STRENGTHS if axis in term and "train_examples" not in term]
    if ["train_examples"] in terms and apart:
        yield (
            "train_examples is swept by itself. How the best strength moves with it, the report says where both are "
            f"crossed, as in --grid '{apart[0]}*train_examples'."
        )
    rules = [(cell.name, cell.settings.early_stopping) for cell in sweep.cells]
    blind = [name for name, rule in rules if rule is not None and rule.watches_nothing]
    if blind:
        yield (
            f"{', '.join(blind)}: early stopping has nothing to monitor, since validation_share is 0, so it "
            "stops nothing and all epochs run. validation_share = 0.1 would give it validation data."
        )


def _fixed(sweep: Sweep) -> dict[str, str]:
    """What no larger sweep may have otherwise, as a sweep file spells it."""
    tables = sweep.resolved()
    fixed = {key: spelled(tables[key]) for key in ("seed", "splits", "curve_images")}
    fixed |= {"design": spelled("folds" if sweep.folded else "parts")}
    recipe = {spelled_path(f"recipe.{key}"): spelled(value) for key, value in tables["recipe"].items()}
    return fixed | {key: text for key, text in recipe.items() if key != spelled_path("recipe.epochs")}
