"""What a user would take instead, each written as its own documentation has it, with its fast paths on.

A peer is a function of a job that prepares a model, compiles and warms up, and returns a function that trains one
epoch and says how many member-steps that was. Every one trains 784-225-256-128-10 with Adam on batches of 32 that it
shuffles anew each epoch, with L1 and L2 on the hidden kernels. Libraries are imported inside: each peer runs in a
process of its own (`worker`), and only one of them may be there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jaxreg.bench.job import BATCH, ENSEMBLE, HIDDEN, L1, L2, LEARNING_RATE, Job

Epoch = Callable[[], int]


class Peer(NamedTuple):
    """How it is called, what it needs, and whether it trains one model at a time."""

    title: str
    prepare: Callable[[Job], Epoch]
    packages: tuple[str, ...]
    install: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    single: bool = False  # one model after another: may also run as one process per core


def engine(job: Job) -> Epoch:
    """This package: every member of a chunk for an epoch."""
    from jaxreg.bench.engine import chunk, counted_epoch

    return partial(counted_epoch, chunk(steps=job.steps))


def _flax(job: Job) -> tuple[Any, Any, Any]:
    """First parameters and optimizer state of a key, one training step, and the data on the device.

    Flax and Optax as in their guides.
    """
    import flax.linen as nn
    import jax
    import jax.numpy as jnp
    import optax

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            for width in HIDDEN:
                x = nn.relu(nn.Dense(width, kernel_init=nn.initializers.glorot_uniform())(x))
            return nn.Dense(10, kernel_init=nn.initializers.glorot_uniform())(x)

    network, optimizer = Network(), optax.adam(LEARNING_RATE)

    def begin(key: Any) -> tuple[Any, Any]:
        params = network.init(key, jnp.zeros((1, 784)))["params"]
        return params, optimizer.init(params)

    images, labels = jax.device_put((job.images, job.labels))

    def loss(params: Any, x: Any, y: Any, l1: Any, l2: Any) -> Any:
        logits = network.apply({"params": params}, x)
        kernels = [params[f"Dense_{layer}"]["kernel"] for layer in range(len(HIDDEN))]
        penalty = sum(l1 * jnp.sum(jnp.abs(w)) + l2 * jnp.sum(w**2) for w in kernels)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean() + penalty

    def step(params: Any, state: Any, x: Any, y: Any, l1: Any, l2: Any) -> tuple[Any, Any, Any]:
        value, gradient = jax.value_and_grad(loss)(params, x, y, l1, l2)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    return begin, step, (images, labels)


def _scanned(step: Any) -> Callable[..., Any]:
    """An epoch of one model as one function: `lax.scan` over batches."""
    import jax

    def whole(params: Any, state: Any, order: Any, images: Any, labels: Any, l1: Any, l2: Any) -> Any:
        def one(carry: Any, rows: Any) -> Any:
            params, state, loss = step(*carry, images[rows], labels[rows], l1, l2)
            return (params, state), loss

        (params, state), losses = jax.lax.scan(one, (params, state), order)
        return params, state, losses.mean()

    return whole


def jax_step(job: Job) -> Epoch:
    """One jitted step, reused for every strength, in a Python loop over batches."""
    import jax

    begin, step, (images, labels) = _flax(job)
    params, state = begin(jax.random.key(0))
    random = np.random.default_rng(0)

    def on_rows(params: Any, state: Any, rows: Any, images: Any, labels: Any, l1: Any, l2: Any) -> Any:
        return step(params, state, images[rows], labels[rows], l1, l2)

    jitted = jax.jit(on_rows, donate_argnums=(0, 1))

    def epoch() -> int:
        nonlocal params, state
        for rows in random.permutation(job.labels.size).astype(np.int32).reshape(-1, BATCH):
            params, state, loss = jitted(params, state, rows, images, labels, L1, L2)
        jax.block_until_ready(loss)
        return job.steps

    return epoch


def jax_epoch(job: Job) -> Epoch:
    """One jitted epoch (`lax.scan` over batches), reused for every strength: the best that plain JAX offers."""
    import jax

    begin, step, (images, labels) = _flax(job)
    params, state = begin(jax.random.key(0))
    random = np.random.default_rng(0)
    jitted = jax.jit(_scanned(step), donate_argnums=(0, 1))

    def epoch() -> int:
        nonlocal params, state
        order = random.permutation(job.labels.size).astype(np.int32).reshape(-1, BATCH)
        params, state, loss = jitted(params, state, order, images, labels, L1, L2)
        jax.block_until_ready(loss)
        return job.steps

    return epoch


def vmap(job: Job) -> Epoch:
    """That epoch under `jax.vmap`: 16 models side by side, each with batches of its own."""
    import jax

    job = job.first(max(1, job.steps // 4))
    begin, step, (images, labels) = _flax(job)
    params, state = jax.vmap(begin)(jax.random.split(jax.random.key(0), ENSEMBLE))
    random = np.random.default_rng(0)
    side_by_side = jax.vmap(_scanned(step), in_axes=(0, 0, 0, None, None, None, None))
    jitted = jax.jit(side_by_side, donate_argnums=(0, 1))

    def epoch() -> int:
        nonlocal params, state
        orders = [random.permutation(job.labels.size).astype(np.int32).reshape(-1, BATCH) for _ in range(ENSEMBLE)]
        params, state, loss = jitted(params, state, np.stack(orders), images, labels, L1, L2)
        jax.block_until_ready(loss)
        return job.steps * ENSEMBLE

    return epoch


def keras_model(jit_compile: bool = True) -> Any:
    """The network compiled with Adam and sparse categorical cross-entropy, as in Keras's first guide."""
    import keras

    def hidden(width: int) -> Any:
        return keras.layers.Dense(width, activation="relu", kernel_regularizer=keras.regularizers.L1L2(L1, L2))

    model = keras.Sequential([keras.Input((784,)), *map(hidden, HIDDEN), keras.layers.Dense(10, activation="softmax")])
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        jit_compile=jit_compile,
        # TensorFlow runs several steps without going back to Python; on JAX this is a Python loop all the same.
        steps_per_execution=25 if keras.backend.backend() == "tensorflow" else 1,
    )
    return model


