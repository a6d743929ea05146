import math

import pytest
import torch
from torch import nn

from harness.config import make_config
from harness.defaults import LESSON
from harness.model import Classifier, initial_model


def config(**changes):
    return make_config(**LESSON | {"seed": 420, "dataset": "digits", "split": "search"} | changes)


def test_it_is_the_lessons_network(digits):
    """§5.3 written out with torch's own layers gives the same log-probabilities."""
    model = initial_model(config(), digits)
    images = digits.test_images[:5]
    written_out = nn.Sequential(nn.Flatten(), model.hidden, nn.ReLU(), model.output, nn.LogSoftmax(dim=1))
    assert torch.equal(model(images), written_out(images / 16))
    assert sum(parameter.numel() for parameter in model.parameters()) == 64 * 128 + 128 * 10


def test_batch_norm_normalises_the_input_as_one_channel(digits):
    model = initial_model(config(batch_norm=True), digits)
    pixels = digits.train_images[:100] / 16
    normalised = (pixels - pixels.mean()) / torch.sqrt(pixels.var(correction=0) + 1e-5)
    expected = model.output(torch.relu(model.hidden(normalised.flatten(1)))).log_softmax(dim=1)
    assert torch.allclose(model(digits.train_images[:100]), expected, atol=1e-5)
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


def test_a_classifier_names_a_class_for_each_image_of_any_batch(digits):
    classifier = Classifier(initial_model(config(batch_norm=True), digits))
    classes = classifier(digits.test_images)
    assert (classes.shape, classes.dtype) == ((300,), torch.int64)
    assert torch.equal(classifier(digits.test_images[:1]), classes[:1])
