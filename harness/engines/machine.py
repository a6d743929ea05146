"""What this machine offers to a run: its device and its cores. Torch is imported only where it is needed."""

from joblib import cpu_count

from harness.core.defaults import DeviceChoice
from harness.core.errors import UserError


def find_device(choice: DeviceChoice) -> str:
    """The device "cpu" or "cuda". Raises `UserError` if CUDA was chosen and there is none."""
    import torch

    available = torch.cuda.is_available()
    if choice == "cuda" and not available:
        raise UserError("--device is 'cuda', but torch sees no CUDA device here; use --device cpu or auto")
    return "cuda" if available and choice != "cpu" else "cpu"


def physical_cores() -> int:
    """The number of physical CPU cores."""
    return int(cpu_count(only_physical_cores=True))


def usual_workers(device: str) -> int:
    """One worker per core; two for a GPU, so that one prepares an epoch while the GPU computes for the other."""
    return 2 if device == "cuda" else physical_cores()
