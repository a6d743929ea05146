"""What a claim is: a statement, the arms that it compares, the numbers it is judged by, written down before the runs.

Knows nothing of files, torch, MLflow or statistics. `claim_file.py` reads one, `replicate.py` runs it, `analysis/`
judges it.
"""

import math
import re
import shlex
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, NamedTuple

from pydantic import Field, model_validator

from harness.claims.estimands import LENGTH, MEASURES, Estimand, Strict
from harness.core.config import RunConfig, make_config
from harness.core.errors import UserError
from harness.core.metrics import ProbeName
from harness.data.choice import DataChoice

QUICK_SEEDS, QUICK_SHARE = 3, 3


class Seeds(Strict):
    """Judged seeds are first, first + 1, …"""

    first: int = Field(ge=0)
    count: int = Field(ge=2)


class Tuning(Strict):
    """How `lr = "tuned"` is chosen for each arm: every lr of this grid is tried under each of these seeds."""

    lr: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(min_length=2)
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> "Tuning":
        for name, values in (("lr", self.lr), ("seeds", self.seeds)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} is {values}: it should not name a value twice")
        return self


class Published(Strict):
    """A result that others published: test accuracy in per cent.

    `unreproduced` says why it is shown but gives no verdict.
    """

    model: str
    test_accuracy: float = Field(gt=0, le=100)
    source: str
    unreproduced: str = ""


class Arm(NamedTuple):
    """One setting that a claim compares. `fields` are the config's, without seed; lr is absent while it is tuned.

    `tune_to_loss`: the validation loss that the tuned lr shall reach in the fewest updates; None: it shall have the
    lowest validation loss after the last epoch.
    """

    name: str
    words: str
    fields: Mapping[str, Any]
    tuned: bool
    tune_to_loss: float | None
    probes: tuple[ProbeName, ...]
    seeds: int


def tag_name(arm: str) -> str:
    """An arm's name as MLflow takes it in the name of a tag; no two arms of a claim may share it."""
    return re.sub(r"[^0-9A-Za-z_. /-]", "_", arm)


class Claim(NamedTuple):
    """A claim as it is to be run. `sha256` is that of the file, whatever `quick` or another number of seeds made of it.

    `wish` is what a person types to name it: its name, or the path of a file of their own. `not_tuned` says why nothing
    is asked with a tuned lr, `earlier` what was run before this text; "" where there is nothing to say.
    `preregistered_seeds` is the number of the file, `seeds.count` the number that is run; `moved`: `data` is not that
    of the file.
    """

    name: str
    wish: str
    title: str
    section: str
    statement: str
    lesson_zh: str
    lesson_en: str
    would_change: str
    not_tuned: str
    earlier: str
    sources: tuple[str, ...]
    seeds: Seeds
    preregistered_seeds: int
    data: DataChoice
    arms: Mapping[str, Arm]
    tuning: Tuning | None
    estimands: tuple[Estimand, ...]
    published: tuple[Published, ...]
    claimed_accuracy: float | None
    sha256: str
    text: str
    quick: bool = False
    moved: bool = False

    @property
    def dataset(self) -> str:
        """What its configs and records call the data."""
        return self.data.name

    @property
    def command(self) -> str:
        """What makes its runs."""
        moved = f" {self.data.options}" if self.moved else ""
        quick = " --quick" if self.quick else ""
        return f"python -m harness.replicate {shlex.quote(self.wish)}{moved}{quick}"

    @property
    def primary(self) -> Estimand | None:
        """The estimand that gives the claim its verdict; None where only published results are compared."""
        return next((estimand for estimand in self.estimands if estimand.primary), None)

    def arm_seeds(self, arm: Arm) -> range:
        """The seeds of an arm, from the first on."""
        return range(self.seeds.first, self.seeds.first + arm.seeds)

    def config(self, arm: Arm, seed: int, lr: float | None = None) -> RunConfig:
        """The config of one judged run; `lr` is what tuning chose, for a tuned arm."""
        fields = dict(arm.fields) if lr is None else dict(arm.fields) | {"lr": lr}
        return make_config(**{"dataset": self.dataset} | fields, seed=seed)

    def tuning_configs(self, arm: Arm) -> list[RunConfig]:
        """The runs that choose an arm's lr: on train and validation, never on test; equally many for each arm."""
        assert self.tuning is not None
        fields = {"dataset": self.dataset} | dict(arm.fields) | {"split": "search"}
        return [make_config(**fields | {"lr": lr}, seed=seed) for lr in self.tuning.lr for seed in self.tuning.seeds]

    def arm_names(self, patterns: list[str]) -> list[str]:
        """The arms that these names or patterns (`batch *`) stand for, in the order of the file."""
        return [name for name in self.arms if any(name == wish or fnmatchcase(name, wish) for wish in patterns)]

    def on(self, data: DataChoice) -> "Claim":
        """The same asked of other data than the file names: a replication of its own, labelled in its title.

        Where no arm learns from data, nothing changes. Raises `UserError` where other data have the same name.
        """
        if data.is_same(self.data) or all(arm.fields.get("dataset") for arm in self.arms.values()):
            return self
        if data.name == self.dataset:
            raise UserError(
                f"claim {self.name!r} names other data that are called {data.name!r} too, {self.data.options}: rename"
                " the file"
            )
        return self._replace(data=data, moved=True, title=f"{self.title} (on {data.name})")

    def with_seeds(self, count: int) -> "Claim":
        """The same with another number of seeds; arms with a number of their own keep their proportion.

        Raises `UserError` where a seed would both tune and judge.
        """
        factor = count / self.seeds.count
        arms = {name: arm._replace(seeds=max(2, round(arm.seeds * factor))) for name, arm in self.arms.items()}
        last = self.seeds.first + max((arm.seeds for arm in arms.values()), default=count) - 1
        for seed in self.tuning.seeds if self.tuning else []:
            if self.seeds.first <= seed <= last:
                raise UserError(
                    f"claim {self.name!r}: {count} seeds would reach up to {last}, but seed {seed} tunes: ask for fewer"
                )
        return self._replace(seeds=Seeds(first=self.seeds.first, count=count), arms=arms)

    def quickened(self) -> "Claim":
        """Three seeds, a third of the epochs and updates, less tuning: to see that all of it works, no evidence."""
        arms = {}
        for name, arm in self.arms.items():
            shorter = {
                field: math.ceil(arm.fields[field] / QUICK_SHARE)
                for field in ("epochs", "updates")
                if arm.fields.get(field) is not None
            }
            arms[name] = arm._replace(fields=dict(arm.fields) | shorter, seeds=min(arm.seeds, QUICK_SEEDS))
        quick = self._replace(seeds=Seeds(first=self.seeds.first, count=QUICK_SEEDS), arms=arms, quick=True)
        if self.tuning is not None:
            tried = self.tuning.lr[::2] if len(self.tuning.lr) > 3 else self.tuning.lr
            quick = quick._replace(tuning=Tuning(lr=tried, seeds=self.tuning.seeds[:1]))
        return quick._replace(estimands=tuple(quick._within_reach(estimand) for estimand in self.estimands))

    def _within_reach(self, estimand: Estimand) -> Estimand:
        """The same, looked at no later than its shortest arm lasts."""
        field = LENGTH.get(MEASURES[estimand.measure].at)
        lengths = [self.arms[name].fields.get(field) for name in self.arm_names(estimand.arms)] if field else []
        known = [float(length) for length in lengths if length is not None]
        if estimand.at is None or not known:
            return estimand
        return estimand.model_copy(update={"at": min(estimand.at, *known)})
