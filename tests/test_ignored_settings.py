"""What a network of one's own would ignore silently is refused before there is a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flax.linen as nn
import pytest

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.errors import UserError
from jaxreg.own import with_network
from jaxreg.spec.load import read


class Net(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(10)(nn.relu(nn.Dense(3)(x)))


@pytest.mark.parametrize(
    ("grid", "more", "said"),
    [
        ("l2,dropout", {}, "grid: dropout is of jaxreg's own networks, and Net decides by itself"),
        ("l2*depth", {}, "grid: depth is of jaxreg's own networks"),
        ("l2", {"width": [0.5]}, "width: width is of jaxreg's own networks"),
        ("l2", {"batch_norm": [True]}, "batch_norm: batch_norm is of jaxreg's own networks"),
    ],
)
def test_of_a_network_given_as_an_object(grid: str, more: Any, said: str, dataset: Dataset, tmp_path: Path) -> None:
    made = jaxreg.load(flags={"grid": grid, "hidden": [8], **more})
    with pytest.raises(UserError, match=said):
        jaxreg.run(made, network=Net(), dataset=dataset, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_hidden_layers_are_chosen_by_the_data_and_no_wish(dataset: Dataset) -> None:
    told, _ = with_network(jaxreg.load(flags={"grid": "l2", "hidden": [8]}), dataset.signature, Net())
    assert all(cell.settings.network for cell in told.cells)


@pytest.mark.parametrize("where", ["recipe", "run"])
def test_of_a_network_that_is_named(where: str) -> None:
    ours = {"dropout": 0.2}
    recipe = {"network": "a:Net"} | (ours if where == "recipe" else {})
    run = {"name": "one"} | (ours if where == "run" else {})
    with pytest.raises(UserError, match="dropout: dropout is of jaxreg's own networks, and a:Net decides by itself"):
        read({"recipe": recipe, "run": [run]})
