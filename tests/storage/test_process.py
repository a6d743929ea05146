import os
import subprocess
import sys

import pytest
from support.paths import PROJECT

from harness.storage.process import describe_owner, is_alive, this_process


def test_this_process_is_alive():
    assert is_alive(this_process())


def test_a_process_that_ended_is_not_alive():
    code = "from harness.storage.process import this_process; print(this_process())"
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert not is_alive(done.stdout.strip())


def test_another_process_with_the_same_number_is_not_the_owner():
    host, pid, start = this_process().split(" ")
    assert not is_alive(f"{host} {pid} {float(start) - 3600:.2f}")


def test_nobody_can_tell_about_another_host():
    assert is_alive("elsewhere.example 1 0.00")


@pytest.mark.parametrize("owner", ["", "somebody", "a b c d"])
def test_a_name_that_is_no_owner_is_not_alive(owner):
    assert not is_alive(owner)


def test_an_owner_is_told_as_a_process_on_a_host():
    assert describe_owner("lab-3 4711 1795624860.73") == "process 4711 on lab-3"
    assert describe_owner("b-3 4711") == "b-3 4711", "what PostgreSQL has cut short is told as it is"
