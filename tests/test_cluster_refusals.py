"""Workers of a cluster that can't take part, with the real thing: who is told what, and what goes on without them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_cluster import about, on, same, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]


OTHER_NUMBERS = "import jaxreg.store.identity\njaxreg.store.identity.NUMERICS = 99\n"


def test_a_worker_with_another_version(undisturbed, folder, cluster):
    (cluster.place / "other.py").write_text(OTHER_NUMBERS)
    cluster.worker("other", "--preload", str(cluster.place / "other.py"))
    assert folder.end(*on(cluster)) == 2, folder.told
    assert "other" in folder.told and "jaxreg's numbers 99, expected 1" in folder.told and "pip install" in folder.told
    assert folder.kept() == {}
    cluster.worker("right")
    wait_until(lambda: "Starting established" in cluster.log("right"), cluster.workers["right"], lambda: "")
    assert folder.end(*on(cluster)) == 0, folder.told
    assert same(folder, undisturbed)
    assert set(about(folder)["workers"]) == {"right"} and "takes no part" in folder.told


def test_a_scheduler_without_jaxreg(folder, place, started):
    """Dask unpacks there what it sends on."""
    bare = ["env", "PYTHONPATH=", sys.executable, "-c", WITHOUT]
    with started(place.with_name(f"{place.name}-cluster"), program=bare) as cluster:
        cluster.worker("a")
        assert folder.end(*on(cluster)) == 2, folder.told
    assert "The scheduler and all workers need the jaxreg of the driver" in folder.told, folder.told
    assert "Traceback" not in folder.told


WITHOUT = """
import sys
sys.modules["jaxreg"] = None  # as where it was never installed
sys.argv[0] = "dask"
from dask.__main__ import main
main()
"""


def beneath(mounts):
    """What starts a command in a mount namespace of its own, in which these have been done; skips where it can't be."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        pytest.skip("no mount namespaces")
    command = ["unshare", "--mount", "--map-root-user", "sh", "-ec", f'{mounts}; exec "$@"', "sh"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("mounting is not allowed")
    return command


def test_a_worker_with_other_data(undisturbed, folder, cluster):
    """Under the same name, in its own view of the file system."""
    train, other = Path(undisturbed.place.parent / "train.csv"), cluster.place / "other.csv"
    lines = train.read_text().splitlines()
    other.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    cluster.worker("other", inside=beneath(f"mount --bind {other} {train}"))
    assert folder.end(*on(cluster)) == 2, folder.told
    assert "its data are other ones" in folder.told and "expected" in folder.told and folder.kept() == {}


def test_a_worker_without_the_data(undisturbed, folder, cluster):
    train = Path(undisturbed.place.parent / "train.csv")
    cluster.worker("bare", inside=beneath(f"mount --bind /dev/null {train}"))
    assert folder.end(*on(cluster)) == 0, folder.told
    assert "are sent them" in folder.told
    assert same(folder, undisturbed)
