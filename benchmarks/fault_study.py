"""Kills what a search consists of, again and again, and counts what is lost: nothing should be.

Each time a search of the digits is begun, something is done to its processes at a moment drawn beforehand, the same
command is given again where it has ended, and all that was recorded is compared with an undisturbed search. Time to
recover: from the blow until a run that was hit is made again, the new command's start included.
"""

import argparse
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))

import psutil
from bench import write
from searches import optuna_states, records, running, start, what_was_recorded

TRIALS = ("--trials", "12", "--workers", "2")
_LONGEST_WAIT = 120.0


def kill_a_worker(search: "subprocess.Popen[str]") -> None:
    """One that trains, if any does."""
    family = psutil.Process(search.pid).children(recursive=True)
    workers = [process for process in family if process.children() == [] and process.ppid() != search.pid]
    if workers:
        max(workers, key=lambda process: process.cpu_times().user).kill()


def kill_the_command(search: "subprocess.Popen[str]") -> None:
    """Its workers end by themselves."""
    search.kill()


def press_ctrl_c(search: "subprocess.Popen[str]") -> None:
    """Once."""
    search.send_signal(signal.SIGINT)


BLOWS: dict[str, Callable[["subprocess.Popen[str]"], None]] = {
    "kill -9 a worker": kill_a_worker,
    "kill -9 the command": kill_the_command,
    "Ctrl-C": press_ctrl_c,
}


def second_attempts(folder: Path) -> int:
    """How many runs are made again at this moment, or were."""
    return sum(run.tags.get("harness.attempt", "1") != "1" for run in running(folder))


def struck(folder: Path, blow: Callable[["subprocess.Popen[str]"], None], at: int) -> float:
    """Seconds until a run is made again after a blow that comes when so many are there; NaN where none was hit."""
    search = start(folder, *TRIALS)
    while len(running(folder)) < at and search.poll() is None:
        time.sleep(0.05)
    if search.poll() is not None:
        return float("nan")
    begun = time.monotonic()
    blow(search)
    recovered = float("nan")
    while time.monotonic() - begun < _LONGEST_WAIT:
        if search.poll() is not None:
            search.communicate()
            if search.returncode == 0:
                break
            search = start(folder, *TRIALS)
        if math.isnan(recovered) and second_attempts(folder):
            recovered = time.monotonic() - begun
        time.sleep(0.05)
    return recovered


def main() -> None:
    """Print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=10, help="of each kind")
    parser.add_argument("--out", type=Path, default=Path("reports/fault_study.json"))
    given = parser.parse_args()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    moments = random.Random(1)  # noqa: S311  # no secret
    results = {}
    with tempfile.TemporaryDirectory() as place:
        first = Path(place, "undisturbed")
        first.mkdir()
        start(first, *TRIALS).communicate()
        expected = what_was_recorded(first)
        head = f"{'what was done':<22}{'times':>6}{'hit a run':>11}{'lost or doubled':>17}{'left RUNNING':>14}"
        print(f"{head}   time to recover")
        for what, blow in BLOWS.items():
            wrong, left, seconds = 0, 0, []
            for number in range(given.times):
                folder = Path(place, f"{what} {number}")
                folder.mkdir()
                taken = struck(folder, blow, moments.randint(1, 12))
                wrong += what_was_recorded(folder) != expected
                left += any(run.status == "RUNNING" for run in running(folder))
                left += any(trial.state.name == "RUNNING" for trial in optuna_states(folder).trials)
                left += records(folder).parents("study")[0].status == "RUNNING"
                if not math.isnan(taken):
                    seconds.append(taken)
            times = sorted(seconds)
            spread = f"{times[len(times) // 2]:.1f} s, at most {times[-1]:.1f} s" if times else ""
            results[what] = {"times": given.times, "wrong": wrong, "left": left, "seconds": times}
            print(f"{what:<22}{given.times:>6}{len(times):>11}{wrong:>17}{left:>14}   {spread}", flush=True)
    write(given.out, results)


if __name__ == "__main__":
    main()
