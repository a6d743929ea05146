"""Judges what MLflow holds: claims, studies, and the lesson's worked examples.

For people who write Python, imported when it is first used:

    from analysis import judge

    for verdict in judge("momentum", tracking_uri="sqlite:///mlflow.db").verdicts:
        print(verdict.estimand.name, verdict.label, verdict.effect, verdict.low, verdict.high)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.reports.claims import judge as judge


def __getattr__(name: str) -> Any:
    if name != "judge":
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return import_module("analysis.reports.claims").judge


def __dir__() -> list[str]:
    return ["judge"]
