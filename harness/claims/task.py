"""A run or a search that a claim needs, and its cost: the unit in which a replication plans. Runs nothing."""

from typing import NamedTuple

from harness.claims.arm import Arm
from harness.claims.search_arm import SearchConfig
from harness.claims.tuning import tuning_probes
from harness.core.config import RunConfig
from harness.core.metrics import ProbeName
from harness.engines.cost import cost, updates
from harness.tracking.schema import Kind

# Besides its updates, a run costs about as much as this many images, and so do probes. Measured on 1,400 runs of the
# lesson's claims.
_IMAGES_PER_RUN = 17_000
_PROBE_PER_UPDATE = {"path": 80}
_PROBE_PER_RUN = {"loss": 100_000, "gradient_noise": 750_000}


class Task(NamedTuple):
    """One run: one arm under one seed, or one lr that is tried for an arm."""

    arm: Arm
    config: RunConfig
    kind: Kind

    @property
    def probes(self) -> tuple[ProbeName, ...]:
        """The probes that watch this run."""
        return self.arm.probes if self.kind == "arm" else tuning_probes(self.arm)

    @property
    def name(self) -> str:
        """The name of its MLflow run."""
        tried = f" lr {self.config.lr:g}" if self.kind == "tuning" else ""
        return f"{self.arm.name}{tried} seed {self.config.seed}"

    @property
    def runs(self) -> int:
        """The number of runs that it makes."""
        return 1

    def cost(self, training_images: int) -> float:
        """Its cost, in images, with this many training images."""
        config = self.config
        if self.arm.fields.get("dataset") is not None:
            return _IMAGES_PER_RUN  # a toy
        per_update = sum(_PROBE_PER_UPDATE.get(probe, 0) for probe in self.probes)
        per_run = _IMAGES_PER_RUN + sum(_PROBE_PER_RUN.get(probe, 0) for probe in self.probes)
        return per_run + cost(config, training_images) + per_update * updates(config, training_images)


class SearchTask(NamedTuple):
    """One search: an arm that is one, under one seed."""

    arm: Arm
    config: SearchConfig
    kind: Kind = "arm"

    @property
    def name(self) -> str:
        """The name of the MLflow run that stands for it."""
        return f"{self.arm.name} seed {self.config.seed}"

    @property
    def runs(self) -> int:
        """The number of runs that it makes."""
        return self.config.settings.runs

    def cost(self, training_images: int) -> float:
        """About its cost, in images, with this many training images."""
        return self.config.settings.cost(training_images) + self.runs * _IMAGES_PER_RUN
