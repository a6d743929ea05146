"""Is the best lr a usual one?"""

import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.verdicts import Verdict
from analysis.rendering.section import Section
from analysis.sections.default import effects
from analysis.sections.learning_rate import best_table, losses, u_shape
from harness.core.language import N_, _

_FAMILIES = {
    "batch 32, lr *": N_("batch 32 (1 epoch)"),
    "batch 128, lr *": N_("batch 128"),
    "batch 128, momentum 0.9, lr *": N_("batch 128, momentum 0.9"),
    "batch 1024, lr *": N_("batch 1,024"),
    "batch 60000, lr *": N_("full batch (25 updates)"),
}
ESTIMANDS, ARMS = (), ("batch 32, lr 0.16", "batch 128, lr 0.16", "batch 1024, lr 0.16", "batch 60000, lr 0.16")


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """The loss by lr for each batch size, and where the best lr lies."""
    frame = pd.concat(
        [losses(evidence, pattern, _(family)) for pattern, family in _FAMILIES.items()], ignore_index=True
    )
    picture = u_shape(frame, "usual_lr-u", _("The best lr for each batch size"))
    return Section([picture, *effects("usual_lr", verdicts)], [best_table(frame)], [])
