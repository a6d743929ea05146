"""Library versions and processor, which can change the last bits of a result."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("torch", "torchvision", "numpy")
# Of the shell: they choose other kernels, and so other last bits.
_VARIABLES = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_PROCESSORS = Path("/proc/cpuinfo")


def environment() -> dict[str, str]:
    """The versions of Python and of the numerical libraries by name, the model name of the `processor`, and variables
    that choose the libraries' kernels, if they are set."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        "processor": _processor(),
        **{name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def _processor() -> str:
    try:
        lines = _PROCESSORS.read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
