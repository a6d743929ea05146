from pathlib import Path

import pytest

from harness.core.errors import UserError
from harness.data.choice import NAMED, DataChoice, data_choice


@pytest.mark.parametrize("name", NAMED)
def test_a_name_is_what_records_call_it(name):
    choice = data_choice(name)
    assert (choice.name, choice.path) == (name, None)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("csv:wine.csv", "csv-wine"),
        ("csv:/a/b/red wine (1).csv", "csv-red-wine--1-"),
        ("csv:../../x'; drop--.csv", "csv-x---drop--"),
        ("csv:葡萄酒.csv", "csv-葡萄酒"),
        (f"csv:{'x' * 200}.csv", "csv-" + "x" * 60),
    ],
)
def test_a_csv_file_is_called_by_its_name_in_harmless_letters(spec, name):
    assert data_choice(spec).name == name


def test_a_path_may_be_meant_from_another_folder():
    assert data_choice("csv:wine.csv").beside(Path("claims")).path == Path("claims/wine.csv")
    assert data_choice("csv:/data/wine.csv").beside(Path("claims")).path == Path("/data/wine.csv")
    assert data_choice("digits").beside(Path("claims")) == DataChoice("digits")


@pytest.mark.parametrize(
    ("spec", "target", "message"),
    [
        (
            "mnist",
            "",
            "dataset is 'mnist': it should be one of auto, fashion-mnist, digits, breast-cancer, or csv:PATH",
        ),
        ("csv:", "", "the path of the file is missing"),
        ("digits", "y", "target is 'y': it needs --dataset csv:PATH"),
    ],
)
def test_what_cannot_be_chosen_is_refused(spec, target, message):
    with pytest.raises(UserError, match=message):
        data_choice(spec, target)


def test_how_a_file_is_read_belongs_to_the_choice(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    choice = data_choice("csv:~/wine list.csv", "5", "no")
    assert choice.path == Path("/home/me/wine list.csv")
    assert choice.options == "--dataset 'csv:~/wine list.csv' --target 5 --header no"
    assert choice.is_same(data_choice("csv:/home/me/wine list.csv", "5", "no"))
    assert not choice.is_same(data_choice("csv:/home/me/wine list.csv", "5"))
    with pytest.raises(UserError, match="header is 'yes': it needs --dataset csv:PATH"):
        data_choice("digits", header="yes")
