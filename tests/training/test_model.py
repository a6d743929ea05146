import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.data.dataset import split_indices
from harness.training.loop import train
from harness.training.model import Classifier, initial_model


def config(**changes):
    return make_config(**LESSON | {"seed": 420, "dataset": "digits", "split": "search"} | changes)


def test_it_is_the_lessons_network(digits):
    """§5.3 written out with torch's own layers gives the same log-probabilities."""
    model = initial_model(config(), digits)
    images = digits.test_inputs[:5]
    written_out = nn.Sequential(nn.Flatten(), model.hidden, nn.ReLU(), model.output, nn.LogSoftmax(dim=1))
    assert torch.equal(model(images), written_out(images / 16))
    assert sum(parameter.numel() for parameter in model.parameters()) == 64 * 128 + 128 * 10


def test_batch_norm_normalises_the_input_as_one_channel(digits):
    model = initial_model(config(batch_norm=True), digits)
    pixels = digits.train_inputs[:100] / 16
    normalised = (pixels - pixels.mean()) / torch.sqrt(pixels.var(correction=0) + 1e-5)
    expected = model.output(torch.relu(model.hidden(normalised.flatten(1)))).log_softmax(dim=1)
    assert torch.allclose(model(digits.train_inputs[:100]), expected, atol=1e-5)
    assert sum(parameter.numel() for parameter in model.parameters()) == 64 * 128 + 128 * 10 + 2


def test_the_seed_alone_decides_the_weights_and_batch_norm_moves_none_of_them(digits):
    first, with_norm = initial_model(config(), digits), initial_model(config(batch_norm=True, lr=0.5), digits)
    other = initial_model(config(seed=421), digits)
    assert torch.equal(first.hidden.weight, with_norm.hidden.weight)
    assert torch.equal(first.output.weight, with_norm.output.weight)
    assert not torch.equal(first.hidden.weight, other.hidden.weight)


def test_the_weights_are_torchs_default_and_torchs_generator_is_left_alone(digits):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    weight = initial_model(config(), digits).hidden.weight.detach()
    assert torch.equal(torch.rand(3), expected)
    bound = 1 / math.sqrt(64)
    assert float(weight.abs().max()) == pytest.approx(bound, rel=1e-3)
    assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_images_are_standardised_by_all_pixels_that_train(digits):
    standardize = initial_model(config(standardize=True), digits).standardize
    pixels = digits.train_inputs[split_indices(digits.train_labels, "search", 420).train].double() / 16
    assert float(standardize.mean) == pytest.approx(float(pixels.mean()), rel=1e-7)
    assert float(standardize.sd) == pytest.approx(float(pixels.std(correction=0)), rel=1e-7)


def test_images_of_one_grey_level_are_standardised_to_zeros(digits):
    """Where rounding would leave a standard deviation of nearly 0, or the root of less than 0."""
    for level in range(1, 256, 6):
        grey = replace(digits, train_inputs=torch.full_like(digits.train_inputs, level), max_level=255)
        standardize = initial_model(config(standardize=True), grey).standardize
        assert float(standardize.sd) == 1
        assert float(standardize(torch.full((2, 1), level / 255)).abs().max()) == 0


def rows_of(breast_cancer, **changes):
    """The features of 100 test rows, scaled by hand with the least and greatest values of the rows that train."""
    settings = config(dataset="breast-cancer", **changes)
    training = breast_cancer.train_inputs[split_indices(breast_cancer.train_labels, "search", 420).train]
    least, greatest = training.amin(dim=0), training.amax(dim=0)
    scaled = (training - least) / (greatest - least)
    model = initial_model(settings, breast_cancer)
    tested = (breast_cancer.test_inputs - least) / (greatest - least)
    return model, scaled, tested


def written_out(model, scaled):
    return model.output(torch.relu(model.hidden(scaled))).log_softmax(dim=1)


def test_a_tables_columns_are_scaled_to_the_range_of_the_rows_that_train(breast_cancer):
    model, scaled, tested = rows_of(breast_cancer)
    assert (float(scaled.min()), float(scaled.max())) == (0, 1)
    assert torch.allclose(model(breast_cancer.test_inputs), written_out(model, tested), atol=1e-6)


def test_a_tables_columns_are_standardised_one_by_one(breast_cancer):
    model, scaled, tested = rows_of(breast_cancer, standardize=True)
    expected = (tested - scaled.mean(dim=0)) / scaled.std(dim=0, correction=0)
    assert torch.allclose(model(breast_cancer.test_inputs), written_out(model, expected), atol=1e-4)


def test_batch_norm_normalises_each_column_of_a_table(breast_cancer):
    model, _, tested = rows_of(breast_cancer, batch_norm=True)
    expected = (tested - tested.mean(dim=0)) / torch.sqrt(tested.var(dim=0, correction=0) + 1e-5)
    assert torch.allclose(model(breast_cancer.test_inputs), written_out(model, expected), atol=1e-4)
    assert sum(parameter.numel() for parameter in model.parameters()) == 30 * 128 + 128 * 2 + 2 * 30


@pytest.mark.parametrize("wished", ["gamma", "standardize", "batch_norm"])
def test_a_constant_column_is_harmless_even_where_it_is_not_constant(breast_cancer, wished):
    constant = breast_cancer.train_inputs.clone()
    constant[:, 3] = 5
    dataset = replace(breast_cancer, train_inputs=constant)
    model = initial_model(config(dataset="breast-cancer", **{wished: 0.5 if wished == "gamma" else True}), dataset)
    told = model.eval()(breast_cancer.test_inputs)
    moved = breast_cancer.test_inputs.clone()
    moved[:, 3] = 1e6
    assert torch.equal(model(moved), told) and bool(told.isfinite().all())


@pytest.mark.parametrize("where", ["batch_norm", "hidden_batch_norm"])
def test_a_batch_of_one_row_is_normalised_by_the_running_statistics(breast_cancer, where):
    settings = config(dataset="breast-cancer", split="lesson", epochs=2, batch_size=79, **{where: True})
    assert len(breast_cancer.train_labels) % 79 == 1
    model = initial_model(settings, breast_cancer)
    epochs = list(train(settings, breast_cancer, model=model))
    assert [epoch.steps for epoch in epochs] == [7, 7] and not epochs[-1].diverged
    row = breast_cancer.train_inputs[:1]
    assert torch.equal(model.train()(row), model.eval()(row))


def test_a_classifier_names_a_class_for_each_image_of_any_batch(digits):
    classifier = Classifier(initial_model(config(batch_norm=True), digits))
    classes = classifier(digits.test_inputs)
    assert (classes.shape, classes.dtype) == ((300,), torch.int64)
    assert torch.equal(classifier(digits.test_inputs[:1]), classes[:1])
