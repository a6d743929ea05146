"""Makes the arms of a claim from the tables of its file: one for each combination of the values of their lists."""

import math
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Any

from harness.claims.arm import Arm, tag_name
from harness.claims.checks import ClaimError
from harness.claims.search_arm import SpaceFile
from harness.claims.tables import OF_ALL, OF_SEARCHES, ArmTable, File, Settings
from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.errors import UserError
from harness.core.files import read_small
from harness.core.network import PREFIX, label, read_network
from harness.studies.space_file import read_space

TUNED = "tuned"
_USUAL = {"sampler": "tpe", "pruner": "median"}  # of `harness.search`
_MAX_ARMS = 1_000
_NUMBER_FORMAT = re.compile(r"[+]?,?(\.\d)?[defg%]?")  # no width, which could be a billion


def texts_of(arms: Mapping[str, Arm]) -> dict[str, str]:
    """The text of each file that the arms name, by the file's name, sorted.

    Raises `ClaimError` if two files have one name.
    """
    texts: dict[str, str] = {}
    for arm in arms.values():
        for file, text in arm.texts.items():
            if texts.setdefault(file, text) != text:
                kind = "networks" if file.endswith(".py") else "search spaces"
                raise ClaimError(f"{file}: two files of {kind} are called so; rename one", "arms", 0)
    return dict(sorted(texts.items()))


def arms_of(file: File, folder: Path) -> dict[str, Arm]:
    """The arms by name. The paths of networks and spaces start at `folder`. Raises `ClaimError` for a bad one."""
    arms: dict[str, Arm] = {}
    for position, table in enumerate(file.arms):
        for arm in _arms_of_table(file, table, folder, position):
            if tag_name(arm.name) in map(tag_name, arms):
                message = f"name is {arm.name!r}: two arms are called so, but for signs"
                raise ClaimError(message, "arms", position, "name")
            arms[arm.name] = arm
    tables = [table.name for table in file.arms]
    for field in ("arms", "arm_words"):
        for name in getattr(file.zh, field, ()):
            if name not in tables:
                raise ClaimError(f"{field} translates {name!r}: there are {', '.join(tables)}", "zh", field)
    searches = [arm.search is not None for arm in arms.values()]
    for field in _flat(file.settings) if searches else ():
        if field in OF_SEARCHES and not any(searches):
            raise ClaimError(f'{field} is of a search, and no arm has kind = "search"', "settings", field)
        if field not in (*OF_SEARCHES, *OF_ALL) and all(searches):
            raise ClaimError(f"{label(field)} is of one config, and every arm is a search", "settings", field)
    return arms


def _arms_of_table(file: File, table: ArmTable, folder: Path, position: int) -> Iterator[Arm]:
    shared, own = _flat(file.settings), _flat(table)
    if (shared | own).get("kind") == "search":
        for field in own:
            if field not in (*OF_SEARCHES, *OF_ALL):
                message = f"{label(field)} is of one config: a search takes it from its space"
                raise ClaimError(message, "arms", position, field)
        given = {field: value for field, value in (shared | own).items() if field in (*OF_SEARCHES, "seeds")}
        for fields in _product(_USUAL | given, position):
            yield _search_arm(fields, table, file, folder, position)
        return
    for field in OF_SEARCHES:
        if field in own:
            raise ClaimError(f'{field} is of a search: add kind = "search"', "arms", position, field)
    shared = {field: value for field, value in shared.items() if field not in OF_SEARCHES}
    if "network" in own:
        shared = {field: value for field, value in shared.items() if not field.startswith(PREFIX)}
    given = shared | own
    if table.updates is not None and table.epochs is None:
        given.pop("epochs", None)  # the arm's own table decides how long it is
    for fields in _product({**LESSON, "split": "lesson", "probes": []} | given, position):
        if "updates" in fields and "epochs" not in given:
            fields["epochs"] = max(1, fields["updates"])  # enough: an epoch has at least one update
        _resolve_network(fields, table, folder, position)
        yield _run_arm(fields, table, file, position)


