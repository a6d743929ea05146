from dataclasses import replace

import pytest
import torch

from harness.core.errors import UserError
from harness.data import dataset
from harness.data.choice import DataChoice
from harness.data.load import load


@pytest.mark.fashion_mnist
def test_fashion_mnist_is_split_50000_to_10000_with_equal_classes(fashion_mnist):
    split = dataset.split_indices(fashion_mnist.train_labels, "search", seed=420)
    assert (len(split.train), len(split.validation)) == (50_000, 10_000)
    assert fashion_mnist.train_labels[split.validation].bincount().tolist() == [1_000] * 10


def test_a_split_is_a_stratified_partition_that_its_seed_decides(digits):
    labels = digits.train_labels
    split = dataset.split_indices(labels, "search", seed=1)
    assert torch.equal(torch.cat(split).sort().values, torch.arange(len(labels)))
    assert labels[split.validation].bincount().tolist() == [count // 6 for count in labels.bincount().tolist()]
    assert torch.equal(split.train, dataset.split_indices(labels, "search", seed=1).train)
    assert not torch.equal(split.train, dataset.split_indices(labels, "search", seed=2).train)
    assert dataset.training_size(digits, "search") == len(split.train)


def test_the_lessons_split_trains_on_everything(digits):
    split = dataset.split_indices(digits.train_labels, "lesson", seed=1)
    assert torch.equal(split.train, torch.arange(1_497))
    assert len(split.validation) == 0


def test_the_hash_changes_with_a_single_grey_level(digits):
    images = digits.test_inputs.clone()
    images[0, 0, 0] += 1
    assert replace(digits, test_inputs=images).sha256 != digits.sha256


def test_shared_tensors_hold_the_same_pixels():
    dataset = load(DataChoice("digits"))
    before = dataset.sha256
    dataset.share_memory()
    assert dataset.train_inputs.is_shared()
    assert dataset.sha256 == before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: {"train_labels": d.train_labels[:-1]}, "training part of digits has 1,497 images but 1,496 labels"),
        (lambda d: {"test_inputs": d.test_inputs[:, :4]}, r"test part of digits has images of \(4, 8\), not \(8, 8\)"),
        (lambda d: {"test_labels": d.test_labels + 1}, "test part of digits has labels 1 to 10, not 0 to 9"),
        (lambda d: {"train_inputs": d.train_inputs * 2}, "training part of digits has a grey level of 32, above 16"),
    ],
)
def test_parts_that_do_not_fit_are_refused(digits, spoil, message):
    with pytest.raises(UserError, match=message):
        dataset.validated(replace(digits, **spoil(digits)))


def test_pixel_sums_are_those_of_each_training_image(digits):
    sums, squares = digits.pixel_sums
    images = digits.train_inputs.numpy().astype(int)
    assert sums.tolist() == images.sum(axis=(1, 2)).tolist()
    assert squares.tolist() == (images**2).sum(axis=(1, 2)).tolist()
