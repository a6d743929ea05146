"""A network of the user's own: a Python file and the name in it, read once. It runs nothing and loads no torch."""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.core.errors import UserError
from harness.core.files import read_small

PREFIX = "network_params."  # of the network's own hyperparameters, in spaces, trials and MLflow

Scalar = bool | int | float | str


class NetworkFile(BaseModel):
    """The text of a file and the callable in it that makes the network. Frozen and hashable.

    `spec` is `my_network.py:SmallCNN`, without a folder. Equal texts are equal networks, wherever the file lies.
    `text` is "" if only the hash is known; `path` is the file as the user named it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    spec: str
    sha256: str
    text: str = Field(default="", exclude=True, repr=False)
    path: str = Field(default="", exclude=True, repr=False)

    def __str__(self) -> str:
        return self.spec

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NetworkFile) and (self.spec, self.sha256) == (other.spec, other.sha256)

    def __hash__(self) -> int:
        return hash((self.spec, self.sha256))

    @property
    def file(self) -> str:
        """The name of the file: that of its artifact in MLflow."""
        return self.spec.rpartition(":")[0]

    @property
    def name(self) -> str:
        """The name of the callable."""
        return self.spec.rpartition(":")[2]

    def with_text(self, text: str) -> "NetworkFile":
        """The same network with its text. Raises ValueError if it is another text."""
        if _sha256(text) != self.sha256:
            raise ValueError(f"its SHA-256 is {_sha256(text)[:12]}, recorded {self.sha256[:12]}")
        return self.model_copy(update={"text": text})


def read_network(spec: str, folder: Path) -> NetworkFile:
    """The network `spec`, as `my_network.py:SmallCNN`, whose path starts at `folder`.

    Raises `UserError` if there is no such file, if it is not Python, or if it imports a file of the user's own, which
    would not be recorded.
    """
    file, _, name = spec.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise UserError(
            f'network is {spec!r}: it should name a Python file and a callable in it, as "my_network.py:MyCNN"'
        )
    path = folder / file
    try:
        text = read_small(path)
        tree = ast.parse(text)
    except OSError as error:
        raise UserError(f"network is {spec!r}: cannot read {path} ({error.strerror})") from None
    except SyntaxError as error:
        place = f"{path}, line {error.lineno}" if error.lineno else f"{path}"
        raise UserError(f"network is {spec!r}: {place}: {error.msg}") from None
    except ValueError as error:
        raise UserError(f"network is {spec!r}: {path} is not Python: {error}") from None
    for module, line in _imported(tree):
        if not module or any(_lies_in(module, place) for place in (path.parent, Path.cwd())):
            what = f"imports {module}, a file of your own" if module else "has a relative import"
            raise UserError(
                f"network is {spec!r}: {path}, line {line} {what}, and only the text of {path.name} is recorded: put"
                " both in one file"
            )
    return NetworkFile(spec=f"{path.name}:{name}", sha256=_sha256(text), text=text, path=str(path))


def split_network_params(fields: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[tuple[str, Scalar], ...]]:
    """`fields` without the network's own hyperparameters, and those, by their own names, sorted."""
    own = {name.removeprefix(PREFIX): value for name, value in fields.items() if name.startswith(PREFIX)}
    return {name: value for name, value in fields.items() if not name.startswith(PREFIX)}, tuple(sorted(own.items()))


def label(name: str) -> str:
    """A hyperparameter as people read it: `width` for `network_params.width`."""
    return name.removeprefix(PREFIX)


def quoted(value: Scalar) -> Scalar:
    """A value whose `str` is an MLflow param: a text that looks like a number is quoted, for `parse_scalar`."""
    return repr(value) if isinstance(value, str) and parse_scalar(value) != value else value


def parse_scalar(text: str) -> Scalar:
    """The value of an MLflow param that `quoted` gave."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, bool | int | float | str) else text


def _lies_in(module: str, folder: Path) -> bool:
    """Whether an import of this top-level module finds a file or a folder there, and no installed package."""
    if (folder / f"{module}.py").exists() or (folder / module / "__init__.py").exists():
        return True
    found = importlib.util.find_spec(module)
    return (folder / module).is_dir() and (found is None or found.origin is None)


def _imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The top-level packages that a file imports, each with its line; "" for a relative import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "" if node.level else (node.module or "").partition(".")[0], node.lineno


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
