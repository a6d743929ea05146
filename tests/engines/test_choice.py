import pytest

from harness import machine
from harness.engines.choice import Where, device_of
from harness.engines.pool import Pool


@pytest.mark.parametrize(("device", "asked", "workers"), [("cuda", None, 2), ("cuda", 5, 5), ("cpu", 5, 5)])
def test_a_gpu_has_two_workers_unless_others_are_asked_for(monkeypatch, device, asked, workers):
    monkeypatch.setattr(machine, "find_device", lambda _choice: device)
    pool = Pool(7)
    found = device_of(pool, Where("local", asked, "", 0.0, "auto"))
    assert (found, pool.size) == (device, workers)


def test_a_core_has_one_worker(monkeypatch):
    monkeypatch.setattr(machine, "physical_cores", lambda: 3)
    pool = Pool(7)
    device_of(pool, Where("local", None, "", 0.0, "cpu"))
    assert pool.size == 3
