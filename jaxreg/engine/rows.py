"""What is written of a member: a row for each epoch, and one for its end."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxreg.data.dataset import Dataset
from jaxreg.engine.grouping import MemberData
from jaxreg.engine.networks import Network, Weights
from jaxreg.engine.optimizers import penalised_kernels, penalty
from jaxreg.engine.training import EpochLosses, Evaluation
from jaxreg.store.members import SMALL_WEIGHT


def epoch_row(
    data: MemberData, epoch: int, losses: EpochLosses, tested: Evaluation, validated: Evaluation | None
) -> dict[str, Any]:
    """A row of history.csv; epochs count from 1."""
    row = {
        "epoch": epoch,
        "train_loss": float(losses.loss) + float(losses.penalty),
        "train_cross_entropy": float(losses.cross_entropy),
        "penalty": float(losses.penalty),
        "test_cross_entropy": float(tested.cross_entropy),
        "test_accuracy": float(tested.accuracy),
    }
    if validated is not None:
        # Keras's val_loss has the penalty in.
        row["val_loss"] = float(validated.loss) + penalty(data.member.settings, _floats(validated.norms))
        row["val_accuracy"] = float(validated.accuracy)
    return row


def member_row(
    data: MemberData, network: Network, dataset: Dataset, weights: Weights, fitted: Evaluation, tested: Evaluation
) -> dict[str, Any]:
    """A row of members.csv, but for what training itself noted: `fitted` on its training examples, `tested` on all."""
    kernels = penalised_kernels(network, weights.params)
    small = [np.abs(kernel) < SMALL_WEIGHT for kernel in kernels]
    # An input that is always 0 teaches its weights nothing: under a penalty they shrink whatever its strength.
    dead = ~dataset.train.inputs[data.rows].any(axis=0).reshape(-1)
    by_input = bool(small) and len(small[0]) == len(dead)  # a row of weights an input
    among = [small[0][~dead], *small[1:]] if by_input else small
    live = np.concatenate([layer.reshape(-1) for layer in among]) if small else np.zeros(1)
    norms, entries = _floats(tested.norms), sum(kernel.size for kernel in kernels) or 1
    return {
        "train_examples": data.rows.size,
        "train_cross_entropy": float(fitted.cross_entropy),
        "train_accuracy": float(fitted.accuracy),
        "penalty": penalty(data.member.settings, norms),
        "test_cross_entropy": float(tested.cross_entropy),
        "test_accuracy": float(tested.accuracy),
        "weight_l1": norms.absolute,
        "weight_l2": norms.square,
        "small_weights": sum(int(layer.sum()) for layer in small) / entries,
        "live_small_weights": float(live.mean()),
        "zero_weights": sum(int((kernel == 0).sum()) for kernel in kernels) / entries,
    }


def _floats(norms: Any) -> Any:
    return type(norms)(*(float(norm) for norm in norms))
