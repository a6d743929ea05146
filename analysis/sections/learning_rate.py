"""Is there a best lr between too small and too large?"""

import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure
from analysis.judging.stats import share_interval
from analysis.judging.verdicts import Verdict
from analysis.rendering import plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects

_FAMILIES = {
    "lr *": "batch 128",
    "momentum 0.9, lr *": "batch 128, momentum 0.9",
    "batch 32, lr *": "batch 32 (1 epoch)",
    "batch 1024, lr *": "batch 1,024",
}
_GUESSING = 2.302585  # nats: ln 10, the loss of a network that knows nothing of ten classes
_LESSON_RANGE = (0.01, 0.5)
ESTIMANDS, ARMS = (), ("lr 0.1", "momentum 0.9, lr 0.1", "batch 32, lr 0.1", "batch 1024, lr 0.1")


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """The U, the share of runs that diverged or learned nothing, and where the best lr lies for each batch size."""
    frame = pd.concat([_losses(evidence, pattern, family) for pattern, family in _FAMILIES.items()], ignore_index=True)
    return Section([_u_shape(frame), *effects("learning_rate", verdicts)], [_best(frame), _lost(frame)], [])


def _losses(evidence: Evidence, pattern: str, family: str) -> pd.DataFrame:
    parts = []
    for arm in evidence.claim.arm_names([pattern]):
        values = measure(evidence, "train_loss", None, arm)
        runs = evidence.of([arm])
        parts.append(
            pd.DataFrame(
                {"lr": runs["lr"], "seed": runs["seed"], "state": runs["state"], "loss": values.to_numpy()}
            ).assign(family=family)
        )
    return pd.concat(parts, ignore_index=True)


def _u_shape(frame: pd.DataFrame) -> Picture:
    figures, (axes,) = plots.new_figures()
    axes.axvspan(*_LESSON_RANGE, color="#029e73", alpha=0.12)
    axes.axhline(_GUESSING, color="black", linestyle=":", linewidth=2)
    plots.by_size(axes, frame[frame["loss"] < float("inf")], "lr", "loss", "family")
    axes.set(xlabel="lr", ylabel="training loss (nats)", title="Too small, and too large")
    caption = (
        "After the last epoch. Green: the lesson's usual 0.01 to 0.5. Dotted: the loss of guessing, ln 10. Diverged"
        " runs have no dot."
    )
    return Picture("learning_rate-u", caption, figures)


def _best(frame: pd.DataFrame) -> Table:
    rows = []
    for family, part in frame.groupby("family", sort=False):
        by_seed = part.pivot(index="seed", columns="lr", values="loss").idxmin(axis="columns")
        low, high = _LESSON_RANGE
        inside = int(by_seed.between(low, high).sum())
        counts = by_seed.value_counts()
        rows.append(
            {
                "setting": family,
                "best lr (seeds)": ", ".join(f"{lr:g} ({count})" for lr, count in counts.items()),
                "within 0.01 to 0.5": f"{inside} of {len(by_seed)}",
            }
        )
    return Table("The lr with the lowest training loss, for each seed on its own.", pd.DataFrame(rows))


def _lost(frame: pd.DataFrame) -> Table:
    rows = []
    for (family, lr), part in frame.groupby(["family", "lr"], sort=False):
        n, diverged = len(part), int((part["state"] == "diverged").sum())
        unlearned = int((part["loss"] >= _GUESSING - 0.01).sum())
        if unlearned:
            rows.append(
                {
                    "setting": family,
                    "lr": f"{lr:g}",
                    "diverged (not finite)": _share(diverged, n),
                    "no better than guessing": _share(unlearned, n),
                }
            )
    seeds = int(frame.groupby(["family", "lr"]).size().min())
    caption = (
        "Runs whose loss stopped being finite, and all that ended no better than guessing, diverged ones and ones that"
        " were merely too slow among them; 95 % Wilson intervals. Settings without any are left out; theirs are"
        f" {_share(0, seeds)}."
    )
    return Table(caption, pd.DataFrame(rows))


def _share(count: int, n: int) -> str:
    low, high = share_interval(count, n)
    return f"{count} of {n} ({low:.0%} to {high:.0%})"
