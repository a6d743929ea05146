"""Reads and validates experiments/claims/*.toml. Errors name the file, the line and the field. No torch."""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from pydantic import Field, ValidationError

from harness.claims.checks import ClaimError, check
from harness.claims.claim import Arm, Claim, Published, Seeds, Tuning, tag_name
from harness.claims.estimands import Estimand, Strict
from harness.claims.messages import complaint, line_of
from harness.core.config import Split, make_config
from harness.core.defaults import LESSON, Header
from harness.core.errors import UserError
from harness.core.files import read_small
from harness.core.metrics import ProbeName
from harness.core.network import PREFIX, Scalar, label, read_network
from harness.core.paths import CLAIMS
from harness.core.toml import parse
from harness.core.validation import named, suggest
from harness.data.choice import DataChoice, data_choice

TUNED = "tuned"
_MAX_ARMS = 1_000
_NUMBER_FORMAT = re.compile(r"[+]?,?(\.\d)?[defg%]?")  # no width, which could be a billion


def claim_files() -> list[Path]:
    """The files of all claims of the project, by name."""
    return sorted(CLAIMS.glob("*.toml"))


def find_claim(spec: str) -> Path:
    """The file of a claim, by its name, by a path, or by its name here. Raises `UserError` if there is none."""
    if spec.endswith(".toml"):
        path = Path(spec)
        if path.is_dir() or not path.exists():
            raise UserError(
                f"{spec} is {'a folder' if path.is_dir() else 'not there'}; give the path of a claim's file"
            )
        return path
    known = [file.stem for file in claim_files()]
    if spec not in known and Path(f"{spec}.toml").is_file():
        return Path(f"{spec}.toml")
    path = CLAIMS / f"{named(spec, known)}.toml"
    if path.stem not in known:
        raise UserError(f"no claim {spec!r}: {suggest(spec, known)}known are {', '.join(known)}; or a .toml file")
    return path


def check_name(path: Path) -> None:
    """Raise `UserError` unless the file's name is valid for a claim, and no claim of the project has it."""
    if not all(letter.isalnum() or letter in "_-" for letter in path.stem):
        raise UserError(f"{path}: a claim's file name should be letters, digits, _ and - only")
    if (CLAIMS / path.name).is_file() and path.resolve().parent != CLAIMS.resolve():
        raise UserError(f"{path}: a claim of the project is called {path.stem!r} already; rename the file")


def read_claim(path: Path) -> Claim:
    """Read and validate a claim file. Raises `UserError`, which names the file, the line and the field."""
    try:
        text = read_small(path)
        tables = parse(text)
    except OSError as error:
        raise UserError(f"cannot read the claim {path} ({error.strerror})") from None
    except ValueError as error:  # no small file in UTF-8, or no TOML
        raise UserError(f"{path} is not valid TOML: {error}") from None
    check_name(path)
    own = path.resolve().parent == CLAIMS.resolve()
    try:
        return _claim(path.stem, path.stem if own else str(path), text, _File.model_validate(tables), path.parent)
    except ValidationError as error:
        message, place = complaint(error, _FIELDS)
        raise UserError(f"{path}, line {line_of(text, place)}: {message}") from None
    except ClaimError as error:
        raise UserError(f"{path}, line {line_of(text, error.place)}: {error}") from None


