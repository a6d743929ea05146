"""Joins a Ray cluster within a deadline and with a token, and leaves it again."""

import importlib.util
import logging
import os
import signal
import subprocess
import sys
from typing import Any

from harness.core.errors import UserError

LOCAL = "local"
_SECONDS_TO_ANSWER = 20
_REMEDY = (
    "start one with RAY_AUTH_MODE=token ray start --head, give its HOST:PORT, or --ray-address local;"
    " its token belongs in RAY_AUTH_TOKEN or in ~/.ray/auth_token"
)

# Ray reads these when it is imported.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


class Cluster:
    """The Ray cluster at `address`: HOST:PORT, "auto" for the one on this machine, or "local" for a new one that ends
    with the command.

    `size` tasks run at a time: one per CPU, or as many as fit on its GPUs with `gpus_per_run` each, at most `workers`.
    Raises `UserError` if Ray is not installed, or if the cluster does not answer or has no such GPU.
    """

    def __init__(self, address: str, workers: int | None, gpus_per_run: float) -> None:
        if importlib.util.find_spec("ray") is None:
            raise UserError("--engine is ray, which is not installed: pip install '.[ray]'")
        if address != LOCAL:
            _check_answer(address)
        _join(address)
        self.gpus_per_run = gpus_per_run
        there = self._slots()
        if there < 1:
            self.close()
            what = f"too few GPUs for --gpus-per-run {gpus_per_run:g}" if gpus_per_run else "no CPU"
            raise UserError(f"the Ray cluster at {address} has {what}; --gpus-per-run 0 trains on CPUs")
        self.size = min(there, workers or there)

    @property
    def device(self) -> str:
        """The device of its tasks: "cpu" or "cuda"."""
        return "cuda" if self.gpus_per_run else "cpu"

    def close(self) -> None:
        """Leave the cluster; the tasks of this process end."""
        import ray

        ray.shutdown()

    def _slots(self) -> int:
        import ray

        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cpus = int(resources.get("CPU", 0))
        if not self.gpus_per_run:
            return cpus
        # Runs share one GPU; the rest of two GPUs does not make a third.
        per_gpu = int(1 / self.gpus_per_run) if self.gpus_per_run <= 1 else 1 / self.gpus_per_run
        return min(cpus, int(resources.get("GPU", 0) * per_gpu))


def _check_answer(address: str) -> None:
    """Ask in a child process, because Ray retries for minutes and no signal stops it."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check"]
    if address != "auto":
        command += ["--address", address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS_TO_ANSWER, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(f"no Ray cluster answers at {address} within {_SECONDS_TO_ANSWER} s: {_REMEDY}") from None
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).strip().splitlines() if line.strip()]
        why = " ".join(lines[-1].split())[:200] if lines else f"status {done.returncode}"
        raise UserError(f"no Ray cluster answers at {address} ({why}): {_REMEDY}")


def _join(address: str) -> None:
    import ray

    before = signal.getsignal(signal.SIGTERM)
    options: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        why = " ".join(str(error).split())[:200]
        raise UserError(f"the Ray cluster at {address} cannot be joined ({why}): {_REMEDY}") from None
    finally:
        signal.signal(signal.SIGTERM, before)  # Ray's handler would exit in the middle of a write
