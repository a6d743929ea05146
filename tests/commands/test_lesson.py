"""The real command."""

import os
import re
import signal
import subprocess
import sys

import pytest
from support.paths import DATA_DIR, PROJECT

DIGITS = ("harness.lesson", "--dataset", "digits")
LINE = re.compile(r"^epoch (\d+): \[(\d+)/(\d+) \((\d+)%\)\]  loss (\S+)  accuracy (\S+)%$", re.MULTILINE)


def test_it_prints_what_the_lesson_prints_and_the_same_for_the_same_seed(command, tmp_path):
    first, again, other = (command(*DIGITS, "--epochs", "3", "--seed", seed) for seed in ("420", "420", "421"))
    assert first.returncode == 0, first.stderr
    lines = LINE.findall(first.stdout)
    assert [line[:4] for line in lines] == [
        ("1", "1497", "4491", "33"), ("2", "2994", "4491", "67"), ("3", "4491", "4491", "100"),
    ]  # fmt: skip
    assert float(lines[-1][5]) > float(lines[0][5])
    assert LINE.findall(again.stdout) == lines != LINE.findall(other.stdout)
    assert re.search(r"on the 300 test images$", first.stdout.strip())
    assert not list(tmp_path.iterdir()), "it keeps nothing"


@pytest.mark.slow
def test_a_line_comes_every_125_batches_and_after_each_epoch(command):
    done = command("harness.lesson", "--dataset", "breast-cancer", "--batch-size", "2", "--epochs", "1")
    assert [int(line[1]) for line in LINE.findall(done.stdout)] == [250, 475]


def test_a_loss_that_is_not_finite_ends_it(command):
    done = command(*DIGITS, "--lr", "1e38", "--epochs", "2")
    assert done.returncode == 0
    assert re.search(
        r"^the loss is (nan|inf) in epoch 1, batch \d+: lr 1e\+38 is too large$", done.stdout, re.MULTILINE
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--lr", "0"), "lr is 0.0: it should be greater than 0; the lesson uses 0.15"),
        (("--gamma", "1"), "gamma is 1.0: it should be less than 1"),
        (("--epochs", "0"), "epochs is 0: it should be greater than or equal to 1"),
        pytest.param(
            ("--batch-size", "1498"),
            "batch_size is 1498: it should be at most the 1497 training images of digits",
            marks=pytest.mark.slow,
        ),
        pytest.param(("--dataset", "csv:none.csv"), "cannot read none.csv", marks=pytest.mark.slow),
    ],
)
def test_wrong_input_is_one_line(command, arguments, message):
    done = command(*DIGITS, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and message in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_csv_file_is_trained_on_with_its_columns_normalised(command, tmp_path):
    rows = "".join(f"{'odd' if n % 2 else 'even'},{n % 2 + n / 1000},{n}\n" for n in range(120))
    (tmp_path / "numbers.csv").write_text("kind,a,b\n" + rows)
    data = ("--dataset", "csv:numbers.csv", "--target", "kind", "--batch-size", "10")
    done = command("harness.lesson", *data, "--batch-norm")
    assert done.returncode == 0, done.stderr
    assert "csv-numbers: 100 rows, 10 updates per epoch" in done.stdout
    assert "100.00% on the 20 test rows" in done.stdout


def test_ctrl_c_is_one_line():
    arguments = [sys.executable, "-u", "-m", *DIGITS, "--epochs", "1000000"]
    env = os.environ | {"PYTHONPATH": str(PROJECT)}

    def heard():
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it, and so would this one

    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, preexec_fn=heard
    ) as running:
        while "epoch 2" not in running.stdout.readline():
            pass
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert re.fullmatch(r"stopped in epoch \d+; this command saves nothing, so it starts from the beginning\n", errors)


@pytest.mark.slow
@pytest.mark.fashion_mnist
def test_it_runs_the_lesson(command):
    done = command("harness.lesson", "--epochs", "1", HARNESS_DATA_DIR=str(DATA_DIR))
    lines = LINE.findall(done.stdout)
    assert [int(line[1]) for line in lines] == [16_000, 32_000, 48_000, 60_000]
    assert 70 < float(lines[-1][5]) < 80
