import math

import numpy as np
import pytest
import torch
from torch.nn.functional import nll_loss

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.data.dataset import split_indices
from harness.engines.base import Job
from harness.engines.execution import execute
from harness.training.loop import evaluate, train
from harness.training.model import initial_model
from harness.training.probes.registry import Probes, is_scheduled

ALL = ("loss", "validation_loss", "roughness", "path", "trajectory", "gradient_noise", "validation_halves")


def config(**changes):
    fields = {"epochs": 2, "seed": 420, "dataset": "digits", "split": "search", "batch_size": 100}
    return make_config(**LESSON | fields | changes)


def run(digits, names, **changes):
    """The model after training, the epochs, and all readings as name → {step: value}."""
    settings = config(**changes)
    model = initial_model(settings, digits)
    observer = Probes(names, settings, digits, model) if names else None
    epochs = list(train(settings, digits, model=model, observer=observer))
    readings: dict[str, dict[int, float]] = {}
    for epoch in epochs:
        for reading in epoch.readings:
            readings.setdefault(reading.name, {})[reading.step] = reading.value
    return model, epochs, readings, observer


@pytest.mark.parametrize("changes", [{}, {"batch_norm": True, "gamma": 0.9}, {"hidden_batch_norm": True}])
def test_probes_do_not_change_the_training(digits, changes):
    """All of them at once: every weight and running statistic, and every number of every epoch, bit for bit."""
    plain, plain_epochs, _, _ = run(digits, (), **changes)
    watched, watched_epochs, readings, _ = run(digits, ALL, **changes)
    assert readings
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, watched.state_dict()[name]), name
    for before, after in zip(plain_epochs, watched_epochs, strict=True):
        same = {"seconds": 0, "samples_per_second": 0, "readings": ()}
        assert before._replace(**same) == after._replace(**same)


def test_the_clock_of_an_epoch_stands_still_while_probes_look(digits, monkeypatch):
    times = iter(range(1_000))
    monkeypatch.setattr("harness.training.loop.time.perf_counter", lambda: float(next(times)))
    _, (plain, _), _, _ = run(digits, ())
    _, (watched, _), _, _ = run(digits, ("path",))
    assert plain.seconds == 1  # start and end
    assert watched.seconds == 1 + 13  # one tick from each update's end to the look after it, none while it looks


def test_path_measures_by_hand(digits):
    """The path of a run without momentum is the sum of lr × |gradient|, recomputed here batch by batch."""
    settings = config(epochs=1, lr=0.05)
    model = initial_model(settings, digits)
    first = torch.cat([p.detach().flatten() for p in model.parameters()])
    train_part = split_indices(digits.train_labels, "search", 420).train
    from harness.core.seeds import derive

    order = torch.randperm(len(train_part), generator=torch.Generator().manual_seed(derive(420, "order")))
    length, cosines, last = 0.0, [], None  # without momentum, path and Σ η‖g‖ are the same
    for batch in train_part[order].split(100)[:3]:
        loss = nll_loss(model(digits.train_inputs[batch]), digits.train_labels[batch])
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])
        if last is not None:
            cosines.append(float(gradient @ last / (gradient.norm() * last.norm())))
        last = gradient
        length += 0.05 * float(gradient.norm())
        with torch.no_grad():
            offset = 0
            for parameter in model.parameters():
                step = gradient[offset : offset + parameter.numel()].view_as(parameter)
                parameter.sub_(0.05 * step)
                offset += parameter.numel()
    now = torch.cat([p.detach().flatten() for p in model.parameters()])
    _, _, readings, _ = run(digits, ("path",), epochs=1, lr=0.05)
    assert readings["path_length"][3] == pytest.approx(length, rel=1e-4)
    assert readings["gradient_path"][3] == pytest.approx(length, rel=1e-4)
    assert readings["displacement"][3] == pytest.approx(float((now - first).norm()), rel=1e-4)
    assert readings["gradient_cosine"][3] == pytest.approx(np.mean(cosines), rel=1e-3)
    assert 1 not in readings["gradient_cosine"]


def test_the_loss_is_that_of_fixed_training_images_before_and_after_updates(digits):
    """With fewer than 2,000 training images the fixed ones are all of them."""
    model, epochs, readings, _ = run(digits, ("loss",), epochs=1)
    settings = config()
    training = split_indices(digits.train_labels, "search", 420).train
    images, labels = digits.train_inputs[training], digits.train_labels[training]
    assert readings["probe_loss"][0] == pytest.approx(evaluate(initial_model(settings, digits), images, labels)[0])
    assert readings["probe_loss"][epochs[0].steps] == pytest.approx(evaluate(model, images, labels)[0])
    assert sorted(readings["probe_loss"]) == list(range(epochs[0].steps + 1))


def test_the_validation_loss_is_that_of_images_that_do_not_train(digits):
    """With fewer than 2,000 validation images they are all of them, as for the epoch's own validation loss."""
    _, epochs, readings, _ = run(digits, ("validation_loss",))
    assert readings["probe_val_loss"][epochs[0].steps] == pytest.approx(epochs[0].val_loss)


def test_momentum_lengthens_a_step_by_at_most_one_over_one_minus_gamma(digits):
    """Update 1 has no past, update 2 is γv − ηg: at most 1 + γ times as long for gradients of one size, and so on."""
    _, _, readings, _ = run(digits, ("path",), gamma=0.9, lr=0.01, epochs=1)
    assert readings["path_length"][1] == pytest.approx(readings["gradient_path"][1], rel=1e-4)
    gains = [readings["path_length"][update] / readings["gradient_path"][update] for update in range(2, 14)]
    assert 1.0 < gains[0] < 1.9 and max(gains) < 10


