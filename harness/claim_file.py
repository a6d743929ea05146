"""Reads and checks experiments/claims/*.toml; what is wrong is named with its file, line and field. No torch."""

import hashlib
import tomllib
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from harness.claim_lines import line_of
from harness.claims import MEASURES, Arm, Claim, Estimand, Published, Seeds, Strict, Tuning, tag_name
from harness.config import Split, make_config
from harness.defaults import LESSON
from harness.errors import UserError
from harness.metrics import ProbeName

CLAIMS = Path(__file__).parent.parent / "experiments" / "claims"
TUNED = "tuned"


def claim_files() -> list[Path]:
    """The files of all claims that come with the project, in the order of their names."""
    return sorted(CLAIMS.glob("*.toml"))


def find_claim(wish: str) -> Path:
    """The file that a person names, by a claim's name or by a path. Raises `UserError` where there is none."""
    path = Path(wish) if wish.endswith(".toml") else CLAIMS / f"{wish}.toml"
    if not path.is_file():
        known = ", ".join(file.stem for file in claim_files())
        raise UserError(f"no claim {wish!r}: known are {known}; or give the path of a .toml file")
    return path


def read_claim(path: Path) -> Claim:
    """Read and check a claim file. Raises a one-line `UserError` that names file, line and field."""
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise UserError(f"cannot read the claim {path} ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from None
    if not all(letter.isalnum() or letter in "_-" for letter in path.stem):
        raise UserError(f"{path}: a claim's file name should be letters, digits, _ and - only")
    if (CLAIMS / path.name).is_file() and path.resolve().parent != CLAIMS.resolve():
        raise UserError(f"{path}: a claim of the project is called {path.stem!r} already; rename the file")
    try:
        return _claim(path.stem, text, _File.model_validate(tables))
    except ValidationError as error:
        complaints = error.errors()
        # A misspelt field is also a missing one; the misspelling tells more.
        complaint = next((one for one in complaints if one["type"] == "extra_forbidden"), complaints[0])
        raise UserError(f"{path}, line {line_of(text, complaint['loc'])}: {_complaint(complaint)}") from None
    except _Wrong as wrong:
        raise UserError(f"{path}, line {line_of(text, wrong.place)}: {wrong}") from None


class _Settings(Strict):
    """What a run can be told: a config's fields, each a value or, in an arm, a list that makes one arm a value."""

    lr: float | list[float] | Literal["tuned"] | None = None
    gamma: float | list[float] | None = None
    batch_size: int | list[int] | None = None
    epochs: int | list[int] | None = None
    updates: int | list[int] | None = None
    hidden: int | list[int] | None = None
    batch_norm: bool | list[bool] | None = None
    standardize: bool | None = None
    hidden_batch_norm: bool | None = None
    split: Split | None = None
    probes: list[ProbeName] | None = None
    seeds: int | None = Field(default=None, ge=2)


class _ArmTable(_Settings):
    name: str = Field(min_length=1)
    words: str = ""
    dataset: Literal["two-basins"] | None = None


class _Lesson(Strict):
    section: str
    zh: str
    en: str


class _File(Strict):
    title: str
    statement: str
    would_change: str
    sources: list[str] = Field(min_length=1)
    lesson: _Lesson
    dataset: Literal["fashion-mnist", "digits"] = "fashion-mnist"
    seeds: Seeds = Seeds(first=1, count=10)
    settings: _Settings = _Settings()
    tuning: Tuning | None = None
    arms: list[_ArmTable] = Field(default_factory=list)
    estimands: list[Estimand] = Field(default_factory=list)
    published: list[Published] = Field(default_factory=list)
    claimed_accuracy: float | None = Field(default=None, gt=0, le=100)


class _Wrong(Exception):
    """What no single field shows; `place` is where in the file to look."""

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.place = place


def _claim(name: str, text: str, file: _File) -> Claim:
    arms = _arms(file)
    claim = Claim(
        name=name,
        title=file.title,
        section=file.lesson.section,
        statement=file.statement,
        lesson_zh=file.lesson.zh,
        lesson_en=file.lesson.en,
        would_change=file.would_change,
        sources=tuple(file.sources),
        seeds=file.seeds,
        preregistered_seeds=file.seeds.count,
        dataset=file.dataset,
        arms=arms,
        tuning=file.tuning,
        estimands=tuple(file.estimands),
        published=tuple(file.published),
        claimed_accuracy=file.claimed_accuracy,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
    )
    _check_verdict(claim)
    for position, estimand in enumerate(claim.estimands):
        _check_estimand(claim, estimand, position)
    return claim


def _arms(file: _File) -> dict[str, Arm]:
    arms: dict[str, Arm] = {}
    shared = file.settings.model_dump(exclude_none=True)
    for position, table in enumerate(file.arms):
        own = table.model_dump(exclude_none=True, exclude={"name", "words"})
        wished: dict[str, Any] = {**LESSON, "split": "lesson", "probes": [], "seeds": file.seeds.count} | shared | own
        probes, seeds = tuple(wished.pop("probes")), wished.pop("seeds")
        if "updates" in wished and "epochs" not in own and "epochs" not in shared:
            wished["epochs"] = wished["updates"]  # an epoch has at least one update
        lists = {field: value for field, value in wished.items() if isinstance(value, list)}
        for values in product(*lists.values()):
            fields = wished | dict(zip(lists, values, strict=True))
            if lists and "updates" in lists and "epochs" not in own | shared:
                fields["epochs"] = fields["updates"]
            try:
                name, words = (text.format(**fields) for text in (table.name, table.words))
            except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
                raise _Wrong(
                    f"name or words has a {{}} that no field fills ({error})", "arms", position, "name"
                ) from None
            if tag_name(name) in map(tag_name, arms):
                raise _Wrong(f"name is {name!r}: two arms are called so, but for signs", "arms", position, "name")
            tuned = fields["lr"] == TUNED
            if tuned and file.tuning is None:
                raise _Wrong('lr is "tuned": that needs a table [tuning]', "arms", position, "lr")
            _check_fields(fields | ({"lr": LESSON["lr"]} if tuned else {}), own, position)
            if tuned:
                del fields["lr"]
            arms[name] = Arm(name, words or name, fields, tuned, probes, seeds)
    _check_seeds(file, arms)
    return arms


def _check_seeds(file: _File, arms: Mapping[str, Arm]) -> None:
    most = max((arm.seeds for arm in arms.values()), default=0)
    judged = range(file.seeds.first, file.seeds.first + most)
    if file.tuning and set(file.tuning.seeds) & set(judged):
        message = f"seeds is {file.tuning.seeds}: fresh seeds judge, so none of {judged[0]} to {judged[-1]} may tune"
        raise _Wrong(message, "tuning", "seeds")


def _check_fields(fields: Mapping[str, Any], own: Mapping[str, Any], position: int) -> None:
    try:
        make_config(**{"dataset": ""} | dict(fields), seed=0)
    except UserError as error:
        name = str(error).split(" ", 1)[0]
        place = ("arms", position, name) if name in own else ("settings", name)
        raise _Wrong(str(error), *place) from None


def _check_verdict(claim: Claim) -> None:
    primaries = [position for position, estimand in enumerate(claim.estimands) if estimand.primary]
    if len(primaries) > 1:
        raise _Wrong(
            "primary is true twice: one estimand alone gives the verdict", "estimands", primaries[1], "primary"
        )
    if bool(primaries) == (claim.claimed_accuracy is not None):
        raise _Wrong("one estimand should have primary = true, or the file claimed_accuracy: one gives the verdict")
    if claim.published and claim.claimed_accuracy is None:
        raise _Wrong("published results need claimed_accuracy, the accuracy that they are held to", "published", 0)
    if claim.claimed_accuracy is not None and all(result.unreproduced for result in claim.published):
        raise _Wrong("claimed_accuracy needs at least one [[published]] result that counts", "claimed_accuracy")


def _check_estimand(claim: Claim, estimand: Estimand, position: int) -> None:
    if estimand.name in [other.name for other in claim.estimands[:position]]:
        raise _Wrong(f"name is {estimand.name!r}: two estimands are called so", "estimands", position, "name")
    patterns = estimand.compare in ("slope", "valley")
    for wish in estimand.arms:
        if not claim.arm_names([wish]) or not (patterns or wish in claim.arms):
            raise _Wrong(
                f"arms names {wish!r}: there are {', '.join(claim.arms) or 'none'}", "estimands", position, "arms"
            )
    named = claim.arm_names(estimand.arms)
    if estimand.compare in ("slope", "valley") and len(named) < 3:
        raise _Wrong(f"arms is {named}: a {estimand.compare} needs three or more", "estimands", position, "arms")
    for arm in (claim.arms[name] for name in named):
        _check_reach(estimand, arm, position)
        missing = set(MEASURES[estimand.measure].probes) - set(arm.probes)
        if missing:
            raise _Wrong(
                f"measure is {estimand.measure!r}: arm {arm.name!r} lacks the probe {', '.join(sorted(missing))}",
                "estimands", position, "measure",
            )  # fmt: skip
        if estimand.measure == "test_accuracy" and arm.fields["split"] == "search":
            raise _Wrong(
                f"measure is 'test_accuracy': arm {arm.name!r} has split \"search\", under which the test set is not"
                ' watched; use split = "lesson"',
                "estimands", position, "measure",
            )  # fmt: skip
    if len({claim.arms[name].seeds for name in named}) > 1:
        raise _Wrong(f"arms is {named}: they differ in their number of seeds", "estimands", position, "arms")


def _check_reach(estimand: Estimand, arm: Arm, position: int) -> None:
    toy = arm.fields.get("dataset") is not None
    if toy != (estimand.measure == "global_basin"):
        message = f"measure is {estimand.measure!r}: arm {arm.name!r} is {'' if toy else 'no '}run of the two-basin toy"
        raise _Wrong(message, "estimands", position, "measure")
    field = {"epoch": "epochs", "updates": "updates"}.get(MEASURES[estimand.measure].at, "")
    length = arm.fields.get(field)
    if estimand.at is not None and length is not None and estimand.at > length:
        message = f"at is {estimand.at:g}: arm {arm.name!r} lasts {length} {field}"
        raise _Wrong(message, "estimands", position, "at")


def _complaint(complaint: Any) -> str:
    place = ".".join(str(part) for part in complaint["loc"] if isinstance(part, str) and part.isidentifier())
    if complaint["type"] == "value_error":
        return f"{place}: {complaint['ctx']['error']}"
    if complaint["type"] == "missing":
        return f"{place} is missing"
    if complaint["type"] == "extra_forbidden":
        return f"{place} is not a field of a claim file"
    return f"{place} is {complaint['input']!r}: it {complaint['msg'].removeprefix('Input ')}"
