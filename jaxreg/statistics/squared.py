"""The losses of quantities, per test example: estimates and what leaving a unit out does to them.

With e_sr the difference of the output of seed r on split s from the target, e_s = mean_r e_sr and e = mean_s e_s, all
of them vectors over the quantities, of which there are k:

    squared_error   error    = mean_s mean_r |e_sr|^2 / k
                    V_seed   = sum_sr |e_sr - e_s|^2 / sum_s (R_s - 1) / k
                    V_split  = sum_s |e_s - e|^2 / (S - 1) / k  -  V_seed mean_s 1/R_s
                    variance = V_split + V_seed,  bias = error - variance, an unbiased estimate of squared bias and
                    noise: one target an example can't tell the two apart
    absolute_error  error    = mean_s mean_r |e_sr|_1 / k, which has no such parts
    of_mean                  = |y - m|^2 / k, y the target and m the mean of all: the error of who knows m alone;
                    R2 = 1 - error / of_mean, of their means over the examples

the formulas of the Brier score in `jaxreg.statistics.decomposition`, with the target in the place of the label.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxreg.measures import QUANTITIES
from jaxreg.statistics.sums import Design
from jaxreg.statistics.units import Found, Units, corrected, evaluated, of_one_split, over_deals, parts_of, units_of


def terms(
    outputs: Float[np.ndarray, "model example quantity"],
    targets: Float[np.ndarray, "example quantity"],
    means: Float[np.ndarray, "#example quantity"],
    where: Design,
) -> Found:
    """Each of `QUANTITIES.terms` per example, and its pseudo-values from leaving one unit out.

    `means` are those of the targets of all examples, of which these may be some.
    """
    apart = np.asarray(outputs, dtype=np.float64)[where.order] - targets
    add = (lambda x: x) if where.units == len(apart) else (lambda x: np.add.reduceat(x, where.starts, axis=0))
    quantities = targets.shape[1]
    # Units: sums of differences [unit, example, quantity], of their squares and of their sizes [unit, example].
    total, squares, sizes = add(apart), add(np.square(apart).sum(-1)), add(np.abs(apart).sum(-1))

    def of(units: slice) -> Found:
        return _terms(where.models[units], total[units], squares[units], sizes[units], quantities)

    found = over_deals(where.deals, of) if len(where.deals) > 1 else of(slice(None))
    estimate, pseudo = of_one_split(found, QUANTITIES) if where.splits == 1 else found
    of_mean = np.square(targets - means).mean(1, keepdims=True).T  # whatever the models say
    units = np.broadcast_to(of_mean[:, None], (1, *pseudo.shape[1:]))
    return np.concatenate([estimate, of_mean]), np.concatenate([pseudo, units], axis=0)


def _terms(models: np.ndarray, total: np.ndarray, squares: np.ndarray, sizes: np.ndarray, quantities: int) -> Found:
    each = models[:, None]
    centre = total / each[..., None]
    norm = np.square(centre).sum(-1)

    def squared(s: Units) -> np.ndarray:
        count = s.size[:, None]
        naive = s.norm / count - np.square(s.centre / count[..., None]).sum(-1)
        return parts_of(corrected(naive, s), s) / quantities

    def absolute(s: Units) -> np.ndarray:
        error = s.error / s.size[:, None]
        return np.stack([error, *[np.full_like(error, np.nan)] * 4])

    nothing = np.zeros_like(norm)
    with np.errstate(invalid="ignore"):
        both = [
            evaluated(units_of(models, squares / each, squares - each * norm, centre, norm), squared),
            evaluated(units_of(models, sizes / each / quantities, nothing, nothing[..., None], nothing), absolute),
        ]
    estimate, pseudo = (np.concatenate(x) for x in zip(*both, strict=True))
    return estimate, pseudo
