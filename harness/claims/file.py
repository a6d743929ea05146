"""Reads and validates experiments/claims/*.toml. Errors name the file, the line and the field. No torch."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from harness.claims.checks import ClaimError, check
from harness.claims.claim import Claim
from harness.claims.make_arms import arms_of, texts_of
from harness.claims.messages import complaint, line_of
from harness.claims.tables import FIELDS, File
from harness.core.errors import UserError
from harness.core.files import read_small
from harness.core.paths import CLAIMS, EXAMPLES
from harness.core.toml import parse
from harness.core.validation import named, suggest
from harness.data.choice import DataChoice, data_choice

_CHINESE = "\n[zh]\n"  # with its table, the last one of a file, the Chinese texts begin
_SPACE = "_space"  # the names of search spaces among the examples end so


def claim_files() -> list[Path]:
    """The files of all claims of the project, by name."""
    return sorted(CLAIMS.glob("*.toml"))


def find_claim(spec: str) -> Path:
    """The file of a claim, by its name, by a path, or by its name here; examples have names too.

    Raises `UserError` if there is none.
    """
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
    examples = {path.stem: path for path in EXAMPLES.glob("*.toml") if not path.stem.endswith(_SPACE)}
    path = CLAIMS / f"{named(spec, known)}.toml"
    if path.stem in known:
        return path
    if (name := named(spec, examples)) in examples:
        return examples[name]
    raise UserError(
        f"no claim {spec!r}: {suggest(spec, [*known, *examples])}known are {', '.join(known)}, the examples"
        f" {', '.join(sorted(examples))}, or a .toml file"
    )


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
    own = path.resolve().parent in (CLAIMS.resolve(), EXAMPLES.resolve())
    try:
        file = File.model_validate(tables)
        return _claim(path.stem, path.stem if own else str(path), _judged_part(text, file), file, path.parent)
    except ValidationError as error:
        message, place = complaint(error, FIELDS)
        raise UserError(f"{path}, line {line_of(text, place)}: {message}") from None
    except ClaimError as error:
        raise UserError(f"{path}, line {line_of(text, error.place)}: {error}") from None


def _judged_part(text: str, file: File) -> str:
    """The text of a claim without its Chinese translation, which may be added, or bettered, after the runs.

    Raises `ClaimError` if another table follows the translation, or if its beginning cannot be told.
    """
    judged, mark, chinese = text.partition(_CHINESE)
    if file.zh is not None and not mark:
        raise ClaimError("zh should begin with a line that is [zh] and nothing else", "zh")
    for line in chinese.splitlines():
        if line.lstrip().startswith("[") and not line.lstrip().startswith("[zh."):
            raise ClaimError(f"{line.strip()} follows [zh]: the translation should be the end of the file", "zh")
    return judged


def _claim(name: str, spec: str, text: str, file: File, folder: Path) -> Claim:
    arms = arms_of(file, folder)
    texts = texts_of(arms)
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
        sha256=hashlib.sha256("".join([text, *texts.values()]).encode()).hexdigest(),
        text=text,
        zh=file.zh,
    )
    check(claim)
    return claim


def _data(file: File, folder: Path) -> DataChoice:
    if file.dataset == "auto":
        raise ClaimError('dataset is "auto": a claim names its data', "dataset")
    try:
        return data_choice(file.dataset, file.target, file.header, file.ignore).beside(folder)
    except UserError as error:
        raise ClaimError(str(error), str(error).split(" ", 1)[0]) from None
