"""scikit-learn estimators whose `fit` is the whole of it: choose the strength, then train it on everything.

They need scikit-learn, which nothing else here does, and write nothing into the current folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from jaxreg.data.dataset import Dataset, Part, Quantities, digest
from jaxreg.data.splits import held_out
from jaxreg.estimators_report import RULES, call, report_of
from jaxreg.fitted import fit
from jaxreg.run import run
from jaxreg.saved_estimators import SavedToFile
from jaxreg.source import suited_to
from jaxreg.spec import second_stage
from jaxreg.spec.grid import value_of
from jaxreg.spec.load import load
from jaxreg.spec.sweep import Cell, Sweep

LEAST = 8  # rows of the rarest class with which there is something to choose by
LEAST_ROWS = 20  # the same of a quantity


class _RegularizedMLP(SavedToFile, BaseEstimator):  # type: ignore[misc]
    """What both estimators have in common: parameters, and how a strength is chosen."""

    def __init__(  # anything is taken here, and looked at in `fit`, as scikit-learn wants it
        self,
        grid: Any = "l2",
        settings: Any = None,
        rule: Any = "lowest",
        seeds: Any = 1,
        ensemble: Any = 3,
        random_state: Any = 0,
    ):
        self.grid = grid
        self.settings = settings
        self.rule = rule
        self.seeds = seeds
        self.ensemble = ensemble
        self.random_state = random_state

    def _fit(self, X: np.ndarray, targets: np.ndarray, enough: bool, too_few: str) -> None:
        """Chooses, where there are `enough` rows to, and trains on all; `targets` [row] as `_dataset` takes them."""
        if self.rule not in RULES:
            raise ValueError(f"rule must be 'lowest' or 'sure', got {self.rule!r}.")
        self._mean, spread = X.mean(0), X.std(0)
        self._spread = np.where(spread > 0, spread, 1.0)
        x, everything = self._seen(X), np.arange(len(X))
        seed = 0 if self.random_state is None else int(self.random_state)
        if enough:
            sweep, cell = self._chosen(x, targets, seed)
        else:
            sweep = self._sweep(self._dataset(x, targets, everything), seed)
            cell = sweep.cells[0]
            self.cv_results_: dict[str, Any] = {"params": [], "mean_test_score": np.zeros(0)}
            self.report_ = f"{too_few}: nothing was chosen."
        self.best_params_ = {axis: value_of(cell.settings, axis) for axis in sweep.axes}
        self.fitted_ = fit(sweep, self._dataset(x, targets, everything), cell, self.ensemble)

    def _chosen(self, x: np.ndarray, targets: np.ndarray, seed: int) -> tuple[Sweep, Cell]:
        scores = held_out(self._strata(targets), 0.25, seed)
        data = self._dataset(x, targets, scores)
        sweep = self._sweep(data, seed)
        with tempfile.TemporaryDirectory() as folder:
            found = run(sweep, dataset=data, out=Path(folder) / "run", command=call(self))
            table, report = found.table("whole"), found.report
            best = found.best if self.rule == "sure" else None
        rows = table[table["measure"] == data.measures.first]
        cells = {one.name: one for one in sweep.cells} | second_stage.every(sweep)
        self.cv_results_ = {
            "params": [cells[name].settings.given() for name in rows["cell"]],
            "cell": rows["cell"].to_numpy(str),
            "mean_test_score": -rows["mean"].to_numpy(),
        }
        beside = [one.name for one in second_stage.beside(sweep, sweep.cells[0].name)]
        strengths = rows[~rows["cell"].isin(beside)]
        cell = cells[best or str(strengths.sort_values("mean", kind="stable")["cell"].iloc[0])]
        self.report_ = report_of(cell.name, self.rule, data.measures, report)
        return sweep, cell

    def _sweep(self, data: Dataset, seed: int) -> Sweep:
        flags = {"grid": self.grid, "seed": seed, "second_stage": self.seeds, **(self.settings or {})}
        if np.bincount(data.strata).min() < 2:
            flags |= {"splits": 1, "second_stage": 0}
        first = load(flags=flags)
        return load(flags=flags, usual=suited_to(data, first.splits, first.axes))

    def _strata(self, targets: np.ndarray) -> np.ndarray:
        """What both parts should have their share of."""
        raise NotImplementedError

    def _dataset(self, x: np.ndarray, targets: np.ndarray, scores: np.ndarray) -> Dataset:
        """The rows `scores` score and the others train; all of them train where all score."""
        raise NotImplementedError

    def _seen(self, X: np.ndarray) -> np.ndarray:
        return ((X - self._mean) / self._spread).astype(np.float32)

    def _rows(self, X: Any) -> np.ndarray:
        """Rows to predict, as the networks take them."""
        check_is_fitted(self)
        return self._seen(_checked(self, X, reset=False))


def _checked(estimator: Any, X: Any, *y: Any, **how: Any) -> Any:
    """scikit-learn's `validate_data`; where `X` has texts, with what to type in what it says."""
    try:
        return validate_data(estimator, X, *y, dtype=np.float64, **how)
    except ValueError as error:
        if "could not convert string to float" not in str(error) or not (texts := _texts(X)):
            raise
        encoder = 'OneHotEncoder(handle_unknown="ignore", sparse_output=False)'
        columns = f'make_column_transformer(({encoder}, {texts}), remainder="passthrough")'
        raise ValueError(
            f"{error}. X has texts, and takes numbers. Encode them first: make_pipeline({columns}, "
            f"{type(estimator).__name__}()). Or give the table to jaxreg.run(data=…), which encodes by itself."
        ) from None


