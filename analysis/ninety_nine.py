"""`python -m analysis.ninety_nine`: do mature networks easily reach 99 % on Fashion-MNIST? By what others published."""

import pandas as pd

from analysis import one_claim, plots
from analysis.section import Picture, Section, Table
from harness.claims import Claim


def published_section(claim: Claim) -> Section:
    """The published accuracies against the claim."""
    assert claim.claimed_accuracy is not None
    rows = sorted(claim.published, key=lambda result: result.test_accuracy)
    figure, (axes,) = plots.new_figure(12, 1.6 + 0.7 * len(rows))
    for position, result in enumerate(rows):
        colour = plots.VERDICT_COLOURS["inconclusive" if result.unreproduced else "not reproduced"]
        axes.plot([result.test_accuracy], [position], "D" if result.unreproduced else "o", color=colour, markersize=12)
    axes.axvline(claim.claimed_accuracy, color="#029e73", linewidth=2, linestyle=":")
    axes.set_yticks(range(len(rows)), [result.model for result in rows])
    axes.tick_params(axis="y", labelsize="x-small")
    axes.set(
        xlabel="published test accuracy (%)", title=f"Published results, and the claimed {claim.claimed_accuracy:g} %"
    )
    picture = Picture("ninety_nine-published", "A grey diamond: published, but never reproduced.", figure)
    table = pd.DataFrame(
        [
            {
                "model": result.model,
                "test accuracy": f"{result.test_accuracy:g} %",
                "source": result.source + (f". Not counted: {result.unreproduced}" if result.unreproduced else ""),
            }
            for result in reversed(rows)
        ]
    )
    return Section([picture], [Table("Literature, not runs of this project.", table)], [])


if __name__ == "__main__":
    one_claim.run("ninety_nine")
