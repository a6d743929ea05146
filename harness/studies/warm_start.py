"""The best configs of another study in the same storage, which a study tries first."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.core.errors import UserError
from harness.core.network import label
from harness.storage.urls import without_password
from harness.studies.acceptance import SETTINGS
from harness.studies.first_configs import FIRST, FirstConfigs
from harness.studies.space import Space
from harness.studies.storage import open_storage

_BEST = 5


def warm_start(spec: str, url: str, name: str, space: Space) -> tuple[FirstConfigs, list[str]]:
    """The best configs of another study in the storage at `url`, and a warning for each that is outside `space`.

    `spec` is the other study's name, or `name:count`. If the study `name` began with them already, they are those that
    it recorded. The lesson's setting is left out, which comes first anyway. Raises `UserError` if there is no such
    study, or if no config of it fits.
    """
    storage = open_storage(url)
    known = [study.study_name for study in storage.get_all_studies()]
    other, count = (spec, _BEST) if spec in known else _split(spec)
    source = f"--warm-start {other}:{count}"
    if name in known:
        begun = optuna.load_study(study_name=name, storage=storage).user_attrs.get(FIRST)
        if begun and begun["source"] == source:
            return FirstConfigs(**begun), []
    if other not in known:
        there = ", ".join(known) or "none"
        raise UserError(f"--warm-start is {spec!r}: {without_password(url)} has no such study; there are: {there}")
    study = optuna.load_study(study_name=other, storage=storage)
    if [direction.name for direction in study.directions] != ["MAXIMIZE"]:
        raise UserError(f"--warm-start is {spec!r}: that study does not maximize one value, as a search does")
    complete = study.get_trials(False, (TrialState.COMPLETE,))
    by_params = {tuple(sorted(trial.params.items())): trial for trial in reversed(complete)}  # the first of equal ones
    best = sorted(by_params.values(), key=lambda trial: (-(trial.value or 0), trial.number))
    settings = study.user_attrs.get(SETTINGS, {})
    found, warnings = _fitting(best, count, space, other, settings.get("space", {}).get("fixed", {}))
    if not found:
        raise UserError(f"--warm-start is {spec!r}: no config of that study is in this search space")
    return FirstConfigs(source, found), warnings


def _fitting(
    best: Sequence[FrozenTrial], count: int, space: Space, other: str, fixed: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    found: list[dict[str, Any]] = []
    warnings: list[str] = []
    lesson = None if space.lesson_outside else {name: space.lesson[name] for name in space.searched}
    for trial in best:
        params = {name: value for name, value in {**fixed, **trial.params}.items() if name in space.searched}
        if len(found) + len(warnings) == count:
            break
        if outside := space.outside(params):
            values = ", ".join(f"{label(name)} {params[name]!r}" for name in outside)
            warnings.append(f"trial {trial.number} of {other!r} is outside the search space ({values}): it is left out")
        elif params and params != lesson:
            found.append(params)
    return found, warnings


def _split(spec: str) -> tuple[str, int]:
    name, colon, count = spec.rpartition(":")
    if not colon:
        return spec, _BEST
    if not count.isdecimal() or int(count) < 1:
        raise UserError(f"--warm-start is {spec!r}: write STUDY:K, with K at least 1")
    return name, int(count)
