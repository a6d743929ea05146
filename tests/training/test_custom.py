"""Networks of the user's own: built and trained from their text alone, the same to the bit, refused in one line."""

import pytest
import torch
from torch.nn.functional import nll_loss

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.errors import UserError
from harness.core.network import read_network
from harness.core.seeds import derive
from harness.data.dataset import split_indices
from harness.engines.base import Job
from harness.engines.execution import execute
from harness.training.custom import import_network
from harness.training.loop import train
from harness.training.model import initial_model
from harness.training.network_check import check_network
from harness.training.stacked.loop import shape_of

HEAD = "import math\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n\n\n"
MLP = HEAD + (
    "def net(shape, classes, width=8, dropout=0.0):\n"
    "    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.ReLU(), nn.Dropout(dropout),\n"
    "                         nn.LazyLinear(classes))\n"
)


def network_of(folder, text=MLP):
    (folder / "own.py").write_text(text, encoding="utf-8")
    return read_network("own.py:net", folder)


def config_of(network, dataset, **fields):
    settings = LESSON | {"epochs": 3, "lr": 0.1, "seed": 7} | fields
    return make_config(**settings, dataset=dataset.name, split="search", network=network)


def curve(config, dataset):
    return [metrics._replace(seconds=0, samples_per_second=0) for metrics in train(config, dataset)]


def test_it_trains_as_a_loop_of_ones_own(tmp_path, digits):
    """Weights by torch's own initialization from (seed, "weights"), dropout from (seed, "dropout")."""
    config = config_of(network_of(tmp_path), digits, gamma=0.9, **{"network_params.dropout": 0.5})
    model = initial_model(config, digits)
    assert [epoch.epoch for epoch in train(config, digits, model=model)] == [1, 2, 3]

    torch.manual_seed(derive(7, "weights"))
    own = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 10)
    )
    optimizer = torch.optim.SGD(own.parameters(), lr=0.1, momentum=0.9, fused=True)
    part = split_indices(digits.train_labels, "search", 7).train
    order = torch.Generator().manual_seed(derive(7, "order"))
    torch.manual_seed(derive(7, "dropout"))
    for _ in range(3):
        for batch in part[torch.randperm(len(part), generator=order)].split(128):
            images = digits.train_inputs[batch].unsqueeze(1).float().div_(digits.max_level)
            optimizer.zero_grad()
            nll_loss(own(images).log_softmax(dim=1), digits.train_labels[batch]).backward()
            optimizer.step()
    for mine, theirs in zip(own.state_dict().values(), model.network.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_seed_gives_the_same_run_whatever_else_draws_and_leaves_torchs_generator_alone(tmp_path, digits):
    config = config_of(network_of(tmp_path), digits, **{"network_params.dropout": 0.5})
    alone = curve(config, digits)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    ours, other = train(config, digits), train(config.model_copy(update={"seed": 8}), digits)
    mixed = []
    for metrics, _ in zip(ours, other, strict=True):
        mixed.append(metrics._replace(seconds=0, samples_per_second=0))
        assert torch.equal(torch.get_rng_state(), before)
    assert mixed == alone
    assert curve(config.model_copy(update={"seed": 8}), digits) != alone


def test_two_runs_of_a_seed_start_from_the_same_weights_whatever_their_other_hyperparameters(tmp_path, digits):
    network = network_of(tmp_path)
    one, other = (
        initial_model(config_of(network, digits, **fields, **{"network_params.dropout": share}), digits)
        for fields, share in (({"lr": 0.1}, 0.0), ({"lr": 0.5, "batch_norm": True}, 0.5))
    )
    for mine, theirs in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("line", ["torch.manual_seed(42)", "CONSTANT = torch.randn(3)"])
def test_the_weights_of_a_seed_do_not_depend_on_what_was_built_before(tmp_path, digits, line):
    """A file may draw where it is imported, which happens once in a process."""
    network = network_of(tmp_path, MLP.replace("def net", f"{line}\n\n\ndef net"))
    configs = [config_of(network, digits, seed=seed) for seed in (1, 2)]
    import_network.cache_clear()
    first = [initial_model(config, digits) for config in configs]
    import_network.cache_clear()
    second = [initial_model(config, digits) for config in reversed(configs)][::-1]
    for one, other in zip(first, second, strict=True):
        assert all(map(torch.equal, one.parameters(), other.parameters()))


def test_log_probabilities_and_logits_are_the_same_network(tmp_path, digits):
    text = HEAD + (
        "class net(nn.Module):\n"
        "    def __init__(self, shape, classes, log=False):\n"
        "        super().__init__()\n"
        "        self.layer, self.log = nn.Linear(math.prod(shape), classes), log\n"
        "    def forward(self, images):\n"
        "        logits = self.layer(images.flatten(1))\n"
        "        return logits.log_softmax(dim=1) if self.log else logits\n"
    )
    network = network_of(tmp_path, text)
    logits, logs = (curve(config_of(network, digits, **{"network_params.log": log}), digits) for log in (False, True))
    assert [a.train_loss for a in logits] == pytest.approx([b.train_loss for b in logs], rel=1e-5)
    assert logits[-1].val_accuracy > 0.7


@pytest.mark.parametrize("fields", [{}, {"standardize": True}, {"batch_norm": True}])
def test_it_takes_the_rows_of_a_table(tmp_path, breast_cancer, fields):
    config = config_of(network_of(tmp_path), breast_cancer, batch_size=16, epochs=20, **fields)
    check_network(config, breast_cancer)
    first, *_, last = curve(config, breast_cancer)
    assert last.val_loss < first.val_loss and last.val_accuracy > 0.85


def test_a_worker_trains_from_the_text_and_never_in_a_stack(tmp_path, digits):
    config = config_of(network_of(tmp_path), digits)
    (tmp_path / "own.py").write_text("raise RuntimeError('this file must not be read')\n")
    assert shape_of(config, digits) is None
    result = execute(Job("own", config, final=True), digits, "cpu", lambda metrics: True, stacked=False)
    assert result.state == "complete" and "network.1.weight" in result.weights


def test_an_error_of_the_network_ends_its_run_and_names_its_line(tmp_path, digits):
    text = HEAD + "def net(shape, classes):\n    raise ValueError('no')\n"
    job = Job("own", config_of(network_of(tmp_path, text), digits))
    result = execute(job, digits, "cpu", lambda metrics: True, stacked=False)
    assert (result.state, result.note) == ("failed", "ValueError: no (<own.py as recorded>, line 8)")


@pytest.fixture(autouse=True)
def torch_as_before():
    """The refused files change settings of torch for good."""
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)


