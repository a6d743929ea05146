"""Checks whether the parts of a claim are consistent, beyond single fields. Reads no files."""

from harness.claims.arm import Arm
from harness.claims.claim import Claim
from harness.claims.estimands import LENGTH, MEASURES, Estimand, braces
from harness.core.config import SEEDS
from harness.core.defaults import BESIDE_SGD, OPTIONAL
from harness.studies.request import MOST_FRESH_SEEDS

_NEEDS_VALIDATION = ("validation_loss", "validation_halves")


class ClaimError(Exception):
    """Parts of a claim are inconsistent. `place` is the field in the file."""

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.place = place


def check(claim: Claim) -> None:
    """Raise `ClaimError` if the claim cannot be run or judged as it is written."""
    _check_verdict(claim)
    _check_both_questions(claim)
    _check_seeds(claim)
    _check_chinese(claim)
    for position, estimand in enumerate(claim.estimands):
        _check_names(claim, estimand, position)
        _check_condition(claim, estimand, position)
        for name in claim.arm_names(estimand.arms):
            _check_arm(claim.arms[name], estimand, position)


def _check_verdict(claim: Claim) -> None:
    primaries = [position for position, estimand in enumerate(claim.estimands) if estimand.primary]
    if len(primaries) > 1:
        raise ClaimError(
            "primary is true twice: one estimand alone gives the verdict", "estimands", primaries[1], "primary"
        )
    if bool(primaries) == (claim.claimed_accuracy is not None):
        raise ClaimError("one estimand should have primary = true, or the file should have claimed_accuracy")
    if claim.claimed_accuracy is not None and claim.estimands:
        raise ClaimError("claimed_accuracy is judged without estimands: leave them out", "estimands", 0)
    if claim.published and claim.claimed_accuracy is None:
        raise ClaimError("published results need claimed_accuracy, the accuracy that they are held to", "published", 0)
    if claim.claimed_accuracy is not None and all(result.unreproduced for result in claim.published):
        raise ClaimError("claimed_accuracy needs at least one [[published]] result that counts", "claimed_accuracy")
    for position, arm in enumerate(claim.arms.values()) if claim.claimed_accuracy is not None else ():
        if arm.search:
            raise ClaimError(f"arm {arm.name!r} is a search, and claimed_accuracy needs one config", "arms", position)
        if arm.fields["split"] != "lesson" or arm.fields.get("dataset") is not None:
            raise ClaimError(
                f'arm {arm.name!r} has no test accuracy, which claimed_accuracy asks for; use split = "lesson"',
                "arms",
                position,
                "split",
            )


def _check_both_questions(claim: Claim) -> None:
    tuned = any(estimand.question == "tuned" for estimand in claim.estimands)
    if claim.primary and not tuned and not claim.not_tuned:
        raise ClaimError('no estimand has question = "tuned": add one, or say why not in not_tuned')
    if tuned and claim.not_tuned:
        raise ClaimError('not_tuned says why no estimand has question = "tuned", but one has', "not_tuned")


def _check_seeds(claim: Claim) -> None:
    most = max((arm.seeds for arm in claim.arms.values()), default=0)
    judged = claim.seeds.of(most)
    fresh = 2 * MOST_FRESH_SEEDS if any(arm.search for arm in claim.arms.values()) else 0
    if fresh and claim.seeds.step <= fresh:
        raise ClaimError(
            f"step is {claim.seeds.step}: it should be {fresh + 1} or more, because a search uses the"
            f" {fresh} seeds after its own",
            "seeds",
            "step",
        )
    if judged and judged[-1] + fresh >= SEEDS:
        raise ClaimError(f"seeds reach up to {judged[-1] + fresh}: they should be below {SEEDS}", "seeds")
    if claim.tuning and any(seed in judged for seed in claim.tuning.seeds):
        message = f"seeds is {claim.tuning.seeds}: fresh seeds judge, so none of {judged[0]} to {judged[-1]} may tune"
        raise ClaimError(message, "tuning", "seeds")


def _check_chinese(claim: Claim) -> None:
    """The translation names what is there, and its sentences have the numbers of the English ones."""
    if claim.zh is None:
        return
    estimands = {estimand.name: estimand for estimand in claim.estimands}
    models = [result.model for result in claim.published]
    of_models = ((field, models) for field in ("models", "sources", "unreproduced"))
    for field, known in (("words", estimands), ("when", estimands), *of_models):
        for name in getattr(claim.zh, field):
            if name not in known:
                raise ClaimError(f"{field} translates {name!r}: there are {', '.join(known) or 'none'}", "zh", field)
    for field in ("words", "when"):
        for name, text in getattr(claim.zh, field).items():
            needed = braces(getattr(estimands[name], field) or "")
            try:
                found = braces(text)
            except ValueError as error:
                raise ClaimError(f"{field} of {name}: {error}", "zh", field) from None
            if found != needed:
                raise ClaimError(
                    f"{field} of {name} has {_in_braces(found)}, and the English sentence {_in_braces(needed)}",
                    "zh",
                    field,
                )


