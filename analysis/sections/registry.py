"""Which section belongs to which claim."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from analysis.evidence.claims import Evidence
from analysis.judging.verdicts import Verdict
from analysis.rendering.section import Section
from analysis.sections import (
    batch_noise,
    batch_norm,
    default,
    epochs,
    escape,
    larger_steps,
    learning_rate,
    minibatch_cost,
    momentum,
    uncertain_updates,
    usual_lr,
)
from harness.core.language import _


class OwnSection(NamedTuple):
    """A section of one claim, and the arms and estimands that it needs."""

    make: Callable[[Evidence, list[Verdict]], Section]
    needs: frozenset[str]


# In the order of a report. Other claims get the section of `default`.
OWN_SECTIONS: Mapping[str, OwnSection] = {
    module.__name__.rpartition(".")[2]: OwnSection(module.section, frozenset({*module.ARMS, *module.ESTIMANDS}))
    for module in (
        momentum,
        batch_noise,
        batch_norm,
        learning_rate,
        usual_lr,
        minibatch_cost,
        larger_steps,
        uncertain_updates,
        epochs,
        escape,
    )
}
ORDER = (*OWN_SECTIONS, "ninety_nine")


def section_of(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """The section of a claim: its own, or the default one, also if its file lost what its own section needs."""
    claim = evidence.claim
    own = OWN_SECTIONS.get(claim.name)
    if own is None:
        return default.section(evidence, verdicts)
    lost = sorted(own.needs - claim.arms.keys() - {estimand.name for estimand in claim.estimands})
    if lost:
        section = default.section(evidence, verdicts)
        note = _("The claim's own figures are not shown: its file does not contain {names} any more.").format(
            names=_(", ").join(lost)
        )
        return section._replace(notes=[*section.notes, note])
    return own.make(evidence, verdicts)
