import os
import sqlite3

import pytest

from harness.core.errors import Stopped
from harness.storage.sqlite import watch


def test_a_database_that_is_removed_or_replaced_is_missed(tmp_path):
    path = tmp_path / "mlflow.db"
    sqlite3.connect(path).close()
    path.write_bytes(b"first")
    check = watch(f"sqlite:///{path}")
    check()
    path.write_bytes(b"the same file, written again")
    check()
    kept = path.rename(tmp_path / "kept")
    with pytest.raises(Stopped, match=r"mlflow.db was removed or replaced while it was in use: put it back"):
        check()
    path.write_bytes(b"another file")
    with pytest.raises(Stopped, match="removed or replaced"):
        check()
    os.replace(kept, path)
    check()


def test_a_server_is_not_watched():
    watch("postgresql://host/name")()
