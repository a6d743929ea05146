"""Loads datasets: Fashion-MNIST, scikit-learn's small data, or a CSV file."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from harness.core.defaults import Header
from harness.core.errors import UserError
from harness.core.seeds import derive
from harness.data import csv_table, fashion_mnist
from harness.data.choice import DataChoice, data_choice, data_folder
from harness.data.dataset import Dataset, split_indices, stratified, validated

_DIGITS_TEST_SHARE = 6
_SHOWN_CLASSES = 5


def load_dataset(
    spec: str,
    target: str = "",
    data_dir: Path | None = None,
    header: Header = "auto",
    ignore: Sequence[str] = (),
) -> Dataset:
    """The dataset called `spec`: auto, fashion-mnist, digits, breast-cancer or csv:PATH. See `load`.

    Of a CSV file, the columns in `ignore` are left out.
    """
    return load(data_choice(spec, target, header, ignore), data_dir)


def load(choice: DataChoice, data_dir: Path | None = None) -> Dataset:
    """The chosen dataset. "auto" is Fashion-MNIST if it is available, otherwise digits, with the reason.

    Raises `UserError` for a damaged file, an unusable folder, or if "fashion-mnist" is not available.
    """
    choice.check_readable(data_dir)
    if choice.path is not None:
        path = choice.path.resolve()
        table = csv_table.read_csv(choice.path, choice.target, choice.header, choice.ignored)
        return _from_table(table, path.as_uri(), choice._replace(spec=f"csv:{path}"))
    if choice.spec == "breast-cancer":
        return _from_table(csv_table.breast_cancer(), "sklearn.datasets.load_breast_cancer", choice)
    if choice.spec == "digits":
        return _digits()
    folder = data_folder(data_dir)
    try:
        return _fashion_mnist(folder)
    except fashion_mnist.DownloadError as failure:
        if choice.spec == "fashion-mnist":
            raise UserError(
                f"no complete Fashion-MNIST in {folder} and {failure}; put the four official .gz files into"
                f" {fashion_mnist.raw_folder(folder)}, or name a folder that has them with --data-dir"
            ) from None
        return _digits(fallback=f"no complete Fashion-MNIST in {folder} and {failure}")


def _fashion_mnist(folder: Path) -> Dataset:
    if not fashion_mnist.is_present(folder):
        fashion_mnist.download(folder)
    train_images, train_labels, test_images, test_labels = fashion_mnist.read(folder)
    return validated(
        Dataset(
            name="fashion-mnist",
            train_inputs=torch.from_numpy(train_images.copy()),
            train_labels=torch.from_numpy(train_labels.astype("int64")),
            test_inputs=torch.from_numpy(test_images.copy()),
            test_labels=torch.from_numpy(test_labels.astype("int64")),
            max_level=255,
            classes=fashion_mnist.CLASSES,
            source="https://github.com/zalandoresearch/fashion-mnist",
            choice=DataChoice("fashion-mnist"),
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
    return validated(
        Dataset(
            name="digits",
            train_inputs=torch.from_numpy(train_images.astype("uint8")),
            train_labels=torch.from_numpy(train_labels.astype("int64")),
            test_inputs=torch.from_numpy(test_images.astype("uint8")),
            test_labels=torch.from_numpy(test_labels.astype("int64")),
            max_level=16,
            classes=tuple(str(name) for name in digits.target_names),
            source="sklearn.datasets.load_digits",
            choice=DataChoice("digits"),
            fallback=fallback,
        )
    )


def _from_table(table: csv_table.LabelledTable, source: str, choice: DataChoice) -> Dataset:
    """A dataset whose test part is one sixth of each class, always the same rows.

    Raises `UserError` if classes are too small for a test and a validation part.
    """
    features, labels = torch.from_numpy(table.features), torch.from_numpy(table.labels)
    parts = stratified(labels, torch.Generator().manual_seed(derive(0, "test")))
    train_labels = labels[parts.train]
    validation = split_indices(train_labels, "search", seed=0).validation
    if not len(parts.validation) or not len(validation):
        raise UserError(
            f"{choice.name} has {len(table.classes):,} classes in {len(labels):,} rows: too few rows a class to set"
            " some aside for validation and test; is the target the right column?"
        )
    return validated(
        Dataset(
            name=choice.name,
            train_inputs=features[parts.train],
            train_labels=train_labels,
            test_inputs=features[parts.validation],
            test_labels=labels[parts.validation],
            max_level=None,
            classes=table.classes,
            source=source,
            choice=choice,
            columns=table.columns,
            reading=table.reading,
            notes=(*table.notes, *_left_out(table.classes, labels, labels[parts.validation], train_labels[validation])),
        )
    )


def _left_out(classes: Sequence[str], labels: Tensor, test: Tensor, validation: Tensor) -> list[str]:
    """A note on classes with too few rows for the test or the validation part."""
    rows, tested, held_out = (part.bincount(minlength=len(classes)).tolist() for part in (labels, test, validation))
    counted = zip(classes, rows, tested, held_out, strict=True)
    without = [f"{name!r} ({count})" for name, count, *parts in counted if not all(parts)]
    if not without:
        return []
    shown = ", ".join(without[:_SHOWN_CLASSES]) + (", …" if len(without) > _SHOWN_CLASSES else "")
    return [
        f"{len(without)} of {len(classes)} classes have too few rows for a test or a validation part, so accuracy says"
        f" nothing about them: {shown}"
    ]
