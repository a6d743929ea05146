"""Studies as MLflow recorded them, found by name in any experiment, and several of them side by side."""

from collections.abc import Sequence

from harness.core.errors import UserError
from harness.storage.urls import without_password
from harness.studies.frames import StudyFrames, study_frames
from harness.tracking.reader import ExperimentReader, deleted_error, parents_anywhere

GROUPS = ("sampler", "pruner", "network", "space", "seed", "device")  # fields of a study's facts


def find_study(uri: str, study: str) -> StudyFrames:
    """The study called so, the newest if `study` is "". Raises `UserError` if there is none, or if it was deleted."""
    known = []
    for experiment, run in parents_anywhere(uri, "study"):
        if study in ("", run.name):
            return study_frames(ExperimentReader(uri, experiment), run.name)
        known.append(run.name)
    for _experiment, run in parents_anywhere(uri, "study", deleted=True):
        if run.name == study:
            raise deleted_error("study", run)
    wanted = f"no study is called {study!r}" if study else "no study is recorded"
    there = f"there are: {', '.join(known)}" if known else "run harness.search first"
    raise UserError(f"{wanted} in {without_password(uri)}; {there}")


def find_studies(uri: str, names: Sequence[str]) -> list[StudyFrames]:
    """These studies. Raises `UserError` if one is named twice, or if their data differ."""
    if doubled := [name for name in names if names.count(name) > 1]:
        raise UserError(f"study {doubled[0]!r} is named twice: name each study once")
    studies = [find_study(uri, name) for name in names]
    first = studies[0].facts
    for study in studies[1:]:
        if study.facts.dataset_sha256 != first.dataset_sha256:
            raise UserError(
                f"study {studies[0].name!r} searched on {first.dataset} ({first.dataset_sha256[:12]}) and study"
                f" {study.name!r} on {study.facts.dataset} ({study.facts.dataset_sha256[:12]}): compare studies of the"
                " same data"
            )
    return studies
