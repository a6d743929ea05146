"""Runs a study round by round, with a trainer that costs nothing."""


def run_rounds(study, run_trial, size, total, shuffle=None):
    """Open rounds until there are `total` trials; run those without an outcome, in ask order or shuffled."""
    while trials := study.open_round(size, total):
        order = [trial for trial in trials if trial.outcome is None]
        if shuffle:
            shuffle.shuffle(order)
        for trial in order:
            run_trial(study, trial)
        study.close_round(trials)
    return study.finished()
