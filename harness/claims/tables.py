"""The tables of a claim file, as they are written. `make_arms.py` makes arms of them."""

from typing import Literal

from pydantic import Field

from harness.claims.chinese import Chinese
from harness.claims.claim import Seeds, Tuning
from harness.claims.estimands import Estimand, Strict
from harness.claims.published import Published
from harness.core.config import Split
from harness.core.defaults import Header, PrunerChoice, SamplerChoice
from harness.core.metrics import ProbeName
from harness.core.network import Scalar

OF_SEARCHES = ("sampler", "pruner", "trials", "space")
OF_ALL = ("kind", "seeds")


class Settings(Strict):
    """The settings of a run: a config's fields, each a value or, in an arm, a list that makes one arm per value.

    Those in `OF_SEARCHES` are of an arm whose kind is "search".
    """

    lr: float | list[float] | Literal["tuned"] | None = None
    tune_to_loss: float | None = Field(default=None, gt=0)
    gamma: float | list[float] | None = None
    batch_size: int | list[int] | None = None
    epochs: int | list[int] | None = None
    updates: int | list[int] | None = None
    hidden: int | list[int] | None = None
    batch_norm: bool | list[bool] | None = None
    standardize: bool | None = None
    hidden_batch_norm: bool | None = None
    optimizer: str | list[str] | None = None  # the config knows their names
    nesterov: bool | None = None
    weight_decay: float | list[float] | None = None
    lr_schedule: str | list[str] | None = None
    warmup_epochs: int | None = None
    network: str | list[str] | None = None
    network_params: dict[str, Scalar | list[Scalar]] | None = None
    split: Split | None = None
    probes: list[ProbeName] | None = None
    seeds: int | None = Field(default=None, ge=2)
    kind: Literal["search"] | None = None
    sampler: SamplerChoice | list[SamplerChoice] | None = None
    pruner: PrunerChoice | list[PrunerChoice] | None = None
    trials: int | list[int] | None = None
    space: str | None = None


class ArmTable(Settings):
    name: str = Field(min_length=1)
    words: str = ""
    dataset: Literal["two-basins"] | None = None


class Lesson(Strict):
    section: str
    zh: str
    en: str


class File(Strict):
    title: str
    statement: str
    would_change: str
    not_tuned: str = ""
    earlier: str = ""
    sources: list[str] = Field(min_length=1)
    lesson: Lesson = Lesson(section="", zh="", en="")
    dataset: str = "fashion-mnist"
    target: str = ""
    header: Header = "auto"
    ignore: list[str] = Field(default_factory=list)
    seeds: Seeds = Seeds(first=1, count=10)
    settings: Settings = Settings()
    tuning: Tuning | None = None
    arms: list[ArmTable] = Field(default_factory=list)
    estimands: list[Estimand] = Field(default_factory=list)
    published: list[Published] = Field(default_factory=list)
    claimed_accuracy: float | None = Field(default=None, gt=0, le=100)
    zh: Chinese | None = None


FIELDS = {
    "": tuple(File.model_fields),
    "settings": tuple(Settings.model_fields),
    "arms": tuple(ArmTable.model_fields),
    "estimands": tuple(Estimand.model_fields),
    "tuning": tuple(Tuning.model_fields),
    "seeds": tuple(Seeds.model_fields),
    "lesson": tuple(Lesson.model_fields),
    "published": tuple(Published.model_fields),
    "zh": tuple(Chinese.model_fields),
}
