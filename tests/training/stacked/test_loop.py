"""Stacks of runs held to `train`, the reference, and to themselves in other company."""

import math
import time

import pytest
import torch
from support.stack_helpers import MIXTURES, SHAPES, config, mixture, models_of, optimizers, timeless, train_together

from harness.training.loop import train
from harness.training.model import initial_model
from harness.training.probes.registry import Probes
from harness.training.stacked import cuda_graph
from harness.training.stacked.loop import StackedTrainer, shape_of
from harness.training.stacked.matmul import use_matmul_backend
from harness.training.stacked.matmul_backend import choose_matmul_backend


@pytest.mark.parametrize("mixed", MIXTURES.values(), ids=MIXTURES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_run_of_a_stack_is_what_train_makes_of_it(digits, shape, mixed):
    """In float64, where what is left is rounding: losses, accuracies, counts, and every number of the trained model."""
    configs = mixed(**shape)
    models = models_of(configs, digits, torch.float64)
    records = train_together(configs, digits, models, watch_test=True)
    for one, model, mine in zip(configs, models, records, strict=True):
        reference = initial_model(one, digits).double()
        theirs = list(map(timeless, train(one, digits, model=reference, watch_test=True)))
        assert [(m.epoch, m.steps, m.diverged) for m in mine] == [(m.epoch, m.steps, m.diverged) for m in theirs]
        for field in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"):
            values = [getattr(m, field) for m in theirs]
            assert [getattr(m, field) for m in mine] == (values if None in values else pytest.approx(values, rel=1e-9))
        trained = model.state_dict()
        for name, expected in reference.state_dict().items():
            torch.testing.assert_close(trained[name], expected, rtol=1e-9, atol=1e-10, msg=f"{name} of {one}")


ODD_SHAPES = {  # whose products a library makes in another way for a stack, if it is let
    "batch of one": {"batch_size": 1, "updates": 40},
    "few products": {"hidden": 7, "batch_size": 5, "updates": 40},
    "odd sizes": {"hidden": 35, "batch_size": 157, "hidden_batch_norm": True},
}


def test_the_clock_of_an_epoch_runs_until_its_losses_are_fetched(digits, monkeypatch):
    """On a GPU nothing waits before that, and the clock would tell how long it took to ask."""
    fetch, configs = torch.Tensor.cpu, mixture()
    stacked = StackedTrainer(configs, digits, models_of(configs, digits))

    def slowly(tensor):
        time.sleep(0.05)
        return fetch(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", slowly)
    records = next(stacked.epochs())
    assert sum(metrics.seconds for metrics in records.values()) > 0.1


def test_the_clock_stands_still_for_probes_and_not_for_what_they_wait_for(digits, monkeypatch):
    class Slow:
        reads_gradients = False

        def on_update(self, _number):
            time.sleep(0.04)

        def on_epoch_end(self, _number):
            return ()

    fetch, one = torch.Tensor.tolist, config(epochs=1)
    stacked = StackedTrainer([one], digits, models_of([one], digits), observers=[Slow()])
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: (time.sleep(0.02), fetch(tensor))[1])
    (metrics,) = next(stacked.epochs()).values()
    assert 0.02 * metrics.steps < metrics.seconds < 0.04 * metrics.steps


@pytest.mark.parametrize("products", ["default", "onednn"])
@pytest.mark.parametrize("shape", [*SHAPES.values(), *ODD_SHAPES.values()], ids=[*SHAPES, *ODD_SHAPES])
@pytest.mark.parametrize("mixed", MIXTURES.values(), ids=MIXTURES)
def test_no_bit_of_a_run_depends_on_what_shares_its_stack(digits, shape, products, mixed):
    if products == "onednn" and choose_matmul_backend() != "onednn":
        pytest.skip("oneDNN is not what this machine takes")
    configs = mixed(**shape)
    with use_matmul_backend(products):
        models = models_of(configs, digits)
        records = train_together(configs, digits, models)
        for one, model, mine in zip(configs, models, records, strict=True):
            (alone,) = models_of([one], digits)
            assert repr(train_together([one], digits, [alone])) == repr([mine])
            for before, after in zip(alone.state_dict().values(), model.state_dict().values(), strict=True):
                assert torch.equal(before.nan_to_num(), after.nan_to_num())


def test_a_run_that_diverges_leaves_and_the_others_train_on(digits):
    configs = [config(lr=1e30), config(seed=1)]
    records = train_together(configs, digits, models_of(configs, digits))
    (reference,) = train(configs[0], digits)
    assert [m.diverged for m in records[0]] == [True]
    assert records[0][0].steps == reference.steps
    assert records[0][0].train_accuracy == pytest.approx(reference.train_accuracy)
    assert not math.isfinite(records[0][0].train_loss)
    assert [m.diverged for m in records[1]] == [False] * 3


def test_a_run_that_leaves_keeps_its_weights_and_the_others_theirs(digits):
    configs = mixture()
    models = models_of(configs, digits)
    stacked = StackedTrainer(configs, digits, models)
    epochs = stacked.epochs()
    next(epochs)
    stacked.drop(1)
    left = models[1].hidden.weight.clone()
    rest = list(epochs)
    assert [sorted(epoch) for epoch in rest] == [[0, 2, 3, 4, 5, 6, 7, 8], [0, 3, 4, 5, 6, 7, 8]]
    assert torch.equal(models[1].hidden.weight, left)
    (alone,) = models_of([configs[4]], digits)
    train_together([configs[4]], digits, [alone])
    assert torch.equal(models[4].hidden.weight, alone.hidden.weight)


def test_an_optimizer_keeps_its_state_when_others_leave(digits):
    configs = optimizers()
    models = models_of(configs, digits)
    records = train_together(configs, digits, models)
    assert [len(run) for run in records] == [3, 2, 3, 3, 3]
    (alone,) = models_of([configs[4]], digits)
    train_together([configs[4]], digits, [alone])
    assert torch.equal(models[4].hidden.weight, alone.hidden.weight)


PROBES = ("loss", "roughness", "path", "trajectory")


@pytest.mark.parametrize("mixed", MIXTURES.values(), ids=MIXTURES)
def test_probes_see_in_a_stack_what_they_see_in_train(digits, mixed):
    configs, names = mixed(), PROBES[:3]
    models = models_of(configs, digits, torch.float64)
    observers = [Probes(names, one, digits, model) for one, model in zip(configs, models, strict=True)]
    records = train_together(configs, digits, models, observers=observers)
    for one, mine in zip(configs, records, strict=True):
        reference = initial_model(one, digits).double()
        theirs = list(train(one, digits, model=reference, observer=Probes(names, one, digits, reference)))
        for ours, expected in zip(mine, theirs, strict=True):
            assert [reading[:2] for reading in ours.readings] == [reading[:2] for reading in expected.readings]
            values = [reading.value for reading in expected.readings]
            assert [reading.value for reading in ours.readings] == pytest.approx(values, rel=1e-6, abs=1e-9)


def test_probes_change_no_bit_of_a_stack(digits):
    configs = mixture(hidden_batch_norm=True)
    plain, watched = models_of(configs, digits), models_of(configs, digits)
    observers = [Probes(PROBES, one, digits, model) for one, model in zip(configs, watched, strict=True)]
    without = train_together(configs, digits, plain)
    seen = train_together(configs, digits, watched, observers=observers)
    assert [[m._replace(readings=()) for m in run] for run in seen] == without
    for before, after in zip(plain, watched, strict=True):
        for expected, weight in zip(before.parameters(), after.parameters(), strict=True):
            assert torch.equal(expected, weight)


def test_nothing_is_observed_after_the_update_that_diverged(digits):
    configs = [config(lr=1e30), config(seed=1)]
    models = models_of(configs, digits)
    observers = [Probes(("path",), one, digits, model) for one, model in zip(configs, models, strict=True)]
    records = train_together(configs, digits, models, observers=observers)
    last = records[0][0]
    assert last.diverged
    assert max(reading.step for reading in last.readings) == last.steps - 1


def test_narrow_products_are_close_to_exact_ones_in_a_stack_and_in_train(digits):
    exact, narrow = config(gamma=0.9, lr=0.01), config(gamma=0.9, lr=0.01, precision="bfloat16")
    (stacked,) = train_together([narrow], digits, models_of([narrow], digits))
    reference = [m.train_loss for m in train(exact, digits)]
    for losses in ([m.train_loss for m in stacked], [m.train_loss for m in train(narrow, digits)]):
        assert losses == pytest.approx(reference, rel=0.02)
        assert losses != pytest.approx(reference, rel=1e-5)


def test_what_has_to_be_trained_alone(digits, breast_cancer):
    assert shape_of(config(), digits) is not None
    assert shape_of(config(hidden=1), digits) is None
    assert shape_of(config(dataset="two-basins"), digits) is None
    assert shape_of(config(dataset="breast-cancer"), breast_cancer) is None


def test_what_shares_a_stack_and_what_does_not(digits):
    assert len({shape_of(one, digits) for one in mixture()}) == 1
    others = ({"batch_size": 99}, {"split": "lesson"}, {"hidden": 64}, {"hidden_batch_norm": True}, {"updates": 5})
    assert len({shape_of(config(**other), digits) for other in (*others, {"precision": "bfloat16"}, {})}) == 7


def test_a_batch_larger_than_the_training_part_is_refused(digits):
    large = config(batch_size=1_252)
    with pytest.raises(ValueError, match="batch_size is 1252: it should be at most the 1251 training images of digits"):
        StackedTrainer([large], digits, models_of([large], digits))


@pytest.mark.slow
@pytest.mark.fashion_mnist
def test_an_epoch_of_the_real_images_ends_where_train_ends(fashion_mnist):
    """Exactly so in float64. In float32 rounding grows with the updates: here it moves `train` itself by up to 1e-3."""
    settings = ({"batch_norm": True, "lr": 0.05}, {"gamma": 0.9, "lr": 0.01})
    configs = [config(dataset="fashion-mnist", batch_size=32, epochs=1, **one) for one in settings]
    wide = train_together(configs, fashion_mnist, models_of(configs, fashion_mnist, torch.float64))
    usual = train_together(configs, fashion_mnist, models_of(configs, fashion_mnist))
    for one, (exact,), (mine,) in zip(configs, wide, usual, strict=True):
        (theirs,) = train(one, fashion_mnist, model=initial_model(one, fashion_mnist).double())
        assert exact.train_loss == pytest.approx(theirs.train_loss, rel=1e-12)
        assert (exact.train_accuracy, exact.val_accuracy) == (theirs.train_accuracy, theirs.val_accuracy)
        assert mine.train_loss == pytest.approx(theirs.train_loss, rel=5e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("before", [2, 300], ids=["as graphs", "operation by operation"])
@pytest.mark.parametrize("shape", [{}, {"hidden_batch_norm": True}, {"batch_size": 600, "split": "lesson"}])
def test_a_stack_trains_on_a_gpu(digits, monkeypatch, shape, before):
    monkeypatch.setattr(cuda_graph, "UPDATES_BEFORE", before)
    configs = mixture(**shape)
    here = train_together(configs, digits, models_of(configs, digits))
    cuda = torch.device("cuda")
    there = train_together(configs, digits.to(cuda), [model.to(cuda) for model in models_of(configs, digits)])
    for ours, theirs in zip(here, there, strict=True):
        assert [m.train_loss for m in theirs] == pytest.approx([m.train_loss for m in ours], rel=1e-3)
