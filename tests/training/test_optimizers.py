"""Each optimizer and schedule against torch.optim and the schedules' formulas, step by step, in float64."""

import math

import pytest
import torch
from torch.nn.functional import nll_loss

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.errors import UserError
from harness.core.seeds import derive
from harness.data.dataset import split_indices
from harness.training.loop import make_optimizer, make_schedule, train
from harness.training.model import initial_model
from harness.training.stacked.loop import shape_of

OPTIM = torch.optim
CASES = {
    "sgd": ({"gamma": 0.9}, lambda p: OPTIM.SGD(p, 0.05, momentum=0.9)),
    "nesterov": ({"gamma": 0.9, "nesterov": True}, lambda p: OPTIM.SGD(p, 0.05, momentum=0.9, nesterov=True)),
    "decay": ({"weight_decay": 0.01}, lambda p: OPTIM.SGD(p, 0.05, weight_decay=0.01)),
    "adam": ({"optimizer": "adam"}, lambda p: OPTIM.Adam(p, 0.05)),
    "adam, decay": ({"optimizer": "adam", "weight_decay": 0.01}, lambda p: OPTIM.Adam(p, 0.05, weight_decay=0.01)),
    "adamw": ({"optimizer": "adamw", "weight_decay": 0.01}, lambda p: OPTIM.AdamW(p, 0.05)),
    "rmsprop": ({"optimizer": "rmsprop", "gamma": 0.5}, lambda p: OPTIM.RMSprop(p, 0.05, momentum=0.5)),
}  # fmt: skip


def config_of(**fields):
    return make_config(**LESSON | {"lr": 0.05, "epochs": 3} | fields, seed=7, dataset="digits", split="search")


def trained_by_hand(config, digits, optimizer_of, lrs):
    """The weights after epochs with these lrs, by a loop of one's own."""
    model = initial_model(config, digits).double()
    optimizer = optimizer_of(model.parameters())
    part = split_indices(digits.train_labels, config.split, config.seed).train
    order = torch.Generator().manual_seed(derive(config.seed, "order"))
    for lr in lrs:
        optimizer.param_groups[0]["lr"] = lr
        for batch in part[torch.randperm(len(part), generator=order)].split(config.batch_size):
            optimizer.zero_grad()
            nll_loss(model(digits.train_inputs[batch]), digits.train_labels[batch]).backward()
            optimizer.step()
    return model


def trained(config, digits):
    model = initial_model(config, digits).double()
    for _ in train(config, digits, model=model):
        pass
    return model


def assert_equal(one, other):
    for name, values in one.state_dict().items():
        torch.testing.assert_close(values, other.state_dict()[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_an_optimizer_is_torchs_own(case, digits):
    fields, optimizer_of = CASES[case]
    config = config_of(**fields)
    assert_equal(trained(config, digits), trained_by_hand(config, digits, optimizer_of, [0.05] * 3))
    plain = trained(config_of(), digits)
    assert any(
        not torch.equal(a, b) for a, b in zip(plain.parameters(), trained(config, digits).parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ("fields", "lrs"),
    [
        ({}, [1.0] * 6),
        ({"lr_schedule": "cosine"}, [(1 + math.cos(math.pi * epoch / 6)) / 2 for epoch in range(6)]),
        ({"lr_schedule": "step"}, [1, 1, 0.1, 0.1, 0.01, 0.01]),
        ({"warmup_epochs": 2}, [1 / 3, 2 / 3, 1, 1, 1, 1]),
        ({"lr_schedule": "cosine", "warmup_epochs": 2},
         [1 / 3, 2 / 3, *((1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(4))]),
        ({"lr_schedule": "step", "warmup_epochs": 3}, [1 / 3, 5 / 9, 7 / 9, 1, 0.1, 0.01]),
    ],
)  # fmt: skip
def test_a_schedule_gives_each_epoch_its_lr(fields, lrs, digits):
    config = config_of(epochs=6, **fields)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = make_optimizer(config, [parameter])
    schedule, found = make_schedule(config, optimizer), []
    for _ in range(6):
        found.append(optimizer.param_groups[0]["lr"] / 0.05)
        parameter.grad = torch.ones(1)
        optimizer.step()
        if schedule:
            schedule.step()
    assert found == pytest.approx(lrs)
    by_hand = trained_by_hand(config, digits, lambda p: OPTIM.SGD(p, 0.05), [0.05 * lr for lr in lrs])
    assert_equal(trained(config, digits), by_hand)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "adam", "gamma": 0.9}, "gamma is 0.9: adam has momentum of its own; it should be 0"),
        ({"optimizer": "adamw"}, "weight_decay is 0: adamw without it is adam; torch's own value is 0.01"),
        ({"nesterov": True}, "nesterov is True: it should go with sgd and a gamma above 0"),
        ({"nesterov": True, "gamma": 0.9, "optimizer": "rmsprop"}, "it should go with sgd"),
        ({"warmup_epochs": 3}, "warmup_epochs is 3: it should be less than epochs, 3"),
        ({"optimizer": "lion"}, "optimizer is 'lion': it should be 'sgd', 'adam', 'adamw' or 'rmsprop'"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1: it should be greater than or equal to 0"),
    ],
)
def test_fields_that_do_not_go_together_are_one_line(fields, message):
    with pytest.raises(UserError) as error:
        config_of(**fields)
    assert message in str(error.value)


def test_sgd_shares_a_stack_and_other_optimizers_another(digits):
    sgd, other = shape_of(config_of(), digits), shape_of(config_of(optimizer="adam"), digits)
    assert sgd != other and None not in (sgd, other)
    for fields, _ in CASES.values():
        assert shape_of(config_of(**fields), digits) == (sgd if fields.get("optimizer", "sgd") == "sgd" else other)
    assert shape_of(config_of(lr_schedule="cosine", warmup_epochs=1), digits) == sgd


def test_a_config_without_them_is_called_as_before():
    """The hash of the lesson's config, as it was recorded before these fields."""
    config = make_config(**LESSON, seed=420, dataset="digits", split="search")
    assert "optimizer" not in config.model_dump(exclude_defaults=True)
