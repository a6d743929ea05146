"""Real searches to which something real happens. Each ends as if nothing had: nothing lost, doubled or left running."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress

import psutil
import pytest
from mlflow import MlflowClient
from support.paths import PROJECT
from support.search_helpers import assert_undisturbed, wait_for, wait_for_runs

from benchmarks.searches import DIGITS, optuna_states, records, start, what_was_recorded
from benchmarks.servers import free_port, mlflow_server

TWELVE = ("--trials", "12", "--workers", "2")


@pytest.mark.slow
def test_databases_that_are_locked_for_thirty_seconds_are_waited_for(searched, tmp_path, store):
    process = start(tmp_path, *TWELVE)
    wait_for_runs(tmp_path, 3)
    with ExitStack() as stack:
        for database in ("mlflow.db", "optuna.db"):
            other = stack.enter_context(closing(sqlite3.connect(tmp_path / database, timeout=60, isolation_level=None)))
            other.execute("BEGIN IMMEDIATE")  # let go of where it is closed
        time.sleep(30)
        assert process.poll() is None
    _output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert_undisturbed(tmp_path, searched[0])


def settled(folder):
    """How many trials have an outcome, told or not."""
    return sum("outcome" in trial.user_attrs for trial in optuna_states(folder).trials)


@pytest.fixture
def served(tmp_path, store, monkeypatch):
    """The port of a server of this test's own store, which commands use; the test starts it."""
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    return port


def started_and_served_for_a_while(folder, port):
    """A search whose server is killed when the first two runs are there."""
    with mlflow_server(folder, port):
        process = start(folder, *TWELVE)
        wait_for_runs(folder, 2)
    return process


def gone_on_with(folder, port):
    """What the same command prints, when the server is there again."""
    with mlflow_server(folder, port):
        again = start(folder, *TWELVE)
        output, errors = again.communicate(timeout=180)
    assert again.returncode == 0, errors
    return output + errors


@pytest.mark.slow
def test_a_search_goes_on_while_the_tracking_server_is_dead(searched, tmp_path, served):
    process = started_and_served_for_a_while(tmp_path, served)
    wait_for(lambda: settled(tmp_path) == 12)
    assert process.poll() is None
    with mlflow_server(tmp_path, served):
        output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert "training goes on, records are kept in" in output + errors
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
def test_a_search_that_is_killed_while_the_tracking_server_is_dead(searched, tmp_path, served):
    process = started_and_served_for_a_while(tmp_path, served)
    wait_for(lambda: settled(tmp_path) >= 9)
    process.kill()
    process.communicate()
    assert "records that a process left in" in gone_on_with(tmp_path, served)
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
def test_ctrl_c_while_the_tracking_server_is_dead_ends_at_once_and_loses_nothing(searched, tmp_path, served):
    process = started_and_served_for_a_while(tmp_path, served)
    process.send_signal(signal.SIGINT)
    _output, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "records are kept in" in errors
    gone_on_with(tmp_path, served)
    assert_undisturbed(tmp_path, searched[0])


TERMINAL = """
import pty, sys

pty.spawn([sys.executable, "-m", *sys.argv[1:]])
"""


