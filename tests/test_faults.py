"""What may go wrong around a sweep, with the real thing: a clear line, the exit code of --help, and nothing lost.

Run with `pytest --kills -m kills`. After each fault the same command, without it, must end as if there had been none.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from run_folders import differing, tables
from small_command import PATIENCE, Small

pytestmark = [pytest.mark.kills, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def images(undisturbed):
    return undisturbed.place.parent


@pytest.fixture
def expected(undisturbed):
    return tables(undisturbed.run)


@pytest.fixture
def small(images, expected, request):
    """A folder of its own, in which the command ends at last as it did elsewhere."""
    folder = Small(images / request.node.name.replace("/", "_").replace(" ", "_"))
    yield folder
    assert folder.end() == 0, folder.told
    assert differing(tables(folder.run), expected) == []
    assert folder.strays() == []


def wait_for(folder, pattern, process):
    end = time.monotonic() + PATIENCE
    while not list(folder.run.glob(pattern)):
        assert process.poll() is None and time.monotonic() < end, folder.told
        time.sleep(0.002)


def output_to(folder, stdout):
    """Its exit code with this as its output, and what went to stderr."""
    done = folder.start(stdout=stdout, stderr=subprocess.PIPE)
    _, said = done.communicate(timeout=PATIENCE)
    return done.returncode, said.decode()


def test_a_reader_who_has_gone(small):
    """As in `... | head -0`."""
    reading, writing = os.pipe()
    os.close(reading)
    code, said = output_to(small, writing)
    os.close(writing)
    assert code == 0 and "Traceback" not in said and "Exception" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_full_disk_behind_the_output(small):
    with open("/dev/full", "wb") as full:
        code, said = output_to(small, full)
    assert code == 1 and "can't be written to the output: No space left" in said and "report.md" in said
    assert "Traceback" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_full_disk_behind_the_progress(small):
    with open("/dev/full", "wb") as full:
        assert small.end(stderr=full) == 0


@pytest.mark.skipif(os.name == "nt", reason="another shell")
@pytest.mark.parametrize("closed", [">&- 2>&-", "<&-"])
def test_closed_streams(small, closed):
    """The first file that is opened then has the number of a stream."""
    command = subprocess.list2cmdline(small.command())
    done = subprocess.run(
        ["sh", "-c", f"{command} {closed}"], cwd=small.place, env=small.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


@pytest.mark.skipif(os.name == "nt", reason="no terminals of this kind")
def test_a_terminal_that_is_closed(small):
    """The hang-up reaches the process, and whatever it says then fails."""
    import pty

    ours, theirs = pty.openpty()
    process = small.start(stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    wait_for(small, "members/*.json", process)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE) == 130


def test_hang_ups_are_ignored_where_nohup_says_so(small):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = small.start()
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for(small, "members/*.json", process)
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE) == 0


def test_the_folder_is_removed_in_the_middle(small):
    process = small.start()
    wait_for(small, "members/*.json", process)
    small.run.rename(small.place / "aside")
    assert process.wait(PATIENCE) == 1
    assert "No such file or directory" in small.told and "Traceback" not in small.told
    assert not small.run.exists(), "it is not made again, with half of a run in it"


def test_a_second_writer_and_a_first_that_is_suspended(small):
    first = small.start()
    wait_for(small, "members/*.json", first)
    first.send_signal(signal.SIGSTOP)
    second = subprocess.run(
        small.command(),
        cwd=small.place,
        env=small.environment(),
        capture_output=True,
        text=True,
    )
    assert second.returncode == 2 and f"is being written by process {first.pid}" in second.stderr
    first.send_signal(signal.SIGCONT)
    assert first.wait(PATIENCE) == 0, small.told


CLOCK = """
import sys, time, datetime
real, started = time.time, time.time()
time.time = lambda: started - 3600 * (real() - started)  # an hour back each second
from jaxreg.sweep import main
sys.exit(main())
"""


def test_a_clock_that_is_set_back(small):
    small.program = ("-c", CLOCK)
    assert small.end() == 0, small.told
    small.program = ("-m", "jaxreg.sweep")


def in_namespace(script, place):
    """Runs a script as root of a mount namespace of its own, or skips."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        pytest.skip("no mount namespaces")
    command = ["unshare", "--mount", "--map-root-user", "bash", "-euo", "pipefail", "-c"]
    if subprocess.run([*command, f"mount -t tmpfs none {place}"], capture_output=True).returncode:
        pytest.skip("mounting is not allowed")
    return subprocess.run([*command, script], cwd=place, capture_output=True, text=True, timeout=PATIENCE)


