from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness import data, fashion_mnist
from harness.errors import UserError


@pytest.fixture
def offline(monkeypatch):
    def download(folder):
        raise fashion_mnist.DownloadFailed("train-images could not be downloaded (mirror: no route)")

    monkeypatch.setattr(fashion_mnist, "download", download)


def test_digits_are_scikit_learns_images_in_two_parts(digits):
    from sklearn.datasets import load_digits

    images = torch.cat([digits.train_images, digits.test_images])
    assert (len(digits.train_images), len(digits.test_images), digits.height, digits.width) == (1_497, 300, 8, 8)
    assert images.dtype == torch.uint8
    assert int(images.max()) == digits.max_level == 16
    assert int(images.sum()) == int(load_digits().images.sum())


def test_auto_falls_back_to_digits_and_says_why(offline):
    dataset = data.load("auto", Path("nowhere"))
    assert dataset.name == "digits"
    assert dataset.fallback == (
        "no Fashion-MNIST in nowhere and train-images could not be downloaded (mirror: no route)"
    )


def test_fashion_mnist_insists_and_names_the_remedy(offline):
    with pytest.raises(UserError) as refusal:
        data.load("fashion-mnist", Path("nowhere"))
    assert "put the four official .gz files into nowhere/FashionMNIST/raw" in str(refusal.value)


def test_digits_that_are_asked_for_are_no_fallback(digits):
    assert digits.fallback == ""


def test_a_data_folder_that_is_a_file_is_refused():
    Path("data").write_text("")
    with pytest.raises(UserError, match="the data folder data is a file"):
        data.load("auto")


@pytest.mark.fashion_mnist
def test_the_folder_is_the_options_then_the_environments_then_data(monkeypatch, fashion_mnist, offline):
    from places import DATA_DIR

    assert data.load("auto").name == "digits"  # nothing in ./data
    monkeypatch.setenv("HARNESS_DATA_DIR", str(DATA_DIR))
    assert data.load("auto").sha256 == fashion_mnist.sha256
    assert data.load("auto", Path("nowhere")).name == "digits"


@pytest.mark.fashion_mnist
def test_a_damaged_file_is_refused_not_replaced_by_digits(monkeypatch):
    folder = fashion_mnist.raw_folder(Path("data"))
    folder.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte.gz").write_bytes(b"not gzip")
    with pytest.raises(UserError, match="is damaged"):
        data.load("auto")


@pytest.mark.fashion_mnist
def test_fashion_mnist_is_split_50000_to_10000_with_equal_classes(fashion_mnist):
    split = data.split_indices(fashion_mnist.train_labels, "search", seed=420)
    assert (len(split.train), len(split.validation)) == (50_000, 10_000)
    assert fashion_mnist.train_labels[split.validation].bincount().tolist() == [1_000] * 10


def test_a_split_is_a_stratified_partition_that_its_seed_decides(digits):
    labels = digits.train_labels
    split = data.split_indices(labels, "search", seed=1)
    assert torch.equal(torch.cat(split).sort().values, torch.arange(len(labels)))
    assert labels[split.validation].bincount().tolist() == [count // 6 for count in labels.bincount().tolist()]
    assert torch.equal(split.train, data.split_indices(labels, "search", seed=1).train)
    assert not torch.equal(split.train, data.split_indices(labels, "search", seed=2).train)
    assert data.training_size(digits, "search") == len(split.train)


def test_the_lessons_split_trains_on_everything(digits):
    split = data.split_indices(digits.train_labels, "lesson", seed=1)
    assert torch.equal(split.train, torch.arange(1_497))
    assert len(split.validation) == 0


def test_the_hash_changes_with_a_single_grey_level(digits):
    images = digits.test_images.clone()
    images[0, 0, 0] += 1
    assert replace(digits, test_images=images).sha256 != digits.sha256


def test_shared_tensors_hold_the_same_pixels():
    dataset = data.load("digits")
    before = dataset.sha256
    dataset.share_memory()
    assert dataset.train_images.is_shared()
    assert dataset.sha256 == before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: {"train_labels": d.train_labels[:-1]}, "training part of digits has 1,497 images but 1,496 labels"),
        (lambda d: {"test_images": d.test_images[:, :4]}, r"test part of digits has images of \(4, 8\), not \(8, 8\)"),
        (lambda d: {"test_labels": d.test_labels + 1}, "test part of digits has labels 1 to 10, not 0 to 9"),
        (lambda d: {"train_images": d.train_images * 2}, "training part of digits has a grey level of 32, above 16"),
    ],
)
def test_parts_that_do_not_fit_are_refused(digits, spoil, message):
    with pytest.raises(UserError, match=message):
        data._checked(replace(digits, **spoil(digits)))
