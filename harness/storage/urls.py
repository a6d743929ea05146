"""Parses the URL of a database or server, and hides its secrets.

SQLAlchemy, which does not cut a password at a special character, is imported late, because `--help` loads this file.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import URL

# Parameters of a query that hold no secret.
_SHOWN = (
    "application_name",
    "charset",
    "connect_timeout",
    "dbname",
    "host",
    "mode",
    "port",
    "sslmode",
    "timeout",
    "user",
)


def is_valid(url: str) -> bool:
    """Whether `url` can be parsed."""
    return _parsed(url) is not None


def without_password(url: str) -> str:
    """`url` as it may be shown: *** in place of its password, and of all but a few parameters of its query.

    If it cannot be parsed, only its kind is shown: `postgresql://***`.
    """
    if "://" not in url:
        return url
    parsed = _parsed(url)
    if parsed is None:
        return f"{url.partition('://')[0]}://***"
    shown = url.partition("?")[0]
    if parsed.password is not None:
        shown = parsed.set(query={}).render_as_string(hide_password=True)
    query = "&".join(f"{name}={value if name in _SHOWN else '***'}" for name, value in parsed.query.items())
    return f"{shown}?{query}" if query else shown


def without_user(url: str) -> str:
    """`url` without user name and password."""
    from sqlalchemy import URL

    parsed = _parsed(url)
    if parsed is None or parsed.username is None is parsed.password:
        return url
    bare = URL.create(
        parsed.drivername, host=parsed.host, port=parsed.port, database=parsed.database, query=parsed.query
    )
    return bare.render_as_string()


def kind(url: str) -> str:
    """The database or protocol without its driver: "postgresql" for postgresql+psycopg2://…"""
    return url.partition("://")[0].partition("+")[0]


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL, decoded as SQLAlchemy decodes it (%20 is a blank); None for any other URL.

    `Path()` if it names none.
    """
    if not url.startswith("sqlite"):
        return None
    parsed = _parsed(url)
    return Path(parsed.database or "") if parsed else Path()


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path)).render_as_string()


def driver_error(url: str) -> str:
    """Why the driver of a database's URL, which can be parsed, cannot be used here, or ""."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import NoSuchModuleError

    parsed = make_url(url)
    try:
        dialect = parsed.get_dialect()
        dialect.import_dbapi()
    except NoSuchModuleError:
        return f"there is no driver {parsed.drivername!r}"
    except ImportError as error:
        is_postgresql = kind(url) == "postgresql"
        remedy = "pip install '.[postgresql]', and write postgresql+psycopg2://" if is_postgresql else "install it"
        return f"its driver is missing ({error}); {remedy}"
    return f"{parsed.drivername} is asynchronous; use {kind(url)}://" if dialect.is_async else ""


def _parsed(url: str) -> "URL | None":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    return None if "@" in (parsed.host or "") else parsed  # the password holds one that is not escaped
