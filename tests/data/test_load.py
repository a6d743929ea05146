from pathlib import Path

import pytest
import torch

from harness.core.errors import UserError
from harness.data import fashion_mnist
from harness.data.choice import DataChoice
from harness.data.load import load


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
