"""A sweep in several processes that jax.distributed brings together, on loopback: the bits of one; one of them killed.

Run with `pytest -n 0 --cluster -m cluster`. A TPU slice, a real Slurm job and several hosts are not here.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from run_folders import tables
from small_cluster import LONGER, about, kept, same, wait_until
from small_command import PATIENCE, Small
from small_together import Together, free_port, listened_on

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]


def end(folder: Small, processes: int, *flags: str) -> list[str]:
    """Lets so many processes end well; what each has said."""
    with Together(folder, processes, *flags) as all_of_them:
        assert all_of_them.codes() == [0] * processes, all_of_them.told
        return all_of_them.told


@pytest.mark.parametrize("processes", [1, 2])
def test_the_bits_are_those_of_one_process(undisturbed, folder, processes):
    told = end(folder, processes)
    assert same(folder, undisturbed)
    assert about(folder)["workers"].keys() <= {str(number) for number in range(processes)}
    assert told[1:] == [""] * (processes - 1) and "Traceback" not in told[0] and "are sent them" not in told[0]


def test_data_that_are_not_named_are_read_by_all(folder):
    """Those that a sweep without any trains on."""
    (folder.place / "small.toml").write_text(
        'splits = 2\n[recipe]\nhidden = [4]\nepochs = 1\nbatch_size = 1000\n[[run]]\nname = "plain"\n'
    )
    assert "are sent them" not in end(folder, 2)[0]


def test_a_second_stage_full_data_states_and_rounds(place):
    flags = ["--seeds", "2", "--keep-state", "--full-seeds", "2", "--second-stage", "2", "--looks", "2"]
    here, there = Small(place), Small(place.with_name(f"{place.name}-there"))
    assert here.end(*flags) == 0, here.told
    end(there, 2, *flags)
    assert same(there, here)


def test_as_slurm_starts_them(undisturbed, folder):
    """With Slurm's variables and no flags: JAX finds out by itself who is who."""
    task = {"SLURM_JOB_ID": str(free_port()), "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2"}
    with Together(folder, 0) as both:
        for number in range(2):
            own = task | {"SLURM_PROCID": str(number), "SLURM_LOCALID": "0"}
            both.begin("--distributed", environment=own)
        assert both.codes() == [0, 0], both.told
    assert same(folder, undisturbed)


def test_another_process_is_killed_and_one_goes_on(longer, folder):
    with Together(folder, 2, *LONGER) as both:
        both.wait(kept(folder))
        both.processes[1].kill()
        assert both.processes[0].wait(PATIENCE) == 1
        assert (
            "process 1 on" in both.told[0] and "is gone" in both.told[0] and "the same command goes on" in both.told[0]
        )
        assert "Traceback" not in both.told[0]
    before = folder.kept()
    assert folder.end(*LONGER) == 0, folder.told
    assert same(folder, longer)
    after = folder.kept()
    assert [name for name in before if after[name] != before[name]] == [], "what was stored is not trained again"


def test_process_0_is_killed_and_two_of_three_go_on(longer, folder):
    with Together(folder, 3, *LONGER) as all_three:
        all_three.wait(kept(folder))
        all_three.processes[0].kill()
        assert all_three.codes() == [-signal.SIGKILL, 1, 1]
        for told in all_three.told[1:]:
            assert told.startswith("error: process 0 on") and "The same command goes on" in told, told
    end(folder, 2, *LONGER)
    assert same(folder, longer)


def test_ctrl_c_of_process_0_ends_all(longer, folder):
    with Together(folder, 2, *LONGER) as both:
        both.wait(kept(folder))
        both.processes[0].send_signal(signal.SIGINT)
        assert both.codes() == [130, 130], both.told
    assert "goes on from there" in both.told[0] and "process 0 was interrupted" in both.told[1]
    assert folder.end(*LONGER) == 0, folder.told
    assert same(folder, longer)


def test_sigterm_ends_all_as_slurm_sends_it(folder):
    with Together(folder, 2, *LONGER) as both:
        both.wait(kept(folder))
        for process in both.processes:
            process.terminate()
        codes = both.codes()
    assert set(codes) <= {1, 130} and 130 in codes, (codes, both.told)
    assert "Traceback" not in "".join(both.told)


@pytest.mark.parametrize("stopped", [0, 1])
def test_a_process_that_does_nothing_any_more_counts_as_gone(folder, stopped):
    with Together(folder, 2, *LONGER) as both:
        both.wait(kept(folder))
        began = time.monotonic()
        both.processes[stopped].send_signal(signal.SIGSTOP)
        assert both.processes[1 - stopped].wait(PATIENCE) == 1
        print("seconds:", time.monotonic() - began)
        assert "nothing was heard of it" in both.told[1 - stopped], both.told
        both.processes[stopped].send_signal(signal.SIGCONT)
        assert both.processes[stopped].wait(PATIENCE) == 1, both.told


def test_wrong_input_ends_all(folder):
    with Together(folder, 2, "--l1", "abc") as both:
        assert both.codes() == [2, 2]
    assert "--l1: must be" in both.told[0] and "--l1: must be" in both.told[1]
    assert not folder.run.exists()


ARRAYS = """
import sys
import numpy as np
import jaxreg
from jaxreg.cluster.meeting import Where
from jaxreg.cluster.together import joined

chance = np.random.default_rng(0)
x = chance.normal(size=(400, 6))
y = (x[:, 0] * x[:, 1] > 0).astype(int)


def main(out, on=None):
    jaxreg.run("l2", data=(x, y), out=out, on=on, devices=2, report=False)


if len(sys.argv) > 1:
    with joined(Where(sys.argv[1], 2, int(sys.argv[2])), devices=2) as processes:
        main("there", processes)
else:
    jaxreg.configure(2)
    main("alone")
"""


def test_from_python_with_arrays_that_are_sent(folder):
    (folder.place / "arrays.py").write_text(ARRAYS)

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "arrays.py", *arguments],
            cwd=folder.place,
            env=folder.environment(),
            stderr=subprocess.PIPE,
            text=True,
        )

    at = f"127.0.0.1:{free_port()}"
    for started in [start()], [start(at, "0"), start(at, "1")]:
        told = [process.communicate(timeout=PATIENCE)[1] for process in started]
        assert [process.returncode for process in started] == [0] * len(started), told
    assert tables(folder.place / "there") == tables(folder.place / "alone")


def test_ctrl_c_while_the_others_are_waited_for(folder):
    port = free_port()
    process = folder.start("--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", "2", "--process", "0")
    wait_until(lambda: listened_on(port), process, lambda: folder.told)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130 and "interrupted" in folder.told, folder.told


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--distributed"], "JAX finds no processes to join here"),
        (["--processes", "2"], "go with --distributed"),
        (["--distributed", "--on", "tcp://127.0.0.1:9"], "give one of them"),
        (["--distributed", "--coordinator", "here"], "must be HOST:PORT"),
        (["--distributed", "--processes", "2", "--process", "2"], "must be a whole number from 0 to 1"),
        (
            ["--distributed", "--coordinator", "192.0.2.1:8476", "--processes", "2", "--process", "0"],
            "can't listen there",
        ),
        (["--distributed", "--replay", "first"], "trains one member in this process"),
    ],
)
def test_flags_that_make_no_sense(folder, flags, said):
    assert folder.end(*flags) == 2 and said in folder.told, folder.told
    assert not folder.run.exists()
