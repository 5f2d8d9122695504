"""scikit-learn estimators whose `fit` is the whole of it: choose the strength, then train it on everything.

They need scikit-learn, which nothing else here does, and write nothing into the current folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from jaxreg.data.dataset import Dataset, Part, digest
from jaxreg.data.splits import held_out
from jaxreg.fitted import fit
from jaxreg.run import run
from jaxreg.saved_estimators import SavedToFile
from jaxreg.source import suited_to
from jaxreg.spec import second_stage
from jaxreg.spec.grid import value_of
from jaxreg.spec.load import load
from jaxreg.spec.sweep import Cell, Sweep

LEAST = 8  # rows of the rarest class with which there is something to choose by


class RegularizedMLPClassifier(SavedToFile, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
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
    report_ : str, the report in Markdown
    """

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

    def fit(self, X: Any, y: Any) -> RegularizedMLPClassifier:
        """Chooses and trains; `X` [row, feature] of numbers, `y` [row] of classes."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present.")
        if self.rule not in ("lowest", "sure"):
            raise ValueError(f"rule must be 'lowest' or 'sure', got {self.rule!r}.")
        self._mean, spread = X.mean(0), X.std(0)
        self._spread = np.where(spread > 0, spread, 1.0)
        x, codes = self._seen(X), codes.astype(np.int32)
        seed = 0 if self.random_state is None else int(self.random_state)
        if np.bincount(codes).min() >= LEAST:
            sweep, cell = self._chosen(x, codes, seed)
        else:
            everything = self._dataset(x, codes, np.arange(len(x)))
            sweep = self._sweep(everything, seed)
            cell = sweep.cells[0]
            self.cv_results_: dict[str, Any] = {"params": [], "mean_test_score": np.zeros(0)}
            self.report_ = f"A class has fewer than {LEAST} rows: nothing was chosen."
        swept = [axis for term in self.grid.split(",") for axis in term.split("*")]
        self.best_params_ = {axis: value_of(cell.settings, axis) for axis in swept}
        self.fitted_ = fit(sweep, self._dataset(x, codes, np.arange(len(x))), cell, self.ensemble)
        return self

    def _chosen(self, x: np.ndarray, codes: np.ndarray, seed: int) -> tuple[Sweep, Cell]:
        scores = held_out(codes, 0.25, seed)
        data = self._dataset(x, codes, scores)
        sweep = self._sweep(data, seed)
        with tempfile.TemporaryDirectory() as folder:
            found = run(sweep, dataset=data, out=Path(folder) / "run")
            table, self.report_ = found.table("whole"), found.report
            best = found.best if self.rule == "sure" else None
        rows = table[table["measure"] == "test_cross_entropy"]
        cells = {one.name: one for one in sweep.cells} | second_stage.every(sweep)
        self.cv_results_ = {
            "params": [cells[name].settings.given() for name in rows["cell"]],
            "cell": rows["cell"].to_numpy(str),
            "mean_test_score": -rows["mean"].to_numpy(),
        }
        beside = [one.name for one in second_stage.beside(sweep, sweep.cells[0].name)]
        strengths = rows[~rows["cell"].isin(beside)]
        return sweep, cells[best or str(strengths.sort_values("mean", kind="stable")["cell"].iloc[0])]

    def _sweep(self, data: Dataset, seed: int) -> Sweep:
        flags = {"grid": self.grid, "seed": seed, "second_stage": self.seeds, **(self.settings or {})}
        if data.train.targets.size and np.bincount(data.train.targets).min() < 2:
            flags |= {"splits": 1, "second_stage": 0}
        first = load(flags=flags)
        return load(flags=flags, usual=suited_to(data, first.splits, first.axes))

    def _dataset(self, x: np.ndarray, codes: np.ndarray, scores: np.ndarray) -> Dataset:
        """These rows score and the others train; all of them train where all score."""
        rest = np.setdiff1d(np.arange(len(x)), scores)
        rest = rest if rest.size else scores
        parts = Part(x[rest], codes[rest]), Part(x[scores], codes[scores])
        names = tuple(map(str, range(len(self.classes_))))
        return Dataset("X", *parts, names, None, digest(*parts), None, "rows", "features")

    def _seen(self, X: np.ndarray) -> np.ndarray:
        return ((X - self._mean) / self._spread).astype(np.float32)

    def predict_proba(self, X: Any) -> np.ndarray:
        """[row, class] in the order of `classes_`."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.fitted_.predict_proba(self._seen(X)))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(1)])
