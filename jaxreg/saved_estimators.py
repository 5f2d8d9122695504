"""Estimators to a file and back: their networks, what they chose, and how they standardise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg import saved
from jaxreg.data.encoding import Column, Encoding
from jaxreg.errors import UserError
from jaxreg.exports import network_files
from jaxreg.fitted import Fitted

ATTRIBUTES = ("best_params_", "report_", "n_features_in_")
STANDARDISING = ("_mean", "_spread")


class SavedToFile:
    """What an estimator that is fitted can do besides."""

    def save(self, path: str | Path) -> Path:
        """Writes the fitted estimator to a .safetensors file, without pickle; `jaxreg.load` gives it back.

        Raises:
            UserError: it is not fitted, its classes or parameters are no plain values, or the file can't be written.
        """
        mine: dict[str, Any] = vars(self)
        if "fitted_" not in mine:
            raise UserError("save: the estimator is not fitted yet. Call fit first.")
        classes, results = mine.get("classes_"), mine["cv_results_"]
        about = {
            "class": type(self).__name__,
            "parameters": self.get_params(deep=False),  # type: ignore[attr-defined]
            "classes": None if classes is None else _values(classes, Path(path)),
            "columns": list(mine["feature_names_in_"]) if "feature_names_in_" in mine else None,
            "results": {name: np.asarray(column).tolist() for name, column in results.items()},
        } | {name: mine[name] for name in ATTRIBUTES}
        fitted: Fitted = mine["fitted_"]
        arrays = {f"estimator/{name}": mine[name] for name in STANDARDISING}
        return saved.write(Path(path), fitted.parts, fitted.probe, about, arrays)

    def export(self, path: str | Path) -> Path:
        """Writes it for others, as `jaxreg.fitted.Fitted.export` does, standardisation and names of classes included.

        Raises:
            UserError: it is not fitted, the format can't have it, or the file can't be written.
        """
        mine: dict[str, Any] = vars(self)
        if "fitted_" not in mine:
            raise UserError("export: the estimator is not fitted yet. Call fit first.")
        names = mine.get("feature_names_in_", [f"x{place}" for place in range(mine["n_features_in_"])])
        columns = map(Column, map(str, names), mine["_mean"].tolist(), mine["_spread"].tolist())
        parts = mine["fitted_"].parts._replace(
            encoding=Encoding(tuple(columns)), class_names=tuple(map(str, mine.get("classes_", ())))
        )
        return network_files.write(Path(path), parts)


def restored(
    kinds: Sequence[Any], fitted: Fitted, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray], path: Path
) -> Any:
    """The estimator that was saved, of one of these classes, around its networks.

    Raises:
        UserError: it is of another class, or what is said of it makes no sense.
    """
    kind = {one.__name__: one for one in kinds}.get(str(about.get("class")))
    if kind is None:
        raise UserError(f"{path}: holds an estimator {about.get('class')}, which this jaxreg does not have.")
    try:
        made = kind(**about["parameters"])
        if about["classes"] is not None:
            made.classes_ = np.array(about["classes"]["values"], np.dtype(about["classes"]["type"]))
        made.cv_results_ = {
            name: np.array(values) if name != "params" else values for name, values in about["results"].items()
        }
        if about["columns"] is not None:
            made.feature_names_in_ = np.array(about["columns"], object)
        for name in ATTRIBUTES:
            setattr(made, name, about[name])
        for name in STANDARDISING:
            setattr(made, name, arrays[f"estimator/{name}"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: what it says of its estimator makes no sense ({error}).") from None
    made.fitted_ = fitted
    return made


def _values(classes: np.ndarray, path: Path) -> dict[str, Any]:
    plain = classes.dtype.kind in "biufU" or all(type(one) is str for one in classes)
    if not plain:
        raise UserError(f"{path}: classes of the type {type(classes[0]).__name__} can't be saved without pickle.")
    return {"type": classes.dtype.str, "values": classes.tolist()}
