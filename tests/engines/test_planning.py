from support.engine_jobs import job

from harness.engines.base import WorkerLost
from harness.engines.planning import Planner


def test_what_trains_alone_has_torchs_own_products(digits):
    """No tag says which products it had, and replay takes torch's own."""
    planner = Planner(digits, "onednn", lambda _measure: [{1: 1.0}])
    jobs = [job("alone", hidden=1), job("stacked")]
    work_items = planner.work_items(jobs, asks=True, workers=1)
    work_items += [planner.retry(WorkerLost(one, 1, "killed"), asks=True) for one in jobs]
    assert [(one.stacked, one.matmul_backend) for one in work_items] == 2 * [(False, "default"), (True, "onednn")]
