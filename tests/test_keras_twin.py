"""The runs of a sweep in Keras itself: which rows, from which weights, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jaxreg.data.fashion import SIGNATURE
from jaxreg.errors import UserError
from jaxreg.study import keras_twin

keras = pytest.importorskip("keras")

PLAIN, MORE = {"name": "plain"}, {"name": "more", "after": "plain", "scaling": "unit"}


@pytest.fixture(scope="module")
def sweep(small):
    return small(splits=1, scaling="raw", batch_size=50, run=[PLAIN, MORE])


@pytest.fixture(scope="module")
def trained(sweep, dataset):
    return keras_twin.train(sweep, "more", 3, dataset)


def test_a_row_an_epoch_and_one_for_the_test_loss_of_each_run_on_the_way(trained):
    assert list(trained) == keras_twin.COLUMNS
    told = trained[["run", "split", "epoch"]].fillna(0).to_numpy().tolist()
    rows = [("train", 1.0), ("train", 2.0), ("test", 0.0)]
    assert told == [[run, split, epoch] for run in ("plain", "more") for split, epoch in rows]
    assert (trained["seed"] == 3).all() and (trained["backend"] == keras.backend.backend()).all()
    assert np.isfinite(trained["loss"]).all()


def test_a_seed_repeats(sweep, dataset, trained):
    again = keras_twin.train(sweep, "plain", 3, dataset)
    assert again["loss"].to_numpy() == pytest.approx(trained["loss"].to_numpy()[:3], rel=1e-5)


def test_a_run_goes_on_from_the_weights_of_the_one_before(small, dataset):
    still = {"name": "still", "after": "plain", "learning_rate": 1e-30}
    table = keras_twin.train(small(splits=1, epochs=1, batch_size=50, run=[PLAIN, still]), "still", 0, dataset)
    plain, after = table[table["split"] == "test"]["loss"]
    assert after == pytest.approx(plain, rel=1e-5)


def test_every_epoch_deals_all_images_in_a_new_order(sweep, dataset, monkeypatch):
    dealt = []

    def fit(self, images, labels, **given):
        dealt.append((images[:, 300:400].copy(), given["shuffle"]))
        return real(self, images, labels, **given)

    real = keras.Sequential.fit
    monkeypatch.setattr(keras.Sequential, "fit", fit)
    keras_twin.train(sweep, "plain", 0, dataset)
    (first, shuffled), (second, _) = dealt
    assert not shuffled and not np.array_equal(first, second)
    assert np.array_equal(np.sort(first.sum(1)), np.sort(second.sum(1)))


def test_the_network_has_the_layers_and_penalties_of_its_settings(small):
    (cell,) = small(splits=1, hidden=[6, 5], dropout=0.3, batch_norm=True, l1=0.01, run=[PLAIN]).cells
    layers = keras_twin.model(cell.settings, SIGNATURE).layers
    block = ["Dense", "BatchNormalization", "Dropout"]
    assert [type(layer).__name__ for layer in layers] == [*block, *block, "Dense"]
    penalties = [layer.kernel_regularizer for layer in layers if isinstance(layer, keras.layers.Dense)]
    assert [penalty is not None for penalty in penalties] == [True, True, False]


def test_nothing_is_trained_twice_nor_stands_there_twice(sweep, dataset, tmp_path, monkeypatch):
    file, asked = tmp_path / "keras.csv", []
    train = keras_twin.train

    def counted(sweep, run, seed, dataset):
        asked.append((run, seed))
        return train(sweep, run, seed, dataset)

    monkeypatch.setattr(keras_twin, "train", counted)
    added = [keras_twin.add(file, sweep, run, 0, dataset) for run in ("plain", "more", "more", "plain")]
    assert added == [True, True, False, False] and asked == [("plain", 0), ("more", 0)]
    assert not pd.read_csv(file).duplicated(["run", "seed", "split", "epoch"]).any()
    assert len(pd.read_csv(file)) == 6


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"splits": 2}, "has 2 splits; a twin in Keras trains on all images. Set splits = 1"),
        ({"early_stopping": 3}, "plain: stops early, which this twin does not. Leave more out of --runs"),
        ({"scaling": "standard"}, "plain: standardises its inputs"),
        ({"label_noise": 0.2}, "plain: corrupts its images"),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_is_trained(small, dataset, given, says):
    with pytest.raises(UserError, match=says):
        keras_twin.train(small(**{"splits": 1, "run": [PLAIN, MORE], **given}), "more", 0, dataset)


def test_the_command_names_what_is_wrong(tmp_path, capsys):
    file, out = tmp_path / "two.toml", tmp_path / "keras.csv"
    file.write_text('splits = 1\n[[run]]\nname = "plain"\n')
    assert keras_twin.main([str(file), "--runs", "plan", "--out", str(out)]) == 2
    assert "'plan' is no run of two: there are plain." in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        keras_twin.main([str(file), "--seeds", "one"])
    assert "needs whole numbers, as in 0,1,2, got one" in capsys.readouterr().err
    assert not out.exists()
