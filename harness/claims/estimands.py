"""The measures that a claim may use, and estimands, which compare arms in one measure. Computes nothing."""

from string import Formatter
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.core.language import N_
from harness.core.metrics import ProbeName
from harness.core.validation import suggest

At = Literal["", "loss", "epoch", "updates", "examples", "trials", "cost", "accuracy"]
Compare = Literal["difference", "log_ratio", "value", "slope", "valley", "spread"]
FACTORS: tuple[Compare, ...] = ("log_ratio", "spread")  # their effects are factors


# The config field that sets the length of a run, in the steps of a measure's `at`.
LENGTH: dict[str, str] = {"epoch": "epochs", "updates": "updates", "trials": "trials"}
_NEEDED: tuple[At, ...] = ("loss", "examples", "cost", "accuracy")


class Measure(NamedTuple):
    """A measure: its unit, the meaning of `at` ("" if it has none), and the probes that it needs.

    `of`: the arms that have it, those that train one config, those that are searches, or both.
    """

    unit: str
    at: At
    probes: tuple[ProbeName, ...]
    of: Literal["runs", "searches", "both"] = "runs"


# analysis/judging/measures.py computes them. Without `at`, "epoch", "updates" and "trials" mean the last one.
MEASURES: dict[str, Measure] = {
    "updates_to_loss": Measure(N_("updates"), "loss", ("loss",)),
    "examples_to_loss": Measure(N_("examples"), "loss", ("loss",)),
    "seconds_to_loss": Measure(N_("s"), "loss", ("loss",)),
    "seconds_per_update": Measure(N_("s"), "", ()),
    "train_loss": Measure("nats", "epoch", ()),
    "train_accuracy": Measure(N_("points"), "epoch", ()),
    "cumulative_accuracy": Measure(N_("points"), "epoch", ()),
    "test_accuracy": Measure(N_("points"), "epoch", (), "both"),
    "generalization_gap": Measure(N_("points"), "epoch", ()),
    "probe_loss": Measure("nats", "updates", ("loss",)),
    "roughness": Measure("nats", "updates", ("roughness",)),
    "path_ratio": Measure("", "updates", ("path",)),
    "path_ratio_by_examples": Measure("", "examples", ("path",)),
    "gradient_cosine": Measure("", "updates", ("path",)),
    "step_gain": Measure("", "updates", ("path",)),
    "covariance_slope_start": Measure("", "", ("gradient_noise",)),
    "covariance_slope_end": Measure("", "", ("gradient_noise",)),
    "excess_loss": Measure("nats", "", ("validation_halves",)),
    "excess_loss_smoothed": Measure("nats", "", ("validation_halves",)),
    "excess_error": Measure(N_("points"), "", ("validation_halves",)),
    "excess_error_smoothed": Measure(N_("points"), "", ("validation_halves",)),
    "global_basin": Measure("of all runs", "", ()),
    "best_val_accuracy": Measure(N_("points"), "trials", (), "searches"),
    "best_val_accuracy_by_cost": Measure(N_("points"), "cost", (), "searches"),
    "trials_to": Measure(N_("trials"), "accuracy", (), "searches"),
}


