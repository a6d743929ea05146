"""Where runs are executed: worker processes of this machine, or a Ray cluster.

Imports are late, because Ray is optional, and because a pool has to start before this process imports torch.
"""

import os
from typing import TYPE_CHECKING, NamedTuple

from harness.core.defaults import DeviceChoice, EngineChoice, MatmulBackend
from harness.core.errors import UserError

if TYPE_CHECKING:
    from harness.data.dataset import Dataset
    from harness.engines.cluster import Cluster
    from harness.engines.local import LocalEngine
    from harness.engines.pool import Pool
    from harness.engines.ray import RayEngine

    Workers = Pool | Cluster


_WORKERS_PER_CPU = 16
_MIN_GPU_SHARE = 0.0001  # the smallest that Ray tells from 0


class EngineOptions(NamedTuple):
    """The options of a command. `workers` None: one per core, two per GPU, or as many as the cluster has room for."""

    engine: EngineChoice
    workers: int | None
    ray_address: str
    gpus_per_run: float
    device: DeviceChoice

    def check(self) -> None:
        """Raise `UserError` for a bad value or options that contradict each other."""
        if self.workers is not None and self.workers < 1:
            raise UserError(f"--workers is {self.workers}: it should be at least 1")
        cpus = os.cpu_count() or 1
        most = _WORKERS_PER_CPU * cpus
        if self.engine == "local" and self.workers is not None and self.workers > most:
            raise UserError(
                f"--workers is {self.workers}: it should be at most {most} on this machine,"
                f" {_WORKERS_PER_CPU} for each of its {cpus} CPUs; more would only use memory"
            )
        if not self.gpus_per_run >= 0:  # NaN is refused too
            raise UserError(f"--gpus-per-run is {self.gpus_per_run}: it should be at least 0")
        gpus = self.gpus_per_run
        if 0 < gpus < _MIN_GPU_SHARE or (gpus > 1 and not gpus.is_integer()):
            raise UserError(f"--gpus-per-run is {gpus}: it should be {_MIN_GPU_SHARE} to 1, or a whole number")
        if self.engine == "ray":
            if self.device != "auto":
                raise UserError(f"--device is {self.device!r}: with --engine ray, --gpus-per-run decides")
        elif self.gpus_per_run or self.ray_address:
            raise UserError("--ray-address and --gpus-per-run need --engine ray")


def start_workers(options: EngineOptions) -> "Workers":
    """The pool of workers, or the cluster. They get ready in the background. Close them when all is done."""
    if options.engine == "ray":
        from harness.engines.cluster import Cluster

        return Cluster(options.ray_address or "auto", options.workers, options.gpus_per_run)

    from harness.engines.machine import usual_workers
    from harness.engines.pool import Pool

    pool = Pool(options.workers or usual_workers("cpu"))
    pool.prepare()
    return pool


def device_of(workers: "Workers", options: EngineOptions) -> str:
    """The device on which these workers train: "cpu" or "cuda"."""
    from harness.engines.machine import find_device
    from harness.engines.pool import Pool

    return find_device(options.device) if isinstance(workers, Pool) else workers.device


def make_engine(
    workers: "Workers", dataset: "Dataset", options: EngineOptions, device: str, backend: MatmulBackend | None
) -> "LocalEngine | RayEngine":
    """An engine that trains on these workers. A pool gets the number of workers that suits `device`.

    `backend` multiplies the matrices of stacks; with None, every run trains alone.
    """
    from harness.engines.pool import Pool

    if isinstance(workers, Pool):
        from harness.engines.local import LocalEngine
        from harness.engines.machine import usual_workers

        workers.size = options.workers or usual_workers(device)
        return LocalEngine(dataset, workers, device, backend)

    from harness.engines.ray import RayEngine

    return RayEngine(dataset, workers, backend)
