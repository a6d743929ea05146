"""Whether a study found in Optuna's storage is one of this project, with the settings that are asked for now."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from harness.core.errors import UserError

OUTCOME, SETTINGS = "outcome", "settings"  # keys of Optuna's user attributes, of a trial and of the study
SAMPLER, PRUNER, NETWORK = "sampler", "pruner", "network"  # settings
# Of studies of an earlier version, which had no choice.
_EARLIER = {SAMPLER: "tpe", PRUNER: "median", NETWORK: "the lesson's"}
_OPTIONS = {"cohort": "stack", "round": "round-size"}  # recorded setting → name of its option


def check_study(study: optuna.Study, settings: Mapping[str, Any]) -> None:
    """Record the settings of a new study. Raises `UserError` if it should not maximize or was made with other ones."""
    name = study.study_name
    directions = [direction.name.lower() for direction in study.directions]
    if directions != ["maximize"]:
        raise UserError(
            f"study {name!r} is of other code: it should {' and '.join(directions)}, and a search should maximize;"
            " start another study with --study NAME"
        )
    stored = study.user_attrs.get(SETTINGS)
    if stored is None:
        study.set_user_attr(SETTINGS, dict(settings))
        return
    if not isinstance(stored, dict):
        raise UserError(f"study {name!r} is of other code: its settings are {_short(stored)}; use --study NAME")
    stored = _EARLIER | stored
    for key, value in settings.items():
        if key in stored and stored[key] != value:
            option = _OPTIONS.get(key, key)
            raise UserError(
                f"study {name!r} was made with {option} {_short(stored[key])}, not {_short(value)};"
                f" keep {option} as it was, or start another study with --study NAME"
            )


def check_trials(
    name: str,
    trials: Sequence[FrozenTrial],
    space: Mapping[str, BaseDistribution],
    outcome_of: Callable[[FrozenTrial], object],
) -> None:
    """Raise `UserError` if a trial has parameters from another space, or an outcome that `outcome_of` cannot read."""
    for frozen in trials:
        theirs = f"trial {frozen.number} of study {name!r} is of other code"
        try:
            outcome_of(frozen)
        except (ValueError, TypeError, KeyError):
            outcome = _short(frozen.user_attrs[OUTCOME])
            raise UserError(f"{theirs}: its outcome is {outcome}; start another study with --study NAME") from None
        for param, distribution in frozen.distributions.items():
            if space.get(param) != distribution:
                raise UserError(
                    f"{theirs}: its {param} is from {distribution}, which is not in the search space; start another"
                    " study with --study NAME"
                )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
