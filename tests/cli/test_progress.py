from harness.cli.progress import Clock, Pace


def test_the_clock_goes_by_the_work_that_was_done(monkeypatch):
    now = iter([0.0, 10.0, 400.0])
    monkeypatch.setattr("harness.cli.progress.time.monotonic", lambda: next(now))
    clock = Clock(100.0)
    assert clock.text() == ""
    clock.did(20.0)
    assert clock.text() == "about 40 s left"
    clock.did(20.0)
    assert clock.text() == "about 10 min left"


def test_a_line_is_due_at_first_then_every_five_seconds_and_always_at_the_end(monkeypatch):
    now = iter([1.0, 5.9, 6.1, 7.0])
    monkeypatch.setattr("harness.cli.progress.time.monotonic", lambda: next(now))
    pace = Pace()
    assert [pace.is_due(last=last) for last in (False, False, False, True)] == [True, False, True, True]
