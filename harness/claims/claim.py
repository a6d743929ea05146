"""A claim: a statement, the arms that it compares, and the estimands that judge it, written down before the runs.

Knows neither files, torch, MLflow nor statistics. `file.py` reads a claim, `replication.py` runs it, `analysis/` judges
it.
"""

import math
import shlex
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from harness.claims.arm import Arm
from harness.claims.chinese import Chinese
from harness.claims.estimands import LENGTH, MEASURES, Estimand, Strict
from harness.claims.published import Published
from harness.claims.search_arm import SearchConfig
from harness.core.config import RunConfig, make_config
from harness.core.errors import UserError
from harness.core.language import Language, _
from harness.data.choice import DataChoice

QUICK_SEEDS, QUICK_SHARE = 3, 3
_QUICK = "-quick-2"  # the first rule tuned by a target that short runs may not reach


class Seeds(Strict):
    """The judged seeds are first, first + step, …"""

    first: int = Field(ge=0)
    count: int = Field(ge=2)
    step: int = Field(default=1, ge=1)

    def of(self, count: int) -> range:
        """The first `count` seeds."""
        return range(self.first, self.first + count * self.step, self.step)


class Tuning(Strict):
    """How `lr = "tuned"` is chosen for each arm: every lr of this grid is tried with each of these seeds."""

    lr: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(min_length=2)
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> "Tuning":
        for name, values in (("lr", self.lr), ("seeds", self.seeds)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} is {values}: it should not name a value twice")
        return self


