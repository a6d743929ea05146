"""What tests of searches compare and wait for."""

import time

from benchmarks.searches import optuna_states, records, what_was_recorded

LONG = "[epochs]\nchoices=[1500]\n[lr]\nlow=0.01\nhigh=0.1\n"
ENDLESS = LONG.replace("1500", "40000")  # for searches that are stopped: records come a little later than epochs


def assert_undisturbed(folder, other):
    """Nothing lost, doubled, changed or left running, compared with the search in the folder `other`."""
    assert what_was_recorded(folder) == what_was_recorded(other)
    here = records(folder)
    (parent,) = here.parents("study")
    assert "RUNNING" not in {run.status for run in [parent, *here.children(parent.id)]}
    assert "RUNNING" not in {trial.state.name for trial in optuna_states(folder).trials}


def wait_for(happened, seconds=90):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
