"""The one place where members are batched: a function of one member becomes a compiled program for many."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxreg.engine.progress import Progress
from jaxreg.engine.training import Learner


class Programs:
    """Compiled programs for one mesh and block; each is compiled once, however many sweeps use it.

    ``block`` members at a time run side by side (vmap) on each device, one block after another. On a CPU, one
    device per core and block 1 keep a member's weights and moments in its core's cache: three times the speed of
    one vmap over all members (``python -m jaxreg.bench``). An accelerator wants the block as large as its memory.
    """

    _compiled: dict[_Key, Any] = {}  # shared by all instances: a second sweep in the same process compiles nothing

    def __init__(self, mesh: Mesh, progress: Progress, block: int = 1):
        self.mesh, self.progress, self.block = mesh, progress, block
        self.count, self.compile_seconds = 0, 0.0

    @property
    def width(self) -> int:
        """Members that one call trains side by side: a block on each device."""
        return self.block * self.mesh.devices.size

    def per_member(self, tree: Any) -> Any:
        """Arrays with a leading member axis, each device holding its own members."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec("member")))

    def shared(self, tree: Any) -> Any:
        """Arrays that every device holds whole."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    def __call__(
        self, function: Callable[..., Any], learner: Learner, *members: Any, shared: Any = (), donate: int = -1
    ) -> Any:
        """``function(learner, *member[, shared])`` for every member along the leading axis of ``members``.

        Args:
            function: of one member.
            learner: what is static.
            members: arrays with a leading member axis.
            shared: the data that every member sees whole, if there is any.
            donate: number of the argument of ``members`` that is consumed: its memory becomes the result's.
        """
        arguments = (*members, shared)
        leaves, structure = jax.tree.flatten(arguments)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        key = _Key(function, learner, self.mesh, self.block, str(_precision()), structure, shapes)
        if key not in self._compiled:
            self._compiled[key] = self._compile(function, learner, arguments, donate)
        return self._compiled[key](*arguments)

    def texts(self, function: Callable[..., Any], learner: Learner) -> list[str]:
        """The optimised HLO of what was compiled of a function, for this learner, mesh and block; the latest last."""
        asked = (function, learner, self.mesh, self.block)
        return [str(program.as_text()) for key, program in self._compiled.items() if key[: len(asked)] == asked]

    def _compile(self, function: Callable[..., Any], learner: Learner, arguments: Any, donate: int) -> Any:
        self.progress.announce(f"compiling {function.__name__} of {learner.network}")
        self.progress.pause_clock()
        started = time.perf_counter()

        def run(*arguments: Any) -> Any:
            *members, shared = arguments
            common = () if isinstance(shared, tuple) and not shared else (shared,)
            return jax.lax.map(
                lambda member: function(learner, *member, *common),
                tuple(members),
                batch_size=self.block if self.block > 1 else None,
            )

        specs = (*(PartitionSpec("member"),) * (len(arguments) - 1), PartitionSpec())
        mapped = jax.shard_map(run, mesh=self.mesh, in_specs=specs, out_specs=PartitionSpec("member"), check_vma=False)
        program = jax.jit(mapped, donate_argnums=() if donate < 0 else donate).lower(*arguments).compile()
        self.progress.resume_clock()
        self.count += 1
        self.compile_seconds += time.perf_counter() - started
        return program


def _precision() -> Any:
    """Of products of float32 matrices, as it stands now: it is part of a program."""
    return getattr(jax.config, "jax_default_matmul_precision", None)


class _Key(NamedTuple):
    """All that a compiled program depends on."""

    function: Callable[..., Any]
    learner: Learner
    mesh: Mesh
    block: int
    precision: str
    structure: Any
    shapes: tuple[tuple[Any, Any], ...]