def fault_on_a_disk(small, before, fault, after, expected):
    """On a small file system of its own: `before`, the command (which must fail), `after`, and the command again."""
    run, kept = small.run, small.place / "kept"
    command = subprocess.list2cmdline(small.command())
    script = f"""
mkdir -p {run} {kept}
export PYTHONPATH={Path(__file__).parents[1]} JAX_COMPILATION_CACHE_DIR={small.place.parent / "programs"}
cd {small.place}
{before}
{fault}
code=0; {command} > {kept}/told 2>&1 || code=$?
echo $code > {kept}/code
{after}
{command} > {kept}/again 2>&1
cp -r {run}/. {kept}/run
"""
    done = in_namespace(script, small.place)
    assert done.returncode == 0, (done.stderr, (kept / "again").read_text() if (kept / "again").exists() else "")
    assert differing(tables(kept / "run"), expected) == []
    return int((kept / "code").read_text()), (kept / "told").read_text()


@pytest.mark.parametrize("kib", [16, 128, 320])
def test_a_disk_that_fills(images, expected, kib):
    """Wherever that is: at run.json, while members are kept, at tables, predictions, figures."""
    small = Small(images / f"full{kib}")
    grow = f"mount -o remount,size=64m {small.run}"
    code, said = fault_on_a_disk(small, f"mount -t tmpfs -o size={kib}k none {small.run}", "true", grow, expected)
    assert (code, "No space left" in said) in ((1, True), (2, True)) and "Traceback" not in said, said
    print(f"{kib} KiB: {said.splitlines()[-2]}")


def test_a_folder_that_can_only_be_read(images, expected):
    small = Small(images / "readonly")
    code, said = fault_on_a_disk(
        small,
        f"mount -t tmpfs -o size=64m none {small.run}",
        f"mount -o remount,ro {small.run}",
        f"mount -o remount,rw {small.run}",
        expected,
    )
    assert code == 2 and "Read-only file system" in said and "--out" in said and "Traceback" not in said


def test_a_folder_whose_disk_goes_away_in_the_middle(images, expected):
    small = Small(images / "unmounted")
    aside = small.place / "aside"
    aside.mkdir()
    wait = f"while ! ls {small.run}/members/*.json > /dev/null 2>&1; do sleep 0.01; done"
    code, said = fault_on_a_disk(
        small,
        f"mount -t tmpfs -o size=64m none {small.run}",
        f"( {wait}; mount --bind {small.run} {aside}; umount -l {small.run} ) &",
        f"mount --bind {aside} {small.run}",
        expected,
    )
    assert code == 1 and "No such file" in said and "Traceback" not in said, said


@pytest.mark.skipif(sys.platform != "linux", reason="such limits are not kept everywhere")
@pytest.mark.parametrize("gigabytes", [1, 2])
def test_a_host_without_memory(small, gigabytes):
    """Wherever it strikes, in an import, in XLA (which may end the process itself) or in ours: nothing is lost."""
    limit = gigabytes * 2**20
    command = ["bash", "-c", f'ulimit -v {limit}; exec "$@"', "bash", *small.command()]
    done = subprocess.run(
        command, cwd=small.place, env=small.environment(), capture_output=True, text=True, timeout=PATIENCE
    )
    print(gigabytes, done.returncode, done.stderr[-300:])


@pytest.mark.parametrize(
    ("environment", "code", "said"),
    [
        ({"JAX_PLATFORMS": "cuda"}, 2, "JAX_PLATFORMS is 'cuda'"),
        ({"JAX_PLATFORMS": "abacus"}, 2, "JAX_PLATFORMS is 'abacus'"),
        ({"XLA_FLAGS": "--xla_make_it_fast"}, None, "xla_make_it_fast"),
        ({"HOME": None, "MPLCONFIGDIR": "/dev/null"}, 0, ""),
        ({"HOME": "/nowhere/at/all", "JAX_COMPILATION_CACHE_DIR": "/dev/null/cache"}, 0, ""),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_strange_environment(small, environment, code, said):
    found = small.end(environment=environment)
    assert said in small.told
    if code is None:  # XLA ends the process itself, in C++
        assert found != 0
    else:
        assert found == code and "Traceback" not in small.told, small.told


def test_a_broken_compile_cache(small, images):
    cache = small.place / "cache"
    shutil.copytree(images / "programs", cache)
    for file in cache.iterdir():
        if file.is_file():
            file.write_bytes(file.read_bytes()[:50])
    assert small.end(environment={"JAX_COMPILATION_CACHE_DIR": str(cache)}) == 0, small.told
