"""Where the project and the real data are."""

import os
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DATA_DIR = Path(os.environ.get("HARNESS_DATA_DIR") or PROJECT / "data").resolve()
