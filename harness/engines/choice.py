"""Where runs are executed, as the person chose: worker processes of this machine, or a Ray cluster."""

import os
from typing import TYPE_CHECKING, NamedTuple

from harness.core.defaults import DeviceChoice, EngineChoice, Library
from harness.core.errors import UserError

if TYPE_CHECKING:
    from harness.data.dataset import Dataset
    from harness.engines.cluster import Cluster
    from harness.engines.local import LocalEngine
    from harness.engines.pool import Pool
    from harness.engines.ray import RayEngine


_MOST_OF_A_CPU = 16
_LEAST_OF_A_GPU = 0.0001  # that Ray can tell from none


class Where(NamedTuple):
    """`workers`: None for one a core, two for a GPU, or as many as the cluster has room for."""

    engine: EngineChoice
    workers: int | None
    ray_address: str
    gpus_per_run: float
    device: DeviceChoice

    def check(self) -> None:
        """Raise `UserError` where these do not go together."""
        if self.workers is not None and self.workers < 1:
            raise UserError(f"--workers is {self.workers}: it should be at least 1")
        cpus = os.cpu_count() or 1
        most = _MOST_OF_A_CPU * cpus
        if self.engine == "local" and self.workers is not None and self.workers > most:
            raise UserError(
                f"--workers is {self.workers}: it should be at most {most} on this machine,"
                f" {_MOST_OF_A_CPU} for each of its {cpus} CPUs; more would only take memory"
            )
        if not self.gpus_per_run >= 0:  # so that NaN is refused too
            raise UserError(f"--gpus-per-run is {self.gpus_per_run}: it should be at least 0")
        gpus = self.gpus_per_run
        if 0 < gpus < _LEAST_OF_A_GPU or (gpus > 1 and gpus != int(gpus)):
            raise UserError(f"--gpus-per-run is {gpus}: it should be {_LEAST_OF_A_GPU} to 1, or a whole number")
        if self.engine == "ray":
            if self.device != "auto":
                raise UserError(f"--device is {self.device!r}: with --engine ray, --gpus-per-run decides")
        elif self.gpus_per_run or self.ray_address:
            raise UserError("--ray-address and --gpus-per-run need --engine ray")


def workers_at(where: Where) -> "Pool | Cluster":
    """The workers, or the cluster, which get ready while this process goes on; close them when all is done."""
    if where.engine == "ray":
        from harness.engines.cluster import Cluster

        return Cluster(where.ray_address or "auto", where.workers, where.gpus_per_run)

    from harness.engines.machine import usual_workers
    from harness.engines.pool import Pool

    pool = Pool(where.workers or usual_workers("cpu"))
    pool.prepare()
    return pool


def device_of(workers: "Pool | Cluster", where: Where) -> str:
    """On what these workers train, "cpu" or "cuda"."""
    from harness.engines.pool import Pool

    if not isinstance(workers, Pool):
        return workers.device

    from harness.engines.machine import find_device

    return find_device(where.device)


def engine_on(
    workers: "Pool | Cluster", dataset: "Dataset", where: Where, device: str, products: Library | None
) -> "LocalEngine | RayEngine":
    """An engine on these workers for this dataset; a pool gets as many as `device` is good for, or as were asked for.

    `products`: by which library those of stacks are made; None: every run is trained alone.
    """
    from harness.engines.pool import Pool

    if isinstance(workers, Pool):
        from harness.engines.local import LocalEngine
        from harness.engines.machine import usual_workers

        workers.size = where.workers or usual_workers(device)
        return LocalEngine(dataset, workers, device, products)

    from harness.engines.ray import RayEngine

    return RayEngine(dataset, workers, products)
