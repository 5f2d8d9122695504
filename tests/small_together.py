"""The command in several processes that jax.distributed brings together, as they are started by hand."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from small_cluster import wait_until
from small_command import PATIENCE, Small


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def listened_on(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


class Together:
    """The command, in several processes; in a `with`, those that are left are killed at its end.

    Args:
        folder: in which it is started.
        processes: how many.
        flags: of all of them.
        host: the address of process 0.
        inside: what each is started by, such as `ip netns exec NAME`.
    """

    def __init__(
        self,
        folder: Small,
        processes: int,
        *flags: str,
        host: str = "127.0.0.1",
        inside: Sequence[Sequence[str]] = (),
    ):
        self.folder, self.logs = folder, list[Path]()
        self.processes: list[subprocess.Popen] = []
        meet = ["--distributed", "--coordinator", f"{host}:{free_port()}", "--processes", str(processes)]
        for number in range(processes):
            self.begin(*flags, *meet, "--process", str(number), inside=inside[number] if inside else ())

    def begin(self, *flags: str, inside: Sequence[str] = (), environment: Any = None) -> None:
        """Starts one more."""
        self.logs.append(self.folder.place / f"process-{len(self.logs)}.log")
        with self.logs[-1].open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [*inside, *self.folder.command(*flags)],
                    stdout=log,
                    stderr=log,
                    cwd=self.folder.place,
                    env=self.folder.environment(environment),
                    start_new_session=True,
                )
            )

    def __enter__(self) -> Together:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    @property
    def told(self) -> list[str]:
        """What each has said."""
        return [path.read_text(encoding="utf-8") for path in self.logs]

    def codes(self) -> list[int]:
        """With which code each ends."""
        return [process.wait(PATIENCE) for process in self.processes]

    def wait(self, seen) -> None:
        """Waits for something to be so, while process 0 is at work."""
        wait_until(seen, self.processes[0], lambda: self.told)
