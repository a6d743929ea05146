"""What the address of a store says, and how it may be shown."""

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


def without_password(url: str) -> str:
    """`url` with its password, if it has one, replaced by ***, whether it stands before the host or in the query."""
    url = re.sub(r"([?&]password=)[^&]*", r"\1***", url)
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user = f"{parts.username}:***@" if parts.username else ":***@"
    return urlunsplit(parts._replace(netloc=user + parts.netloc.rpartition("@")[2]))


def without_user(url: str) -> str:
    """`url` without the name and password in it, if there are any."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def kind(url: str) -> str:
    """The database or the protocol, without its driver: "postgresql" of postgresql+psycopg2://…"""
    return url.partition("://")[0].partition("+")[0]


def sqlite_file(url: str) -> Path | None:
    """The file behind the address of an SQLite database; None behind any other."""
    return Path(url.partition(":///")[2].partition("?")[0]) if url.startswith("sqlite") else None
