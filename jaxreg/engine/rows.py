"""What is written of a member: a row for each epoch, and one for its end."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxreg.data.dataset import Dataset
from jaxreg.engine.grouping import MemberData
from jaxreg.engine.networks import DenseNetwork, Network, Weights
from jaxreg.engine.penalties import penalised_kernels, penalty
from jaxreg.engine.training import EpochLosses, Evaluation
from jaxreg.store.members import FEATURE_NORMS, SMALL_WEIGHT


def epoch_row(
    data: MemberData,
    dataset: Dataset,
    epoch: int,
    losses: EpochLosses,
    tested: Evaluation,
    validated: Evaluation | None,
) -> dict[str, Any]:
    """A row of history.csv; epochs count from 1. The loss and the penalty are as trained, errors in the data's unit."""
    error = dataset.measures.loss
    row = {
        "epoch": epoch,
        "train_loss": float(losses.loss) + float(losses.penalty),
        f"train_{error}": _error(dataset) * float(losses.error),
        "penalty": float(losses.penalty),
    }
    row |= _scores("test", dataset, tested)
    if validated is not None:
        # Keras's val_loss has the penalty in.
        row["val_loss"] = float(validated.loss) + penalty(data.member.settings, _floats(validated.norms))
        row[f"val_{dataset.measures.score}"] = dataset.unit * float(validated.score)
    return row


def _error(dataset: Dataset) -> float:
    """What a standardised squared error of 1 is; cross-entropy has no unit."""
    return dataset.unit**2


def _scores(part: str, dataset: Dataset, found: Evaluation) -> dict[str, float]:
    error, measures = _error(dataset) * float(found.error), dataset.measures
    return {f"{part}_{measures.loss}": error, f"{part}_{measures.score}": dataset.unit * float(found.score)}


def member_row(
    data: MemberData, network: Network, dataset: Dataset, weights: Weights, fitted: Evaluation, tested: Evaluation
) -> dict[str, Any]:
    """A row of members.csv, but for what training itself noted: `fitted` on its training examples, `tested` on all."""
    kernels = penalised_kernels(network, weights.params)
    small = [np.abs(kernel) < SMALL_WEIGHT for kernel in kernels]
    # An input that is always 0 teaches its weights nothing: under a penalty they shrink whatever its strength.
    dead = ~dataset.train.inputs[data.rows].any(axis=0).reshape(-1)
    if data.hyper.features is not None:
        dead |= np.isinf(data.hyper.features.scale).reshape(-1)
    by_input = bool(small) and len(small[0]) == len(dead)  # a row of weights an input
    among = [small[0][~dead], *small[1:]] if by_input else small
    live = np.concatenate([np.zeros(0, bool), *(layer.reshape(-1) for layer in among)])
    scores = _scores("test", dataset, tested)
    if dataset.quantities is not None:  # the share of their variance that is predicted
        variance = dataset.test_variance
        scores["test_r2"] = 1 - scores[f"test_{dataset.measures.loss}"] / variance if variance > 0 else float("nan")
    norms, entries = _floats(tested.norms), sum(kernel.size for kernel in kernels) or 1
    return {
        "train_examples": data.rows.size,
        **_scores("train", dataset, fitted),
        "penalty": penalty(data.member.settings, norms),
        **scores,
        "weight_l1": norms.absolute,
        "weight_l2": norms.square,
        "small_weights": sum(int(layer.sum()) for layer in small) / entries,
        "live_small_weights": float(live.mean()) if live.size else 0.0,
        "zero_weights": sum(int((kernel == 0).sum()) for kernel in kernels) / entries,
        **feature_norms(network, dataset, weights),
    }


def feature_norms(network: Network, dataset: Dataset, weights: Weights) -> dict[str, list[float]]:
    """The Euclidean norm of the first layer's weights of each column of a table.

    Of a column of texts the root mean square over its kinds, which compares with others whatever their number. Empty
    for other data, for networks of others, and where they are not finite.
    """
    if dataset.encoding is None or not isinstance(network, DenseNetwork):
        return {}
    squares = np.square(np.asarray(weights.params["hidden_0"]["kernel"], np.float64)).sum(axis=1)
    sizes = [len(column.features) for column in dataset.encoding.columns]
    norms = np.sqrt(np.add.reduceat(squares, np.cumsum([0, *sizes[:-1]])) / sizes)
    return {FEATURE_NORMS: [float(f"{norm:.6g}") for norm in norms]} if np.isfinite(norms).all() else {}


def _floats(norms: Any) -> Any:
    return type(norms)(*(float(norm) for norm in norms))
