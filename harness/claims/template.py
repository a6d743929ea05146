"""A claim of the user's own to start from: the commented example of docs/claims.md."""

from pathlib import Path

from harness.claims.file import check_name
from harness.core.errors import UserError
from harness.core.paths import CLAIM_TEMPLATE


def write_template(name: str) -> Path:
    """Write a commented claim that can be run to `name`.toml in the working folder; its path.

    Raises `UserError` if the name is not valid or taken, or if the file cannot be written.
    """
    path = Path(f"{name.removesuffix('.toml')}.toml")
    check_name(path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(CLAIM_TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError:
        raise UserError(f"{path} is there already: choose another name") from None
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror})") from None
    return path
