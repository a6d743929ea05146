from pathlib import Path

import pytest
import torch

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.errors import UserError
from harness.data import fashion_mnist
from harness.data.choice import DataChoice
from harness.data.dataset import record_of
from harness.data.load import load
from harness.training.loop import train


@pytest.fixture
def offline(monkeypatch):
    def download(folder):
        raise fashion_mnist.DownloadError("train-images could not be downloaded (mirror: no route)")

    monkeypatch.setattr(fashion_mnist, "download", download)


def test_digits_are_scikit_learns_images_in_two_parts(digits):
    from sklearn.datasets import load_digits

    images = torch.cat([digits.train_inputs, digits.test_inputs])
    assert (len(digits.train_inputs), len(digits.test_inputs), *digits.shape) == (1_497, 300, 8, 8)
    assert images.dtype == torch.uint8
    assert int(images.max()) == digits.max_level == 16
    assert int(images.sum()) == int(load_digits().images.sum())


def test_auto_falls_back_to_digits_and_says_why(offline):
    dataset = load(DataChoice("auto"), Path("nowhere"))
    assert dataset.name == "digits"
    assert dataset.fallback == (
        "no complete Fashion-MNIST in nowhere and train-images could not be downloaded (mirror: no route)"
    )


def test_fashion_mnist_insists_and_names_the_remedy(offline):
    with pytest.raises(UserError) as refusal:
        load(DataChoice("fashion-mnist"), Path("nowhere"))
    assert "put the four official .gz files into nowhere/FashionMNIST/raw" in str(refusal.value)


def test_digits_that_are_asked_for_are_no_fallback(digits):
    assert digits.fallback == ""


def test_a_data_folder_that_is_a_file_is_refused():
    Path("data").write_text("")
    with pytest.raises(UserError, match="the data folder data is a file"):
        load(DataChoice("auto"))


@pytest.mark.fashion_mnist
def test_the_folder_is_the_options_then_the_environments_then_data(monkeypatch, fashion_mnist, offline):
    from support.paths import DATA_DIR

    assert load(DataChoice("auto")).name == "digits"  # nothing in ./data
    monkeypatch.setenv("HARNESS_DATA_DIR", str(DATA_DIR))
    assert load(DataChoice("auto")).sha256 == fashion_mnist.sha256
    assert load(DataChoice("auto"), Path("nowhere")).name == "digits"


@pytest.mark.fashion_mnist
def test_a_damaged_file_is_refused_not_replaced_by_digits(monkeypatch):
    folder = fashion_mnist.raw_folder(Path("data"))
    folder.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte.gz").write_bytes(b"not gzip")
    with pytest.raises(UserError, match="is damaged"):
        load(DataChoice("auto"))


def test_a_table_sets_one_row_in_six_of_each_class_aside_for_the_test(breast_cancer):
    labels = breast_cancer.train_labels.tolist() + breast_cancer.test_labels.tolist()
    assert (labels.count(0), labels.count(1)) == (212, 357)
    assert breast_cancer.test_labels.bincount().tolist() == [212 // 6, 357 // 6]
    assert (breast_cancer.shape, breast_cancer.unit, len(breast_cancer.columns)) == ((30,), "rows", 30)
    assert load(DataChoice("breast-cancer")).sha256 == breast_cancer.sha256


def test_a_csv_file_is_loaded_again_from_any_folder(tmp_path, monkeypatch):
    rows = "".join(f"{n},{n * n},{'odd' if n % 2 else 'even'}\n" for n in range(36))
    Path("numbers.csv").write_text("n,square,kind\n" + rows)
    dataset = load(DataChoice("csv:numbers.csv", "kind"))
    assert (dataset.name, dataset.classes, dataset.columns) == ("csv-numbers", ("even", "odd"), ("n", "square"))
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (30, 6)
    monkeypatch.chdir("/")
    assert load(dataset.choice).sha256 == dataset.sha256


def test_classes_that_are_too_small_to_be_split_are_refused():
    Path("ids.csv").write_text("a,id\n" + "".join(f"{n},{n}\n" for n in range(50)))
    with pytest.raises(UserError, match="csv-ids has 50 classes in 50 rows: too few rows a class"):
        load(DataChoice("csv:ids.csv"))


def test_how_a_file_was_read_is_told_and_read_so_again():
    Path("spectra.csv").write_text("900,905,kind\n" + "".join(f"{n},{n % 7},{'ab'[n % 2]}\n" for n in range(36)))
    dataset = load(DataChoice("csv:spectra.csv"))
    assert dataset.reading == "spectra.csv: row 1 holds the names; the label is 'kind', the features are 900, 905"
    other = load(DataChoice("csv:spectra.csv", header="yes"))
    assert (other.sha256, load(other.choice).sha256) == (dataset.sha256, dataset.sha256)
    assert record_of(other).header == "yes"


def test_a_class_that_is_not_tested_or_not_validated_is_named():
    rows = [
        *("a" for _ in range(40)),
        *("b" for _ in range(40)),
        *("rare" for _ in range(5)),
        *("few" for _ in range(6)),
    ]
    Path("rare.csv").write_text("x,kind\n" + "".join(f"{n},{kind}\n" for n, kind in enumerate(rows)))
    assert load(DataChoice("csv:rare.csv")).warnings == (
        "2 of 4 classes have too few rows for a test or a validation part, so accuracy says nothing about them:"
        " 'few' (6), 'rare' (5)",
    )


def test_one_column_is_one_column():
    Path("one.csv").write_text("x,kind\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(36)))
    assert record_of(load(DataChoice("csv:one.csv"))).profile.startswith("csv-one 1 column: ")


def test_timestamps_teach_what_they_would_teach_as_small_numbers():
    """Milliseconds since 1970; float32 holds only multiples of 131,072 there."""
    for name, start in (("small", 0), ("large", 1_700_000_000_000)):
        rows = "".join(f"{start + 100 * n},{'early' if n < 150 else 'late'}\n" for n in range(300))
        Path(f"{name}.csv").write_text("time,kind\n" + rows)
    accuracies = []
    for name in ("small", "large"):
        dataset = load(DataChoice(f"csv:{name}.csv"))
        fields = LESSON | {"epochs": 30, "batch_size": 10, "lr": 0.5}
        config = make_config(**fields, seed=1, dataset=dataset.name, split="search", standardize=True)
        accuracies.append([epoch.val_accuracy for epoch in train(config, dataset)][-1])
    assert accuracies[1] == accuracies[0] > 0.9
