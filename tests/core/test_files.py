import os
from pathlib import Path

import pytest

from harness.core.files import read_small, write_atomically


def test_a_small_file_is_read_as_utf_8_whatever_the_locale(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    (tmp_path / "a.toml").write_bytes("# 动量 ×".encode())
    assert read_small(tmp_path / "a.toml") == "# 动量 ×"


def test_what_is_no_small_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="it is a device or a pipe, not a file"):
        read_small(tmp_path / "pipe")
    with pytest.raises(ValueError, match="it is a device or a pipe, not a file"):
        read_small(Path("/dev/zero"))
    (tmp_path / "large").write_bytes(bytes(2**20 + 1))
    with pytest.raises(ValueError, match="it has 1,048,577 bytes: it should have at most 1,048,576"):
        read_small(tmp_path / "large")
    with pytest.raises(IsADirectoryError):
        read_small(tmp_path)


def test_a_link_at_the_place_of_a_file_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "page").symlink_to("mine")
    (tmp_path / f".page.{os.getpid()}").write_text("half")  # a process that was killed had this id
    write_atomically(tmp_path / "page", b"new")
    assert ((tmp_path / "mine").read_text(), (tmp_path / "page").read_text()) == ("mine", "new")
    assert not (tmp_path / "page").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "page"]


def test_a_file_that_cannot_be_written_is_as_it_was(tmp_path):
    (tmp_path / "page").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "page", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_the_mark_that_windows_editors_put_first_is_left_out(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[lr]\r\n")
    assert read_small(tmp_path / "a.toml").startswith("[lr]")
