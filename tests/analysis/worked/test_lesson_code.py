"""The lesson's few lines run as they are shown."""

import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from support.paths import DATA_DIR
from torch.utils.data import TensorDataset

from analysis.worked import lesson_code
from harness.data.fashion_mnist import raw_folder

SCRIPTS = {name: text for name, text in vars(lesson_code).items() if name.isupper() and isinstance(text, str)}
WITH_IMAGES = ("IMAGES", "TRAINING")


def run(text, capsys, **names):
    Path("data.csv").write_text("a,b,label\n" + "1.5,2,0\n" * 30)
    if text in lesson_code.AFTER_NETWORK:
        exec(compile(lesson_code.NETWORK, "<lesson>", "exec"), names)
        capsys.readouterr()
    exec(compile(text, "<lesson>", "exec"), names)
    plt.close("all")
    return names, capsys.readouterr().out


@pytest.fixture(autouse=True)
def random_state():
    with torch.random.fork_rng():
        yield


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in WITH_IMAGES])
def test_each_script_runs(name, capsys):
    run(SCRIPTS[name], capsys)


@pytest.mark.slow
@pytest.mark.fashion_mnist
def test_the_images_have_their_shape_and_classes(capsys):
    """From a copy, which torchvision unpacks."""
    shutil.copytree(raw_folder(DATA_DIR), raw_folder(Path("data")))
    names, told = run(lesson_code.IMAGES, capsys)
    assert (names["input_"], names["output_"]) == (784, 10)
    assert told.startswith("60000 torch.Size([60000, 28, 28])") and "Ankle boot" in told


def test_a_step_of_the_hand_moves_the_point(capsys):
    assert run(lesson_code.FIRST_STEP, capsys)[1].split() == ["7.0710678118654755", "[5.", "2.5]"]


def test_the_chain_rule_agrees_with_autograd(capsys):
    assert run(lesson_code.CHAIN_RULE, capsys)[1].strip() == "True"


def test_the_network_gives_the_numbers_of_a_reader_s_notebook(capsys):
    slope, told, shape = run(lesson_code.NETWORK, capsys)[1].splitlines()
    assert (slope, shape) == ("(tensor(2.),)", "torch.Size([13, 20])")
    loss, gradient = told.split()
    assert float(loss) == pytest.approx(1.1057284, abs=1e-6) and gradient == "None"


def test_ten_steps_with_momentum_end_at_the_lesson_s_loss(capsys):
    losses = [float(line) for line in run(lesson_code.MOMENTUM, capsys)[1].split()]
    assert len(losses) == 10 and losses[-1] == pytest.approx(1.0792, abs=5e-5)


def test_momentum_by_hand_moves_the_weights_by_the_velocity(capsys):
    names, _ = run(lesson_code.MOMENTUM_BY_HAND, capsys)
    assert (names["v"] == -0.1 * names["dw"]).all()


def test_a_loader_hands_out_thirteen_batches(capsys):
    names, told = run(lesson_code.LOADERS, capsys)
    assert told.split() == ["13", "50000", "4000", "torch.float32"]
    assert names["batch_idx"] == 2 and len(names["x"]) == 4_000
    assert names["X"].tolist() == [[1.5, 2.0]] * 30 and names["y"].tolist() == [0] * 30, "of the CSV, the last"


def test_the_training_function_learns_and_prints_the_accuracy_over_all_images_so_far(capsys, digits):
    images = TensorDataset(digits.train_inputs.unsqueeze(1) / 16, digits.train_labels)
    names, told = run(lesson_code.TRAINING, capsys, mnist=images, input_=64, output_=10)
    lines = told.splitlines()
    assert len(lines) == 10 and lines[-1].startswith(f"epoch 10: {10 * len(images)} of {10 * len(images)} loss ")
    assert float(lines[-1].split()[-1].rstrip("%")) > 70
    scores = names["net"](images[:5][0])
    assert scores.shape == (5, 10) and scores.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 5)


def test_the_surface_is_drawn_as_it_is_turned(capsys):
    names, _ = run(lesson_code.SURFACE, capsys)
    assert names["loss"].min() == pytest.approx(0, abs=1e-4)
    names["plot"](names["w1"], names["w2"], names["loss"], 30, 60)
    (axes,) = plt.gcf().axes
    assert (axes.elev, axes.azim, axes.name) == (30, 60, "3d")
    plt.close("all")
