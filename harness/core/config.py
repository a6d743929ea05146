"""The config of one training run: its fields, their bounds, and the message for a value outside them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.core.defaults import (
    LESSON,
    LESSON_SEED,
    OPTIONAL,
    OWN_MOMENTUM,
    LrSchedule,
    OptimizerName,
    Precision,
)
from harness.core.errors import UserError
from harness.core.network import PREFIX, NetworkFile, Scalar, parse_scalar, quoted, split_network_params
from harness.core.validation import describe

_REMEDY = {
    "lr": "the lesson uses 0.15, usual values are between 0.01 and 0.5",
    "gamma": "0 is no momentum, 0.9 is usual",
    "batch_size": "the lesson uses 128",
    "epochs": "the lesson uses 10",
    "batch_norm": "write true or false",
    "seed": "the lesson uses 420",
    "hidden": "the lesson uses 128",
    "standardize": "write true or false",
    "hidden_batch_norm": "write true or false",
}

Split = Literal["search", "lesson"]
SEEDS = 2**32  # the number of valid seeds
OF_LESSON_NETWORK = ("hidden", "hidden_batch_norm")  # a network of the user's own may have a `hidden` too
_LONGEST = 500  # letters of a text, which MLflow keeps as a param
_LARGEST = 2**53  # the largest integer that a float holds exactly, because params are also recorded as metrics


class RunConfig(BaseModel):
    """Everything that decides the numbers of one training run. Frozen and hashable.

    `split`: "search" holds out one sixth for validation, "lesson" trains on all examples. Two runs with the same `seed`
    share split, initial weights and batch order, whatever their other fields are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    lr: float = Field(gt=0, description="step size η")
    gamma: float = Field(ge=0, lt=1, description="momentum γ")
    batch_size: int = Field(ge=1, le=_LARGEST, description="examples per update")
    epochs: int = Field(ge=1, le=_LARGEST, description="passes over the training examples")
    batch_norm: bool = Field(description="BatchNorm2d(1) on the input")
    seed: int = Field(ge=0, lt=SEEDS)
    dataset: str
    split: Split
    hidden: int = Field(default=OPTIONAL["hidden"], ge=1, le=_LARGEST, description="width of the hidden layer")
    standardize: bool = Field(default=False, description="shift and scale the input by its mean and sd")
    hidden_batch_norm: bool = Field(default=False, description="BatchNorm1d after the hidden layer, before relu")
    updates: int | None = Field(
        default=None, ge=1, le=_LARGEST, description="stop after this many updates, even in the middle of an epoch"
    )
    optimizer: OptimizerName = Field(default=OPTIONAL["optimizer"], description="of torch.optim, with its defaults")
    nesterov: bool = Field(default=OPTIONAL["nesterov"], description="Nesterov's momentum")
    weight_decay: float = Field(default=OPTIONAL["weight_decay"], ge=0, description="L2 penalty; decoupled for adamw")
    lr_schedule: LrSchedule = Field(
        default=OPTIONAL["lr_schedule"], description="by epoch: cosine falls to 0, step to a tenth after each third"
    )
    warmup_epochs: int = Field(
        default=OPTIONAL["warmup_epochs"], ge=0, le=_LARGEST, description="epochs in which lr rises from a third of it"
    )
    precision: Precision = Field(default="float32", description="of the matrix products; weights are always float32")
    network: NetworkFile | None = Field(default=None, description="a network of the user's own; None is the lesson's")
    network_params: tuple[tuple[str, Scalar], ...] = Field(default=(), description="its own hyperparameters, by name")

    @model_validator(mode="after")
    def _consistent(self) -> "RunConfig":
        if self.optimizer in OWN_MOMENTUM and self.gamma:
            raise ValueError(f"gamma is {self.gamma}: {self.optimizer} has momentum of its own; it should be 0")
        if self.optimizer == "adamw" and not self.weight_decay:
            raise ValueError("weight_decay is 0: adamw without it is adam; torch's own value is 0.01")
        if self.nesterov and not (self.optimizer == "sgd" and self.gamma):
            raise ValueError("nesterov is True: it should go with sgd and a gamma above 0")
        if self.warmup_epochs and self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs is {self.warmup_epochs}: it should be less than epochs, {self.epochs}")
        self._check_network()
        return self

    def _check_network(self) -> None:
        if self.network is None and self.network_params:
            raise ValueError(f"{PREFIX}{self.network_params[0][0]} needs network, a network of your own")
        for name in OF_LESSON_NETWORK if self.network else ():
            if (value := getattr(self, name)) != OPTIONAL[name]:
                raise ValueError(f"{name} is {value}: it is of the lesson's network, and network is {self.network}")
        for name, value in self.network_params:
            if isinstance(value, str) and len(value) > _LONGEST:
                raise ValueError(f"{PREFIX}{name} has {len(value):,} letters: it should have {_LONGEST} or fewer")
            if not name.isidentifier():
                raise ValueError(f"{PREFIX}{name}: {name!r} is no name of a Python argument")
            if name in _RESERVED:
                raise ValueError(f"{PREFIX}{name}: {name!r} means something else in every config; call it otherwise")

    def params(self) -> dict[str, Any]:
        """The fields that are set, each as one value, as MLflow records them; `parse_params` gives the config back."""
        other = {"network", "network_params"} | (set(OF_LESSON_NETWORK) if self.network else set())
        fields = self.model_dump(exclude_none=True, exclude=other)
        if self.network is None:
            return fields
        own = {f"{PREFIX}{name}": quoted(value) for name, value in self.network_params}
        return fields | {"network": self.network.spec, "network_sha256": self.network.sha256} | own

    @property
    def content_hash(self) -> str:
        """16 hexadecimal digits that identify the fields.

        Fields at their default are left out, so that adding a field does not change the hashes of earlier runs.
        """
        canonical = json.dumps(self.model_dump(exclude_defaults=True), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


_RESERVED = {"shape", "classes", *RunConfig.model_fields} - {*OF_LESSON_NETWORK}


def make_config(**fields: Any) -> RunConfig:
    """`RunConfig(**fields)`, where `network_params.width` is a field too.

    Raises `UserError` if a field is out of bounds.
    """
    plain, own = split_network_params(fields)
    try:
        return RunConfig(**plain, network_params=own)
    except ValidationError as error:
        raise UserError(_first_complaint(error)) from None


def parse_params(params: Mapping[str, str]) -> RunConfig:
    """The config whose `params()` these are, as texts; others are ignored. Its network has no text.

    Raises pydantic's `ValidationError` if they are not a config.
    """
    own = [(name.removeprefix(PREFIX), text) for name, text in params.items() if name.startswith(PREFIX)]
    plain = {name: params[name] for name in RunConfig.model_fields if name in params and name != "network"}
    config = RunConfig.model_validate_strings(plain)
    if "network" not in params:
        return config
    network = NetworkFile(spec=params["network"], sha256=params.get("network_sha256", ""))
    values = tuple((name, parse_scalar(text)) for name, text in sorted(own))
    return RunConfig(**dict(config) | {"network": network, "network_params": values})


def check_value(name: str, value: Any) -> None:
    """Raise `UserError` unless `value` is valid for the field `name`, whatever the other fields are."""
    try:
        RunConfig(**(LESSON | {"seed": LESSON_SEED, "dataset": "", "split": "search", name: value}))
    except ValidationError as error:
        if error.errors()[0]["loc"]:
            raise UserError(_first_complaint(error)) from None


def _first_complaint(error: ValidationError) -> str:
    complaint = error.errors()[0]
    name = str(complaint["loc"][0]) if complaint["loc"] else ""  # "" for fields that do not go together
    return describe(name, complaint) + (f"; {_REMEDY[name]}" if name in _REMEDY else "")
