"""What every test shares: how JAX starts, and a few members trained once per run."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import settings
from run_folders import tables

import jaxreg
from jaxreg.data import fashion
from jaxreg.data.dataset import subset
from jaxreg.engine.progress import Silent
from jaxreg.spec.load import read

os.environ.setdefault("KERAS_BACKEND", "jax")
# Where there is a GPU too: it is one device, and rounds the products of whoever does not ask for float32.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
settings.register_profile("untimed", deadline=None)  # no test asserts a time
settings.load_profile("untimed")
jaxreg.configure(2)  # two CPU devices on any machine; must come before JAX starts


APART = {
    "cluster": "also the tests of sweeps in several processes, most of them on Dask, where that is installed (minutes)",
    "estimators": "also scikit-learn's own checks of our estimators (minutes)",
    "exports": "also the tests that save and export after whole sweeps, or need TensorBoard and MLflow (minutes)",
    "networks": "also the tests that train several networks of one's own, together and alone (minutes)",
    "kills": "also the tests that start sweeps and kill them (minutes)",
    "compilers": "also the tests that compile for a TPU, where its compiler is installed (minutes)",
    "browsers": "also the tests that open report.html in Chromium, where there is one",
    "pages": "also the tests that write further reports, of tables and of predictions of others (a minute)",
    "studies": "also the tests that repeat studies hundreds of times, or analyse thousands of members (two minutes)",
    "snippets": "also the tests that run what stands in the documents (minutes)",
    "wheels": "also the tests that build what is published and install it into a new environment (minutes)",
    "installs": "also the test that installs the package from a clone, into this environment",
}


def pytest_addoption(parser):
    parser.addoption(
        "--fuzz",
        type=float,
        default=0.0,
        metavar="MINUTES",
        help="in all, for the tests that are marked fuzz: seconds else",
    )
    for name, meaning in APART.items():
        parser.addoption(f"--{name}", action="store_true", help=meaning)


def pytest_collection_modifyitems(config, items):
    """Leaves these out unless asked: not by `-m` in addopts, which a `-m` on the command line would replace."""
    unasked = {name for name in APART if not config.getoption(f"--{name}")}
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in unasked)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def float64():
    """Double precision in JAX, where its arrays are float32 else."""
    import jax

    jax.config.update("jax_enable_x64", True)  # the context manager has another name in each version
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.fixture
def keras_float64(float64, monkeypatch):
    """Double precision here and in Keras, which on JAX takes single for some results whatever it was told."""
    import keras
    from keras.src.backend.common import dtypes

    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
    before = keras.config.dtype_policy().name
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(before)


@pytest.fixture(scope="session")
def whole():
    """Fashion-MNIST."""
    return fashion.load()


@pytest.fixture(scope="session")
def dataset(whole):
    """20 training and 10 test images of each class."""
    return subset(whole, 20, 10)


@pytest.fixture(scope="session")
def train(dataset):
    """Trains the cells of a sweep on two devices, as a run does; returns what is kept of each member, by id."""
    from jaxreg.engine.trainer import Trainer
    from jaxreg.spec.members import members

    def trained(sweep, block=1, data=dataset, progress=None):
        trainer, weights, finished = Trainer(sweep, data, block, 2, progress or Silent()), {}, {}
        for done in trainer.train(members(sweep), weights, {}):
            weights |= {member.id: member.weights for member in done}
            finished |= {member.id: member for member in done}
        return finished

    return trained


@pytest.fixture(scope="session")
def small():
    """A sweep of small networks: `small(l1=[0, 1e-4])`; keys that are no axis go into the recipe or the top."""
    from jaxreg.axes import AXES
    from jaxreg.spec.settings import Settings

    def sweep(run=(), **given):
        recipe = {"hidden": [8], "epochs": 2}
        axes, top = {}, {"name": "small", "splits": 2}
        for name, value in given.items():
            if name in AXES and isinstance(value, list):
                axes[name] = value
            elif name in Settings.model_fields:
                recipe[name] = value
            else:
                top[name] = value
        if axes:
            top["grid"] = ",".join(axes)
        return read({**top, "recipe": recipe, "axes": axes, "run": list(run) or ([] if axes else [{}])})

    return sweep


@pytest.fixture(scope="session")
def trained(dataset, tmp_path_factory):
    """What runs a sweep in a folder without its report, and what gives the tables of one that ran in its own, once."""
    alone = {}

    def run(sweep, out, progress=None, **how):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("jaxreg.report.page.write", lambda folder: folder)
            return jaxreg.run(sweep, out=out, dataset=dataset, devices=2, progress=progress, **how).folder

    def undisturbed(sweep):
        name = json.dumps(sweep.resolved())
        if name not in alone:
            alone[name] = tables(run(sweep, tmp_path_factory.mktemp("alone") / "run"))
        return alone[name]

    return run, undisturbed


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The command, ended in a folder of its own, which lies beside the images; others may be made there."""
    from small_command import Small, write_data

    place = tmp_path_factory.mktemp("commands")
    write_data(place)
    alone = Small(place / "alone")
    assert alone.end() == 0, alone.told
    return alone


@pytest.fixture(scope="session")
def longer(undisturbed):
    """The command with members that take a second or two each, in one process: what it must come to on a cluster."""
    from small_cluster import LONGER
    from small_command import Small

    folder = Small(undisturbed.place.parent / "longer")
    assert folder.end(*LONGER) == 0, folder.told
    return folder


@pytest.fixture(scope="session")
def started(undisturbed):
    """What starts a scheduler, with files in a folder that it makes; workers are started by hand."""
    from small_cluster import Cluster

    return Cluster


@pytest.fixture
def place(undisturbed, request):
    """Where a folder for a command may be made, beside the images."""
    called = f"{request.module.__name__} {request.node.name}"  # tests of two files may be called alike
    name = "".join(letter if letter.isalnum() else "_" for letter in called)
    return undisturbed.place.parent / name


@pytest.fixture
def folder(place):
    """The command, in a folder of its own."""
    from small_command import Small

    return Small(place)


@pytest.fixture
def cluster(place, started):
    """A scheduler."""
    with started(place.with_name(f"{place.name}-cluster")) as made:
        yield made
