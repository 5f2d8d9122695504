"""What is read from disk each time that it is asked for, since no run needs all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

Read = TypeVar("Read")


class OnDisk(Mapping[str, Read]):
    """By member id."""

    def __init__(self, ids: Sequence[str], read: Callable[[str], Read]) -> None:
        self._ids, self._read = dict.fromkeys(ids), read

    def __getitem__(self, name: str) -> Read:
        if name not in self._ids:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def put(self, name: str) -> None:
        """It is on disk from now on."""
        self._ids[name] = None

    def drop(self, name: str) -> None:
        """It is not wanted any more."""
        self._ids.pop(name, None)