class _Settings(Strict):
    """The settings of a run: a config's fields, each a value or, in an arm, a list that makes one arm per value."""

    lr: float | list[float] | Literal["tuned"] | None = None
    tune_to_loss: float | None = Field(default=None, gt=0)
    gamma: float | list[float] | None = None
    batch_size: int | list[int] | None = None
    epochs: int | list[int] | None = None
    updates: int | list[int] | None = None
    hidden: int | list[int] | None = None
    batch_norm: bool | list[bool] | None = None
    standardize: bool | None = None
    hidden_batch_norm: bool | None = None
    optimizer: str | list[str] | None = None  # the config knows their names
    nesterov: bool | None = None
    weight_decay: float | list[float] | None = None
    lr_schedule: str | list[str] | None = None
    warmup_epochs: int | None = None
    network: str | list[str] | None = None
    network_params: dict[str, Scalar | list[Scalar]] | None = None
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
    not_tuned: str = ""
    earlier: str = ""
    sources: list[str] = Field(min_length=1)
    lesson: _Lesson = _Lesson(section="", zh="", en="")
    dataset: str = "fashion-mnist"
    target: str = ""
    header: Header = "auto"
    ignore: list[str] = Field(default_factory=list)
    seeds: Seeds = Seeds(first=1, count=10)
    settings: _Settings = _Settings()
    tuning: Tuning | None = None
    arms: list[_ArmTable] = Field(default_factory=list)
    estimands: list[Estimand] = Field(default_factory=list)
    published: list[Published] = Field(default_factory=list)
    claimed_accuracy: float | None = Field(default=None, gt=0, le=100)


_FIELDS = {
    "": tuple(_File.model_fields),
    "settings": tuple(_Settings.model_fields),
    "arms": tuple(_ArmTable.model_fields),
    "estimands": tuple(Estimand.model_fields),
    "tuning": tuple(Tuning.model_fields),
    "seeds": tuple(Seeds.model_fields),
    "lesson": tuple(_Lesson.model_fields),
    "published": tuple(Published.model_fields),
}


def _claim(name: str, spec: str, text: str, file: _File, folder: Path) -> Claim:
    arms = _arms(file, folder)
    networks = _network_texts(arms)
    claim = Claim(
        name=name,
        spec=spec,
        title=file.title,
        section=file.lesson.section,
        statement=file.statement,
        lesson_zh=file.lesson.zh,
        lesson_en=file.lesson.en,
        would_change=file.would_change,
        not_tuned=file.not_tuned,
        earlier=file.earlier,
        sources=tuple(file.sources),
        seeds=file.seeds,
        preregistered_seeds=file.seeds.count,
        data=_data(file, folder),
        arms=arms,
        tuning=file.tuning,
        estimands=tuple(file.estimands),
        published=tuple(file.published),
        claimed_accuracy=file.claimed_accuracy,
        sha256=hashlib.sha256("".join([text, *networks.values()]).encode()).hexdigest(),
        text=text,
    )
    check(claim)
    return claim


def _data(file: _File, folder: Path) -> DataChoice:
    if file.dataset == "auto":
        raise ClaimError('dataset is "auto": a claim names its data', "dataset")
    try:
        return data_choice(file.dataset, file.target, file.header, file.ignore).beside(folder)
    except UserError as error:
        raise ClaimError(str(error), str(error).split(" ", 1)[0]) from None


def _network_texts(arms: Mapping[str, Arm]) -> dict[str, str]:
    """The text of each network's file, by the file's name, sorted. Raises `ClaimError` if two files have one name."""
    texts: dict[str, str] = {}
    for arm in arms.values():
        network = arm.network
        if network and texts.setdefault(network.file, network.text) != network.text:
            raise ClaimError(f"network is {network.spec!r}: two files of networks are called so; rename one", "arms", 0)
    return dict(sorted(texts.items()))


def _arms(file: _File, folder: Path) -> dict[str, Arm]:
    arms: dict[str, Arm] = {}
    for position, table in enumerate(file.arms):
        for fields in _variants(file.settings, table, position):
            _resolve_network(fields, table, folder, position)
            arm = _arm(fields, table, file, position)
            if tag_name(arm.name) in map(tag_name, arms):
                message = f"name is {arm.name!r}: two arms are called so, but for signs"
                raise ClaimError(message, "arms", position, "name")
            arms[arm.name] = arm
    return arms


