"""Tables within settings: when to stop, how to step, how the learning rate goes; and the numbers that settings are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from jaxreg.spec.checked import Checked
from jaxreg.spec.limits import MOST, whole

# Strict: neither true nor "0.1" is a number.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Strength = Annotated[Number, Field(ge=0, description="a finite number of at least 0, such as 1e-5 (0 switches it off)")]
Share = Annotated[Number, Field(ge=0, le=1, description="a share between 0 and 1")]
Rate = Annotated[Number, Field(ge=0, lt=1)]
Count = Annotated[int, Field(strict=True, ge=1, le=MOST, description=whole(1))]
CountFromZero = Annotated[int, Field(strict=True, ge=0, le=MOST, description=whole(0))]
Switch = Annotated[bool, Field(strict=True, description="true or false")]


class EarlyStopping(Checked):
    """Keras's EarlyStopping, with its defaults, and the share of the training examples it may watch.

    Stops after the first epoch at which `patience` epochs in a row were no improvement by more than
    `min_delta`; so patience 0 and 1 act alike, as in Keras.
    """

    monitor: Literal["val_loss", "val_accuracy", "loss"] = Field(
        default="val_loss", description='"val_loss", "val_accuracy" or "loss"'
    )
    patience: CountFromZero = 0
    min_delta: Strength = Field(default=0.0, description="a finite number of at least 0")
    restore_best_weights: Switch = False
    start_from_epoch: CountFromZero = 0
    validation_share: Rate = Field(
        default=0.1, description="a share of at least 0 and less than 1 (0: no validation data)"
    )

    @property
    def watches_nothing(self) -> bool:
        """Whether what it monitors is never computed, so that it can't stop anything."""
        return self.monitor != "loss" and self.validation_share == 0


OPTIMIZER = r"^(adam|sgd|[\w.]+:\w+(@\w+)?|\w+@\w+)$"  # the latter with the digest of its program
OPTIMIZERS = '"adam", "sgd" or "package.module:name"'


class OptimizerRule(Checked):
    """Keras's Adam, or Keras's SGD with its momentum (`keras.optimizers`); or a function of hyperparameters."""

    name: str = Field(default="adam", strict=True, pattern=OPTIMIZER, description=OPTIMIZERS)
    momentum: Rate = Field(default=0.0, description="a number of at least 0 and less than 1, such as 0.9")
    nesterov: Switch = False

    @property
    def ours(self) -> bool:
        """Whether it is Adam or SGD."""
        return self.name in ("adam", "sgd")

    @model_validator(mode="after")
    def _momentum_of_sgd(self) -> OptimizerRule:
        if self.name != "sgd" and (self.momentum or self.nesterov):
            raise PydanticCustomError(
                "impossible", 'momentum and nesterov belong to sgd. Leave them out, or give name = "sgd".'
            )
        return self


class ScheduleRule(Checked):
    """What the learning rate is multiplied by as training goes on: Optax's schedules, by step."""

    name: Literal["constant", "cosine", "step"] = Field(
        default="constant", description='"constant", "cosine" (down to 0 at the end) or "step"'
    )
    epochs: tuple[Count, ...] = Field(
        default=(),
        max_length=1000,
        description="a list of epochs, after each of which the rate is multiplied by factor, such as [100]",
    )
    factor: Number = Field(default=0.1, gt=0, description="a finite number above 0, such as 0.1")

    @model_validator(mode="after")
    def _epochs_of_steps(self) -> ScheduleRule:
        if (self.name == "step") != bool(self.epochs):
            raise PydanticCustomError(
                "impossible",
                'a schedule of steps needs to know after which epochs, as in {name = "step", epochs = [100]}; '
                "no other schedule has epochs.",
            )
        return self
