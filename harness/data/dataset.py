"""A dataset as tensors in memory, and its seeded splits. Inputs are unscaled; `training/model.py` scales them."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from harness.core.config import Split
from harness.core.errors import UserError
from harness.core.metrics import DatasetRecord
from harness.core.seeds import derive
from harness.data.choice import DataChoice

_CHUNK = 5_000
_HELD_OUT_SHARE = 6  # one example in six of each class: 10,000 of 60,000


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [n, height, width] or the rows of a table [n, columns]; labels int64 [n].

    Rows are float32, or float64 where float32 would not tell their values apart.

    `max_level` is the grey level of images that maps to 1.0; None for a table, whose `columns` have names. `choice`
    loads the same data again. `fallback` is the reason why this is not the requested dataset, or "". `reading` says how
    a file was understood, and `notes` what is wrong with its content.
    """

    name: str
    train_inputs: Tensor
    train_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor
    max_level: int | None
    classes: tuple[str, ...]
    source: str
    choice: DataChoice
    columns: tuple[str, ...] = ()
    fallback: str = ""
    reading: str = ""
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input: (height, width), or (columns,)."""
        return tuple(self.train_inputs.shape[1:])

    @property
    def unit(self) -> str:
        """What examples are called: "images" or "rows"."""
        return "rows" if self.max_level is None else "images"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user must not overlook."""
        if not self.fallback:
            return self.notes
        return (f"THIS IS NOT FASHION-MNIST but scikit-learn's small digits, because {self.fallback}", *self.notes)

    @property
    def sha256(self) -> str:
        """Hash of every input and label, train then test."""
        digest = hashlib.sha256()
        for tensor in self._tensors():
            digest.update(tensor.numpy().data)
        return digest.hexdigest()

    @cached_property
    def pixel_sums(self) -> tuple[Tensor, Tensor]:
        """For each training image, int64 [n]: the sum of its grey levels, and the sum of their squares."""
        sums, squares = [], []
        for images in self.train_inputs.flatten(1).split(_CHUNK):
            levels = images.double()
            sums.append(levels.sum(dim=1).long())
            squares.append(levels.square_().sum(dim=1).long())
        return torch.cat(sums), torch.cat(squares)

    def share_memory(self) -> None:
        """Move the tensors to shared memory, so that worker processes do not copy them."""
        for tensor in self._tensors():
            tensor.share_memory_()

    def to(self, device: torch.device) -> "Dataset":
        train_inputs, train_labels, test_inputs, test_labels = (tensor.to(device) for tensor in self._tensors())
        return replace(
            self, train_inputs=train_inputs, train_labels=train_labels, test_inputs=test_inputs, test_labels=test_labels
        )

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.train_inputs, self.train_labels, self.test_inputs, self.test_labels


class Indices(NamedTuple):
    """The examples that train and those that validate: int64 [n_train], int64 [n_validation] (may be empty)."""

    train: Tensor
    validation: Tensor


def split_indices(labels: Tensor, split: Split, seed: int) -> Indices:
    """The seeded, stratified split of the training examples with these labels (int64 [n]).

    "search" holds out one sixth of each class for validation; "lesson" trains on all. Both are sorted.
    """
    labels = labels.cpu()
    if split == "lesson":
        everything = torch.arange(len(labels))
        return Indices(everything, everything[:0])
    return stratified(labels, torch.Generator().manual_seed(derive(seed, "split")))


def stratified(labels: Tensor, generator: torch.Generator) -> Indices:
    """Two sorted parts, the second with one sixth of each class, rounded down. `labels`: int64 [n], on the CPU."""
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for members in labels.argsort(stable=True).split(labels.bincount().tolist()):
        shuffled = members[torch.randperm(len(members), generator=generator)]
        held_out[shuffled[: len(members) // _HELD_OUT_SHARE]] = True
    everything = torch.arange(len(labels))
    return Indices(everything[~held_out], everything[held_out])


def training_size(dataset: Dataset, split: Split) -> int:
    """The number of training examples under `split`; the same for every seed."""
    return len(split_indices(dataset.train_labels, split, seed=0).train)


def batch_size_error(batch_size: int, dataset: Dataset, split: Split, verb: str = "is") -> str:
    """The message for a batch larger than the training part; "" for a valid one."""
    most = training_size(dataset, split)
    if batch_size <= most:
        return ""
    return f"batch_size {verb} {batch_size}: it should be at most the {most} training {dataset.unit} of {dataset.name}"


def record_of(dataset: Dataset) -> DatasetRecord:
    """What is recorded of this dataset."""
    train = training_size(dataset, "search")
    validation = len(dataset.train_labels) - train
    size = "×".join(map(str, dataset.shape))
    if dataset.max_level is None:
        size += " column" if dataset.shape == (1,) else " columns"
    profile = (
        f"{dataset.name} {size}: {train:,} training, {validation:,} validation,"
        f" {len(dataset.test_labels):,} test {dataset.unit}, {len(dataset.classes):,} classes"
    )
    return DatasetRecord(dataset.name, dataset.sha256, dataset.source, dataset.fallback, profile, *dataset.choice)


def validated(dataset: Dataset) -> Dataset:
    """The same dataset. Raises `UserError` if its parts do not match."""
    for part, inputs, labels in (
        ("training", dataset.train_inputs, dataset.train_labels),
        ("test", dataset.test_inputs, dataset.test_labels),
    ):
        where = f"the {part} part of {dataset.name}"
        if len(inputs) != len(labels):
            raise UserError(f"{where} has {len(inputs):,} {dataset.unit} but {len(labels):,} labels")
        if tuple(inputs.shape[1:]) != dataset.shape:
            raise UserError(f"{where} has {dataset.unit} of {tuple(inputs.shape[1:])}, not {dataset.shape}")
        if dataset.max_level is not None and int(inputs.max()) > dataset.max_level:
            raise UserError(f"{where} has a grey level of {int(inputs.max())}, above {dataset.max_level}")
        if not 0 <= int(labels.min()) <= int(labels.max()) < len(dataset.classes):
            raise UserError(
                f"{where} has labels {int(labels.min())} to {int(labels.max())}, not 0 to {len(dataset.classes) - 1}"
            )
    return dataset