def _variants(settings: _Settings, table: _ArmTable, position: int) -> Iterator[dict[str, Any]]:
    """The fields of each arm of a table: one arm for each combination of the values of its lists."""
    shared, own = _flat(settings), _flat(table)
    if "network" in own:
        shared = {field: value for field, value in shared.items() if not field.startswith(PREFIX)}
    given = shared | own
    fields = {**LESSON, "split": "lesson", "probes": []} | given
    if table.updates is not None and table.epochs is None:
        given.pop("epochs", None)  # the arm's own table decides how long it is
    lists = {field: values for field, values in fields.items() if isinstance(values, list) and field != "probes"}
    if not 0 < (arms := math.prod(map(len, lists.values()))) <= _MAX_ARMS:
        raise ClaimError(f"its lists make {arms:,} arms: there should be 1 to {_MAX_ARMS:,}", "arms", position)
    for values in product(*lists.values()):
        variant = fields | dict(zip(lists, values, strict=True))
        if "updates" in variant and "epochs" not in given:
            variant["epochs"] = max(1, variant["updates"])  # enough: an epoch has at least one update
        yield variant


def _flat(table: _Settings) -> dict[str, Any]:
    """The fields that are given, with `network_params.width` for that of the network."""
    fields = table.model_dump(exclude_none=True, exclude={"name", "words"})
    own = fields.pop("network_params", {})
    return fields | {f"{PREFIX}{name}": value for name, value in own.items()}


def _resolve_network(fields: dict[str, Any], table: _ArmTable, folder: Path, position: int) -> None:
    """Replace the name of the network by what its file holds."""
    if "network" in fields:
        try:
            fields["network"] = read_network(fields["network"], folder)
        except UserError as error:
            place = ("arms", position, "network") if table.network else ("settings", "network")
            raise ClaimError(str(error), *place) from None


def _arm(fields: dict[str, Any], table: _ArmTable, file: _File, position: int) -> Arm:
    try:
        known = {label(field): value for field, value in fields.items()}
        name, words = (_filled(text, known) for text in (table.name, table.words))
    except (ValueError, TypeError) as error:
        raise ClaimError(f"name or words has a {{}} that no field fills ({error})", "arms", position, "name") from None
    probes, seeds = tuple(fields.pop("probes")), fields.pop("seeds", file.seeds.count)
    target, tuned = fields.pop("tune_to_loss", None), fields["lr"] == TUNED
    if tuned and file.tuning is None:
        raise ClaimError('lr is "tuned": that needs a table [tuning]', "arms", position, "lr")
    if table.tune_to_loss is not None and not tuned:
        raise ClaimError('tune_to_loss needs lr = "tuned"', "arms", position, "tune_to_loss")
    if table.epochs is not None and fields.get("updates") is not None:
        place = "updates" if table.updates is not None else "epochs"
        raise ClaimError("epochs and updates both say how long a run is: write one of them", "arms", position, place)
    _check_fields(fields | ({"lr": LESSON["lr"]} if tuned else {}), table, position)
    if tuned:
        del fields["lr"]
    return Arm(name, words or name, fields, tuned, target if tuned else None, probes, seeds)


def _filled(text: str, fields: Mapping[str, Any]) -> str:
    """`text` with {field} and {field:.2f} filled in. Raises `ValueError` or `TypeError` for anything else in braces."""
    for _, field, form, conversion in Formatter().parse(text):
        if field is not None and (field not in fields or conversion or not _NUMBER_FORMAT.fullmatch(form or "")):
            raise ValueError(f"{field!r} with {form!r}")
    return text.format(**fields)


def _check_fields(fields: Mapping[str, Any], table: _ArmTable, position: int) -> None:
    try:
        make_config(**{"dataset": ""} | dict(fields), seed=0)
    except UserError as error:
        name = str(error).split(" ", 1)[0].partition(".")[0].rstrip(":")
        place = ("arms", position, name) if name in table.model_fields_set else ("settings", name)
        raise ClaimError(str(error), *place) from None
