"""Is there a best lr between too small and too large?"""

import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure
from analysis.judging.stats import share_interval
from analysis.judging.verdicts import Verdict
from analysis.rendering import plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects
from harness.core.language import N_, _

_FAMILIES = {
    "lr *": N_("batch 128"),
    "momentum 0.9, lr *": N_("batch 128, momentum 0.9"),
    "batch 32, lr *": N_("batch 32 (1 epoch)"),
    "batch 1024, lr *": N_("batch 1,024"),
}
_GUESSING = 2.302585  # nats: ln 10, the loss of a network that knows nothing of ten classes
_LESSON_RANGE = (0.01, 0.5)
ESTIMANDS, ARMS = (), ("lr 0.1", "momentum 0.9, lr 0.1", "batch 32, lr 0.1", "batch 1024, lr 0.1")


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """The U, the share of runs that diverged or learned nothing, and where the best lr lies for each batch size."""
    frame = pd.concat(
        [losses(evidence, pattern, _(family)) for pattern, family in _FAMILIES.items()], ignore_index=True
    )
    return Section(
        [u_shape(frame, "learning_rate-u", _("Too small, and too large")), *effects("learning_rate", verdicts)],
        [best_table(frame), _lost(frame)],
        [],
    )


def losses(evidence: Evidence, pattern: str, family: str) -> pd.DataFrame:
    """The final training loss of every run of these arms: lr, seed, state, loss, family."""
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


def u_shape(frame: pd.DataFrame, name: str, title: str) -> Picture:
    """The loss by lr, a line per family, with the lesson's usual range. frame: lr, seed, loss, family."""
    figures, (axes,) = plots.new_figures()
    axes.axvspan(*_LESSON_RANGE, color="#029e73", alpha=0.12)
    axes.axhline(_GUESSING, color="black", linestyle=":", linewidth=2)
    plots.by_size(axes, frame[frame["loss"] < float("inf")], "lr", "loss", "family")
    axes.set(xlabel="lr", ylabel=_("training loss (nats)"), title=title)
    caption = _(
        "After the last epoch. Green: the lesson's usual 0.01 to 0.5. Dotted: the loss of guessing, ln 10. Diverged"
        " runs have no dot."
    )
    return Picture(name, caption, figures)


def best_table(frame: pd.DataFrame) -> Table:
    """For each family, the lr that is best under each seed, and how many lie in the lesson's usual range."""
    rows = []
    for family, part in frame.groupby("family", sort=False):
        by_seed = part.pivot(index="seed", columns="lr", values="loss").idxmin(axis="columns")
        low, high = _LESSON_RANGE
        inside = int(by_seed.between(low, high).sum())
        counts = by_seed.value_counts()
        rows.append(
            {
                _("setting"): family,
                _("best lr (seeds)"): ", ".join(f"{lr:g} ({count})" for lr, count in counts.items()),
                _("within 0.01 to 0.5"): _("{count} of {n}").format(count=inside, n=len(by_seed)),
            }
        )
    return Table(_("The lr with the lowest training loss, for each seed on its own."), pd.DataFrame(rows))


def _lost(frame: pd.DataFrame) -> Table:
    rows = []
    for (family, lr), part in frame.groupby(["family", "lr"], sort=False):
        n, diverged = len(part), int((part["state"] == "diverged").sum())
        unlearned = int((part["loss"] >= _GUESSING - 0.01).sum())
        if unlearned:
            rows.append(
                {
                    _("setting"): family,
                    "lr": f"{lr:g}",
                    _("diverged (not finite)"): _share(diverged, n),
                    _("no better than guessing"): _share(unlearned, n),
                }
            )
    seeds = int(frame.groupby(["family", "lr"]).size().min())
    caption = _(
        "Runs whose loss stopped being finite, and all that ended no better than guessing, diverged ones and ones that"
        " were merely too slow among them; 95 % Wilson intervals. Settings without any are left out; theirs are"
        " {share}."
    ).format(share=_share(0, seeds))
    return Table(caption, pd.DataFrame(rows))


def _share(count: int, n: int) -> str:
    low, high = share_interval(count, n)
    return _("{count} of {n} ({low:.0%} to {high:.0%})").format(count=count, n=n, low=low, high=high)
