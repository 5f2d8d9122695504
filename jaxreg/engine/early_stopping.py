"""Keras's EarlyStopping for one member, on the host between two epochs."""

from __future__ import annotations

from collections.abc import Mapping

from jaxreg.spec.settings import EarlyStopping


class Patience:
    """Counts the epochs without improvement of one member (`keras.callbacks.EarlyStopping`, Keras 3).

    An improvement beats the best value so far by more than ``min_delta``; NaN never does. The first epoch never
    stops, so patience 0 and 1 act alike.
    """

    def __init__(self, rule: EarlyStopping):
        self.rule = rule
        self.best: float | None = None
        self.waited = 0

    def after_epoch(self, epoch: int, values: Mapping[str, float]) -> tuple[bool, bool]:
        """(is this epoch the best so far, does training stop here). ``epoch`` counts from 0.

        Where the monitored value is missing (no validation data), nothing is ever best and nothing stops.
        """
        value = values.get(self.rule.monitor)
        if value is None or epoch < self.rule.start_from_epoch:
            return False, False
        self.waited += 1
        if self.best is None or self._improves(value, self.best):
            self.best, self.waited = value, 0
            return True, False
        return False, self.waited >= self.rule.patience and epoch > 0

    def _improves(self, value: float, best: float) -> bool:
        if self.rule.monitor.endswith("accuracy"):
            return value - self.rule.min_delta > best
        return value + self.rule.min_delta < best
