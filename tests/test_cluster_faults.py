"""What may happen to a cluster in the middle of a sweep, with the real thing: nothing is lost but seconds.

After each fault the tables must be, byte for byte, those of one process that nobody disturbed.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time

import pytest
from small_cluster import LONGER, about, kept, on, same, wait_until
from small_command import PATIENCE, Small

from jaxreg.cluster.connection import connected
from jaxreg.cluster.workers import DaskWorkers
from jaxreg.interrupts import heard

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]


def told(folder, words, process, count=1):
    wait_until(lambda: folder.told.count(words) >= count, process, lambda: folder.told)


def test_a_worker_that_is_killed(longer, folder, cluster):
    for name in ("a", "b"):
        cluster.worker(name)
    process = folder.start(*LONGER, *on(cluster))
    wait_until(kept(folder), process, lambda: folder.told)
    cluster.workers["a"].kill()
    before = folder.kept()
    assert process.wait(PATIENCE) == 0, folder.told
    assert same(folder, longer)
    assert "worker a is gone" in folder.told and "Traceback" not in folder.told
    assert about(folder)["workers_lost"] == 1
    after = folder.kept()
    assert [name for name in before if after[name] != before[name]] == [], "what was stored is not trained again"
    print("retried:", about(folder)["members_retried"])


def test_all_workers_are_killed_and_others_come(longer, folder, cluster):
    cluster.worker("a")
    process = folder.start(*LONGER, *on(cluster))
    wait_until(kept(folder), process, lambda: folder.told)
    cluster.workers["a"].kill()
    told(folder, "no worker is there: waiting", process)
    cluster.worker("b")
    assert process.wait(PATIENCE) == 0, folder.told
    assert same(folder, longer)


def test_a_worker_that_its_nanny_starts_again(longer, folder, cluster):
    cluster.worker("a", "--nanny")
    process = folder.start(*LONGER, *on(cluster))
    wait_until(kept(folder), process, lambda: folder.told)
    children = subprocess.run(
        ["pgrep", "-P", str(cluster.workers["a"].pid), "-f", "spawn_main"], capture_output=True, text=True
    )
    os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
    assert process.wait(PATIENCE) == 0, folder.told
    assert same(folder, longer)
    assert folder.told.count("worker a:") == 2, "it came back, and was greeted"


def test_a_worker_that_joins_midway(place, cluster):
    here, there, more = Small(place), Small(place.with_name(f"{place.name}-there")), [*LONGER, "--seeds", "6"]
    cluster.worker("a")
    process = there.start(*more, *on(cluster))
    told(there, "worker a:", process)
    cluster.worker("b")
    assert process.wait(PATIENCE) == 0, there.told
    assert here.end(*more) == 0, here.told
    assert same(there, here)
    assert about(there)["workers"]["b"]["members"] > 0


def test_a_worker_that_stands_still_for_a_minute(longer, folder, cluster):
    for name in ("a", "b"):
        cluster.worker(name)
    process = folder.start(*LONGER, *on(cluster))
    wait_until(kept(folder), process, lambda: folder.told)
    cluster.workers["a"].send_signal(signal.SIGSTOP)
    time.sleep(60)
    cluster.workers["a"].send_signal(signal.SIGCONT)
    assert process.wait(PATIENCE) == 0, folder.told
    assert same(folder, longer)


def test_the_scheduler_is_killed(longer, folder, cluster, started):
    cluster.worker("a")
    process = folder.start(*LONGER, *on(cluster))
    wait_until(kept(folder), process, lambda: folder.told)
    cluster.scheduler.kill()
    began = time.monotonic()
    assert process.wait(PATIENCE) == 1, folder.told
    print(f"the driver ended after {time.monotonic() - began:.1f} s")
    assert "the scheduler at" in folder.told and "is gone" in folder.told and "the same command goes on" in folder.told
    assert "Traceback" not in folder.told and not (folder.run / "report.md").exists()
    before = folder.kept()
    with started(folder.place.with_name(f"{folder.place.name}-next")) as other:
        other.worker("b")
        assert folder.end(*LONGER, *on(other)) == 0, folder.told
    assert same(folder, longer)
    after = folder.kept()
    assert [name for name in before if after[name] != before[name]] == []


def test_the_scheduler_is_killed_while_no_worker_is_there(folder, cluster):
    process = folder.start(*LONGER, *on(cluster))
    told(folder, "no worker is there: waiting", process)
    cluster.scheduler.kill()
    assert process.wait(PATIENCE) == 1, folder.told
    assert "is gone" in folder.told and "Traceback" not in folder.told


def test_the_driver_is_killed(longer, folder, cluster):
    """The workers are none the worse for it."""
    cluster.worker("a")
    for number in (1, 4):
        process = folder.start(*LONGER, *on(cluster))
        wait_until(kept(folder, number), process, lambda: folder.told)
        process.kill()
        process.wait()
    before = folder.kept()
    assert folder.end(*LONGER, *on(cluster)) == 0, folder.told
    assert same(folder, longer)
    after = folder.kept()
    assert [name for name in before if after[name] != before[name]] == []


def test_ctrl_c_while_a_call_is_sent(folder, cluster, monkeypatch):
    """Dask's future would be half made, and say so in a traceback when it is let go."""
    from distributed import Future

    made, lost = Future.__init__, []

    def interrupted(future, *arguments, **options):
        signal.raise_signal(signal.SIGINT)
        made(future, *arguments, **options)

    monkeypatch.setattr(Future, "__init__", interrupted)
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    cluster.worker("a")
    with heard(), pytest.raises(KeyboardInterrupt), connected(cluster.address, print) as client:
        workers = DaskWorkers(client)
        wait_until(workers.present, cluster.workers["a"], lambda: cluster.log("a"))
        try:
            workers.ask(next(iter(workers.present())), len, "abc")
            time.sleep(30)
        finally:
            workers.close()
    gc.collect()
    assert lost == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_ctrl_c_and_then_without_a_cluster(longer, folder, cluster, number):
    process = folder.start(*LONGER, *on(cluster))
    told(folder, "no worker is there: waiting", process)
    process.send_signal(number)
    assert process.wait(PATIENCE) == 130, folder.told
    cluster.worker("a")
    process = folder.start(*LONGER, *on(cluster))
    wait_until(kept(folder), process, lambda: folder.told)
    process.send_signal(number)
    assert process.wait(PATIENCE) == 130, folder.told
    assert "The same command goes on" in folder.told and "Traceback" not in folder.told
    before = folder.kept()
    assert folder.end(*LONGER) == 0, folder.told
    assert same(folder, longer)
    after = folder.kept()
    assert [name for name in before if after[name] != before[name]] == []


LONG = ["--hidden", "192,192", "--batch-size", "5", "--epochs", "600", "--no-full"]


def test_members_that_train_long_go_on_elsewhere(place, cluster):
    """Each takes longer than what is asked of a worker at once: its state comes back, and another goes on from it."""
    here, there = Small(place), Small(place.with_name(f"{place.name}-there"))
    flags = ["--grid", "l1", "--l1", "0,1e-4", "--splits", "1", *LONG]
    for folder in (here, there):
        (folder.place / "small.toml").write_text('data = "../train.csv"\ntest = "../test.csv"\ncurve_images = 100\n')
    for name in ("a", "b"):
        cluster.worker(name)
    process = there.start(*flags, *on(cluster))
    wait_until(lambda: len(list((there.run / "members").glob("*.state.npz"))) == 2, process, lambda: there.told)
    assert there.kept() == {}
    cluster.workers["a"].kill()
    cluster.worker("c")
    assert process.wait(PATIENCE) == 0, there.told
    assert here.end(*flags) == 0, here.told
    assert same(there, here)
    assert about(there)["members_retried"] == 1
