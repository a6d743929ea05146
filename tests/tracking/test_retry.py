"""Calls to a real MLflow server, through a proxy that fails, that wait while it fails."""

import logging
import threading
import time

import pytest
from support.conflicts import log_a_dataset_at_once

from harness.core.errors import Stopped, UserError
from harness.tracking import retry
from harness.tracking.reader import find_run
from harness.tracking.retry import RetryingClient


def test_a_call_waits_while_the_server_fails_and_says_so_once(proxy, caplog):
    client = RetryingClient(proxy.address)
    proxy.state = "failing"
    threading.Timer(5.0, setattr, (proxy, "state", "open")).start()
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="harness"):
        (default,) = client.call(lambda plain: plain.search_experiments(filter_string="name = 'Default'"))
    assert time.monotonic() - begun > 4.5
    assert default.experiment_id == "0"
    waiting, back = (record.getMessage() for record in caplog.records if record.name == "harness")
    assert waiting.startswith(f"waiting for MLflow's store {proxy.address}: ")
    assert "500" in waiting
    assert back.startswith("MLflow's store answers again, after ")


def test_a_run_whose_making_was_not_answered_is_not_made_twice(proxy):
    client = RetryingClient(proxy.address)
    proxy.state = "deaf"
    run = client.create_run("0", "alone", {})
    assert proxy.state == "open", "nothing was thrown away"
    made = client.call(lambda plain: plain.search_runs(["0"], "attributes.run_name = 'alone'"))
    assert [other.info.run_id for other in made] == [run.info.run_id]


def test_who_waited_long_enough_stops_and_then_waits_no_more(proxy, monkeypatch):
    client = RetryingClient(proxy.address)
    monkeypatch.setattr(retry, "SECONDS", 3.0)
    proxy.state = "failing"
    with pytest.raises(Stopped, match=r"does not answer \(.*500.*\).* run the same command again"):
        client.call(lambda plain: plain.search_experiments())
    begun = time.monotonic()
    with pytest.raises(Stopped):
        client.call(lambda plain: plain.search_experiments())
    assert time.monotonic() - begun < 2.0
    proxy.state = "open"
    assert client.call(lambda plain: plain.search_experiments())


def test_a_server_that_lets_nobody_in_is_not_one_without_the_run(proxy):
    proxy.state = "forbidden"
    with pytest.raises(UserError, match=r"^MLflow's store http.* refuses access \(.*403.*\); set MLFLOW_TRACKING"):
        find_run(proxy.address, "0" * 32)
    proxy.state = "open"
    with pytest.raises(UserError, match="there is no run '0000"):
        find_run(proxy.address, "0" * 32)


def test_what_the_server_refuses_is_not_waited_for(proxy):
    begun = time.monotonic()
    with pytest.raises(Exception, match="not found"):
        RetryingClient(proxy.address).call(lambda plain: plain.get_run("0" * 32))
    assert time.monotonic() - begun < 2.0


def test_a_row_that_another_process_wrote_at_the_same_instant_is_no_refusal(store):
    assert log_a_dataset_at_once(store) == [["digits"], ["digits"]]