def _texts(X: Any) -> list[Any]:
    """Columns of a table, or of an array, that have some."""
    if np.ndim(X) != 2:
        return []
    table = (X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))).astype(object)
    return [name for name in table if (pd.to_numeric(table[name], errors="coerce").isna() & table[name].notna()).any()]


def _parts(x: np.ndarray, targets: np.ndarray, scores: np.ndarray) -> tuple[Part, Part]:
    rest = np.setdiff1d(np.arange(len(x)), scores)
    rest = rest if rest.size else scores
    return Part(x[rest], targets[rest]), Part(x[scores], targets[scores])


class RegularizedMLPClassifier(ClassifierMixin, _RegularizedMLP):  # type: ignore[misc]
    """A multilayer perceptron that chooses how strongly it is regularised.

    `fit` trains every strength on disjoint parts of three quarters of the rows, then the reference and the best of each
    axis on all of these, takes the setting with the lowest cross-entropy on the last quarter, and trains it anew on all
    rows, from `ensemble` seeds, whose probabilities are averaged. Inputs are standardised.

    Parameters
    ----------
    grid : str
        Axes to choose along, as in `jaxreg.run`: "l2", "l1,l2", "l2*dropout".
    settings : dict or None
        Any other setting of a sweep, such as {"hidden": [64], "epochs": 20, "l2": [0, 1e-3]}; what is left out follows
        from the number of rows.
    rule : {"lowest", "sure"}
        "lowest": the setting of the lowest mean; "sure": what the report would recommend, which is no regularisation
        unless something is significantly better.
    seeds : int
        Of each candidate on all of the three quarters.
    ensemble : int
        Networks of the final model.
    random_state : int
        Of splits, first weights and the order of batches.

    Attributes
    ----------
    classes_ : array of the classes
    best_params_ : dict, the values of the axes that were chosen
    cv_results_ : dict of arrays, for each candidate its settings, its name and its score (minus cross-entropy)
    report_ : str, what was taken by which rule, and the report in Markdown
    """

    def fit(self, X: Any, y: Any) -> RegularizedMLPClassifier:
        """Chooses and trains; `X` [row, feature] of numbers, `y` [row] of classes."""
        X, y = _checked(self, X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present.")
        enough = bool(np.bincount(codes).min() >= LEAST)
        self._fit(X, codes.astype(np.int32), enough, f"A class has fewer than {LEAST} rows")
        return self

    def _strata(self, targets: np.ndarray) -> np.ndarray:
        return targets

    def _dataset(self, x: np.ndarray, targets: np.ndarray, scores: np.ndarray) -> Dataset:
        parts, names = _parts(x, targets, scores), tuple(map(str, range(len(self.classes_))))
        return Dataset("X", *parts, names, None, digest(*parts), None, "rows", "features")

    def predict_proba(self, X: Any) -> np.ndarray:
        """[row, class] in the order of `classes_`."""
        rows = self._rows(X)
        return np.asarray(self.fitted_.predict_proba(rows))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row."""
        made = self.predict_proba(X)
        return np.asarray(self.classes_[made.argmax(1)])


class RegularizedMLPRegressor(RegressorMixin, _RegularizedMLP):  # type: ignore[misc]
    """A multilayer perceptron for a quantity that chooses how strongly it is regularised.

    As `RegularizedMLPClassifier`, with the same parameters: the setting is chosen by the squared error on a quarter of
    the rows, and the predictions of the final networks are averaged. The quantity is standardised for training, and
    predicted in its own units.

    Attributes
    ----------
    best_params_ : dict, the values of the axes that were chosen
    cv_results_ : dict of arrays, for each candidate its settings, its name and its score (minus squared error)
    report_ : str, what was taken by which rule, and the report in Markdown
    """

    def fit(self, X: Any, y: Any) -> RegularizedMLPRegressor:
        """Chooses and trains; `X` [row, feature] and `y` [row] of numbers."""
        X, y = _checked(self, X, y, y_numeric=True)
        y = y.astype(np.float64)
        self._fit(X, y, len(y) >= LEAST_ROWS and bool(y.std() > 0), f"Fewer than {LEAST_ROWS} rows, or one value")
        return self

    def _strata(self, targets: np.ndarray) -> np.ndarray:
        return np.zeros(len(targets), np.int32)

    def _dataset(self, x: np.ndarray, targets: np.ndarray, scores: np.ndarray) -> Dataset:
        rest = np.setdiff1d(np.arange(len(x)), scores)
        train = targets[rest] if rest.size else targets
        mean, spread = float(train.mean()), float(train.std()) or 1.0
        parts = _parts(x, ((targets - mean) / spread).astype(np.float32)[:, None], scores)
        quantities = Quantities(("y",), (mean,), (spread,))
        made = Dataset("X", *parts, (), None, digest(*parts), None, "rows", "features")
        return made._replace(quantities=quantities)

    def predict(self, X: Any) -> np.ndarray:
        """[row], in the units of `y`."""
        rows = self._rows(X)
        return np.asarray(self.fitted_.predict(rows))
