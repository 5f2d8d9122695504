"""Small networks that are fitted, for the tests of what becomes of them."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import numpy as np
import pandas as pd

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.data.in_memory import of_arrays
from jaxreg.fitted import Fitted, fit
from jaxreg.own import with_network
from jaxreg.source import how


def fitted(data: Dataset, ensemble: int = 1, network: Any = None, penalised: Any = None, **settings: Any) -> Fitted:
    flags = {"grid": "l1", "l1": [1e-4], "hidden": [5, 4], "epochs": 2, "batch_size": [20], **settings}
    sweep = jaxreg.load(flags=flags)
    if network is not None:
        sweep, _ = with_network(sweep, data.signature, network, penalised)
    return fit(sweep, data, sweep.cells[0], ensemble)


def patients() -> pd.DataFrame:
    """A table of numbers, texts and switches, and an outcome that hangs on some of them."""
    random = np.random.default_rng(0)
    age, ward = random.normal(60, 12, 90), random.choice(["east", "north", "west"], 90)
    ill = (age + 20 * (ward == "west") + random.normal(0, 5, 90) > 65).astype(int)
    return pd.DataFrame({"age": age, "ward": ward, "smokes": random.random(90) < 0.3, "outcome": ill})


def table_of(frame: pd.DataFrame, label: str = "outcome") -> Dataset:
    return of_arrays(frame, how(jaxreg.load(flags={"grid": "l1", "label": label})))


class Own(nn.Module):
    width: int = 4

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> Any:
        x = nn.BatchNorm(use_running_average=not train)(nn.relu(nn.Dense(self.width)(x)))
        return nn.Dense(10)(nn.Dropout(0.1, deterministic=not train)(x))


def same(one: Any, other: Any, rows: Any) -> None:
    np.testing.assert_array_equal(one.predict_proba(rows), other.predict_proba(rows), strict=True)
    np.testing.assert_array_equal(one.predict(rows), other.predict(rows), strict=True)
