"""The walkthrough's part of §5."""

import pytest
from support.paths import DATA_DIR

from analysis.worked.images import images


@pytest.mark.fashion_mnist
def test_the_images_of_fashion_mnist_are_shown_with_their_names(monkeypatch):
    monkeypatch.setenv("HARNESS_DATA_DIR", str(DATA_DIR))
    part = images()
    titles = [axes.get_title() for axes in part.pictures[0].figures[0].axes]
    assert titles[:3] == ["[0] Ankle boot", "[1] T-shirt/top", "[1] T-shirt/top"]
    assert len([title for title in titles if title]) == 12
    classes, steps = part.tables
    assert classes.frame["training images"].tolist() == ["6,000"] * 10
    assert "input_ = 784 numbers" in part.text[0] and "output_ = 10 scores" in part.text[0]
    assert [step[0] for step in steps.frame["the lesson's step"]] == list("1234567")
    assert all(check.holds for check in part.checks) and len(part.text) == 2


def test_without_fashion_mnist_the_digits_are_shown_and_said_so():
    part = images()
    assert "these are scikit-learn's small digits" in part.text[-1] and "input_ = 64" in part.text[0]
    assert all(check.holds for check in part.checks)
