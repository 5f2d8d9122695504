"""What the report reads of run.json, and its types there: it may come from anybody, or have been edited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jaxreg.formatting import brief
from jaxreg.spec.limits import MOST_CELLS

LARGEST = 1e40  # of a number: float32 ends before
MOST_WHOLE = 10**12
MOST_CLASSES = 1000

Text = Annotated[str, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=0, le=MOST_WHOLE)]
Amount = Annotated[float, Field(strict=True, ge=0, le=1e12)]
Size = Annotated[float, Field(strict=True, ge=0, le=LARGEST)]
Number = Annotated[float, Field(strict=True, ge=-LARGEST, le=LARGEST)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Word = Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z -]{1,30}$")]


class AnotherOrder(BaseModel):
    """What run.json says of predictions whose classes seem to be others."""

    cells: Annotated[list[Text], Field(min_length=1, max_length=MOST_CELLS)]
    classes: Annotated[list[Text], Field(max_length=MOST_CLASSES)]
    seem: Annotated[list[Text], Field(max_length=MOST_CLASSES)]
    right: Share
    would_be: Share


class Recut(BaseModel):
    """What run.json says of the cell that would be the lowest with another cut: how sure that is."""

    cell: Text
    reference: Text
    difference: Number
    low: Number
    high: Number
    p_adjusted: Share
    verdict: Text


class Cut(BaseModel):
    """What run.json says of probabilities that were cut from below."""

    at: Annotated[float, Field(strict=True, gt=0, lt=1)]
    other: Annotated[float, Field(strict=True, gt=0, lt=1)]
    number: Whole
    among: Whole
    right: Whole
    loss: Annotated[dict[Text, Size], Field(min_length=1, max_length=MOST_CELLS)]
    comparison: Recut | None = None


class Data(BaseModel):
    """What run.json says of the data."""

    name: Text = ""
    digest: Text = ""
    examples_are: Word = "images"
    inputs_are: Word = "pixels"
    models_are: Word = "networks"
    test_examples: Whole | None = None
    task: Literal["classification", "regression", "votes"] = "classification"
    quantities: Annotated[dict[Text, Size], Field(max_length=1000)] | None = None  # with their spreads
    outputs: Whole | None = None  # how many quantities others have predicted
    test_variance: Size | None = None
    another_order: AnotherOrder | None = None
    cut: Cut | None = None
    notes: Annotated[list[Text], Field(max_length=20)] = []


class OwnNetwork(BaseModel):
    """What run.json says of a network of somebody's own."""

    name: Text = ""
    parameters: Whole = 0
    penalised: Annotated[list[Text], Field(max_length=10_000)] = []


class Asked(BaseModel):
    """What the page shows of the sweep that is in run.json."""

    name: Text = ""
    grid: Text | None = None
    curve_images: Whole | None = None


class About(BaseModel):
    """What the report reads of run.json; none of it needs to be there."""

    model_config = ConfigDict(extra="ignore")

    sweep: Asked | None = None
    data: Data | None = None
    versions: dict[str, Text] | None = None
    command: Text = ""
    started: Text = ""
    finished: Text = ""
    platform: Text = ""
    device: Text = ""
    precision: Text = ""
    devices: Whole = 0
    cores: Whole = 0
    programs: Whole = 0
    traces: Whole = 0
    run_seconds: Amount = 0
    train_seconds: Amount = 0
    compile_seconds: Amount = 0
    report_seconds: Amount = 0
    small_weight_threshold: Amount | None = None
    purpose: Text | None = None
    reference: Text | None = None
    network: OwnNetwork | None = None
    kinds: dict[str, list[Text]] | None = None  # members by the machine that they are of, where there are several


def check(about: Mapping[str, Any]) -> None:
    """What the report reads is of the types that it has; a `ValueError` says what is not."""
    try:
        About.model_validate(about)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ValueError(f"`{brief(key)[1:-1]}`: {first['msg']}, got {brief(first['input'])}") from None
