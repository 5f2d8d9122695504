"""A sweep on a cluster of Dask, of real processes on loopback: the same bits as in one process, whatever is asked.

Run with `pytest -n 0 --cluster -m cluster`; it needs `pip install -e '.[test,cluster]'`. Faults are in
test_cluster_faults.py, workers that can't take part in test_cluster_refusals.py, networks and certificates in
test_cluster_network.py.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from run_folders import tables
from small_cluster import LONGER, about, on, same
from small_command import PATIENCE, Small

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def two(undisturbed, started):
    """A cluster of two workers that several sweeps use, one after the other."""
    with started(undisturbed.place.parent / "two") as made:
        made.worker("a")
        made.worker("b")
        yield made


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_bits_are_those_of_one_process(longer, folder, cluster, workers):
    for number in range(workers):
        cluster.worker(f"w{number}")
    assert folder.end(*LONGER, *on(cluster)) == 0, folder.told
    assert same(folder, longer)
    assert "Traceback" not in folder.told and "is gone" not in folder.told
    assert sum(one["members"] for one in about(folder)["workers"].values()) == len(folder.kept())


def test_a_scheduler_by_its_file(undisturbed, folder, two):
    assert folder.end("--on", str(two.file)) == 0, folder.told
    assert same(folder, undisturbed)


def test_what_is_there_is_not_asked_for_again(undisturbed, folder, two):
    assert folder.end() == 0, folder.told
    before = folder.kept()
    assert folder.end(*on(two)) == 0, folder.told
    assert folder.kept() == before and "worker" not in about(folder)
    assert same(folder, undisturbed)


@pytest.mark.parametrize(
    "flags",
    [
        ["--seeds", "2", "--keep-state", "--full-seeds", "2"],
        ["--looks", "2", "--splits", "3"],
        ["--grid", "l2", "--l2", "0,1e-3", "--second-stage", "2", "--deals", "2"],
        ["--grid", "l1*label_noise", "--l1", "0,1e-3", "--label-noise", "0,0.2"],
        ["--grid", "width,batch_norm", "--width", "0.5,1,2"],
    ],
    ids=["followers and all of the data", "settle", "second stage", "corruption", "several programs"],
)
def test_whatever_a_sweep_asks_for(place, two, flags):
    here, there = Small(place), Small(place.with_name(f"{place.name}-there"))
    assert here.end(*flags) == 0, here.told
    assert there.end(*flags, *on(two)) == 0, there.told
    assert same(there, here)


def test_more_epochs_from_states_that_were_kept(place, two):
    """Begun there and extended here, and the other way round."""
    folders = {name: Small(place.with_name(f"{place.name}-{name}")) for name in ("here", "there", "back")}
    more = ["--keep-state", "--epochs", "4"]
    for name, first, second in [("here", [], []), ("there", [], on(two)), ("back", on(two), [])]:
        assert folders[name].end("--keep-state", *first) == 0, folders[name].told
        assert folders[name].end(*more, *second) == 0, folders[name].told
        assert "go on from where their training had got to" in folders[name].told
    assert same(folders["there"], folders["here"]) and same(folders["back"], folders["here"])


NET = """
import flax.linen as nn
import optax


def lion(hyper):
    return optax.lion(hyper.learning_rate)



class Net(nn.Module):
    width: int = 8
    slope: float = 0.0

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.leaky_relu(nn.Dense(self.width)(x / 255.0), self.slope)
        return nn.Dense(10)(x)


wide = Net(12)
"""


@pytest.mark.parametrize(
    "networks",
    [
        ["--network", "mynet:Net,mynet:wide"],
        ["--network", "mynet:Net", "--grid", "l2=0,1e-3,network.width=8,5,network.slope=0,0.3"],
    ],
    ids=["several", "fields"],
)
def test_networks_and_an_optimizer_of_ones_own(place, started, networks):
    """The module is where workers and the command start Python: on its path."""
    here, there = Small(place), Small(place.with_name(f"{place.name}-there"))
    for folder in (here, there):
        (folder.place / "mynet.py").write_text(NET)
        (folder.place / "small.toml").write_text(
            'name = "own"\ndata = "../train.csv"\ntest = "../test.csv"\nsplits = 2\ncurve_images = 100\ngrid = "l2"\n'
            "[recipe]\nbatch_size = 50\nepochs = 2\n[axes]\nl2 = [0, 1e-3]\n"
        )
    flags = [*networks, "--optimizer", "mynet:lion"]
    with started(place.with_name(f"{place.name}-cluster")) as cluster:
        cluster.worker("strange")
        refused = there.end(*flags, *on(cluster))
        assert refused == 2 and "mynet" in there.told and "can take part" in there.told, there.told
        cluster.workers["strange"].kill()
        (cluster.place / "mynet.py").write_text(NET)  # a worker that is started as python -m has its folder on the path
        cluster.worker("a")
        assert there.end(*flags, *on(cluster)) == 0, there.told
    assert here.end(*flags) == 0, here.told
    assert same(there, here)


ARRAYS = """
import sys
import numpy as np
import jaxreg

chance = np.random.default_rng(0)
x = chance.normal(size=(400, 6))
y = (x[:, 0] * x[:, 1] > 0).astype(int)


def main(out, on):
    run = jaxreg.run("l2", data=(x, y), out=out, on=on, devices=2, report=False)
    print(len(run.members))


if __name__ == "__main__":
    on = sys.argv[2] if len(sys.argv) > 2 else None
    if len(sys.argv) > 3:
        from distributed import Client

        with Client(on) as client:
            main(sys.argv[1], client)
    else:
        jaxreg.configure(2)
        main(sys.argv[1], on)
"""


def test_arrays_are_sent_to_workers_and_a_client_is_taken(place, two):
    folder = Small(place)
    (folder.place / "arrays.py").write_text(ARRAYS)

    def run(*arguments):
        command = [sys.executable, "arrays.py", *arguments]
        done = subprocess.run(
            command, cwd=folder.place, env=folder.environment(), capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    run("alone")
    assert "are sent them" in run("there", two.address)
    run("client", two.address, "as a client")
    assert tables(folder.place / "there") == tables(folder.place / "alone") == tables(folder.place / "client")


def test_the_driver_starts_no_jax(folder, two):
    """Its host may have no accelerator, or one that a worker on the same host needs."""
    folder.program = (
        "-c",
        "import sys; from jaxreg.sweep import main; code = main(); assert 'jax' not in sys.modules; sys.exit(code)",
    )
    assert folder.end(*on(two)) == 0, folder.told
