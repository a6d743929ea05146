"""What this machine offers to a run: its device and its cores."""

from harness.core.defaults import DeviceChoice
from harness.core.errors import UserError


def find_device(choice: DeviceChoice) -> str:
    """ "cpu" or "cuda". Raises `UserError` where CUDA is wished for and there is none."""
    import torch

    available = torch.cuda.is_available()
    if choice == "cuda" and not available:
        raise UserError("--device is 'cuda', but torch sees no CUDA device here; use --device cpu or auto")
    return "cuda" if available and choice != "cpu" else "cpu"


def physical_cores() -> int:
    """How many workers keep this machine busy."""
    from joblib import cpu_count

    return int(cpu_count(only_physical_cores=True))


def usual_workers(device: str) -> int:
    """One a core, or two for a GPU: one gets ready for an epoch while the GPU computes for the other."""
    return 2 if device == "cuda" else physical_cores()
