"""What the user asks of a search. Loads nothing slow, so that bad input is reported at once."""

from pathlib import Path
from typing import NamedTuple

from harness.core.defaults import Precision
from harness.core.errors import UserError
from harness.core.paths import DEFAULT_SPACE
from harness.data.choice import DataChoice
from harness.engines.choice import EngineOptions
from harness.storage.checks import check_name, check_stores, tracking_uri

_GREATEST_SEED = 2**32 - 4  # the winner's runs use the three seeds above it


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
    wait: bool

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
        ):
            if value is not None and not value >= least:  # NaN is refused too
                raise UserError(f"{option} is {value}: it should be at least {least}")
        if self.seed > _GREATEST_SEED:
            raise UserError(f"--seed is {self.seed}: it should be at most {_GREATEST_SEED}")
        self.engine.check()
        check_stores(self.storage, tracking_uri())
        check_name(self.study)
