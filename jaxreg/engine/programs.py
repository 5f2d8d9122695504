"""The one place where members are batched: a function of one member becomes a compiled program for many."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.layout import Format, Layout
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxreg.engine.progress import Progress
from jaxreg.engine.training import Learner

# What jax.default_matmul_precision calls the precisions of a sweep. Always one of them: TPUs and recent GPUs round the
# factors unless told, and parity with Keras and comparisons between machines would go with it.
PRECISIONS = {"float32": "float32", "tf32": "tensorfloat32", "bf16": "bfloat16"}


class Programs:
    """Compiled programs for one mesh and block; each is compiled once, however many sweeps use it.

    A call trains ``block`` members side by side (vmap) on each device. On a CPU, one device per core and block 1 keep
    a member's weights and moments in its core's cache: three times the speed of one vmap over all members
    (``python -m jaxreg.bench``). `jaxreg.engine.blocks.block` has the rule for every device.
    """

    _compiled: dict[_Key, Begun] = {}  # shared by all instances: a second sweep in the same process compiles nothing

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
        """Arrays that every device holds whole, row by row.

        A TPU would lay out 60,000 rows of 784 the other way round, and turn all of them for the gather of a batch: a
        copy of the data set in every epoch.
        """
        return jax.tree.map(lambda leaf: jax.device_put(leaf, self._by_rows(leaf.ndim)), tree)

    def _by_rows(self, axes: int) -> Format:
        return Format(Layout(tuple(range(axes))), NamedSharding(self.mesh, PartitionSpec()))

    def __call__(self, function: Callable[..., Any], learner: Learner | None, *members: Any, **how: Any) -> Any:
        """``function(learner, *member, *shared)`` for every member along the leading axis of ``members``.

        Args:
            function: of one member.
            learner: what is static; None for a function that makes no use of it.
            members: arrays with a leading member axis, as many as `width`.
            how: as `begun` has it.
        """
        program, arguments = self.compiled(function, learner, *members, **how)
        return program(*arguments)

    def compiled(
        self, function: Callable[..., Any], learner: Learner | None, *members: Any, **how: Any
    ) -> tuple[Any, Any]:
        """The program of such a call, once it is there, and what it is to be called with."""
        begun, arguments = self.begun(function, learner, *members, **how)
        if not begun.program.done():
            self.progress.pause_clock()
            started = time.perf_counter()
            begun.program.exception()  # waits; what went wrong is raised below
            self.compile_seconds += time.perf_counter() - started
            self.progress.resume_clock()
        return begun.program.result(), arguments

    def begun(
        self,
        function: Callable[..., Any],
        learner: Learner | None,
        *members: Any,
        shared: tuple[Any, ...] = (),
        donate: int = -1,
        active: Any = None,
        otherwise: Callable[..., Any] | None = None,
        seldom: bool = False,
    ) -> tuple[Begun, tuple[Any, ...]]:
        """The program of such a call, at work or done, and what it is to be called with: only shapes matter here.

        Args:
            function, learner, members: as in a call.
            shared: what every member sees whole.
            donate: number of the argument of ``members`` that is consumed: its memory becomes the result's.
            active: "member", whom the results matter for. A device with no such member spends nothing.
            otherwise: what that device calls instead, of the same arguments, with results of the same shapes.
            seldom: it runs once for a chunk, not in every epoch.
        """
        arguments = (active, *members, shared)
        leaves, structure = jax.tree.flatten(arguments)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        # A TPU's compiler takes a third of the time when it is to hurry; 12,000 examples are then scored in four times
        # theirs, which is 2 % of a chunk of 15 epochs.
        hurried = seldom and self.mesh.devices.flat[0].platform == "tpu"
        key = _Key(function, learner, self.mesh, self.block, structure, shapes, hurried)
        there = self._compiled.get(key)
        if there is None or there.failed:
            started = time.perf_counter()
            lowered = self._lowered(function, otherwise, learner, arguments, donate)
            options = {"exec_time_optimization_effort": -0.6} if hurried else None
            program = COMPILERS.submit(lowered.compile, compiler_options=options)
            self._compiled[key] = Begun(lowered.out_info, program)
            self.count += 1
            self.compile_seconds += time.perf_counter() - started
        return self._compiled[key], arguments

    def texts(self, function: Callable[..., Any], learner: Learner | None) -> list[str]:
        """The optimised HLO of what was compiled of a function, for this learner, mesh and block; the latest last."""
        asked = (function, learner, self.mesh, self.block)
        found = [begun.program.result() for key, begun in self._compiled.items() if key[: len(asked)] == asked]
        return [str(program.as_text()) for program in found]

    def _lowered(
        self,
        function: Callable[..., Any],
        otherwise: Callable[..., Any] | None,
        learner: Learner | None,
        arguments: tuple[Any, ...],
        donate: int,
    ) -> Any:
        def side_by_side(of_one: Callable[..., Any], members: Any, shared: Any) -> Any:
            if self.block > 1:
                return jax.vmap(lambda *member: of_one(learner, *member, *shared))(*members)
            alone = of_one(learner, *jax.tree.map(lambda leaf: leaf[0], members), *shared)
            return jax.tree.map(lambda leaf: leaf[None], alone)

        def run(active: Any, *rest: Any) -> Any:
            *members, shared = rest
            if otherwise is None:
                return side_by_side(function, members, shared)
            # Around the block, not in it: under vmap a predicate of each member makes a select of it, for which all
            # that the branches read is copied to every member, the data set too.
            return jax.lax.cond(
                jnp.any(active),
                lambda: side_by_side(function, members, shared),
                lambda: side_by_side(otherwise, members, shared),
            )

        specs = (*(PartitionSpec("member"),) * (len(arguments) - 1), PartitionSpec())
        mapped = jax.shard_map(run, mesh=self.mesh, in_specs=specs, out_specs=PartitionSpec("member"), check_vma=False)
        jitted = jax.jit(mapped, donate_argnums=() if donate < 0 else 1 + donate)
        precision = PRECISIONS["float32" if learner is None else learner.precision]
        # Whatever the user's configuration says of random numbers: a member has the same ones in all processes.
        with jax.default_matmul_precision(precision), jax.threefry_partitionable(True):
            return jitted.lower(*arguments)


COMPILERS = ThreadPoolExecutor(thread_name_prefix="compiler")
"""XLA compiles outside Python's lock: the programs of a sweep take as long as the slowest, where there are cores."""