def test_roughness_adds_up_every_change_of_that_loss(digits):
    _, _, readings, _ = run(digits, ("loss", "roughness"), epochs=1)
    losses = [readings["probe_loss"][step] for step in range(14)]
    assert readings["loss_variation"][13] == pytest.approx(np.abs(np.diff(losses)).sum())


def test_gradient_covariance_falls_as_one_over_the_batch(digits):
    """tr Cov(g_B) of batches without replacement is tr Σ / B · (n − B)/(n − 1); Σ from the single images' gradients."""
    settings = config(split="lesson")
    model = initial_model(settings, digits)
    singles = []
    for image, label in zip(digits.train_inputs, digits.train_labels, strict=True):
        loss = nll_loss(model(image[None]), label[None])
        singles.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]))
    gradients = torch.stack(singles)
    full = gradients.mean(dim=0)
    trace = float((gradients - full).square().sum(dim=1).mean())
    _, _, readings, _ = run(digits, ("gradient_noise",), split="lesson", epochs=1)
    n = len(gradients)
    assert readings["gradient_square_start"] == {n: pytest.approx(float(full.square().sum()), rel=1e-3)}
    for size in (1, 8, 32, 128, 512):
        expected = trace / size * (n - size) / (n - 1)
        assert readings["gradient_covariance_start"][size] == pytest.approx(expected, rel=0.5)
    assert set(readings["gradient_covariance_end"]) == {1, 8, 32, 128, 512}


def test_a_trajectory_keeps_the_distances_of_the_path(digits):
    """1,024 numbers stand for 9,472 weights; squared distances to within some times √(2/1,024)."""
    _, _, readings, observer = run(digits, ("path", "trajectory"), epochs=1)
    points = observer.trajectory.astype(float)
    assert points.shape == (14, 1_024) and observer.trajectory.dtype == np.float16
    distance = np.linalg.norm(points[-1])
    assert distance == pytest.approx(readings["displacement"][13], rel=0.15)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    assert steps == pytest.approx(readings["path_length"][13], rel=0.15)


def test_validation_halves_are_disjoint_and_together_the_validation_part(digits):
    _, epochs, readings, _ = run(digits, ("validation_halves",))
    validation = len(split_indices(digits.train_labels, "search", 420).validation)
    sizes = (math.ceil(validation / 2), validation // 2)
    for epoch in (1, 2):
        both = sum(readings[f"half_{half}_accuracy"][epoch] * size for half, size in enumerate(sizes, start=1))
        assert both / validation == pytest.approx(epochs[epoch - 1].val_accuracy)


@pytest.mark.parametrize("probe", ["validation_halves", "validation_loss"])
def test_probes_of_validation_images_need_some(digits, probe):
    ending = execute(Job("x", config(split="lesson"), probes=(probe,)), digits, "cpu", lambda _: True, stacked=False)
    assert ending.state == "failed" and 'needs split "search"' in ending.note


def test_reports_come_after_each_of_the_first_updates_and_then_forty_times_a_decade():
    chosen = [update for update in range(1, 10_001) if is_scheduled(update)]
    assert chosen[:17] == list(range(1, 18))
    assert {100, 1_000, 10_000} <= set(chosen)
    assert sum(1_000 < update <= 10_000 for update in chosen) == 40


@pytest.mark.parametrize("updates", [20, 50])
def test_the_last_update_of_a_run_is_reported_whatever_its_number(digits, updates):
    _, _, readings, _ = run(digits, ("loss", "path", "roughness"), updates=updates, epochs=99)
    assert not is_scheduled(updates) or updates == 20
    for name in ("probe_loss", "path_length", "displacement", "gradient_cosine", "loss_variation"):
        assert max(readings[name]) == updates


def test_updates_end_a_run_in_mid_epoch(digits):
    _, epochs, _, _ = run(digits, (), updates=15, epochs=9)
    assert [epoch.steps for epoch in epochs] == [13, 2]
    _, exact, _, _ = run(digits, (), updates=13, epochs=9)
    assert [epoch.steps for epoch in exact] == [13]


def test_a_stop_after_the_last_update_is_no_stop(digits):
    job = Job("x", config(updates=15, epochs=99))
    assert execute(job, digits, "cpu", lambda metrics: metrics.epoch < 2, stacked=False).state == "complete"
    assert execute(job, digits, "cpu", lambda metrics: False, stacked=False).state == "stopped"


def test_a_diverged_run_hands_over_what_was_read_before(digits):
    ending = execute(Job("x", config(lr=1e9, epochs=1), probes=("path",)), digits, "cpu", lambda _: True, stacked=False)
    assert ending.state == "diverged"
    assert {reading.name for reading in ending.readings} >= {"path_length", "displacement"}


def test_the_test_set_is_watched_only_where_asked_for(digits):
    settings = config(epochs=1)
    model = initial_model(settings, digits)
    (epoch,) = train(settings, digits, model=model, watch_test=True)
    assert (epoch.test_loss, epoch.test_accuracy) == evaluate(model, digits.test_inputs, digits.test_labels)
    (plain,) = train(settings, digits)
    assert plain.test_loss is None and plain.test_accuracy is None
