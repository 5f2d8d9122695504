"""What one training run is told: the network, the penalties, the optimizer, the data's condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from jaxreg.spec.checked import Checked

# Strict: neither true nor "0.1" is a number.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Strength = Annotated[Number, Field(ge=0, description="a finite number of at least 0, such as 1e-5 (0 switches it off)")]
Share = Annotated[Number, Field(ge=0, le=1, description="a share between 0 and 1")]
Rate = Annotated[Number, Field(ge=0, lt=1)]
Count = Annotated[int, Field(strict=True, ge=1, description="a whole number of at least 1")]
CountFromZero = Annotated[int, Field(strict=True, ge=0, description="a whole number of at least 0")]
Switch = Annotated[bool, Field(strict=True, description="true or false")]


class EarlyStopping(Checked):
    """Keras's EarlyStopping, with its defaults, and the share of the training images it may watch.

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


def _per_layer(value: Any) -> str:
    return "per layer" if isinstance(value, list | tuple) else "every layer"


def _stopping_rule(value: Any) -> Any:
    if value == "off":
        return None
    return {"patience": value} if type(value) is int else value


class Settings(Checked):
    """Everything about a training run but its split and its seed. The defaults are the recipe.

    `scaling` is what the network sees of a pixel p: "raw" p in 0..255, "unit" p / 255, "standard"
    (p - mean) / deviation over the member's own training images.
    """

    hidden: tuple[Count, ...] = Field(
        default=(225, 256, 128),
        min_length=1,
        description="a list of layer widths, each at least 1, such as [225, 256, 128]",
    )
    batch_norm: Switch = False
    dropout: Annotated[
        Annotated[Rate, Tag("every layer")] | Annotated[tuple[Rate, ...], Tag("per layer")],
        Discriminator(_per_layer),
    ] = Field(
        default=0.0,
        description="a rate of at least 0 and less than 1, or a list with one for each hidden layer, "
        "such as [0.3, 0.5, 0]",
    )
    scaling: Literal["raw", "unit", "standard"] = Field(default="unit", description='"raw", "unit" or "standard"')
    l1: Strength = 0.0
    l2: Strength = 0.0
    label_noise: Share = 0.0
    pixel_noise: Share = 0.0
    early_stopping: Annotated[EarlyStopping | None, BeforeValidator(_stopping_rule)] = Field(
        default=None, description='"off", a patience such as 3, or a table such as {patience = 3}'
    )
    epochs: Count = 15
    batch_size: Count = 32
    learning_rate: Number = Field(default=1e-3, gt=0, description="a finite number above 0, such as 1e-3")

    @model_validator(mode="after")
    def _one_rate_per_layer(self) -> Settings:
        if isinstance(self.dropout, tuple) and len(self.dropout) != len(self.hidden):
            raise PydanticCustomError(
                "impossible",
                "dropout is a list of {rates}, but there are {layers} hidden layers. "
                "Give a rate for each, or one number.",
                {"rates": len(self.dropout), "layers": len(self.hidden)},
            )
        return self

    @property
    def dropout_rates(self) -> tuple[float, ...]:
        """The rate after each hidden layer."""
        return self.dropout if isinstance(self.dropout, tuple) else (self.dropout,) * len(self.hidden)

    def architecture(self, inputs: int | None = None, outputs: int | None = None) -> str:
        """The layers, as in "784-225-256-128-10+bn+dropout"; dropout only where a rate is above 0.

        Without the numbers of inputs and outputs, which the data decide, the hidden layers alone.
        """
        ends = ([inputs], [outputs]) if inputs is not None else ([], [])
        layers = "-".join(map(str, (*ends[0], *self.hidden, *ends[1])))
        return layers + "+bn" * self.batch_norm + "+dropout" * any(self.dropout_rates)

    def given(self) -> Mapping[str, Any]:
        """As plain numbers, texts, lists and tables."""
        return self.model_dump(mode="json")
