"""By what models are scored, what is compared, what somebody may care about: what hangs on the kind of target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

PARTS = ("error", "bias", "variance", "variance_split", "variance_seed")
"""Of a loss; the first three are compared."""


class Measure(NamedTuple):
    """A number by which cells are compared; less is better."""

    loss: str
    part: str
    title: str  # of a column or a panel
    words: str = ""  # in a sentence
    points: bool = False  # a share of wrong answers: shown as accuracy, in points of a hundred

    @property
    def term(self) -> tuple[str, str]:
        """Which of `Measures.terms` it is."""
        return self.loss, self.part


class Purpose(NamedTuple):
    """What somebody cares about."""

    measure: str  # by which it is scored
    other: str  # in which it may have a price; the same where there is no other
    words: str


@dataclass(frozen=True, eq=False)
class Measures:
    """All measures of a kind of target."""

    task: str
    losses: tuple[str, ...]  # that are decomposed
    loss: str  # the one that chooses; members.csv has it as train_… and test_…
    score: str  # what members.csv has beside it, in the same way
    compared: Mapping[str, Measure]
    purposes: Mapping[str, Purpose]
    answered: tuple[str, ...]  # purposes, where none was asked for
    on_everything: tuple[str, ...]  # of `compared`: those of models on the whole training set
    tabled: tuple[str, ...]  # of `compared`: those that tables of the report have, in this order
    shown: tuple[str, ...]  # of `compared`: those of the first figure
    baseline: tuple[str, str] | None = None  # the term of who knows nothing of an example: R² is by how much less

    @cached_property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """Each part of each loss, and the baseline."""
        return (*((loss, part) for loss in self.losses for part in PARTS), *([self.baseline] if self.baseline else []))

    @cached_property
    def index(self) -> Mapping[tuple[str, str], int]:
        """The place of each of `terms`."""
        return {term: place for place, term in enumerate(self.terms)}

    @property
    def first(self) -> str:
        """Of `compared`: the error in `loss`."""
        return f"test_{self.loss}"

    @property
    def second(self) -> str:
        """Of `compared`: what stands beside it; the same where there is nothing else."""
        return self.purposes[self.answered[0]].other

    @property
    def of_classes(self) -> bool:
        """Whether what is predicted is a class, right or wrong."""
        return self.score == "accuracy"

    def of(self, loss: str, part: str) -> str | None:
        """The name of a term in `compared`."""
        return next((name for name, measure in self.compared.items() if measure.term == (loss, part)), None)


def honest(measure: str) -> str:
    """What choices.csv calls a measure where the cell was not chosen by it."""
    return measure.replace("test_", "honest_", 1)


CLASSES = Measures(
    task="classification",
    losses=("brier", "cross_entropy", "zero_one", "scaled_cross_entropy"),
    loss="cross_entropy",
    score="accuracy",
    compared={
        "test_cross_entropy": Measure("cross_entropy", "error", "Cross-entropy", "cross-entropy"),
        "test_error": Measure("zero_one", "error", "Accuracy, points", "accuracy", points=True),
        "test_brier": Measure("brier", "error", "Brier score", "Brier score"),
        "test_scaled_cross_entropy": Measure(
            "scaled_cross_entropy", "error", "temperature-scaled", "temperature-scaled cross-entropy"
        ),
        "bias_brier": Measure("brier", "bias", "Bias (Brier)"),
        "variance_brier": Measure("brier", "variance", "Variance (Brier)"),
        "bias_cross_entropy": Measure("cross_entropy", "bias", "Bias"),
        "variance_cross_entropy": Measure("cross_entropy", "variance", "Variance"),
        "bias_scaled_cross_entropy": Measure("scaled_cross_entropy", "bias", "Bias (temperature-scaled)"),
        "variance_scaled_cross_entropy": Measure("scaled_cross_entropy", "variance", "Variance (temperature-scaled)"),
    },
    purposes={
        "cross_entropy": Purpose("test_cross_entropy", "test_error", "probabilities"),
        "scaled_cross_entropy": Purpose(
            "test_scaled_cross_entropy", "test_error", "probabilities with temperature scaling"
        ),
        "brier": Purpose("test_brier", "test_error", "probabilities, by Brier score"),
        "accuracy": Purpose("test_error", "test_cross_entropy", "labels"),
    },
    answered=("cross_entropy", "accuracy", "scaled_cross_entropy"),
    on_everything=("test_cross_entropy", "test_scaled_cross_entropy", "test_brier", "test_error"),
    tabled=(
        "test_cross_entropy",
        "test_scaled_cross_entropy",
        "test_error",
        "bias_cross_entropy",
        "variance_cross_entropy",
        "test_brier",
        "bias_brier",
        "variance_brier",
    ),
    shown=("test_cross_entropy", "test_scaled_cross_entropy", "test_error"),
)
QUANTITIES = Measures(
    task="regression",
    losses=("squared_error", "absolute_error"),
    loss="squared_error",
    score="absolute_error",
    compared={
        "test_squared_error": Measure("squared_error", "error", "Squared error", "squared error"),
        "test_absolute_error": Measure("absolute_error", "error", "Absolute error", "absolute error"),
        "bias_squared_error": Measure("squared_error", "bias", "Bias"),
        "variance_squared_error": Measure("squared_error", "variance", "Variance"),
    },
    purposes={
        "rmse": Purpose("test_squared_error", "test_absolute_error", "the squared error (RMSE)"),
        "mae": Purpose("test_absolute_error", "test_squared_error", "the absolute error (MAE)"),
    },
    answered=("rmse", "mae"),
    on_everything=("test_squared_error", "test_absolute_error"),
    tabled=("test_squared_error", "test_absolute_error", "bias_squared_error", "variance_squared_error"),
    shown=("test_squared_error", "test_absolute_error"),
    baseline=("squared_error", "of_mean"),
)
VOTES = Measures(
    task="votes",
    losses=("zero_one",),
    loss="zero_one",
    score="accuracy",
    compared={"test_zero_one": Measure("zero_one", "error", "0-1 loss", "0-1 loss")},
    purposes={"accuracy": Purpose("test_zero_one", "test_zero_one", "labels")},
    answered=("accuracy",),
    on_everything=("test_zero_one",),
    tabled=("test_zero_one",),
    shown=("test_zero_one",),
)
"""Of predictions that are classes alone, without probabilities."""
OF_TASK: Mapping[str, Measures] = {one.task: one for one in (CLASSES, QUANTITIES, VOTES)}
MEASURES: Mapping[str, Measure] = {**CLASSES.compared, **QUANTITIES.compared, **VOTES.compared}