BODY = "class net(nn.Module):\n    def __init__(self, shape, classes, width=4):\n        super().__init__()\n        "
LAYER = BODY + "self.layer = nn.Linear(math.prod(shape), classes)\n    def forward(self, images):\n        "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def other():\n    pass\n", "AttributeError: own.py has no net"),
        (
            "torch.set_default_dtype(torch.float64)\n" + LAYER + "return self.layer(images.flatten(1))\n",
            "changes torch's default dtype for all runs",
        ),
        (
            "torch.set_grad_enabled(False)\n" + LAYER + "return self.layer(images.flatten(1))\n",
            "gradient",
        ),
        ("net = 3\n", "TypeError: net is a int: it should be a class or a function"),
        ("net = nn.Linear(64, 10)\n", "TypeError: net is a Linear: it should be a class or a function of"),
        ("import sys\n\n\ndef net(shape, classes):\n    sys.exit('no GPU')\n", "line 11: SystemExit: no GPU"),
        ("1 / 0\n", "own.py:net, line 7: ZeroDivisionError: division by zero"),
        ("def net(shape, classes):\n    return 5\n", "TypeError: net gives a int: it should give a torch.nn.Module"),
        ("def net(shape, classes):\n    return nn.Linear(3, classes)\n", "RuntimeError: .*mat1 and mat2"),
        (LAYER + "return self.layer(images.flatten(1)[:1])\n", r"returns the shape \(1, 10\): .* here \(4, 10\)"),
        (LAYER + "return self.layer(images.flatten(1)), 1\n", "returns a tuple: it should return logits"),
        (LAYER + "return self.layer(images.flatten(1)).argmax(1, keepdim=True).repeat(1, 10)\n", "returns torch.int"),
        (LAYER + "return self.layer(images.flatten(1)) / 0\n", "before training: it should be finite"),
        (
            LAYER + "return self.layer(images.flatten(1)).softmax(1)\n",
            "returns probabilities: .* leave",
        ),
        (LAYER + "return self.layer(images.flatten(1)).detach()\n", "gives outputs without a gradient"),
        (LAYER + "return self.layer(images.flatten(1) * 0) * 0\n", "has no parameter with a gradient other than 0"),
        (LAYER + "return self.layer(F.dropout(images.flatten(1)))\n", "other outputs for the same inputs after eval"),
        (LAYER + "raise KeyError('x')\n", r"line 12: KeyError: 'x'"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_runs(tmp_path, digits, text, message):
    with pytest.raises(UserError, match=message) as error:
        check_network(config_of(network_of(tmp_path, HEAD + text), digits), digits)
    assert str(error.value).startswith("network own.py:net") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"network_params.widht": 3}, "network_params.widht: net has no such hyperparameter; did you mean width"),
        ({"network_params.width": "wide"}, "TypeError"),
        (
            {"network_params.dropout": 2.0},
            "line 8 with dropout 2.0: ValueError: dropout probability has to be between 0 and 1",
        ),
    ],
)
def test_a_wrong_hyperparameter_is_refused(tmp_path, digits, params, message):
    with pytest.raises(UserError, match=message):
        check_network(config_of(network_of(tmp_path), digits, **params), digits)


def test_a_hyperparameter_without_a_default_is_asked_for(tmp_path, digits):
    text = HEAD + "def net(shape, classes, width):\n    return nn.Flatten()\n"
    with pytest.raises(UserError, match=r"network own.py:net needs width: give network_params.width"):
        check_network(config_of(network_of(tmp_path, text), digits), digits)


def test_a_network_that_needs_two_examples_is_refused_if_an_epoch_ends_with_one(tmp_path, digits):
    """1,251 images train, and 125 divides 1,250."""
    text = HEAD + (
        "def net(shape, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, classes))\n"
    )
    network = network_of(tmp_path, text)
    check_network(config_of(network, digits), digits)
    with pytest.raises(UserError, match="with batch_size 125, where the last of 1,251 examples"):
        check_network(config_of(network, digits, batch_size=125), digits)


@pytest.mark.parametrize("arguments", ["*args, width=3", "*args, **more"])
def test_any_signature_that_takes_shape_and_classes_will_do(tmp_path, digits, arguments):
    head = f"def net({arguments}):\n    shape, classes = args\n"
    text = HEAD + head + "    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n"
    check_network(config_of(network_of(tmp_path, text), digits, **{"network_params.width": 3}), digits)


def test_any_hyperparameters_may_be_taken(tmp_path, digits):
    text = HEAD + "def net(shape, classes, **more):\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))\n"
    check_network(config_of(network_of(tmp_path, text), digits, **{"network_params.any": 3}), digits)


def test_the_check_leaves_torchs_generator_alone(tmp_path, digits):
    before = torch.get_rng_state()
    check_network(config_of(network_of(tmp_path), digits, **{"network_params.dropout": 0.5}), digits)
    assert torch.equal(torch.get_rng_state(), before)
