from harness.cli.progress import Eta, Throttle


def test_the_clock_goes_by_the_work_that_was_done(monkeypatch):
    now = iter([0.0, 10.0, 400.0])
    monkeypatch.setattr("harness.cli.progress.time.monotonic", lambda: next(now))
    clock = Eta(100.0)
    assert clock.text() == ""
    clock.advance(20.0)
    assert clock.text() == "about 40 s left"
    clock.advance(20.0)
    assert clock.text() == "about 10 min left"


def test_a_line_is_due_at_first_then_every_five_seconds_and_always_at_the_end(monkeypatch):
    now = iter([1.0, 5.9, 6.1, 7.0])
    monkeypatch.setattr("harness.cli.progress.time.monotonic", lambda: next(now))
    pace = Throttle()
    assert [pace.is_due(final=final) for final in (False, False, False, True)] == [True, False, True, True]
