"""The four official Fashion-MNIST files: found or downloaded, and verified by MD5. Makes no tensors.

Reads the `.gz` files, or the unpacked files that torchvision leaves beside them.
"""

import gzip
import hashlib
import os
import socket
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import UserError
from harness.core.language import N_

CLASSES = (
    N_("T-shirt/top"), N_("Trouser"), N_("Pullover"), N_("Dress"), N_("Coat"), N_("Sandal"), N_("Shirt"),
    N_("Sneaker"), N_("Bag"), N_("Ankle boot"),
)  # fmt: skip

_AUTHORS_MIRROR = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_SECONDS_WITHOUT_A_BYTE = 20


class _File(NamedTuple):
    """One official file: its MD5 packed and unpacked, the shape it holds, the length of its IDX header in bytes."""

    name: str
    packed_md5: str
    unpacked_md5: str
    shape: tuple[int, ...]
    header: int


_FILES = (
    _File("train-images-idx3-ubyte", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a",
          (60_000, 28, 28), 16),
    _File("train-labels-idx1-ubyte", "25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9",
          (60_000,), 8),
    _File("t10k-images-idx3-ubyte", "bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a",
          (10_000, 28, 28), 16),
    _File("t10k-labels-idx1-ubyte", "bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965",
          (10_000,), 8),
)  # fmt: skip


class DownloadError(Exception):
    """No mirror delivered a complete file. The text is the reason, in one line."""


def raw_folder(data_dir: Path) -> Path:
    """The folder of the files inside a data folder, as in torchvision."""
    return data_dir / "FashionMNIST" / "raw"


def is_present(data_dir: Path) -> bool:
    """Whether each of the four files exists, packed or unpacked. Does not look inside."""
    return all(_path_of(data_dir, file) is not None for file in _FILES)


def read(data_dir: Path) -> tuple[NDArray[np.uint8], ...]:
    """Train images [60000, 28, 28], train labels [60000], test images [10000, 28, 28], test labels [10000].

    Raises `UserError`, which names the file, if one is missing, cannot be read or differs from the official one.
    """
    return tuple(_read_file(data_dir, file) for file in _FILES)


def download(data_dir: Path) -> None:
    """Download what is missing, with a progress bar: from torchvision's mirror, then from the authors' repository.

    A file gets its name only when it is complete. Raises `DownloadError`, or `UserError` if the folder cannot be
    written.
    """
    folder = raw_folder(data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as partial:
            for file in _FILES:
                if _path_of(data_dir, file) is None:
                    os.replace(_fetch(file, partial), folder / f"{file.name}.gz")
    except OSError as error:
        raise UserError(
            f"cannot write to the data folder {folder} ({error.strerror}); choose another one with --data-dir"
        ) from None


def _fetch(file: _File, folder: str) -> Path:
    from torchvision.datasets import FashionMNIST
    from torchvision.datasets.utils import download_url

    name = f"{file.name}.gz"
    reasons = []
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_WITHOUT_A_BYTE)
    try:
        for mirror in (*FashionMNIST.mirrors, _AUTHORS_MIRROR):
            try:
                download_url(f"{mirror}{name}", root=folder, filename=name, md5=file.packed_md5)
                return Path(folder) / name
            except (URLError, RuntimeError, TimeoutError, ConnectionError) as error:
                reasons.append(f"{mirror.split('/')[2]}: {getattr(error, 'reason', error)}")
    finally:
        socket.setdefaulttimeout(patience)
    raise DownloadError(f"{name} could not be downloaded ({'; '.join(reasons)})")


def _path_of(data_dir: Path, file: _File) -> Path | None:
    folder = raw_folder(data_dir)
    candidates = (folder / f"{file.name}.gz", folder / file.name)
    return next((path for path in candidates if path.is_file()), None)


def _read_file(data_dir: Path, file: _File) -> NDArray[np.uint8]:
    path = _path_of(data_dir, file)
    if path is None:
        raise UserError(f"{raw_folder(data_dir) / file.name}.gz is missing")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}); check its permissions or choose --data-dir") from None
    packed = path.suffix == ".gz"
    expected = file.packed_md5 if packed else file.unpacked_md5
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != expected:
        raise UserError(
            f"{path} is damaged or not the official file: {len(content):,} bytes with MD5 {found}, expected {expected};"
            " delete it and run again to download it"
        )
    unpacked = gzip.decompress(content) if packed else content
    return np.frombuffer(unpacked, np.uint8, offset=file.header).reshape(file.shape)
