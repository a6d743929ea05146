import math

import pytest
import torch
from torch.nn.functional import nll_loss

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.seeds import derive
from harness.data.dataset import split_indices
from harness.training.loop import evaluate, train
from harness.training.model import initial_model


def config(**changes):
    return make_config(**LESSON | {"epochs": 2, "seed": 420, "dataset": "digits", "split": "search"} | changes)


def numbers(epochs):
    """What must be equal in equal runs: all but times."""
    return [epoch._replace(seconds=0, samples_per_second=0) for epoch in epochs]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_one_epoch_is_the_lessons_loop_with_momentum_by_hand(digits, batch_norm):
    """v ← γv − η∇L, w ← w + v over every batch of the seeded order, the last smaller one too."""
    lr, gamma, size = 0.05, 0.9, 100
    run = config(lr=lr, gamma=gamma, batch_size=size, epochs=1, batch_norm=batch_norm)
    model = initial_model(run, digits)
    parameters = list(model.parameters())
    velocities = [torch.zeros_like(parameter) for parameter in parameters]
    train_part = split_indices(digits.train_labels, "search", 420).train
    order = torch.randperm(len(train_part), generator=torch.Generator().manual_seed(derive(420, "order")))
    loss_sum = correct = 0.0
    for batch in train_part[order].split(size):
        log_probabilities = model(digits.train_inputs[batch])
        loss = nll_loss(log_probabilities, digits.train_labels[batch])
        loss_sum += loss.item() * len(batch)
        correct += float((log_probabilities.argmax(1) == digits.train_labels[batch]).sum())
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
                velocity.mul_(gamma).sub_(lr * gradient)
                parameter.add_(velocity)

    trained = initial_model(run, digits)
    (epoch,) = train(run, digits, model=trained)
    assert epoch.steps == math.ceil(len(train_part) / size) == 13
    assert epoch.train_loss == pytest.approx(loss_sum / len(train_part), rel=1e-5)
    assert epoch.train_accuracy == pytest.approx(correct / len(train_part))
    for parameter, expected in zip(trained.parameters(), parameters, strict=True):
        assert torch.allclose(parameter, expected, atol=1e-5)


def test_validation_is_measured_on_the_held_out_images_with_the_trained_weights(digits):
    run = config(epochs=1)
    model = initial_model(run, digits)
    (epoch,) = train(run, digits, model=model)
    held_out = split_indices(digits.train_labels, "search", 420).validation
    log_probabilities = model.eval()(digits.train_inputs[held_out])
    assert epoch.val_loss == pytest.approx(nll_loss(log_probabilities, digits.train_labels[held_out]).item(), rel=1e-6)
    hits = int((log_probabilities.argmax(1) == digits.train_labels[held_out]).sum())
    assert epoch.val_accuracy == hits / len(held_out)


def test_equal_configs_give_equal_numbers_and_another_seed_others(digits):
    first = numbers(train(config(), digits))
    assert first == numbers(train(config(), digits))
    assert first != numbers(train(config(seed=421), digits))


def test_epochs_are_counted_from_one_and_longer_runs_begin_the_same(digits):
    short, long = numbers(train(config(), digits)), numbers(train(config(epochs=3), digits))
    assert [epoch.epoch for epoch in long] == [1, 2, 3]
    assert long[:2] == short


def test_pruning_is_to_stop_iterating(digits):
    epochs = train(config(epochs=1_000_000), digits)
    assert [next(epochs).epoch, next(epochs).epoch] == [1, 2]


def test_the_lessons_split_has_no_validation(digits):
    (epoch,) = train(config(split="lesson", epochs=1), digits)
    assert (epoch.val_loss, epoch.val_accuracy) == (None, None)
    assert epoch.steps == math.ceil(1_497 / 128)


def test_batch_norm_bears_a_last_batch_of_one(digits):
    size = len(split_indices(digits.train_labels, "search", 420).train) - 1
    (epoch,) = train(config(batch_norm=True, batch_size=size, epochs=1), digits)
    assert epoch.steps == 2
    assert math.isfinite(epoch.train_loss)


def test_a_loss_that_is_not_finite_ends_the_run_at_that_update(digits):
    epochs = list(train(config(lr=1e30, epochs=5), digits))
    assert len(epochs) == 1
    assert epochs[0].diverged
    assert not math.isfinite(epochs[0].train_loss)
    assert 1 < epochs[0].steps < math.ceil(1_251 / 128)
    assert epochs[0].val_loss is None


def test_a_batch_larger_than_the_training_part_is_refused(digits):
    with pytest.raises(ValueError, match="batch_size is 1252: it should be at most the 1251 training images of digits"):
        next(train(config(batch_size=1_252), digits))


def test_evaluation_does_not_depend_on_how_it_is_batched(digits, monkeypatch):
    model = initial_model(config(batch_norm=True), digits)
    whole = evaluate(model, digits.test_inputs, digits.test_labels)
    monkeypatch.setattr("harness.training.loop._EVALUATION_BATCH", 7)
    assert evaluate(model, digits.test_inputs, digits.test_labels) == pytest.approx(whole)


@pytest.mark.fashion_mnist
def test_the_lessons_setting_learns_fashion_mnist(fashion_mnist):
    """Not that learning works, but that the data and the labels belong together: chance is 0.1."""
    (epoch,) = train(config(epochs=1, dataset="fashion-mnist"), fashion_mnist)
    assert epoch.steps == 391
    assert epoch.val_accuracy is not None
    assert epoch.val_accuracy > 0.7


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_same_code_runs_on_a_gpu(digits):
    on_cpu = numbers(train(config(), digits))
    on_gpu = numbers(train(config(), digits.to(torch.device("cuda")), device="cuda"))
    assert [epoch.train_loss for epoch in on_gpu] == pytest.approx([epoch.train_loss for epoch in on_cpu], rel=1e-3)