class Strict(BaseModel):
    """A table of a claim file. Unknown fields and implicit conversions are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Estimand(Strict):
    """One number that judges a claim; `claimed` and `margin`, or `smallest_effect`, in the measure's unit.

    Effects of a log ratio and of a spread are factors: 2.0 means "twice". A spread compares the standard deviations,
    over the seeds, of the measure's logarithm. A negative smallest effect (or a factor below 1) claims a negative
    effect. `words` is a sentence with {effect} for the number. `when` names the condition if the estimand repeats the
    primary question under another condition. {at} stands for `at`, which a quick look reduces, and {tenfold} for the
    factor of a slope when `along` grows tenfold.

    With `take`, each pattern in `arms` is one number per seed: that value of `along` at which the measure is smallest
    ("best"), or the largest one at which it is below `below` ("largest"). These numbers are then compared.
    """

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    words: str
    when: str | None = Field(default=None, min_length=1)
    question: Literal["lesson", "tuned", "control"]
    primary: bool = False
    measure: str
    at: float | None = Field(default=None, gt=0)
    compare: Compare
    arms: list[str] = Field(min_length=1)
    along: Literal["lr", "gamma", "batch_size", "epochs", "hidden"] | None = None
    take: Literal["best", "largest"] | None = None
    below: float | None = None
    claimed: float | None = None
    margin: float | None = Field(default=None, gt=0)
    smallest_effect: float | None = None

    @field_validator("words")
    @classmethod
    def _holds_its_number(cls, words: str) -> str:
        if "effect" not in braces(words):
            raise ValueError(f"{words!r} should hold {{effect}}, where its number goes")
        return words

    @field_validator("when")
    @classmethod
    def _holds_no_other(cls, when: str | None) -> str | None:
        braces(when or "")
        return when

    @model_validator(mode="after")
    def _complete(self) -> "Estimand":
        kind = MEASURES.get(self.measure)
        if kind is None:
            raise ValueError(
                f"measure is {self.measure!r}: {suggest(self.measure, MEASURES)}known are {', '.join(MEASURES)}"
            )
        if self.at is not None and not kind.at:
            raise ValueError(f"at is {self.at}: {self.measure} takes none")
        if self.at is None and kind.at in _NEEDED:
            raise ValueError(f"at is missing: {self.measure} needs it ({kind.at})")
        if self.at is None and "{at}" in self.words + (self.when or ""):
            raise ValueError("words or when has {at}, but at is missing")
        if self.compare != "slope" and "{tenfold}" in self.words:
            raise ValueError(f"words has {{tenfold}}, but compare is {self.compare!r}: only a slope has such a factor")
        if self.take and self.compare not in ("value", "difference", "log_ratio"):
            raise ValueError(f"take is {self.take!r}: a {self.compare} takes none")
        if (self.below is None) == (self.take == "largest"):
            raise ValueError(f'below is {self.below}: take = "largest" needs it, and nothing else does')
        if (self.along is None) == (self.compare in ("slope", "valley") or self.take is not None):
            raise ValueError(
                f"along is {self.along!r}: a slope, a valley or take needs it, any other comparison takes none"
            )
        if (self.claimed is None) != (self.margin is None) or (self.claimed is None) == (self.smallest_effect is None):
            raise ValueError("write claimed with margin, or smallest_effect alone: the verdict needs one of them")
        if self.compare in ("difference", *FACTORS) and len(self.arms) != 2:
            raise ValueError(f"arms is {self.arms}: a {self.compare} compares two")
        if self.compare == "value" and len(self.arms) != 1:
            raise ValueError(f"arms is {self.arms}: a value is that of one arm")
        least = self.smallest_effect if self.claimed is None else self.claimed - (self.margin or 0.0)
        if self.compare in FACTORS and (least is None or least <= 0):
            what = "smallest_effect" if self.claimed is None else "claimed minus margin"
            raise ValueError(
                f"{what} is {least}: it should be above 0, because effects of a {self.compare} are factors"
            )
        nothing = 1.0 if self.compare in FACTORS else 0.0
        for name, value in (("smallest_effect", self.smallest_effect), ("claimed", self.claimed)):
            if value == nothing:
                raise ValueError(
                    f"{name} is {value:g}, which says no effect for a {self.compare}: write what is claimed"
                )
        return self

    @property
    def bound(self) -> tuple[float | None, float | None, float | None]:
        """(claimed, margin, smallest effect)."""
        return self.claimed, self.margin, self.smallest_effect

    @property
    def unit(self) -> str:
        """The unit of the effect as shown: × for a factor, (slope) for a slope, else that of what is compared."""
        if self.compare in FACTORS:
            return "×"
        if self.take:
            return ""
        return "(slope)" if self.compare == "slope" else MEASURES[self.measure].unit


def braces(text: str) -> set[str]:
    """The names in braces. Raises `ValueError` for any other than effect, at and tenfold."""
    try:
        parts = {part[1:] for part in Formatter().parse(text) if part[1] is not None}
    except ValueError:
        parts = {("", "", None)}
    if not parts <= {(name, "", None) for name in ("effect", "at", "tenfold")}:
        raise ValueError(f"{text!r} has a {{}} that is none of {{effect}}, {{at}} and {{tenfold}}")
    return {str(name) for name, _, _ in parts}
