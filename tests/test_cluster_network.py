"""What goes over a network: who listens where, certificates, a link that is cut. Of real processes and real links."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_cluster import LONGER, Cluster, about, kept, on, same, wait_until
from small_command import PATIENCE, Small
from small_together import Together

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]


def listening(process):
    """The addresses on which a process accepts connections."""
    inodes = set()
    for file in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            inodes.add(os.readlink(file).removeprefix("socket:[").rstrip("]"))
        except OSError:
            continue  # closed meanwhile
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in inodes:
                found.add(local.split(":")[0])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
def test_as_the_documents_start_them_all_listen_on_loopback_alone(folder, undisturbed, cluster):
    cluster.worker("a")
    assert folder.end(*on(cluster)) == 0, folder.told
    assert listening(cluster.scheduler) == listening(cluster.workers["a"]) == {"0100007F"}
    assert "unencrypted" not in folder.told
    assert same(folder, undisturbed)


def certificates(place, name):
    """A throw-away authority and what it signed: paths by the names of Dask's flags, without dashes."""
    place.mkdir(exist_ok=True)
    ca, key, cert = (place / f"{name}-{what}.pem" for what in ("ca", "key", "cert"))
    authority, request = place / f"{name}-ca-key.pem", place / f"{name}.csr"
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    sign = ["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", authority, "-CAcreateserial", "-days", "2"]
    for command in (
        [*new, "-x509", "-keyout", authority, "-out", ca, "-subj", "/CN=throw-away"],
        [*new, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1"],
        [*sign, "-out", cert],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return {"ca": str(ca), "cert": str(cert), "key": str(key)}


@pytest.fixture
def secure(place):
    """A cluster that speaks TLS alone; the certificates that it takes."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl, which makes certificates")
    own = certificates(place.with_name(f"{place.name}-tls"), "own")
    flags = ["--tls-ca-file", own["ca"], "--tls-cert", own["cert"], "--tls-key", own["key"]]
    with Cluster(place.with_name(f"{place.name}-cluster"), tls=flags) as made:
        yield made, own


def tls(files):
    return [part for name, file in files.items() for part in (f"--tls-{name}", file)]


def test_certificates(folder, undisturbed, secure, place):
    cluster, own = secure
    cluster.worker("a")
    assert cluster.address.startswith("tls://")
    others = certificates(place.with_name(f"{place.name}-tls"), "others")
    plain = cluster.address.replace("tls://", "tcp://")
    for flags, words in [
        (["--on", cluster.address], "--tls-ca"),
        (["--on", cluster.address, *tls(others)], "no scheduler answers"),
        (["--on", plain], "no scheduler answers"),
        (["--on", plain, *tls(own)], "go with tls://"),
        (["--on", cluster.address, *tls(own)[:4]], "--tls-key: is missing"),
        (["--on", cluster.address, *tls(own | {"key": "nowhere.pem"})], "can't be read"),
        (tls(own), "go with --on"),
    ]:
        assert folder.end(*flags) == 2, folder.told
        assert words in folder.told and "Traceback" not in folder.told, (flags, folder.told)
    assert not folder.kept()
    assert folder.end("--on", cluster.address, *tls(own)) == 0, folder.told
    assert "unencrypted" not in folder.told
    assert same(folder, undisturbed)


def test_certificates_of_dasks_own_configuration(folder, undisturbed, secure):
    cluster, own = secure
    cluster.worker("a")
    variables = {"CA_FILE": own["ca"], "CLIENT__CERT": own["cert"], "CLIENT__KEY": own["key"]}
    environment = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": file for name, file in variables.items()}
    assert folder.end("--on", cluster.address, environment=environment) == 0, folder.told
    assert same(folder, undisturbed)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--on", "tcp://127.0.0.1:9"], "no scheduler answers there"),
        (["--on", "nonsense"], "must be an address such as tcp://"),
        (["--on", "nowhere.json"], "there is no such file"),
        (["--on", "small.json"], "has no address"),
    ],
)
def test_there_is_no_such_scheduler(folder, flags, words):
    (folder.place / "small.json").write_text("[1]")
    assert folder.end(*flags) == 2, folder.told
    assert words in folder.told and "Traceback" not in folder.told and not folder.kept()


class Hosts:
    """Network namespaces, each with a link to this one's; they stand for hosts."""

    def __init__(self, names, net):
        self.names, self.net, self.made = names, net, []

    def __enter__(self):
        for number, name in enumerate(self.names):
            outside, inside = f"{self.net}o{number}", f"{self.net}i{number}"
            for command in (
                f"ip netns add {name}",
                f"ip link add {outside} type veth peer name {inside}",
                f"ip link set {inside} netns {name}",
                f"ip addr add 10.213.{number}.1/24 dev {outside}",
                f"ip link set {outside} up",
                f"ip -n {name} addr add 10.213.{number}.2/24 dev {inside}",
                f"ip -n {name} link set {inside} up",
                f"ip -n {name} link set lo up",
                f"ip -n {name} route add default via 10.213.{number}.1",
            ):
                if subprocess.run(command.split(), capture_output=True).returncode:
                    self.__exit__()
                    pytest.skip(f"no network namespaces can be made here ({command})")
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def link(self, number, state):
        """Cuts the link to one of them (down), or restores it (up)."""
        subprocess.run(["ip", "link", "set", f"{self.net}o{number}", state], check=True)


@pytest.fixture
def hosts():
    if sys.platform != "linux" or not shutil.which("ip"):
        pytest.skip("no network namespaces: needs Linux and iproute2")
    mark = f"{os.getpid() % 10_000}"
    with Hosts([f"jaxreg{mark}a", f"jaxreg{mark}b"], f"jr{mark}") as made:
        yield made


def test_a_link_that_is_cut_and_restored(longer, place, hosts):
    """The scheduler and the driver here, a worker on each of two hosts."""
    folder = Small(place)
    with Cluster(place.with_name(f"{place.name}-cluster"), host="10.213.0.1") as cluster:
        for number, name in enumerate(("a", "b")):
            cluster.worker(name, inside=["ip", "netns", "exec", hosts.names[number]], host=f"10.213.{number}.2")
        process = folder.start(*LONGER, *on(cluster))
        wait_until(kept(folder), process, lambda: folder.told)
        hosts.link(1, "down")
        began = time.monotonic()
        wait_until(lambda: "worker b is gone" in folder.told, process, lambda: folder.told)
        print(f"missed after {time.monotonic() - began:.0f} s")
        hosts.link(1, "up")
        assert process.wait(PATIENCE) == 0, folder.told
        assert "reached unencrypted" in folder.told, "it is no loopback address"
        assert same(folder, longer)
        print(about(folder)["workers"])


def test_a_link_between_processes_that_were_started_together_is_cut(longer, place, hosts):
    """Process 0 here, another on another host: both end, and one goes on."""
    folder, there = Small(place), ["ip", "netns", "exec", hosts.names[0]]
    with Together(folder, 2, *LONGER, host="10.213.0.1", inside=[[], there]) as both:
        both.wait(kept(folder))
        hosts.link(0, "down")
        began = time.monotonic()
        assert both.codes() == [1, 1], both.told
        print(f"both ended after {time.monotonic() - began:.0f} s")
        assert all("nothing was heard of it" in told for told in both.told), both.told
    assert folder.end(*LONGER) == 0, folder.told
    assert same(folder, longer)
