"""The one place where members are batched: a function of one member becomes a compiled program for many."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxreg.engine.networks import MLP
from jaxreg.engine.progress import Progress


class Programs:
    """Compiled programs for one mesh and block; each is compiled once, however many sweeps use it.

    ``block`` members at a time run side by side (vmap) on each device, one block after another. On a CPU, one
    device per core and block 1 keep a member's weights and moments in its core's cache: three times the speed of
    one vmap over all members (``python -m jaxreg.bench``). An accelerator wants the block as large as its memory.
    """

    _compiled: dict[Any, Any] = {}  # shared by all instances: a second sweep in the same process compiles nothing

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
        self, function: Callable[..., Any], model: MLP, *members: Any, shared: tuple[Any, ...] = (), donate: int = -1
    ) -> Any:
        """``function(model, *member, *shared)`` for every member along the leading axis of ``members``.

        The argument of ``members`` numbered ``donate`` is consumed: its memory becomes the result's.
        """
        arguments = (*members, *shared)
        leaves, structure = jax.tree.flatten(arguments)
        key = (function, model, self.mesh, self.block, structure, *((leaf.shape, leaf.dtype) for leaf in leaves))
        if key not in self._compiled:
            self._compiled[key] = self._compile(function, model, arguments, len(shared), donate)
        return self._compiled[key](*arguments)

    def _compile(self, function: Callable[..., Any], model: MLP, arguments: Any, shared: int, donate: int) -> Any:
        self.progress.announce(f"compiling {function.__name__} of {'-'.join(map(str, model.hidden))}")
        self.progress.pause_clock()
        started = time.perf_counter()
        per_member = len(arguments) - shared

        def run(*arguments: Any) -> Any:
            members, common = arguments[:per_member], arguments[per_member:]
            return jax.lax.map(
                lambda member: function(model, *member, *common),
                members,
                batch_size=self.block if self.block > 1 else None,
            )

        specs = (PartitionSpec("member"),) * per_member + (PartitionSpec(),) * shared
        mapped = jax.shard_map(run, mesh=self.mesh, in_specs=specs, out_specs=PartitionSpec("member"), check_vma=False)
        program = jax.jit(mapped, donate_argnums=() if donate < 0 else donate).lower(*arguments).compile()
        self.progress.resume_clock()
        self.count += 1
        self.compile_seconds += time.perf_counter() - started
        return program
