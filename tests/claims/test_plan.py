import pytest
from support.claim_store import record, tiny

from harness.claims.plan import cannot_differ, print_plans
from harness.claims.power import power, smallest_p
from harness.cli.console import Console
from harness.tracking.experiments import create_experiment, open_store
from harness.tracking.retry import RetryingClient


def test_the_smallest_p_is_that_of_all_signs_equal():
    assert [smallest_p(n) for n in (1, 3, 5, 10)] == [1.0, 0.25, 0.0625, 2**-9]


def test_the_power_is_that_of_a_paired_t_test():
    """n = 34 for an effect of half a standard deviation is the usual table's value for a power of 0.8."""
    assert power(0.5, 34) == pytest.approx(0.8, abs=0.01)
    assert power(1e6, 3) == 1.0


@pytest.fixture
def plan(store, monkeypatch, capsys):
    monkeypatch.setattr("harness.claims.plan.load", lambda data, folder: None)
    monkeypatch.setattr("harness.claims.plan.training_size", lambda dataset, split: 1_000)

    def printed(claim):
        print_plans([claim], store, None, 2, Console())
        return " ".join(capsys.readouterr().out.split())

    return printed


def test_a_plan_counts_runs_and_says_what_seeds_allow(plan, store):
    before = plan(tiny())
    assert "runs 12 to judge and 2 to tune; 0 are recorded, 14 to make" in before
    assert "no run is recorded here" in before and "power unknown until a report was logged" in before
    assert "smallest p 0.12 with 4 seeds: no verdict can be significant at 0.05" in before
    record(store)
    after = plan(tiny())
    assert "14 are recorded, 0 to make" in after


def test_the_power_comes_from_the_newest_report_of_the_claim(plan, store):
    open_store(store)
    client = RetryingClient(store)
    experiment = create_experiment(client, "reports")
    name = tiny().primary.name
    for start, size in enumerate(("0.1", "5.0"), start=1):
        tags = {"harness.kind": "report", f"harness.effect_size.tiny.{name}": size}
        client.create_run(experiment, "report", tags, start_time=start)
    assert f"power of {name} 100% for the smallest effect that matters" in plan(tiny())
    client.create_run(experiment, "report", tags | {f"harness.effect_size.tiny.{name}": "0.5"}, start_time=3)
    assert f"power of {name} 11% for the smallest effect that matters: below 80%" in plan(tiny())


def test_estimands_that_cannot_come_out_are_named():
    claim = tiny()
    assert cannot_differ(claim) == []
    same = claim.arms["plain"]._replace(name="norm")
    told = cannot_differ(claim._replace(arms=dict(claim.arms) | {"norm": same}))
    assert told[0] == "first_epoch cannot come out either way: 'plain' and 'norm' have the same settings"