def _in_braces(names: set[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names)) or "no {}"


def _check_names(claim: Claim, estimand: Estimand, position: int) -> None:
    if estimand.name in [other.name for other in claim.estimands[:position]]:
        raise ClaimError(f"name is {estimand.name!r}: two estimands are called so", "estimands", position, "name")
    families = estimand.compare in ("slope", "valley") or estimand.take is not None
    for spec in estimand.arms:
        if not claim.arm_names([spec]) or not (families or spec in claim.arms):
            known = ", ".join(map(repr, claim.arms)) or "none"
            raise ClaimError(f"arms names {spec!r}: there are {known}", "estimands", position, "arms")
    named = claim.arm_names(estimand.arms)
    for family in [claim.arm_names([spec]) for spec in estimand.arms] if estimand.take else [named]:
        if families and len(family) < 3:
            what = f"take = {estimand.take!r}" if estimand.take else f"a {estimand.compare}"
            raise ClaimError(f"arms is {family}: {what} needs three or more", "estimands", position, "arms")
    if len({claim.arms[name].seeds for name in named}) > 1:
        raise ClaimError(f"arms is {named}: they differ in their number of seeds", "estimands", position, "arms")


def _check_condition(claim: Claim, estimand: Estimand, position: int) -> None:
    if estimand.when is None or claim.primary is None:
        return
    if estimand.primary:
        raise ClaimError("when belongs to estimands that ask the primary question again", "estimands", position, "when")
    if estimand.unit == claim.primary.unit and estimand.bound != claim.primary.bound:
        raise ClaimError(
            f"when is {estimand.when!r}: to ask the question again needs what the primary estimand has as"
            " smallest_effect, or as claimed and margin",
            "estimands", position, "when",
        )  # fmt: skip


def _check_arm(arm: Arm, estimand: Estimand, position: int) -> None:
    kind, here = MEASURES[estimand.measure], f"measure is {estimand.measure!r}: arm {arm.name!r}"
    place = ("estimands", position, "measure")
    if kind.of != "both" and (kind.of == "searches") != (arm.search is not None):
        raise ClaimError(f"{here} is {'a search' if arm.search else 'no search'}", *place)
    if arm.search:
        _check_search(arm, estimand, position)
        return
    toy = arm.fields.get("dataset") is not None
    if toy != (estimand.measure == "global_basin"):
        raise ClaimError(f"{here} is {'' if toy else 'no '}run of the two-basin toy", *place)
    others = [name for name in BESIDE_SGD if arm.fields.get(name, OPTIONAL[name]) != OPTIONAL[name]]
    if others and (toy or estimand.measure == "step_gain"):
        raise ClaimError(f"{here} has {others[0]}, and this measure is one of SGD at a constant lr", *place)
    missing = set(kind.probes) - set(arm.probes)
    if missing:
        raise ClaimError(f"{here} lacks the probe {', '.join(sorted(missing))}", *place)
    if estimand.measure == "test_accuracy" and arm.fields["split"] == "search":
        raise ClaimError(
            f'{here} has split "search", under which the test set is not watched; use split = "lesson"', *place
        )
    unseen = [probe for probe in arm.probes if probe in _NEEDS_VALIDATION]
    if unseen and arm.fields["split"] != "search":
        raise ClaimError(f'{here} has the probe {unseen[0]}, which needs split = "search"', *place)
    if kind.at == "epoch" and estimand.at is not None and arm.fields.get("updates") is not None:
        lasts = f"arm {arm.name!r} lasts {arm.fields['updates']} updates"
        raise ClaimError(f"at is {estimand.at:g} epochs: {lasts}; leave at out for its end", *place[:2], "at")
    _check_length(arm, estimand, position)


def _check_search(arm: Arm, estimand: Estimand, position: int) -> None:
    if MEASURES[estimand.measure].of == "both" and estimand.at is not None:
        message = (
            f"at is {estimand.at:g}: arm {arm.name!r} is a search, of which {estimand.measure} is that of its winner"
        )
        raise ClaimError(f"{message}; leave at out", "estimands", position, "at")
    _check_length(arm, estimand, position)


def _check_length(arm: Arm, estimand: Estimand, position: int) -> None:
    field = LENGTH.get(MEASURES[estimand.measure].at, "")
    length = arm.fields.get(field)
    if estimand.at is not None and length is not None and estimand.at > length:
        raise ClaimError(f"at is {estimand.at:g}: arm {arm.name!r} lasts {length} {field}", "estimands", position, "at")
