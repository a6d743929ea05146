"""Datasets as checked in-memory tensors, and their seeded splits. Grey levels stay uint8; `model.py` scales them."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from harness import fashion_mnist
from harness.config import Split
from harness.defaults import DatasetChoice
from harness.errors import UserError
from harness.metrics import DatasetRecord
from harness.seeds import derive

_VALIDATION_SHARE = 6  # one image in six: 10,000 of 60,000
_DIGITS_TEST_SHARE = 6


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [n, height, width], labels int64 [n]; `max_level` is the grey level that stands for 1.0.

    `fallback` is the reason why this is not the dataset that was wished for, or "".
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    max_level: int
    classes: tuple[str, ...]
    source: str
    fallback: str = ""

    @property
    def height(self) -> int:
        return self.train_images.shape[1]

    @property
    def width(self) -> int:
        return self.train_images.shape[2]

    @property
    def sha256(self) -> str:
        """Hash of every image and label, train then test: two datasets with equal hashes hold the same pixels."""
        digest = hashlib.sha256()
        for tensor in self._tensors():
            digest.update(tensor.numpy().data)
        return digest.hexdigest()

    def share_memory(self) -> None:
        """Move the tensors to shared memory, so that worker processes read them in place and copy nothing."""
        for tensor in self._tensors():
            tensor.share_memory_()

    def to(self, device: torch.device) -> "Dataset":
        train_images, train_labels, test_images, test_labels = (tensor.to(device) for tensor in self._tensors())
        return replace(
            self,
            train_images=train_images,
            train_labels=train_labels,
            test_images=test_images,
            test_labels=test_labels,
        )

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.train_images, self.train_labels, self.test_images, self.test_labels


class Indices(NamedTuple):
    """Which training images train and which validate: int64 [n_train], int64 [n_validation] (may be empty)."""

    train: Tensor
    validation: Tensor


def load(choice: DatasetChoice, data_dir: Path | None = None) -> Dataset:
    """The dataset that `--dataset` names; "auto" is Fashion-MNIST where it can be had, else digits with the reason.

    Raises `UserError` for a damaged file or an unusable folder, and, with "fashion-mnist", where it cannot be had.
    """
    if choice == "digits":
        return _digits()
    folder = data_dir or Path(os.environ.get("HARNESS_DATA_DIR") or "data")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"the data folder {folder} is a file; give a folder with --data-dir")
    try:
        return _fashion_mnist(folder)
    except fashion_mnist.DownloadFailed as failure:
        if choice == "fashion-mnist":
            raise UserError(
                f"no Fashion-MNIST in {folder} and {failure}; put the four official .gz files into"
                f" {fashion_mnist.raw_folder(folder)}, or name a folder that has them with --data-dir"
            ) from None
        return _digits(fallback=f"no Fashion-MNIST in {folder} and {failure}")


def split_indices(labels: Tensor, split: Split, seed: int) -> Indices:
    """The seeded, stratified split of the training images with these labels (int64 [n]).

    "search" sets one image in six of each class aside for validation; "lesson" trains on all. Both parts come sorted.
    """
    labels = labels.cpu()
    everything = torch.arange(len(labels))
    if split == "lesson":
        return Indices(everything, everything[:0])
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    generator = torch.Generator().manual_seed(derive(seed, "split"))
    for label in labels.unique():
        members = everything[labels == label]
        shuffled = members[torch.randperm(len(members), generator=generator)]
        held_out[shuffled[: len(members) // _VALIDATION_SHARE]] = True
    return Indices(everything[~held_out], everything[held_out])


def training_size(dataset: Dataset, split: Split) -> int:
    """How many images train under `split`; the same for every seed."""
    return len(split_indices(dataset.train_labels, split, seed=0).train)


def record_of(dataset: Dataset) -> DatasetRecord:
    """What runs say of this dataset."""
    train = training_size(dataset, "search")
    validation = len(dataset.train_labels) - train
    profile = (
        f"{dataset.name} {dataset.height}×{dataset.width}: {train:,} training, {validation:,} validation,"
        f" {len(dataset.test_labels):,} test images, {len(dataset.classes)} classes"
    )
    return DatasetRecord(dataset.name, dataset.sha256, dataset.source, dataset.fallback, profile)


def _fashion_mnist(folder: Path) -> Dataset:
    if not fashion_mnist.is_present(folder):
        fashion_mnist.download(folder)
    train_images, train_labels, test_images, test_labels = fashion_mnist.read(folder)
    return _checked(
        Dataset(
            name="fashion-mnist",
            train_images=torch.from_numpy(train_images.copy()),
            train_labels=torch.from_numpy(train_labels.astype("int64")),
            test_images=torch.from_numpy(test_images.copy()),
            test_labels=torch.from_numpy(test_labels.astype("int64")),
            max_level=255,
            classes=fashion_mnist.CLASSES,
            source="https://github.com/zalandoresearch/fashion-mnist",
        )
    )


def _digits(fallback: str = "") -> Dataset:
    """scikit-learn's 1,797 digits, 8×8, grey levels 0 to 16. Its test part is one sixth, always the same."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    train_images, test_images, train_labels, test_labels = train_test_split(
        digits.images, digits.target, test_size=1 / _DIGITS_TEST_SHARE, stratify=digits.target, random_state=0
    )
    return _checked(
        Dataset(
            name="digits",
            train_images=torch.from_numpy(train_images.astype("uint8")),
            train_labels=torch.from_numpy(train_labels.astype("int64")),
            test_images=torch.from_numpy(test_images.astype("uint8")),
            test_labels=torch.from_numpy(test_labels.astype("int64")),
            max_level=16,
            classes=tuple(str(name) for name in digits.target_names),
            source="sklearn.datasets.load_digits",
            fallback=fallback,
        )
    )


def _checked(dataset: Dataset) -> Dataset:
    for part, images, labels in (
        ("training", dataset.train_images, dataset.train_labels),
        ("test", dataset.test_images, dataset.test_labels),
    ):
        where = f"the {part} part of {dataset.name}"
        if len(images) != len(labels):
            raise UserError(f"{where} has {len(images):,} images but {len(labels):,} labels")
        if images.shape[1:] != (dataset.height, dataset.width):
            raise UserError(f"{where} has images of {tuple(images.shape[1:])}, not {(dataset.height, dataset.width)}")
        if int(images.max()) > dataset.max_level:
            raise UserError(f"{where} has a grey level of {int(images.max())}, above {dataset.max_level}")
        if not 0 <= int(labels.min()) <= int(labels.max()) < len(dataset.classes):
            raise UserError(
                f"{where} has labels {int(labels.min())} to {int(labels.max())}, not 0 to {len(dataset.classes) - 1}"
            )
    return dataset