class Claim(NamedTuple):
    """A claim as it will be run. `sha256` is that of its text, followed by those of the files that its arms name; it is
    the same for a quick claim or another number of seeds.

    `section`, `lesson_zh` and `lesson_en` are "" for a claim that is not the lesson's.
    `spec` is what the user types: the claim's name, or the path of its file. `not_tuned` is the reason why no estimand
    uses a tuned lr, `earlier` says what was run before this text, or "". `preregistered_seeds` is the number in the
    file, `seeds.count` the number that is run. `moved`: the data are not those of the file.
    """

    name: str
    spec: str
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
    zh: Chinese | None = None
    quick: bool = False
    moved: bool = False

    @property
    def dataset(self) -> str:
        """The name of the data in configs and records."""
        return self.data.name

    @property
    def texts(self) -> dict[str, str]:
        """The files that define it, by name: the claim, and what its arms name."""
        texts = {"claim.toml": self.text}
        for arm in self.arms.values():
            texts |= arm.texts
        return texts

    @property
    def arguments(self) -> str:
        """The arguments of `harness.replicate` that make its runs."""
        moved = f" {self.data.options}" if self.moved else ""
        quick = " --quick" if self.quick else ""
        return f"{shlex.quote(self.spec)}{moved}{quick}"

    @property
    def heading(self) -> str:
        """Its title, with the section of the lesson if it is the lesson's."""
        return f"{self.title} (§{self.section})" if self.section else self.title

    @property
    def primary(self) -> Estimand | None:
        """The estimand that decides the claim's verdict; None if only published results are compared."""
        return next((estimand for estimand in self.estimands if estimand.primary), None)

    def shown(self, arm: str) -> str:
        """The name of an arm as pages show it."""
        return self.arms[arm].shown

    def in_language(self, language: Language) -> "Claim":
        """The claim with its texts in this language; as it is if it has none."""
        zh = self.zh
        if language == "en" or zh is None:
            return self
        return self._replace(
            title=zh.title,
            statement=zh.statement,
            would_change=zh.would_change,
            not_tuned=zh.not_tuned,
            earlier=zh.earlier,
            arms={name: arm.in_chinese() for name, arm in self.arms.items()},
            estimands=tuple(map(zh.estimand, self.estimands)),
            published=tuple(map(zh.result, self.published)),
        )

    def arm_seeds(self, arm: Arm) -> range:
        """The seeds of an arm."""
        return self.seeds.of(arm.seeds)

    def config(self, arm: Arm, seed: int, lr: float | None = None) -> RunConfig:
        """The config of one judged run; `lr` is the tuned lr, for a tuned arm."""
        fields = dict(arm.fields) if lr is None else dict(arm.fields) | {"lr": lr}
        return make_config(**{"dataset": self.dataset} | fields, seed=seed)

    def search_config(self, arm: Arm, seed: int) -> SearchConfig:
        """What one search of an arm is recorded with."""
        assert arm.search is not None
        return SearchConfig(self.dataset, seed, arm.search)

    def tuning_configs(self, arm: Arm) -> list[RunConfig]:
        """The runs that tune an arm's lr, on train and validation, never on test; the same number for each arm."""
        assert self.tuning is not None
        fields = {"dataset": self.dataset} | dict(arm.fields) | {"split": "search"}
        return [make_config(**fields | {"lr": lr}, seed=seed) for lr in self.tuning.lr for seed in self.tuning.seeds]

    def arm_names(self, patterns: list[str]) -> list[str]:
        """The arms that match these names or patterns (`batch *`), in the order of the file."""
        return [name for name in self.arms if any(name == one or fnmatchcase(name, one) for one in patterns)]

    def on(self, data: DataChoice) -> "Claim":
        """The claim on other data: a separate replication, labelled in its title.

        If no arm learns from data, nothing changes. Raises `UserError` if the claim's own data have the same name.
        """
        if data.is_same(self.data) or all(arm.fields.get("dataset") for arm in self.arms.values()):
            return self
        if data.name == self.dataset:
            raise UserError(
                f"claim {self.name!r} uses other data that are also called {data.name!r}, {self.data.options}: rename"
                " the file"
            )
        return self._replace(
            data=data, moved=True, title=_("{title} (on {data})").format(title=self.title, data=data.name)
        )

    def with_seeds(self, count: int) -> "Claim":
        """The claim with another number of seeds; arms with their own number keep their proportion.

        Raises `UserError` if a seed would both tune and judge.
        """
        factor = count / self.seeds.count
        arms = {name: arm._replace(seeds=max(2, round(arm.seeds * factor))) for name, arm in self.arms.items()}
        judged = self.seeds.of(max((arm.seeds for arm in arms.values()), default=count))
        for seed in self.tuning.seeds if self.tuning else []:
            if seed in judged:
                raise UserError(
                    f"claim {self.name!r}: {count} seeds would reach up to {judged[-1]}, but seed {seed} tunes: ask for"
                    " fewer"
                )
        return self._replace(seeds=self.seeds.model_copy(update={"count": count}), arms=arms)

    def quickened(self) -> "Claim":
        """A quick look: three seeds, a third of the epochs, updates and trials, less tuning. It is not evidence.

        An lr is tuned by the validation loss at the end, as runs so short may not reach a target. `analysis/` judges
        it by a target that they reach.
        """
        arms = {}
        for name, arm in self.arms.items():
            shorter = {
                field: math.ceil(arm.fields[field] / QUICK_SHARE)
                for field in ("epochs", "updates", "warmup_epochs", "trials")
                if arm.fields.get(field)
            }
            if "warmup_epochs" in shorter:
                shorter["warmup_epochs"] = min(shorter["warmup_epochs"], shorter["epochs"] - 1)
            arms[name] = arm._replace(
                fields=dict(arm.fields) | shorter,
                seeds=min(arm.seeds, QUICK_SEEDS),
                tune_to_loss=None,
            )
        quick = self._replace(seeds=self.seeds.model_copy(update={"count": QUICK_SEEDS}), arms=arms, quick=True)
        if self.tuning is not None:
            tried = self.tuning.lr[::2] if len(self.tuning.lr) > 3 else self.tuning.lr
            quick = quick._replace(tuning=Tuning(lr=tried, seeds=self.tuning.seeds[:1]))
        return quick._replace(estimands=tuple(quick._within_reach(estimand) for estimand in self.estimands))

    def _within_reach(self, estimand: Estimand) -> Estimand:
        """The estimand, measured no later than its shortest arm ends."""
        at = MEASURES[estimand.measure].at
        arms = [self.arms[name].fields for name in self.arm_names(estimand.arms)]
        if at == "examples":
            lengths = [fields["updates"] and fields["updates"] * fields["batch_size"] for fields in arms]
        else:
            lengths = [fields.get(LENGTH.get(at, "")) for fields in arms]
        known = [float(length) for length in lengths if length is not None]
        if estimand.at is None or not known:
            return estimand
        return estimand.model_copy(update={"at": min(estimand.at, *known)})


def parent_name(claim: Claim) -> str:
    """The name of a claim's parent run. Another text, other data and a quick look each have another name."""
    moved = f"-{claim.dataset}" if claim.moved else ""
    return f"{claim.name}-{claim.sha256[:8]}{moved}" + (_QUICK if claim.quick else "")
