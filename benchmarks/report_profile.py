"""Where the seconds of a replication go, from what py-spy saw of the command and of its workers.

    py-spy record --subprocesses --nonblocking --rate 20 --format raw --output all.raw -- \\
        python -m harness.replicate --all
    python benchmarks/report_profile.py all.raw --rate 20

A sample counts where the first of these lines fits it: where all parts of a line are names on its stack of calls.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

SHARES: Mapping[str, tuple[str, ...]] = {
    "measuring widths of stacks": ("update_costs (harness/engines/stacking.py",),
    "matrix products of updates": ("update (harness/training/stacked/mlp.py", "(harness/training/stacked/matmul.py"),
    "the rest of updates": ("update (harness/training/stacked/mlp.py",),
    "probes of loss on fixed images": ("(harness/training/probes/loss.py",),
    "probes of weights and gradients": ("(harness/training/probes/path.py",),
    "validation and test images": ("with_evaluations (harness/training/loop.py",),
    "handing records to MLflow": ("_send_all (harness/tracking/spool.py",),
}
REST = "all else: start, batches, toys"


def seconds_by_share(lines: Iterable[str], rate: int) -> dict[str, float]:
    """From py-spy's raw format, a stack of calls and a count a line; seconds of all processes together, most first."""
    counts: Counter[str] = Counter()
    for line in lines:
        calls, _, count = line.rpartition(" ")
        fitting = (share for share, parts in SHARES.items() if all(part in calls for part in parts))
        counts[next(fitting, REST)] += int(count)
    return {share: count / rate for share, count in counts.most_common()}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recorded", type=Path, help="py-spy's raw output")
    parser.add_argument("--rate", type=int, default=20, help="samples a second, as py-spy was told")
    given = parser.parse_args()
    with given.recorded.open() as lines:
        seconds = seconds_by_share(lines, given.rate)
    total = sum(seconds.values())
    print(f"{total:,.0f} seconds of all processes")
    for share, taken in seconds.items():
        print(f"{share:<32} {taken:>8,.0f} s {taken / total:>7.1%}")


if __name__ == "__main__":
    main()