def keras(job: Job) -> Epoch:
    """Keras 3 `fit`, whatever backend the environment chose."""
    model = keras_model()

    def epoch() -> int:
        model.fit(job.images, job.labels, batch_size=BATCH, epochs=1, verbose=0)
        return job.steps

    return epoch


def _torch_network() -> Any:
    import torch

    layers: list[Any] = []
    for before, after in zip((784, *HIDDEN), HIDDEN, strict=False):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN[-1], 10))
    for name, weight in network.named_parameters():
        (torch.nn.init.xavier_uniform_ if name.endswith("weight") else torch.nn.init.zeros_)(weight)
    return network


def _torch_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _torch_done(device: str) -> None:
    """Waits for what was asked of a GPU."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def torch(job: Job) -> Epoch:
    """PyTorch, eager, Adam with `fused=True`, batches taken by index from tensors in memory."""
    return _torch_loop(job, compiled=False)


def torch_compiled(job: Job) -> Epoch:
    """The same with the loss under `torch.compile`, which needs a C++ compiler on a CPU."""
    return _torch_loop(job, compiled=True)


def _torch_loop(job: Job, compiled: bool) -> Epoch:
    import torch

    device = _torch_device()
    network = _torch_network().to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    kernels = [layer.weight for layer in network if isinstance(layer, torch.nn.Linear)][:-1]
    images, labels = torch.from_numpy(job.images).to(device), torch.from_numpy(job.labels).long().to(device)

    def loss(x: Any, y: Any) -> Any:
        penalty = sum(L1 * w.abs().sum() + L2 * w.square().sum() for w in kernels)
        return torch.nn.functional.cross_entropy(network(x), y) + penalty

    if compiled:
        loss = torch.compile(loss)

    def epoch() -> int:
        for rows in torch.randperm(labels.numel(), device=device).split(BATCH):
            optimizer.zero_grad()
            loss(images[rows], labels[rows]).backward()
            optimizer.step()
        _torch_done(device)
        return job.steps

    return epoch


def torch_vmap(job: Job) -> Epoch:
    """`torch.func` model ensembling: 16 members under vmap, each with batches of its own, one fused Adam."""
    import torch
    from torch.func import functional_call, grad, stack_module_state, vmap

    job = job.first(max(1, job.steps // 4))
    device = _torch_device()
    networks = [_torch_network().to(device) for _ in range(ENSEMBLE)]
    params, buffers = stack_module_state(networks)
    base = networks[0].to("meta")
    optimizer = torch.optim.Adam(list(params.values()), lr=LEARNING_RATE, fused=True)
    kernels = [name for name in params if name.endswith("weight")][:-1]
    images, labels = torch.from_numpy(job.images).to(device), torch.from_numpy(job.labels).long().to(device)

    def loss(params: Any, buffers: Any, x: Any, y: Any) -> Any:
        penalty = sum(L1 * params[name].abs().sum() + L2 * params[name].square().sum() for name in kernels)
        return torch.nn.functional.cross_entropy(functional_call(base, (params, buffers), (x,)), y) + penalty

    gradients = vmap(grad(loss))

    def epoch() -> int:
        orders = torch.stack([torch.randperm(labels.numel(), device=device) for _ in range(ENSEMBLE)])
        for rows in orders.split(BATCH, dim=1):
            detached = {name: weight.detach() for name, weight in params.items()}
            for name, gradient in gradients(detached, buffers, images[rows], labels[rows]).items():
                params[name].grad = gradient
            optimizer.step()
        _torch_done(device)
        return job.steps * ENSEMBLE

    return epoch


KERAS = "pip install keras"
TORCH = "pip install torch --index-url https://download.pytorch.org/whl/cpu"
TENSORFLOW = "pip install keras tensorflow jaxtyping pooch (an environment of its own is safest: --python tensorflow=…)"
PEERS = {
    "engine": Peer("jaxreg", engine, ("jax",)),
    "vmap": Peer(f"plain jax.vmap, {ENSEMBLE} members", vmap, ("jax",)),
    "jax-step": Peer("JAX, one jitted step, Python loop", jax_step, ("jax",), single=True),
    "jax-epoch": Peer("JAX, one jitted epoch (lax.scan)", jax_epoch, ("jax",), single=True),
    "keras-jax": Peer(
        "Keras 3 fit, JAX backend", keras, ("keras", "jax"), KERAS, (("KERAS_BACKEND", "jax"),), single=True
    ),
    "tensorflow": Peer(
        "Keras 3 fit, TensorFlow backend",
        keras,
        ("keras", "tensorflow"),
        TENSORFLOW,
        (("KERAS_BACKEND", "tensorflow"), ("TF_CPP_MIN_LOG_LEVEL", "3")),
        single=True,
    ),
    "torch": Peer("PyTorch, fused Adam", torch, ("torch",), TORCH, single=True),
    "torch-compile": Peer("PyTorch, fused Adam, torch.compile", torch_compiled, ("torch",), TORCH, single=True),
    "torch-vmap": Peer(f"PyTorch, torch.func + vmap, {ENSEMBLE} members", torch_vmap, ("torch",), TORCH),
}
