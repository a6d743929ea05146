"""What a search gained over the lesson's own setting: paired differences in test accuracy. Reads and prints nothing."""

from collections.abc import Mapping

from harness.core.intervals import MeanInterval, mean_interval
from harness.core.language import _


def paired_gain(winner: Mapping[int, float], baseline: Mapping[int, float]) -> MeanInterval:
    """The mean gain of the winner in test accuracy (a fraction of 1), paired by seed, with its 95 % interval.

    Both map seeds to test accuracies; they share at least one seed.
    """
    return mean_interval([winner[seed] - baseline[seed] for seed in winner.keys() & baseline.keys()])


def no_gain_text(who: str, diverged: int, runs: int) -> str:
    """Why there is no gain: runs of `who` diverged."""
    text = _("not known over the lesson's setting: {who} diverged with {diverged} of {runs} seeds")
    return text.format(who=who, diverged=diverged, runs=runs)


def gain_text(gain: MeanInterval) -> str:
    """`0.8 points [0.3, 1.3] over the lesson's setting`, in points of accuracy (per cent)."""
    if gain.n < 2:
        text = _("{mean:.1f} points over the lesson's setting, with one seed and so without an interval")
    elif gain.low <= 0 <= gain.high:
        text = _("{mean:.1f} points [{low:.1f}, {high:.1f}] over the lesson's setting, which may be chance")
    else:
        text = _("{mean:.1f} points [{low:.1f}, {high:.1f}] over the lesson's setting")
    return text.format(mean=100 * gain.mean, low=100 * gain.low, high=100 * gain.high)
