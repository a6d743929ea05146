from claim_store import tiny

from harness.records import ARM, KIND, STATE, TrackedRun
from harness.tuning import choose_lr


def tried(lr, loss, state="complete"):
    tags = {KIND: "tuning", STATE: state, ARM: "tuned"}
    return TrackedRun(
        "id", "name", "FINISHED", {"lr": str(lr)}, {"val_loss": loss} if state == "complete" else {}, tags
    )


def test_the_lowest_validation_loss_chooses():
    assert choose_lr(tiny(), [tried(0.1, 0.5), tried(0.2, 0.45)]) == {"tuned": 0.2}


def test_nothing_is_chosen_before_all_were_tried():
    assert choose_lr(tiny(), [tried(0.1, 0.5)]) == {}
    assert choose_lr(tiny(), [tried(0.1, 0.5), tried(0.2, 0.45, state="interrupted")]) == {}


def test_a_diverged_run_has_an_infinite_loss_and_the_lower_lr_wins_a_tie():
    assert choose_lr(tiny(), [tried(0.1, 9.0), tried(0.2, 0.0, state="diverged")]) == {"tuned": 0.1}
    assert choose_lr(tiny(), [tried(0.2, 0.5), tried(0.1, 0.5)]) == {"tuned": 0.1}
