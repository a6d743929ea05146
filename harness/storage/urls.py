"""Parses the URL of a database or server, and hides its password."""

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


def without_password(url: str) -> str:
    """`url` with its password, if any, replaced by ***, both before the host and in the query."""
    url = re.sub(r"([?&]password=)[^&]*", r"\1***", url)
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user = f"{parts.username}:***@" if parts.username else ":***@"
    return urlunsplit(parts._replace(netloc=user + parts.netloc.rpartition("@")[2]))


def without_user(url: str) -> str:
    """`url` without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def kind(url: str) -> str:
    """The database or protocol without its driver: "postgresql" for postgresql+psycopg2://…"""
    return url.partition("://")[0].partition("+")[0]


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL; None for any other URL."""
    return Path(url.partition(":///")[2].partition("?")[0]) if url.startswith("sqlite") else None
