"""An experiment-tracking research harness for a deep-learning lesson.

The names below are for people who write Python. They are imported when they are first used, so that `--help` stays
quick:

    from harness import LESSON, RunConfig, load_dataset, train

    digits = load_dataset("digits")
    config = RunConfig(**LESSON, seed=420, dataset=digits.name, split="search")
    for epoch in train(config, digits):
        print(epoch.epoch, epoch.val_accuracy)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.claims.file import read_claim as read_claim
    from harness.core.config import RunConfig as RunConfig
    from harness.core.defaults import LESSON as LESSON
    from harness.data.load import load_dataset as load_dataset
    from harness.training.loop import train as train

_WHERE = {
    "LESSON": "harness.core.defaults",
    "RunConfig": "harness.core.config",
    "load_dataset": "harness.data.load",
    "read_claim": "harness.claims.file",
    "train": "harness.training.loop",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(_WHERE)