@pytest.mark.slow
def test_a_terminal_that_is_closed_stops_a_search_which_goes_on_later(searched, tmp_path, store):
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    program = [sys.executable, "-c", TERMINAL, *DIGITS, *TWELVE]
    with subprocess.Popen(
        program, cwd=tmp_path, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
    ) as terminal:
        wait_for_runs(tmp_path, 3)
        (search,) = psutil.Process(terminal.pid).children()
        terminal.kill()
    wait_for(lambda: not search.is_running())
    here = records(tmp_path)
    (parent,) = here.parents("study")
    assert (parent.status, parent.tags["harness.state"]) == ("KILLED", "interrupted")
    assert "RUNNING" not in {run.status for run in here.children(parent.id)}
    again = start(tmp_path, *TWELVE)
    _output, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert_undisturbed(tmp_path, searched[0])


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 24 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.slow
def test_a_disk_that_is_full_stops_a_search_which_goes_on_when_there_is_room(searched, small_disk):
    process = start(small_disk, *TWELVE)
    wait_for_runs(small_disk, 3)
    ballast = os.open(small_disk / "ballast", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space left"):
        while process.poll() is None:  # whatever it frees is taken again
            os.write(ballast, bytes(512))
    time.sleep(1)
    with suppress(OSError):
        while process.poll() is None:
            os.write(ballast, bytes(1))
    _output, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors
    for line in errors.splitlines():
        assert re.search("disk is full|No space left", line)
    with pytest.raises(OSError, match="No space left"):
        while True:  # what the search freed when it ended
            os.write(ballast, bytes(1))
    os.close(ballast)
    still_full = start(small_disk, *TWELVE)
    _output, errors = still_full.communicate(timeout=120)
    assert still_full.returncode in (1, 2)
    assert re.search("disk (is|that is) full|No space left", errors) and "unexpected" not in errors, errors
    (small_disk / "ballast").unlink()
    again = start(small_disk, *TWELVE)
    _output, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert_undisturbed(small_disk, searched[0])


# Loaded by Python at its start: the clock says an hour less as soon as that file is there.
CLOCK = """
import os
import time

_real = time.time
time.time = lambda: _real() - 3600 * os.path.exists({!r})
"""


@pytest.mark.slow
def test_a_clock_that_is_set_back_changes_nothing(searched, tmp_path, store):
    folder = tmp_path / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CLOCK.format(str(folder / "back")))
    process = start(tmp_path, *TWELVE, PYTHONPATH=f"{folder}:{PROJECT}")
    wait_for_runs(tmp_path, 3)
    (folder / "back").touch()
    _output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    (parent,) = records(tmp_path).parents("study")
    infos = [
        MlflowClient(records(tmp_path).uri).get_run(run.id).info
        for run in [parent, *records(tmp_path).children(parent.id)]
    ]
    assert any(info.end_time < info.start_time for info in infos), "the clock was not set back"
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
def test_what_cannot_be_written_is_one_line(small_disk, tmp_path, store, command):
    for name in ("mlflow.db", "optuna.db"):
        shutil.copy(tmp_path / "mlflow.db", small_disk / name)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    read_only = f"sqlite:///{small_disk}"
    for spec, env in (
        (("--storage", f"{read_only}/optuna.db"), {}),
        (("--storage", f"{read_only}/new.db"), {}),
        ((), {"MLFLOW_TRACKING_URI": f"{read_only}/mlflow.db"}),
    ):
        done = command(*DIGITS, *TWELVE, *spec, **env)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert done.stderr.startswith("error: ") and str(small_disk) in done.stderr
    here = start(small_disk, *TWELVE)
    _output, errors = here.communicate(timeout=60)
    assert (here.returncode, errors.count("\n")) == (2, 1)
    assert errors.startswith("error: ")


@pytest.mark.slow
@pytest.mark.parametrize("database", ["mlflow.db", "optuna.db"])
def test_a_database_that_is_removed_during_a_search_is_missed_and_put_back(searched, tmp_path, store, database):
    process = start(tmp_path, *TWELVE)
    wait_for_runs(tmp_path, 3)
    # The database before its write-ahead log: SQLite would take a database without its log for an older one.
    kept = []
    for path in sorted(tmp_path.glob(f"{database}*")):
        with suppress(FileNotFoundError):  # a journal that ended meanwhile
            kept.append(path.rename(tmp_path / f"kept-{path.name}"))
    _output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{database} was removed or replaced while it was in use: put it back, then run the same command" in errors
    assert "Traceback" not in errors and not (tmp_path / database).exists()
    for path in kept:
        path.rename(tmp_path / path.name.removeprefix("kept-"))
    again = start(tmp_path, *TWELVE)
    _output, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
def test_a_study_whose_optuna_database_is_lost_is_taken_over_from_mlflow(searched, tmp_path, command):
    """And goes on as if nothing had been lost: proposals depend on what the trials reached."""
    shutil.copytree(searched[0], tmp_path, dirs_exist_ok=True)
    assert command("harness.relocate").returncode == 0
    whole = command(*DIGITS, "--trials", "16", "--workers", "2")
    assert whole.returncode == 0, whole.stderr
    undisturbed = what_was_recorded(tmp_path)
    for lost in tmp_path.glob("*optuna.db*"):
        lost.unlink()
    again = command(*DIGITS, "--trials", "16", "--workers", "2")
    assert again.returncode == 0, again.stderr
    assert "--storage lacks 16 trials of this study: they are taken over from MLflow" in again.stdout
    assert "trial 3 " not in again.stdout, "nothing is trained again"
    assert what_was_recorded(tmp_path) == undisturbed
    states = {trial.number: trial.state for trial in optuna_states(tmp_path).trials}
    assert len(states) == 16 and "nothing is left to do" in command(*DIGITS, "--trials", "16").stdout
    more = command(*DIGITS, "--trials", "20", "--workers", "2")
    assert more.returncode == 0 and "4 of 20 trials to run" in more.stdout


