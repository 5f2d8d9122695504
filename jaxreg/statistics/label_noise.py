"""What wrong training labels do to bias, by theory."""

from __future__ import annotations


def brier_rise(rate: float, classes: int, sharpness: float = 1.0) -> float:
    """How much wrong training labels add to the Brier bias on right labels, of models that learn their share exactly.

    Labels of probabilities eta become eta' = eta + c (1/K - eta), with c = rate K/(K - 1): a step towards
    uniform. A model whose main prediction is eta' instead of eta has a bias larger by

        |eta' - eta|^2 = c^2 (|eta|^2 - 1/K)

    Args:
        rate: share of wrong labels.
        classes: K.
        sharpness: mean |eta|^2 over the examples; 1, the most there is, where the input settles the class.
    """
    step = rate * classes / (classes - 1)
    return step**2 * (sharpness - 1 / classes)
