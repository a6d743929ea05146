import gzip
import shutil
import socket
import urllib.error
from pathlib import Path

import numpy as np
import pytest
from support.paths import DATA_DIR

from harness.core.errors import UserError
from harness.data import fashion_mnist

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture
def copy():
    """A copy of the real files that a test may spoil: its raw folder."""
    folder = fashion_mnist.raw_folder(Path("data"))
    shutil.copytree(fashion_mnist.raw_folder(DATA_DIR), folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    return folder


@pytest.mark.fashion_mnist
def test_the_official_files_give_the_published_numbers_of_images():
    train_inputs, train_labels, test_inputs, test_labels = fashion_mnist.read(DATA_DIR)
    assert (train_inputs.shape, train_labels.shape) == ((60_000, 28, 28), (60_000,))
    assert (test_inputs.shape, test_labels.shape) == ((10_000, 28, 28), (10_000,))
    assert np.bincount(train_labels).tolist() == [6_000] * 10
    assert np.bincount(test_labels).tolist() == [1_000] * 10
    assert fashion_mnist.CLASSES[train_labels[0]] == "Ankle boot"  # the first image in the authors' README


@pytest.mark.fashion_mnist
def test_torchvision_reads_the_same_images(copy):
    from torchvision.datasets import FashionMNIST

    reference = FashionMNIST("data", train=False, download=True)  # all four files lie there: no network
    assert np.array_equal(reference.data.numpy(), fashion_mnist.read(DATA_DIR)[2])
    assert np.array_equal(reference.targets.numpy(), fashion_mnist.read(DATA_DIR)[3])


@pytest.mark.fashion_mnist
def test_unpacked_files_are_read_and_checked_too(copy):
    for name in NAMES:
        (copy / name).write_bytes(gzip.decompress((copy / f"{name}.gz").read_bytes()))
        (copy / f"{name}.gz").unlink()
    assert np.array_equal(fashion_mnist.read(Path("data"))[1], fashion_mnist.read(DATA_DIR)[1])
    labels = copy / NAMES[1]
    rotten = bytearray(labels.read_bytes())
    rotten[1000] ^= 1
    labels.write_bytes(rotten)
    with pytest.raises(UserError, match="train-labels-idx1-ubyte is damaged"):
        fashion_mnist.read(Path("data"))


@pytest.mark.fashion_mnist
@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_file_is_named(copy, name):
    path = copy / f"{name}.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError) as refusal:
        fashion_mnist.read(Path("data"))
    assert f"{name}.gz is damaged or not the official file" in str(refusal.value)
    assert "delete it and run again to download it" in str(refusal.value)


@pytest.mark.fashion_mnist
def test_swapped_files_are_noticed(copy):
    shutil.copyfile(copy / f"{NAMES[3]}.gz", copy / f"{NAMES[1]}.gz")
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte\.gz is damaged or not the official file"):
        fashion_mnist.read(Path("data"))


@pytest.mark.fashion_mnist
def test_a_missing_file_is_named(copy):
    (copy / f"{NAMES[2]}.gz").unlink()
    assert not fashion_mnist.is_present(Path("data"))
    with pytest.raises(UserError, match=r"t10k-images-idx3-ubyte\.gz is missing"):
        fashion_mnist.read(Path("data"))


@pytest.mark.fashion_mnist
def test_only_what_is_missing_is_downloaded_and_the_second_mirror_is_tried(copy, monkeypatch):
    asked = []

    def download_url(url, root, filename, md5):
        asked.append(url)
        if "amazonaws" in url:
            raise urllib.error.URLError("no route")
        shutil.copyfile(fashion_mnist.raw_folder(DATA_DIR) / filename, Path(root) / filename)

    monkeypatch.setattr("torchvision.datasets.utils.download_url", download_url)
    (copy / f"{NAMES[3]}.gz").unlink()
    fashion_mnist.download(Path("data"))
    assert [url.split("/")[2] for url in asked] == [
        "fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "raw.githubusercontent.com",
    ]
    assert len(fashion_mnist.read(Path("data"))) == 4
    assert sorted(path.name for path in copy.iterdir()) == sorted(f"{name}.gz" for name in NAMES)


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("no route to host"),
        TimeoutError("timed out"),
        RuntimeError("File not found or corrupted."),
    ],
)
def test_a_download_that_fails_says_why_and_leaves_no_half_file(monkeypatch, error):
    def download_url(url, root, filename, md5):
        (Path(root) / filename).write_bytes(b"half")
        raise error

    monkeypatch.setattr("torchvision.datasets.utils.download_url", download_url)
    patience = socket.getdefaulttimeout()
    with pytest.raises(fashion_mnist.DownloadError) as failure:
        fashion_mnist.download(Path("data"))
    assert "train-images-idx3-ubyte.gz could not be downloaded" in str(failure.value)
    assert str(getattr(error, "reason", error)) in str(failure.value)
    assert list(fashion_mnist.raw_folder(Path("data")).iterdir()) == []
    assert socket.getdefaulttimeout() == patience


def test_a_folder_that_cannot_be_written_is_named():
    Path("data").write_text("a file")
    with pytest.raises(UserError, match="cannot write to the data folder"):
        fashion_mnist.download(Path("data"))