@pytest.mark.slow
def test_a_study_whose_mlflow_database_is_lost_is_written_again_from_optuna(searched, tmp_path, command):
    shutil.copytree(searched[0], tmp_path, dirs_exist_ok=True)
    for lost in tmp_path.glob("*mlflow.db*"):
        lost.unlink()
    again = command(*DIGITS, "--trials", "12", "--workers", "2")
    assert again.returncode == 0, again.stderr
    assert "MLflow lacked 12 trials of this study: they are written again from Optuna's record" in again.stdout
    before, now = what_was_recorded(searched[0]), what_was_recorded(tmp_path)
    assert before.keys() == now.keys()
    for name, (params, histories, state, status) in before.items():
        assert (params, state, status) == (now[name][0], *now[name][2:])
        assert {metric: now[name][1][metric] for metric in now[name][1]}.items() <= histories.items(), name
        assert "val_accuracy" in now[name][1] or "val_accuracy" not in histories
    verified = command("harness.verify", "digits-420", "--replay", "3")
    assert verified.returncode == 0, verified.stdout
    report = command("analysis.study")
    assert report.returncode == 0
    assert report.stdout.startswith("warning: 12 trials are written again from Optuna's record: MLflow had lost their")
    assert "nothing is left to do" in command(*DIGITS, "--trials", "12").stdout


@pytest.mark.slow
def test_a_study_is_not_mixed_with_one_of_other_hyperparameters(searched, tmp_path, command):
    shutil.copytree(searched[0], tmp_path, dirs_exist_ok=True)
    assert command("harness.relocate").returncode == 0
    for lost in tmp_path.glob("*optuna.db*"):
        lost.unlink()
    other = command(*DIGITS, "--trials", "12", "--seed", "7", "--study", "digits-420")
    assert other.returncode == 2
    assert "MLflow holds trial 0 of study 'digits-420' with other hyperparameters" in other.stderr
    assert "RUNNING" not in {run.status for run in records(tmp_path).parents("study")}


# The page is written while this waits: a signal comes in between.
SLOW_PAGE = """
import runpy, sys, time
import harness.studies.page as page

write = page.study_page
page.study_page = lambda *arguments: (print("page", flush=True), time.sleep(20), write(*arguments))[2]
sys.argv[0] = page.__file__.replace("studies/page", "search")
runpy.run_module("harness.search", run_name="__main__")
"""


@pytest.mark.slow
def test_sigterm_while_the_page_is_written_leaves_nothing_running(tmp_path, store):
    few = ("--dataset", "digits", "--trials", "2", "--confirm", "0", "--winner-seeds", "1")
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_PAGE, *few], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        while process.stdout.readline() != "page\n":
            assert process.poll() is None
        process.terminate()
        _output, errors = process.communicate(timeout=60)
    assert process.returncode == 143 and errors.startswith("stopped at once; resume with: "), errors
    here = records(tmp_path)
    (parent,) = here.parents("study")
    assert (parent.status, parent.tags["harness.state"]) == ("KILLED", "interrupted")
    assert "RUNNING" not in {run.status for run in here.children(parent.id)}


@pytest.mark.slow
def test_a_machine_that_comes_back_under_another_name_goes_on(tmp_path, command):
    """As a container does: the lock of the file is free, so nobody runs the study."""
    few = (*DIGITS, "--trials", "2", "--confirm", "0", "--winner-seeds", "1")
    assert command(*few).returncode == 0
    (parent,) = records(tmp_path).parents("study")
    client = MlflowClient(records(tmp_path).uri)
    client.set_tag(parent.id, "harness.owner", "earlier-name 17 1.00")
    client.update_run(parent.id, status="RUNNING")
    again = command(*few)
    assert again.returncode == 0, again.stderr
    assert [run.status for run in records(tmp_path).parents("study")] == ["FINISHED"]


@pytest.mark.slow
def test_a_status_that_somebody_set_is_put_right_and_nothing_is_made_again(tmp_path, command):
    few = (*DIGITS, "--trials", "2", "--confirm", "0", "--winner-seeds", "1")
    assert command(*few).returncode == 0
    before = what_was_recorded(tmp_path)
    here = records(tmp_path)
    (parent,) = here.parents("study")
    for kind in ("trial", "winner", "baseline"):
        for run in here.children(parent.id, kind)[:1]:
            MlflowClient(here.uri).update_run(run.id, status="RUNNING")
    again = command(*few)
    assert again.returncode == 0 and not re.search(r"^(trial|winner|lesson) ", again.stdout, re.MULTILINE)
    assert what_was_recorded(tmp_path) == before