class Begun(NamedTuple):
    """A program that is being compiled."""

    results: Any  # shapes of what it will give
    program: Future[Any]

    @property
    def failed(self) -> bool:
        """It could not be compiled, for want of memory or disk perhaps: who asks again has it tried again."""
        return self.program.done() and self.program.exception() is not None


class Ahead(Programs):
    """Programs that are compiled and never run, side by side: shapes stand for the arrays of members.

    A chunk that is given these has everything compiled that it will need; another with `Programs` then finds it there.
    """

    def per_member(self, tree: Any) -> Any:
        sharding = NamedSharding(self.mesh, PartitionSpec("member"))
        return self._shapes(tree, lambda _: sharding)

    def __call__(self, function: Callable[..., Any], learner: Learner | None, *members: Any, **how: Any) -> Any:
        begun, _ = self.begun(function, learner, *members, **how)
        return self.per_member(begun.results)

    @staticmethod
    def _shapes(tree: Any, sharding: Callable[[Any], Any]) -> Any:
        def shape(leaf: Any) -> Any:
            kind = jax.dtypes.canonicalize_dtype(leaf.dtype)
            return jax.ShapeDtypeStruct(leaf.shape, kind, sharding=sharding(leaf))

        return jax.tree.map(shape, tree)


class _Key(NamedTuple):
    """All that a compiled program depends on."""

    function: Callable[..., Any]
    learner: Learner | None
    mesh: Mesh
    block: int
    structure: Any
    shapes: tuple[tuple[Any, Any], ...]
    hurried: bool
