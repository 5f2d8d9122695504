"""What one training run is told: the network, the penalties, the optimizer, the data's condition."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from jaxreg.axes import AXES, OURS
from jaxreg.formatting import value_text
from jaxreg.spec.checked import Checked
from jaxreg.spec.limits import MOST, MOST_LAYERS, MOST_UNITS, MOST_WEIGHTS, whole
from jaxreg.spec.rules import (
    Count,
    EarlyStopping,
    Number,
    OptimizerRule,
    Rate,
    ScheduleRule,
    Share,
    Strength,
    Switch,
)

Units = Annotated[int, Field(strict=True, ge=1, le=MOST_UNITS)]
NETWORK_NAME = r"\w[\w.+-]*"
NO_NAMES = ("na", "nan", "none", "null", "inf", "infinity", "true", "false")  # as readers of tables have it
Precision = Literal["float32", "tf32", "bf16"]


def _per_layer(value: Any) -> str:
    return "per layer" if isinstance(value, list | tuple) else "every layer"


def _stopping_rule(value: Any) -> Any:
    if value == "off":
        return None
    return {"patience": value} if type(value) is int else value


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _limit(value: Any) -> Any:
    return None if value == "off" else value


def _part(value: Any) -> Any:
    return None if value == "all" else value


def _network(value: Any) -> Any:
    if isinstance(value, str):
        _named_in_tables(value.rpartition(":")[2].partition("@")[0])
    return None if value == OURS else value


def _named_in_tables(name: str) -> str:
    if name.lower() in NO_NAMES:
        raise PydanticCustomError(
            "impossible", "{name} reads as no name in a table. Call it otherwise.", {"name": name}
        )
    return name


FIELD = r"^[A-Za-z]\w{0,99}$"
FieldName = Annotated[str, Field(strict=True, pattern=r"^\w[\w.+]{0,99}$"), AfterValidator(_named_in_tables)]
FieldNumber = Annotated[int, Field(strict=True, ge=-MOST, le=MOST)] | Annotated[Number, Field(ge=-MOST, le=MOST)]
FieldValue = Annotated[
    Switch | FieldNumber | FieldName | Annotated[tuple[FieldNumber, ...], Field(min_length=1, max_length=100)],
    Field(description="a number up to a million in size, true or false, a name, or a list of numbers"),
]


class Settings(Checked):
    """Everything about a training run but its split and its seed. The defaults are the recipe.

    `scaling` is what the network sees of a pixel p: "raw" p in 0..255, "unit" p / 255, "standard"
    (p - mean) / deviation over the member's own training images.

    An epoch is as many steps as a whole split takes: with fewer `train_examples` a member goes over its own more often,
    so that the number of steps is the same.
    """

    hidden: tuple[Units, ...] = Field(
        default=(225, 256, 128),
        min_length=1,
        max_length=MOST_LAYERS,
        description=f"a list of at most {MOST_LAYERS} layer widths, each from 1 to {MOST_UNITS}, "
        "such as [225, 256, 128]",
    )
    network: Annotated[
        Annotated[str, Field(strict=True, pattern=rf"^([\w.]+:)?{NETWORK_NAME}(@\w+)?$")] | None,
        BeforeValidator(_network),
    ] = Field(default=None, description='"mlp", which has the hidden layers, or "package.module:name", a Flax module')
    fields: dict[Annotated[str, Field(pattern=FIELD)], FieldValue] = Field(
        default={}, description="a table of fields of that module, such as {width = 8}"
    )
    width: Annotated[
        Annotated[Annotated[Number, Field(gt=0)], Tag("every layer")] | Annotated[tuple[Units, ...], Tag("per layer")],
        Discriminator(_per_layer),
    ] = Field(
        default=1.0,
        description="a factor above 0 on the widths in `hidden`, such as 0.5, or a list with a width for each layer",
    )
    biases: Switch = True
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
    l1_exact: Strength = 0.0
    weight_decay: Strength = 0.0
    max_norm: Annotated[Annotated[Number, Field(gt=0)] | None, BeforeValidator(_limit)] = Field(
        default=None, description='"off" or a finite number above 0, such as 3'
    )
    penalised: Literal["hidden", "all"] = Field(
        default="hidden", description='"hidden" or "all": the kernels that penalties, decay and max_norm act on'
    )
    label_smoothing: Rate = Field(default=0.0, description="a share of at least 0 and less than 1, such as 0.1")
    input_noise: Strength = Field(
        default=0.0, description="a finite number of at least 0: a standard deviation of scaled inputs, such as 0.1"
    )
    label_noise: Share = 0.0
    pixel_noise: Share = 0.0
    train_examples: Annotated[Count | None, BeforeValidator(_part)] = Field(
        default=None, description=f'"all" or {whole(1)}, no more than a split has'
    )
    early_stopping: Annotated[EarlyStopping | None, BeforeValidator(_stopping_rule)] = Field(
        default=None, description='"off", a patience such as 3, or a table such as {patience = 3}'
    )
    averaged_epochs: Count = 1  # the last so many, the mean of whose weights counts
    epochs: Count = 15
    batch_size: Count = 32
    learning_rate: Number = Field(default=1e-3, gt=0, description="a finite number above 0, such as 1e-3")
    optimizer: Annotated[OptimizerRule, BeforeValidator(_named)] = Field(
        default=OptimizerRule(),
        description='"adam", "sgd", or a table such as {name = "sgd", momentum = 0.9, nesterov = true}',
    )
    schedule: Annotated[ScheduleRule, BeforeValidator(_named)] = Field(
        default=ScheduleRule(),
        description='"constant", "cosine", or a table such as {name = "step", epochs = [100], factor = 0.1}',
    )
    loss: Literal["cross_entropy", "squared"] = Field(
        default="cross_entropy",
        description='"cross_entropy" or "squared" (the mean over classes of the softmax\'s squared error)',
    )
    precision: Precision = Field(default="float32", description='"float32", "tf32" or "bf16"')

    def __hash__(self) -> int:
        return hash(tuple(frozenset(value.items()) if isinstance(value, dict) else value for _, value in self))

    @model_validator(mode="after")
    def _one_value_per_layer(self) -> Settings:
        for name, what in {"dropout": "rate", "width": "width"}.items():
            values = getattr(self, name)
            if isinstance(values, tuple) and len(values) != len(self.hidden):
                raise PydanticCustomError(
                    "impossible",
                    "{name} is a list of {given}, but there are {layers} hidden layers. "
                    "Give a {what} for each, or one number.",
                    {"name": name, "what": what, "given": len(values), "layers": len(self.hidden)},
                )
        return self

    @model_validator(mode="after")
    def _averaged_or_stopped(self) -> Settings:
        if self.averaged_epochs > 1 and self.early_stopping is not None:
            raise PydanticCustomError(
                "impossible",
                "averages the weights of the last {epochs} epochs, and early stopping does not know the last ones. "
                "Leave one out.",
                {"epochs": self.averaged_epochs},
            )
        return self

    @model_validator(mode="after")
    def _of_a_size(self) -> Settings:
        widest = max(self.hidden) * (1 if isinstance(self.width, tuple) else self.width)
        if widest > MOST_UNITS:
            raise PydanticCustomError(
                "impossible",
                "a hidden layer has {units} units, and at most {most} are possible. Give a smaller width.",
                {"units": f"{widest:g}", "most": MOST_UNITS},
            )
        weights = sum(before * after for before, after in pairwise(self.widths))
        if weights > MOST_WEIGHTS:
            raise PydanticCustomError(
                "impossible",
                "the hidden layers have {weights} weights between them, and at most {most} are possible. "
                "Give smaller widths, or fewer layers.",
                {"weights": weights, "most": MOST_WEIGHTS},
            )
        return self

    @property
    def network_name(self) -> str:
        """What the network is called on its axis: without its module and the digest of its program."""
        return OURS if self.network is None else self.network.partition("@")[0].rpartition(":")[2]

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each hidden layer: `hidden` times `width`, rounded, at least one."""
        if isinstance(self.width, tuple):
            return self.width
        return tuple(max(1, round(units * self.width)) for units in self.hidden)

    @property
    def dropout_rates(self) -> tuple[float, ...]:
        """The rate after each hidden layer."""
        return self.dropout if isinstance(self.dropout, tuple) else (self.dropout,) * len(self.hidden)

    def architecture(self, inputs: int | None = None, outputs: int | None = None) -> str:
        """The layers, as in "784-225-256-128-10+bn+dropout"; dropout only where a rate is above 0.

        Without the numbers of inputs and outputs, which the data decide, the hidden layers alone.
        """
        if self.network is not None:
            given = ",".join(f"{name}={value_text(value)}" for name, value in self.fields.items())
            return self.network.partition("@")[0] + f"({given})" * bool(given)  # without the digest of its program
        ends = ([inputs], [outputs]) if inputs is not None else ([], [])
        layers = "-".join(map(str, (*ends[0], *self.widths, *ends[1])))
        return layers + "+bn" * self.batch_norm + "+dropout" * any(self.dropout_rates)

    def given(self) -> Mapping[str, Any]:
        """As plain numbers, texts, lists and tables."""
        return self.model_dump(mode="json")


# An axis moves a field: a row of the table that names none can't be imported.
assert {axis.field for axis in AXES.values()} <= set(Settings.model_fields)
