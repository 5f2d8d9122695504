"""What a driver does with workers, without Dask: they are in this process, and train all the same."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from near_workers import NearWorkers
from run_folders import differing, tables

import jaxreg
from jaxreg.cluster import hand, job, worker
from jaxreg.cluster.connection import Scheduler, _warn_of_strangers, connected, tls
from jaxreg.cluster.crew import Crew
from jaxreg.cluster.trainer import ClusterTrainer
from jaxreg.cluster.waiting import Waiting, share
from jaxreg.conclude import conclude
from jaxreg.driver import AnyTrainer, Driver
from jaxreg.engine.progress import Lines
from jaxreg.errors import UserError
from jaxreg.spec.members import members
from jaxreg.store.folder import Folder

FOLLOWED = {"run": [{"name": "first"}, {"name": "second", "after": "first"}, {"name": "wide", "hidden": [12]}]}


class Heard(Lines):
    """What was said."""

    def __init__(self):
        super().__init__(sys.stderr)
        self.said = []

    def _write(self, text):
        self.said.append(text)


@pytest.fixture
def sweep(small):
    return small(**FOLLOWED, epochs=3)


@pytest.fixture
def cluster(dataset, tmp_path, monkeypatch):
    """What has a sweep trained by such workers; its folder, and what was said."""
    monkeypatch.setattr("jaxreg.report.page.write", lambda folder: folder)

    def run(sweep, workers):
        worker._data.clear()  # each test's workers are new ones
        worker._ready.clear()
        heard, folder = Heard(), Folder(tmp_path / f"run{len(list(tmp_path.iterdir()))}")
        folder.make()
        folder.prepare()
        told = job.job(sweep, dataset, devices=2, named=False)
        crew = Crew(workers, told, dataset, heard)
        driver = Driver(sweep, dataset, folder, heard, "as typed", time.perf_counter())

        def trainer():
            return ClusterTrainer(crew, sweep, heard)

        driver.train(trainer)
        conclude(driver, trainer)
        return folder.path, heard.said

    return run


def test_a_cluster_is_a_trainer():
    assert isinstance(ClusterTrainer, type) and issubclass(ClusterTrainer, AnyTrainer)


@pytest.mark.parametrize("seconds", [0.0, 20.0], ids=["an epoch at a time", "all at once"])
def test_the_tables_are_those_of_one_process(sweep, cluster, trained, monkeypatch, seconds):
    for name in ("FIRST_SECONDS", "SECONDS"):
        monkeypatch.setattr(hand, name, seconds)
    monkeypatch.setattr(hand.Hand, "__init__", _with_seconds(hand.Hand.__init__, seconds))
    _, undisturbed = trained
    folder, said = cluster(sweep, NearWorkers({"a", "b"}))
    assert differing(tables(folder), undisturbed(sweep)) == []
    assert any("are sent them" in line for line in said), "workers can't read arrays by themselves"
    about = json.loads((folder / "run.json").read_text())
    assert sum(one["members"] for one in about["workers"].values()) == len(members(sweep))
    assert "kinds" not in about


def _with_seconds(init, seconds):
    def made(self, *given, **named):
        init(self, *given, **named)
        self.seconds = seconds

    return made


@pytest.mark.parametrize("call", [3, 5, 6, 7, 8])
def test_a_worker_is_lost_at_any_call(sweep, cluster, trained, call):
    """At its greeting, while it is sent the data, at work; another one comes then."""

    def before(workers, number):
        if number == call and "a" in workers.there:
            workers.there = {"b", "c"}

    _, undisturbed = trained
    folder, said = cluster(sweep, NearWorkers({"a", "b"}, before))
    assert differing(tables(folder), undisturbed(sweep)) == []


def test_members_of_which_workers_die_end_it(sweep, cluster):
    names = iter("abcdefghijkl")

    def before(workers, number):
        if workers.calls[number][1] is worker.work:
            workers.there = {next(names)}

    with pytest.raises(ConnectionError, match="4 workers were lost or failed while they trained .*memory"):
        cluster(sweep, NearWorkers({next(names)}, before))


def test_a_worker_that_fails_is_asked_no_more(sweep, cluster, trained):
    def wrong(address, function, value):
        if address == "a" and function is worker.work:
            raise RuntimeError("its device has fallen off")
        return value

    _, undisturbed = trained
    folder, said = cluster(sweep, NearWorkers({"a", "b"}, wrong=wrong))
    assert differing(tables(folder), undisturbed(sweep)) == []
    assert any("takes no part: a: its device has fallen off" in line for line in said), said
    with pytest.raises(ConnectionError, match="its device has fallen off"):
        cluster(sweep, NearWorkers({"a"}, wrong=wrong))


def test_nobody_is_there_for_a_while(sweep, cluster, trained):
    looks = iter(range(10))

    class Late(NearWorkers):
        def present(self):
            return {"a"} if next(looks, 99) > 3 else set()

        def answer(self, seconds):
            self.there = {"a"}
            return super().answer(seconds)

    folder, said = cluster(sweep, Late(set()))
    assert sum("no worker is there: waiting" in line for line in said) == 1


def test_two_kinds_of_machine_are_told(sweep, cluster):
    def other(address, function, value):
        if function is worker.greet and "device" in value:
            return {**value, "device": f"CPU of {address}"}
        if function is worker.work:
            return {**value, "facts": {**value["facts"], "device": f"CPU of {address}"}}
        return value

    folder, said = cluster(sweep, NearWorkers({"a", "b"}, wrong=other))
    assert any("workers of 2 kinds (CPU of a; CPU of b)" in line for line in said)
    about = json.loads((folder / "run.json").read_text())
    assert about["device"] == "CPU of a; CPU of b"
    by_kind = {name.split(" (")[0]: ids for name, ids in about["kinds"].items()}
    assert set(by_kind) == {"CPU of a", "CPU of b"}
    assert sorted(sum(by_kind.values(), [])) == sorted(member.id for member in members(sweep))
    for name, ids in by_kind.items():
        for file in (folder / "members").glob("*.json"):
            content = json.loads(file.read_text())
            assert (content["made"]["device"] == name) == (content["id"] in ids)


def test_the_page_says_so(sweep, cluster, tmp_path):
    from jaxreg.report.caveats import caveats
    from jaxreg.report.layout import arrange
    from jaxreg.store.results import read

    folder, _ = cluster(sweep, NearWorkers({"a"}))
    file = folder / "run.json"
    about = json.loads(file.read_text())
    ids = [member.id for member in members(sweep)]
    file.write_text(json.dumps(about | {"kinds": {"X (cpu, jax 1)": ids[:1], "Y (cpu, jax 1)": ids[1:]}}))
    results = read(folder)
    said = [text for text in caveats(results, arrange(results)) if "kinds of machine" in text]
    assert len(said) == 1 and f"1 on `X (cpu, jax 1)` (`{ids[0]}`)" in said[0] and "and 2 more" in said[0]


def test_a_worker_with_other_versions_or_data_is_refused(sweep, dataset, tmp_path):
    told = job.job(sweep, dataset, devices=2, named=False)
    other = {**told, "versions": {**told["versions"], "jax": "0.1"}}
    said = worker.greet(other)["refuses"]
    assert "expected 0.1" in said and "pip install 'jax==0.1'" in said
    assert "given as arrays" in worker.greet({**told, "digest": "0", "key": "unknown"})["lacks"]
    x, y = np.arange(60.0).reshape(30, 2), np.arange(30) % 2
    np.savez(tmp_path / "data.npz", x=x, y=y)
    named = {**told["sweep"], "data": str(tmp_path / "data.npz")}
    said = worker.greet({**told, "sweep": named, "named": True, "digest": "0", "key": "other"})["refuses"]
    assert "its data are other ones" in said and "data.npz" in said and "expected 0" in said
    gone = {**told["sweep"], "data": str(tmp_path / "gone.npz")}
    assert "gone.npz" in worker.greet({**told, "sweep": gone, "named": True, "key": "gone", "digest": "1"})["lacks"]


@given(some.integers(1, 5000), some.integers(1, 200), some.integers(1, 64), some.none() | some.floats(1e-6, 1e4))
def test_a_share(ready, workers, width, able):
    """It fills the devices, and is never most of what is left where several could have it."""
    found = share(ready, workers, width, able)
    assert found >= width
    if able is not None:
        assert found % width == 0 and found <= max(width, ready / (2 * workers) + 1 + width)


def test_those_who_wait(small):
    sweep = small(run=FOLLOWED["run"], seeds=2)
    waiting, taken = Waiting(members(sweep), sweep, begun={"first/split1/seed0"}), []
    assert sum(waiting.ready.values()) == 8 and len(waiting.ready) == 2, "two networks; the followers are not ready"
    while waiting:
        group = next(iter(waiting.ready))
        some_of_them = waiting.take(group, 3)
        waiting.back(some_of_them[1:])
        assert some_of_them[0].predecessor is None or some_of_them[0].predecessor in taken
        taken.append(some_of_them[0].id)
        waiting.came(some_of_them[0].id)
    assert sorted(taken) == sorted(member.id for member in members(sweep))
    assert taken[0] == "first/split1/seed0", "who has begun comes first"


def test_references_are_to_all_members(small):
    sweep = small(l1=[0, 1e-3], second_stage=2, deals=2)
    cells = job.cells_of(sweep)
    for member in members(sweep):
        assert job.referred(job.refer(member), cells) == member


def test_networks_that_workers_can_import():
    import flax.linen as nn

    assert job.importable(nn.Dense) == "flax.linen.linear:Dense"
    assert job.importable(nn.Dense(3)) == "flax.linen.linear:Dense"
    with pytest.raises(UserError, match="mynet:CNN"):
        job.importable(lambda rngs: None)


@pytest.mark.parametrize(
    ("address", "warns"),
    [
        ("tcp://127.0.0.1:8786", False),
        ("tcp://localhost:8786", False),
        ("tcp://[::1]:8786", False),
        ("inproc://10.0.0.1/2/3", False),
        ("tls://10.0.0.1:8786", False),
        ("tcp://10.0.0.1:8786", True),
        ("ws://cluster.example:8786", True),
    ],
)
def test_a_scheduler_that_others_can_reach_is_warned_of(address, warns):
    said = []
    _warn_of_strangers(address, said.append)
    assert bool(said) == warns and all("unencrypted" in text for text in said)


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'jaxreg\[cluster\]'"):
        with connected(Scheduler("tcp://127.0.0.1:1"), print):
            pass


def test_certificates_come_together(tmp_path):
    file = tmp_path / "a.pem"
    file.write_text("")
    assert tls(None, None, None) is None
    with pytest.raises(UserError, match="--tls-cert: is missing"):
        tls(str(file), None, str(file))
    with pytest.raises(UserError, match="can't be read"):
        tls(str(file), str(file), str(tmp_path / "nowhere"))


def test_one_process_has_no_use_for_dask():
    code = (
        "import sys, jaxreg.sweep, jaxreg.run, jaxreg.conclude; assert not {'dask', 'distributed'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "jaxreg.cluster" not in jaxreg.__dict__.get("_HOMES", {}).values()
