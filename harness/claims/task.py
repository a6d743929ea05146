"""A run that a claim needs, and what it will cost: the unit in which a replication plans. Runs nothing."""

from typing import NamedTuple

from harness.claims.claim import Arm
from harness.claims.tuning import tuning_probes
from harness.core.config import RunConfig
from harness.core.metrics import ProbeName
from harness.engines.cost import updates, work
from harness.tracking.reader import Kind

# Beside its updates, a run costs about as much as so many images more, and so do probes. Measured on 1,400 runs of the
# lesson's claims.
_IMAGES_A_RUN = 17_000
_PROBE_AN_UPDATE = {"path": 80}
_PROBE_A_RUN = {"loss": 100_000, "gradient_noise": 750_000}


class Task(NamedTuple):
    """A run that a claim needs: one arm under one seed, or one lr that is tried for an arm."""

    arm: Arm
    config: RunConfig
    kind: Kind

    @property
    def probes(self) -> tuple[ProbeName, ...]:
        return self.arm.probes if self.kind == "arm" else tuning_probes(self.arm)

    @property
    def name(self) -> str:
        tried = f" lr {self.config.lr:g}" if self.kind == "tuning" else ""
        return f"{self.arm.name}{tried} seed {self.config.seed}"

    def work(self, training_images: int) -> float:
        """What it costs, in images, where so many train."""
        config = self.config
        if self.arm.fields.get("dataset") is not None:
            return _IMAGES_A_RUN  # a toy
        an_update = sum(_PROBE_AN_UPDATE.get(probe, 0) for probe in self.probes)
        a_run = _IMAGES_A_RUN + sum(_PROBE_A_RUN.get(probe, 0) for probe in self.probes)
        return a_run + work(config, training_images) + an_update * updates(config, training_images)
