"""What the last bits of a run may depend on beside config, data and code: library versions and the processor."""

import platform
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("torch", "torchvision", "numpy")
_PROCESSORS = Path("/proc/cpuinfo")


def environment() -> dict[str, str]:
    """Name → version of Python and of the libraries that compute; `processor` → what this machine calls its own."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        "processor": _processor(),
    }


def _processor() -> str:
    try:
        lines = _PROCESSORS.read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.machine())
