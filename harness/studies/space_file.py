"""Reads the TOML file of a search space. What a space is stands in `space.py`."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.core.config import OF_LESSON_NETWORK, check_value, make_config
from harness.core.defaults import LESSON, LESSON_SEED, OPTIONAL, SEARCHED
from harness.core.errors import UserError
from harness.core.files import read_small
from harness.core.network import PREFIX, NetworkFile, read_network
from harness.core.toml import parse
from harness.core.validation import describe, suggest
from harness.studies.domains import WHOLE_NUMBERS, Choices, Range, WholeRange
from harness.studies.space import Space

_KNOWN = (*SEARCHED, *OPTIONAL)
_SWITCHES = ("batch_norm", "standardize", "hidden_batch_norm", "nesterov")
_NAMES = ("optimizer", "lr_schedule")
# Some combinations of these are not valid.
_RELATED = ("gamma", "epochs", "optimizer", "nesterov", "weight_decay", "warmup_epochs")


class Fixed(BaseModel):
    """One value that all trials have."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    value: bool | int | float | str


def read_space(path: Path) -> Space:
    """Read and validate a space file, and that of its network. Raises `UserError`, which names file and parameter."""
    try:
        tables = parse(read_small(path))
    except OSError as error:
        raise UserError(
            f"cannot read the search space {path} ({error.strerror}); give a TOML file with --space"
        ) from None
    except ValueError as error:  # no small file in UTF-8, or no TOML
        raise UserError(f"{path} is not valid TOML: {error}; see experiments/search.toml for an example") from None
    network, own = _network(path, tables.pop("network", None), tables.pop("network_params", {}))
    for name in OF_LESSON_NETWORK if network else ():
        if name in tables:
            raise UserError(f"{path}: [{name}] is of the lesson's network, and network is {network}: leave it out")
    domains = {name: _domain(path, name, table) for name, table in (tables | own).items()}
    in_order = {name: domains[name] for name in (*_KNOWN, *own) if name in domains}
    searched = {name: domain for name, domain in in_order.items() if not isinstance(domain, Fixed)}
    if not searched:
        raise UserError(
            f"{path} has nothing to search: give at least one parameter low and high, or choices; known are"
            f" {', '.join(_KNOWN)}"
        )
    given = {name: domain.value for name, domain in in_order.items() if isinstance(domain, Fixed)}
    lesson = {name: LESSON[name] for name in SEARCHED if name not in in_order}
    fixed = {name: (lesson | given)[name] for name in (*_KNOWN, *own) if name in lesson | given}
    space = Space(searched=searched, fixed=fixed, network=network)
    _check_combinations(path, domains, space)
    return space


def _network(path: Path, spec: Any, params: Any) -> tuple[NetworkFile | None, dict[str, Any]]:
    """The network of a space file, and the tables of its hyperparameters by their full names."""
    if not isinstance(params, dict):
        raise UserError(f"{path}: network_params is {params!r}: write a table for each, [network_params.width]")
    if spec is None and params:
        raise UserError(f'{path}: network_params needs a network of your own: network = "my_network.py:MyCNN"')
    if spec is not None and not isinstance(spec, str):
        raise UserError(f'{path}: network is {spec!r}: write network = "my_network.py:MyCNN", above the first table')
    try:
        network = None if spec is None else read_network(spec, path.parent)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return network, {f"{PREFIX}{name}": table for name, table in params.items()}


def _check_combinations(path: Path, domains: Mapping[str, Range | Choices | Fixed], space: Space) -> None:
    """Raise `UserError` if some of the values do not go together, as a momentum for an optimizer that takes none."""
    related = {name: _values(domains[name]) for name in _RELATED if name in domains}
    own = {name: _values(domain)[0] for name, domain in domains.items() if name.startswith(PREFIX)}
    for values in product(*related.values()):
        whole = {
            name: int(value) if name in WHOLE_NUMBERS else value for name, value in zip(related, values, strict=True)
        }
        try:
            given = space.effective({**LESSON, **space.fixed, **own, **whole})
            make_config(**given, network=space.network, seed=LESSON_SEED, dataset="", split="search")
        except UserError as error:
            raise UserError(f"{path}: {error}") from None


def _domain(path: Path, name: str, table: Any) -> Range | Choices | Fixed:
    own = name.startswith(PREFIX)
    if name not in _KNOWN and not own:
        hint = suggest(name, _KNOWN)
        raise UserError(f"{path}: {name!r} is not a parameter of the search; {hint}known are {', '.join(_KNOWN)}")
    if not isinstance(table, dict):
        raise UserError(f"{path}: {name} is {table!r}: write a table, [{name}] with low and high, choices, or value")
    has_no_range = name in _SWITCHES or name in _NAMES
    kind: type[Range | Choices | Fixed] = Choices if "choices" in table or has_no_range else Range
    kind = Fixed if "value" in table else kind
    if own and kind is Range and all(type(table.get(end)) is int for end in ("low", "high")):
        kind = WholeRange
    example = ', as ["sgd", "adam"]' if name == "optimizer" else ', as ["constant", "cosine"]'
    example = ", as [false, true]" if name in _SWITCHES else example
    form = f"choices{example}, or value" if has_no_range else "low and high, choices, or value"
    try:
        domain = kind.model_validate(table)
    except ValidationError as error:
        raise UserError(f"{path}: [{name}] {_complaint(error, form)}") from None
    for value in _values(domain) if own else ():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{path}: [{name}] holds {value}: it should be a finite number")
    for value in () if own else _values(domain):
        whole = isinstance(domain, Range) and name in WHOLE_NUMBERS and float(value).is_integer()
        try:
            check_value(name, int(value) if whole else value)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    return domain


def _values(domain: Range | Choices | Fixed) -> Sequence[bool | float | str]:
    """The values that the field of a config has to allow."""
    if isinstance(domain, Fixed):
        return [domain.value]
    return domain.choices if isinstance(domain, Choices) else [domain.low, domain.high]


def _complaint(error: ValidationError, form: str) -> str:
    complaint = error.errors()[0]
    if complaint["type"] == "value_error":
        return describe("", complaint)
    field, *inside = complaint["loc"]
    if complaint["type"] == "missing":
        return f"lacks {field}: give {form}"
    if complaint["type"] == "extra_forbidden":
        return f"has a field {field!r} that does not fit: give low, high and log, choices alone, or value alone"
    if inside:
        return f"{field} holds {complaint['input']!r}: each should be a number, true or false, or a name"
    return describe(str(field), complaint)
