import pytest

from harness.engines import machine
from harness.engines.choice import EngineOptions, device_of, make_engine
from harness.engines.pool import Pool


@pytest.mark.parametrize(("device", "asked", "workers"), [("cuda", None, 2), ("cuda", 5, 5), ("cpu", 5, 5)])
def test_a_gpu_has_two_workers_unless_others_are_asked_for(digits, monkeypatch, device, asked, workers):
    monkeypatch.setattr(machine, "find_device", lambda _choice: device)
    pool, where = Pool(7), EngineOptions("local", asked, "", 0.0, "auto")
    assert device_of(pool, where) == device
    make_engine(pool, digits, where, device, None)
    assert pool.size == workers


def test_a_core_has_one_worker(digits, monkeypatch):
    monkeypatch.setattr(machine, "physical_cores", lambda: 3)
    pool = Pool(7)
    make_engine(pool, digits, EngineOptions("local", None, "", 0.0, "cpu"), "cpu", None)
    assert pool.size == 3
