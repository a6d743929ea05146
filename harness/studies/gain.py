"""What a search gained over the lesson's own setting: paired differences in test accuracy. Reads and prints nothing."""

from collections.abc import Mapping

from harness.core.intervals import MeanInterval, mean_interval


def paired_gain(winner: Mapping[int, float], baseline: Mapping[int, float]) -> MeanInterval:
    """The mean gain of the winner in test accuracy (a fraction of 1), paired by seed, with its 95 % interval.

    Both map seeds to test accuracies; they share at least one seed.
    """
    return mean_interval([winner[seed] - baseline[seed] for seed in winner.keys() & baseline.keys()])


def no_gain_text(who: str, diverged: int, runs: int) -> str:
    """Why there is no gain: runs of `who` diverged."""
    return f"not known over the lesson's setting: {who} diverged with {diverged} of {runs} seeds"


def gain_text(gain: MeanInterval) -> str:
    """`0.8 points [0.3, 1.3] over the lesson's setting`, in points of accuracy (per cent)."""
    points = f"{100 * gain.mean:.1f} points"
    if gain.n < 2:
        return f"{points} over the lesson's setting, with one seed and so without an interval"
    interval = f"[{100 * gain.low:.1f}, {100 * gain.high:.1f}]"
    doubt = ", which may be chance" if gain.low <= 0 <= gain.high else ""
    return f"{points} {interval} over the lesson's setting{doubt}"
