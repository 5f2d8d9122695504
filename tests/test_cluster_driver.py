"""What a driver does with workers, without Dask: they are in this process, and train all the same."""

from __future__ import annotations

import json
import sys
import time

import pytest
from near_workers import NearWorkers
from run_folders import differing, tables

from jaxreg.cluster import hand, job, worker
from jaxreg.cluster.crew import Crew
from jaxreg.cluster.trainer import ClusterTrainer
from jaxreg.conclude import conclude
from jaxreg.driver import AnyTrainer, Driver
from jaxreg.engine.progress import Lines
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
