"""Library versions and processor, which can change the last bits of a result."""

import platform
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("torch", "torchvision", "numpy")
_PROCESSORS = Path("/proc/cpuinfo")


def environment() -> dict[str, str]:
    """The versions of Python and of the numerical libraries by name, and the model name of the `processor`."""
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
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
