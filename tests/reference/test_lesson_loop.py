"""The lesson's own loop, and that the fast `train` gives what it gives."""

import pytest
import torch
from torch.utils.data import DataLoader, Sampler

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.seeds import derive
from harness.reference.lesson_loop import LessonImages, LessonModel, accuracy, fit, samples
from harness.training.loop import train
from harness.training.model import initial_model


class OrderOfTrain(Sampler):
    """The batches of `train`, epoch after epoch."""

    def __init__(self, size, batch_size, seed):
        self.size, self.batch_size = size, batch_size
        self.generator = torch.Generator().manual_seed(derive(seed, "order"))

    def __iter__(self):
        yield from torch.randperm(self.size, generator=self.generator).split(self.batch_size)


def both(dataset, **changes):
    """A config trained by the lesson's loop, from the same weights and in the same order, and by `train`."""
    config = make_config(**LESSON | {"seed": 420, "dataset": dataset.name, "split": "lesson"} | changes)
    fast = initial_model(config, dataset)
    net = LessonModel(dataset.shape, len(dataset.classes), config.batch_norm)
    net.linear1.load_state_dict(fast.hidden.state_dict())
    net.output.load_state_dict(fast.output.state_dict())
    data = samples(dataset, dataset.train_inputs, dataset.train_labels)
    loader = DataLoader(data, batch_sampler=OrderOfTrain(len(data), config.batch_size, config.seed))
    steps = list(fit(net, loader, config.lr, config.epochs, config.gamma))
    epochs = list(train(config, dataset, model=fast))
    return config, len(data), steps, epochs, net, fast


def assert_equal_to_rounding(config, size, steps, epochs, net, fast, tolerance):
    full = -(-size // config.batch_size)
    for epoch in epochs:
        mine = [step for step in steps if step.epoch == epoch.epoch]
        assert len(mine) == epoch.steps == full
        sizes = [min(config.batch_size, size - config.batch_size * n) for n in range(full)]
        mean = sum(step.loss * count for step, count in zip(mine, sizes, strict=True)) / size
        assert mean == pytest.approx(epoch.train_loss, rel=tolerance)
    so_far = sum(epoch.train_accuracy for epoch in epochs) / len(epochs)
    assert steps[-1].accuracy == pytest.approx(so_far, abs=2 / size)
    assert torch.allclose(net.linear1.weight, fast.hidden.weight, atol=100 * tolerance)


@pytest.mark.parametrize("changes", [{}, {"gamma": 0.9}, {"batch_norm": True}, {"batch_size": 50, "lr": 0.05}])
def test_train_gives_what_the_lessons_loop_gives(digits, changes):
    assert_equal_to_rounding(*both(digits, **changes), tolerance=1e-5)


@pytest.mark.parametrize("changes", [{"batch_size": 5}, {"batch_size": 50, "batch_norm": True}])
def test_on_a_table_too(breast_cancer, changes):
    assert_equal_to_rounding(*both(breast_cancer, **changes), tolerance=1e-5)


@pytest.mark.slow
@pytest.mark.fashion_mnist
@pytest.mark.parametrize("batch_norm", [False, True])
def test_on_fashion_mnist_as_the_lesson_runs_it(fashion_mnist, batch_norm):
    assert_equal_to_rounding(*both(fashion_mnist, epochs=2, batch_norm=batch_norm), tolerance=1e-4)


@pytest.mark.fashion_mnist
def test_images_are_those_of_torchvisions_loader(fashion_mnist):
    images = LessonImages(fashion_mnist.test_inputs, fashion_mnist.test_labels)
    image, label = images[7]
    assert torch.equal(image, fashion_mnist.test_inputs[7:8] / 255)
    assert (len(images), label, type(label)) == (10_000, int(fashion_mnist.test_labels[7]), int)


def test_a_step_says_how_much_of_all_was_seen(digits):
    torch.manual_seed(420)
    net = LessonModel(digits.shape, 10)
    loader = DataLoader(samples(digits, digits.train_inputs, digits.train_labels), batch_size=500, shuffle=True)
    steps = list(fit(net, loader, lr=0.15, epochs=2, gamma=0.0))
    assert [(step.epoch, step.batch, step.samples) for step in steps] == [
        (1, 1, 500), (1, 2, 1000), (1, 3, 1497), (2, 1, 1997), (2, 2, 2497), (2, 3, 2994),
    ]  # fmt: skip
    assert {step.total for step in steps} == {2994}


def test_accuracy_judges_the_trained_network_without_training_it(digits):
    torch.manual_seed(0)
    net = LessonModel(digits.shape, 10, batch_norm=True)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    tested = samples(digits, digits.test_inputs, digits.test_labels)
    found = accuracy(net, DataLoader(tested, batch_size=128))
    told = net(digits.test_inputs.unsqueeze(1) / 16).argmax(dim=1)
    assert found == pytest.approx((told == digits.test_labels).double().mean().item())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
