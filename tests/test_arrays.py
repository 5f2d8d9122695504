"""Arrays as people have them: what can be used, and what is said of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import jaxreg
from jaxreg.data.dataset import Reading
from jaxreg.data.in_memory import of_arrays

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.resize(["a", "b"], 60)


@pytest.mark.parametrize(
    ("data", "how", "said"),
    [
        ((X, np.eye(3)[np.arange(60) % 3]), {}, r'y looks one-hot, .*y.argmax\(1\); or, .* type task="regression"'),
        ((X, np.eye(3, dtype=bool)[np.arange(60) % 3]), {"task": "classification"}, "y looks one-hot"),
        ((np.zeros((60, 4, 4), np.uint8), np.eye(3)[np.arange(60) % 3]), {}, "y looks one-hot"),
        ((np.arange(60) % 2, X), {}, r"x has one number in each row and y 3: they look swapped, .*x.reshape\(-1, 1\)"),
        ({"x": X, "y": Y}, {}, r"expected \(x, y\), \(x, y, x_test, y_test\), a DataFrame with label=…, or a path"),
        (("x.csv", "y.csv"), {}, r"expected \(x, y\)"),
        ((X, 7), {}, r"expected \(x, y\)"),
        (X, {}, r"expected \(x, y\)"),
        ((X.astype(str), Y), {}, r"all of its values are numbers[.] .*: x.astype\(float\)"),
        ((X, X[:, 0].astype(str)), {}, r"column target, the label, .* are numbers[.] .*: y.astype\(float\)"),
        ((1e300 * X, Y), {}, "column x0 has numbers beyond 3.4e[+]38"),
        ((pd.DataFrame(X, columns=["a", "b", "a"]), Y), {}, 'two columns called "a"'),
    ],
)
def test_arrays_that_can_not_be_used_are_named_with_what_to_type(data: Any, how: dict[str, Any], said: str) -> None:
    with pytest.raises(jaxreg.UserError, match=f"(?s){said}"):
        of_arrays(data, Reading(**how))


def test_numbers_of_any_type_are_numbers_and_bytes_are_texts() -> None:
    expected = of_arrays((X.astype(np.float16).astype(float), Y), Reading())
    half = X.astype(np.float16)
    for x in (half, half.astype(float).astype(object), pd.DataFrame(half)):
        np.testing.assert_array_equal(of_arrays((x, Y), Reading()).train.inputs, expected.train.inputs)
    assert of_arrays((X, Y.astype("S")), Reading()).digest == of_arrays((X, Y), Reading()).digest
    split = X[:40], Y[:40].astype("S"), X[40:], Y[40:]
    assert of_arrays(split, Reading()).class_names == ("a", "b")
    huge = of_arrays(([[2**70 * (i % 13), i / 3] for i in range(60)], Y), Reading())
    assert huge.train.inputs.shape == (60, 2)
    assert of_arrays((X, np.arange(60).astype(object)), Reading()).quantities is not None
    assert of_arrays((X, np.eye(3)[np.arange(60) % 3]), Reading(task="regression")).quantities is not None
    assert of_arrays((X[:, 0], Y), Reading()).name == "arrays of 60 rows and 1 column"
