"""Reads and writes files at places where somebody else may have put something: a device, a link, a huge file."""

import os
import stat
from pathlib import Path

_MAX_BYTES = 2**20


def read_small(path: Path) -> str:
    """The text of a file of at most 1 MiB, in UTF-8, with or without the mark that some editors put first.

    Raises `OSError`, or `ValueError` with a reason: it is a device or a pipe, it is larger, or it is not UTF-8.
    """
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):  # opening a folder says what is wrong
        raise ValueError("it is a device or a pipe, not a file")
    if stat.S_ISREG(status.st_mode) and status.st_size > _MAX_BYTES:
        raise ValueError(f"it has {status.st_size:,} bytes: it should have at most {_MAX_BYTES:,}")
    return path.read_text(encoding="utf-8-sig")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or nothing. A link at its place is replaced, not followed."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)  # of a process that was killed and had the same id
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
