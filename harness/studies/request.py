"""What the user asks of a search. Loads nothing slow, so that bad input is reported at once."""

from pathlib import Path
from typing import NamedTuple

from harness.core.defaults import Precision, PrunerChoice, SamplerChoice
from harness.core.errors import UserError
from harness.core.paths import DEFAULT_SPACE
from harness.data.choice import DataChoice
from harness.engines.choice import EngineOptions
from harness.storage.checks import check_name, check_stores, tracking_uri

MOST_FRESH_SEEDS = 100  # of each kind: those that test follow the study's seed, those that confirm follow these
_GREATEST_SEED = 2**32 - 1 - 2 * MOST_FRESH_SEEDS  # the seeds above it test and confirm


class FinalsPlan(NamedTuple):
    """What follows the trials: the best `confirm` are trained with `confirm_seeds`; `winner_seeds` test the winner."""

    confirm: int
    confirm_seeds: int
    winner_seeds: int


USUAL_FINALS = FinalsPlan(confirm=3, confirm_seeds=3, winner_seeds=5)
USUAL_ROUND = 8  # trials proposed at a time


class SearchPlan(NamedTuple):
    """What a search does, whatever trains it and wherever it is recorded.

    `is_stored`: Optuna's storage outlives this process; if not, a resumed search takes its trials from MLflow.
    """

    trials: int
    round_size: int
    sampler: SamplerChoice
    pruner: PrunerChoice
    finals: FinalsPlan
    timeout: float | None = None
    is_stored: bool = True


class SearchRequest(NamedTuple):
    """The parsed options of `harness.search`. If `study` is empty, the name is DATASET-SEED."""

    trials: int
    study: str
    seed: int
    engine: EngineOptions
    dataset: DataChoice
    data_dir: Path | None
    stack: bool
    precision: Precision
    space: Path | None
    storage: str
    round_size: int
    timeout: float | None
    finals: FinalsPlan
    wait: bool
    sampler: SamplerChoice
    pruner: PrunerChoice
    enqueue: Path | None
    warm_start: str

    @property
    def plan(self) -> SearchPlan:
        """What is searched for, without where."""
        return SearchPlan(self.trials, self.round_size, self.sampler, self.pruner, self.finals, self.timeout)

    @property
    def space_file(self) -> Path:
        """The file of the search space."""
        return self.space or DEFAULT_SPACE

    def check(self) -> None:
        """Raise `UserError` for bad input."""
        for option, value, least in (
            ("--trials", self.trials, 1),
            ("--round-size", self.round_size, 1),
            ("--timeout", self.timeout, 0),
            ("--seed", self.seed, 0),
            ("--confirm", self.finals.confirm, 0),
            ("--confirm-seeds", self.finals.confirm_seeds, 1),
            ("--winner-seeds", self.finals.winner_seeds, 1),
        ):
            if value is not None and not value >= least:  # NaN is refused too
                raise UserError(f"{option} is {value}: it should be at least {least}")
        for option, value, most in (
            ("--seed", self.seed, _GREATEST_SEED),
            ("--confirm-seeds", self.finals.confirm_seeds, MOST_FRESH_SEEDS),
            ("--winner-seeds", self.finals.winner_seeds, MOST_FRESH_SEEDS),
        ):
            if value > most:
                raise UserError(f"{option} is {value}: it should be at most {most}")
        self.engine.check()
        self.dataset.check_readable(self.data_dir)
        check_stores(self.storage, tracking_uri())
        check_name(self.study)
        if self.enqueue and self.warm_start:
            raise UserError(f"--enqueue {self.enqueue} and --warm-start {self.warm_start}: use one of them")
        if self.sampler == "grid" and (self.enqueue or self.warm_start):
            raise UserError("--sampler is 'grid': it tries its points alone; leave --enqueue and --warm-start out")