def _product(fields: dict[str, Any], position: int) -> Iterator[dict[str, Any]]:
    """The fields of each arm: one arm for each combination of the values of the lists."""
    lists = {field: values for field, values in fields.items() if isinstance(values, list) and field != "probes"}
    if not 0 < (arms := math.prod(map(len, lists.values()))) <= _MAX_ARMS:
        raise ClaimError(f"its lists make {arms:,} arms: there should be 1 to {_MAX_ARMS:,}", "arms", position)
    for values in product(*lists.values()):
        yield fields | dict(zip(lists, values, strict=True))


def _flat(table: Settings) -> dict[str, Any]:
    """The fields that are given, with `network_params.width` for that of the network."""
    fields = table.model_dump(exclude_none=True, exclude={"name", "words"})
    own = fields.pop("network_params", {})
    return fields | {f"{PREFIX}{name}": value for name, value in own.items()}


def _resolve_network(fields: dict[str, Any], table: ArmTable, folder: Path, position: int) -> None:
    """Replace the name of the network by what its file holds."""
    if "network" in fields:
        try:
            fields["network"] = read_network(fields["network"], folder)
        except UserError as error:
            place = ("arms", position, "network") if table.network else ("settings", "network")
            raise ClaimError(str(error), *place) from None


def _run_arm(fields: dict[str, Any], table: ArmTable, file: File, position: int) -> Arm:
    name, words, zh = _names(fields, table, file, position)
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
    return Arm(name, words, fields, tuned, target if tuned else None, probes, seeds, name, zh)


def _search_arm(fields: dict[str, Any], table: ArmTable, file: File, folder: Path, position: int) -> Arm:
    name, words, zh = _names(fields, table, file, position)
    seeds = fields.pop("seeds", file.seeds.count)
    for field in ("trials", "space"):
        if field not in fields:
            raise ClaimError(f"{field} is missing: a search needs it", "arms", position)
    if fields["trials"] < 1:
        raise ClaimError(f"trials is {fields['trials']}: it should be at least 1", *_place("trials", table, position))
    path = folder / fields["space"]
    try:
        space = read_space(path)
        space.check_sampler(fields["sampler"], fields["trials"])
    except UserError as error:
        message = str(error).removeprefix("--")
        raise ClaimError(message, *_place(message.split(" ", 1)[0], table, position)) from None
    space_file = SpaceFile(path.name, read_small(path), space)
    return Arm(name, words, fields, False, None, (), seeds, name, zh, space_file)


def _names(fields: Mapping[str, Any], table: ArmTable, file: File, position: int) -> tuple[str, str, tuple[str, str]]:
    """An arm's name and words, and both in Chinese, filled in; without words they are the name."""
    zh = (file.zh.arms.get(table.name, ""), file.zh.arm_words.get(table.name, "")) if file.zh else ("", "")
    try:
        known = {label(field): value for field, value in fields.items()}
        name, words, zh_name, zh_words = (_filled(text, known) for text in (table.name, table.words, *zh))
    except (ValueError, TypeError) as error:
        raise ClaimError(f"name or words has a {{}} that no field fills ({error})", "arms", position, "name") from None
    return name, words or name, (zh_name, zh_words)


def _place(field: str, table: ArmTable, position: int) -> tuple[str | int, ...]:
    """Where an arm got this field from; its space if that has no such field."""
    field = field if field in OF_SEARCHES else "space"
    return ("arms", position, field) if field in table.model_fields_set else ("settings", field)


def _filled(text: str, fields: Mapping[str, Any]) -> str:
    """`text` with {field} and {field:.2f} filled in. Raises `ValueError` or `TypeError` for anything else in braces."""
    for _, field, form, conversion in Formatter().parse(text):
        if field is not None and (field not in fields or conversion or not _NUMBER_FORMAT.fullmatch(form or "")):
            raise ValueError(f"{field!r} with {form!r}")
    return text.format(**fields)


def _check_fields(fields: Mapping[str, Any], table: ArmTable, position: int) -> None:
    try:
        make_config(**{"dataset": ""} | dict(fields), seed=0)
    except UserError as error:
        name = str(error).split(" ", 1)[0].partition(".")[0].rstrip(":")
        place = ("arms", position, name) if name in table.model_fields_set else ("settings", name)
        raise ClaimError(str(error), *place) from None
