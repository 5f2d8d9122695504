"""A value of an axis is the same value in the recipe; of an axis that is traced, a new one is no new program."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxreg.axes import AXES
from jaxreg.engine import grouping, training
from jaxreg.spec.members import members

LAYERS = [9, 8, 7, 6]  # so that a depth of 2 and one of 3 differ


def same(one, other):
    """Bit for bit."""
    assert one.history == other.history
    np.testing.assert_array_equal(one.predictions, other.predictions)
    for a, b in zip(*map(jax.tree.leaves, (one.weights, other.weights)), strict=True):
        np.testing.assert_array_equal(a, b)


def two_values(axis):
    """The strongest two of a traced axis, which are both on; of another the first two, of which one may be off."""
    if axis.name == "train_examples":
        return [40, 60]
    plain = [value for value in axis.values if not isinstance(value, tuple)]
    return plain[-2:] if axis.traced else plain[:2]


@pytest.fixture(scope="module")
def widths(train, small):
    return train(small(hidden=[16, 8], width=[1.0, 0.5, [8, 4]], splits=1))


def test_a_factor_and_a_list_of_widths_are_those_hidden_layers(train, small, widths):
    (expected,) = train(small(hidden=[8, 4], splits=1)).values()
    _, factor, given = widths.values()
    assert factor.weights["params"]["hidden_1"]["kernel"].shape == (8, 4)
    same(factor, expected)
    same(given, expected)


def test_a_factor_of_one_is_the_recipe(train, small, widths):
    (expected,) = train(small(hidden=[16, 8], splits=1)).values()
    same(next(iter(widths.values())), expected)


@pytest.mark.parametrize(("axis", "values"), [("learning_rate", [1e-3, 1e-2]), ("batch_size", [32, 20])])
def test_a_value_of_an_axis_is_that_of_the_recipe(train, small, axis, values):
    swept = list(train(small(splits=1, **{axis: values})).values())
    assert len(swept) == 2 and swept[0].history != swept[1].history
    for value, member in zip(values, swept, strict=True):
        (expected,) = train(small(splits=1, **{axis: value})).values()
        same(member, expected)


# Networks, which have no usual values, have a law of their own in test_network_axis.
@pytest.mark.parametrize("axis", [axis for axis in AXES.values() if axis.values], ids=lambda axis: axis.name)
def test_values_of_a_traced_axis_are_of_one_group_and_others_are_not(small, dataset, axis):
    sweep = small(hidden=LAYERS, splits=1, **{axis.name: two_values(axis)})
    groups = grouping.prepare(members(sweep), sweep, dataset)
    assert len(members(sweep)) == 2
    assert len(groups) == (1 if axis.traced else 2)


@pytest.mark.slow
@pytest.mark.parametrize("axis", [axis for axis in AXES.values() if axis.traced], ids=lambda axis: axis.name)
def test_a_new_value_of_a_traced_axis_compiles_nothing(train, small, axis):
    """Trained after another value of the axis."""
    first, second = two_values(axis)
    epochs = max(2, second) if axis.name == "averaged_epochs" else 2
    one = train(small(hidden=LAYERS[:2], splits=1, epochs=epochs, **{axis.field: first}))
    before = training.traces.copy()
    other = train(small(hidden=LAYERS[:2], splits=1, epochs=epochs, **{axis.field: second}))
    assert training.traces == before
    (one,), (other,) = one.values(), other.values()
    assert (one.predictions != other.predictions).any(), "the value matters"
