"""What somebody brings, and settings name: known in this process by a name that ends in the digest of its program."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar, runtime_checkable

from jaxreg.errors import UserError

MARK = "@"  # between a name and its digest


@runtime_checkable  # so that the tests can check arguments by their annotations
class Named(Protocol):
    """What can be registered."""

    @property
    def name(self) -> str:
        """With its digest."""


One = TypeVar("One", bound=Named)


class Registry(Generic[One]):
    """Those of one kind, which is what its keyword and its flag are called too."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._known: dict[str, One] = {}

    def add(self, one: One) -> One:
        """Makes it known; of two that are one, the first."""
        return self._known.setdefault(one.name, one)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def known(self, name: str) -> One:
        """The one that settings name. Raises `UserError` where it is not registered in this process."""
        if name not in self._known:
            raise self.unknown(name)
        return self._known[name]

    def unknown(self, name: str) -> UserError:
        """What is said where it is not there, or has another program than it had."""
        return UserError(
            f"the {self._kind} {name.partition(MARK)[0]} is not known here, or is another one by now. Give the same "
            f"one again: {self._kind}=… from Python, or --{self._kind} package.module:name."
        )
