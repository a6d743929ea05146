"""The choices of the command line and the lesson's own settings. Plain values, so that `--help` loads nothing else."""

from typing import Any, Literal

DeviceChoice = Literal["auto", "cpu", "cuda"]
Header = Literal["auto", "yes", "no"]
EngineChoice = Literal["local", "ray"]
Precision = Literal["float32", "bfloat16"]
OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop"]
LrSchedule = Literal["constant", "cosine", "step"]
SamplerChoice = Literal["tpe", "random", "qmc", "gp", "cmaes", "grid"]
PrunerChoice = Literal["median", "none"]
MatmulBackend = Literal["default", "onednn"]  # torch's own choice, or oneDNN

OWN_MOMENTUM: tuple[OptimizerName, ...] = ("adam", "adamw")  # with them gamma is 0
# What the lesson's optimizer, SGD with momentum at a constant lr, does not have.
BESIDE_SGD = ("optimizer", "nesterov", "weight_decay", "lr_schedule", "warmup_epochs")
SEARCHED = ("lr", "gamma", "batch_size", "epochs", "batch_norm")

# §5.2 and §5.5 of the lesson.
LESSON: dict[str, Any] = {"lr": 0.15, "gamma": 0.0, "batch_size": 128, "epochs": 10, "batch_norm": False}
# Other fields of a config that a search may vary, at the lesson's values.
OPTIONAL: dict[str, Any] = {
    "hidden": 128,
    "standardize": False,
    "hidden_batch_norm": False,
    "optimizer": "sgd",
    "nesterov": False,
    "weight_decay": 0.0,
    "lr_schedule": "constant",
    "warmup_epochs": 0,
}
LESSON_SEED = 420
