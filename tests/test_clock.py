from harness.clock import Clock


def test_the_clock_goes_by_the_work_that_was_done(monkeypatch):
    now = iter([0.0, 10.0, 400.0])
    monkeypatch.setattr("harness.clock.time.monotonic", lambda: next(now))
    clock = Clock(100.0)
    assert clock.text() == ""
    clock.did(20.0)
    assert clock.text() == "about 40 s left"
    clock.did(20.0)
    assert clock.text() == "about 10 min left"


def test_it_speaks_at_most_every_five_seconds_and_always_at_the_end(monkeypatch):
    now = iter([0.0, 1.0, 5.9, 6.1, 7.0])
    monkeypatch.setattr("harness.clock.time.monotonic", lambda: next(now))
    clock = Clock(100.0)
    assert [clock.is_time_to_speak(last=last) for last in (False, False, False, True)] == [True, False, True, True]
