"""The runs of a claim as tidy DataFrames. Refuses evidence that is missing, mixed, duplicated or altered."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from harness.claims.arm import Arm, tuned_tag
from harness.claims.claim import Claim, parent_name
from harness.claims.search_record import is_search, recorded_search
from harness.claims.tuning import choose_lr
from harness.cli.command import command_line
from harness.core.errors import UserError
from harness.tracking import schema
from harness.tracking.reader import ExperimentReader, TrackedRun, check_not_deleted, config_of

DIRTY = " with changes"


class Source(NamedTuple):
    """The origin of evidence: the parent run, the data, and the commits of the code that made the runs.

    `other_texts`: the first digits of other texts of the claim that were replicated here. `seen_seeds`: the judged
    seeds that earlier ones of them used. `deleted_runs`: how many of
    its complete or diverged runs were deleted in MLflow (and made again, as no run may be missing).
    """

    parent_id: str
    experiment_id: str
    dataset: str
    dataset_sha256: str
    commits: tuple[str, ...]
    other_texts: tuple[str, ...] = ()
    seen_seeds: tuple[int, ...] = ()
    deleted_runs: int = 0


class Evidence:
    """Everything that was recorded for one claim, validated.

    `runs`: one row per judged run, with arm, seed, run_id, state, and the config's fields, or those of a search.
    `tuning`: one row per tuning run, with arm, lr, seed, run_id, state, score (lower is better). `chosen`: the lr of
    each tuned arm. Curves are read on demand.
    """

    def __init__(
        self,
        claim: Claim,
        source: Source,
        runs: pd.DataFrame,
        tuning: pd.DataFrame,
        chosen: dict[str, float],
        records: ExperimentReader,
        tracked: Sequence[TrackedRun],
    ) -> None:
        self.claim = claim
        self.source = source
        self.runs = runs
        self.tuning = tuning
        self.chosen = chosen
        self._records = records
        self._tracked = {run.id: run for run in tracked}
        self._curves: dict[tuple[str, str], pd.Series[float]] = {}

    @property
    def before_digests(self) -> int:
        """The number of runs that were recorded before runs had digests: changes of them go unnoticed."""
        return sum(schema.DIGEST not in run.tags for run in self._tracked.values())

    def curve(self, run_id: str, metric: str) -> "pd.Series[float]":
        """A metric of a run by step, sorted; empty if it was never logged."""
        key = (run_id, metric)
        if key not in self._curves:
            history = self._records.history(self._tracked[run_id], metric)
            self._curves[key] = pd.Series(history, dtype=float).sort_index()
        return self._curves[key]

    def curves(self, arms: list[str], metric: str) -> pd.DataFrame:
        """The metric of all runs of these arms in long form: arm, seed, step, value."""
        parts = []
        for row in self.of(arms).itertuples():
            curve = self.curve(str(row.run_id), metric)
            parts.append(
                pd.DataFrame({"step": curve.index, "value": curve.to_numpy(), "arm": row.arm, "seed": row.seed})
            )
        return pd.concat(parts, ignore_index=True)

    def of(self, arms: list[str]) -> pd.DataFrame:
        """The runs of these arms, in the order of `arms` and of seeds."""
        return pd.concat([self.runs[self.runs["arm"] == arm] for arm in arms], ignore_index=True)

    def trajectory(self, run_id: str) -> Any:
        """The sketched path of a run's weights: float [updates + 1, sketch]."""
        return self._records.array(run_id, schema.TRAJECTORY).astype(float)


def claim_evidence(records: ExperimentReader, claim: Claim) -> Evidence:
    """The evidence for a claim as its file is now.

    Raises `UserError` if there is no finished replication of this text, if runs are missing, duplicated, or made with
    other data or under another text, if quick and full runs are mixed, or if params do not match the config hash.
    """
    parent = _parent(records, claim)
    if not claim.quick:
        claim = claim.with_seeds(int(parent.tags[schema.SEEDS]))
    children = [run for run in records.children(parent.id) if run.tags.get(schema.STATE) in schema.JUDGED_STATES]
    for run in children:
        _check_run(claim, parent, run)
    chosen = choose_lr(claim, children)
    for arm, lr in chosen.items():
        if parent.tags.get(tuned_tag(arm)) != repr(lr):
            raise UserError(
                f"claim {claim.name!r}: the lr chosen for {arm!r} is recorded as {parent.tags.get(tuned_tag(arm))},"
                f" but its tuning runs choose {lr!r}: the records were altered"
            )
    tuning = [run for run in children if run.tags[schema.KIND] == "tuning"]
    judged = [run for run in children if run.tags[schema.KIND] == "arm"]
    _check_design(claim, chosen, tuning, judged)
    others = [run for run in records.parents("claim") if run.tags[schema.CLAIM_SHA256] != claim.sha256]
    source = Source(
        parent.id,
        records.experiment_id,
        parent.params["dataset"],
        parent.tags[schema.DATASET_SHA256],
        tuple(sorted({_commit(run) for run in children})),
        tuple(sorted({run.tags[schema.CLAIM_SHA256][:8] for run in others})),
        _seen_seeds(records, [run for run in others if run.start_time < parent.start_time], judged),
        sum(run.tags.get(schema.STATE) in schema.JUDGED_STATES for run in records.children(parent.id, deleted=True)),
    )
    rows = pd.DataFrame([_row(run) for run in judged])
    order = {name: position for position, name in enumerate(claim.arms)}
    rows = rows.sort_values(["arm", "seed"], key=lambda column: column.map(order) if column.name == "arm" else column)
    tried = pd.DataFrame([_row(run) | {"score": run.metrics.get(schema.SCORE, math.inf)} for run in tuning])
    return Evidence(claim, source, rows.reset_index(drop=True), tried, chosen, records, children)


def _seen_seeds(
    records: ExperimentReader, earlier: Sequence[TrackedRun], judged: Sequence[TrackedRun]
) -> tuple[int, ...]:
    """The judged seeds that replications of earlier texts used too."""
    seen = {run.params["seed"] for parent in earlier for run in records.children(parent.id, "arm")}
    return tuple(sorted(int(seed) for seed in seen & {run.params["seed"] for run in judged}))


def made_by(claim: Claim) -> str:
    """The command that makes the runs of a claim."""
    return command_line("harness.replicate", claim.arguments)


def exact_checks(uri: str) -> tuple[str, list[tuple[str, str, str, bool]]]:
    """The newest run of the exact statements: its id; statement, value found, bound, whether it holds.

    Raises `UserError` if they were never checked.
    """
    command = command_line("harness.replicate", "--all")
    newest = next(iter(ExperimentReader(uri, "claims/exact", command).parents("exact")), None)
    if newest is None or newest.status != "FINISHED":
        raise UserError(f"the exact statements were not checked; run: {command}")
    names = [name for name in newest.metrics if f"{name}.bound" in newest.metrics]
    checks = []
    for name in names:
        value, bound = newest.metrics[name], newest.metrics[f"{name}.bound"]
        checks.append((newest.tags[name], f"{value:.2g}", f"≤ {bound:.2g}", value <= bound))
    return newest.id, checks


def _parent(records: ExperimentReader, claim: Claim) -> TrackedRun:
    named = records.parents("claim", parent_name(claim))
    again = f"run: {made_by(claim)}"
    if not named:
        check_not_deleted(records, "claim", parent_name(claim))
        others = {run.tags.get(schema.CLAIM_SHA256, "")[:8] for run in records.parents("claim")} - {claim.sha256[:8]}
        if others:
            texts = ", ".join(sorted(others))
            raise UserError(
                f"claim {claim.name!r}: its runs were made under another text of the claim"
                f" ({texts}, now {claim.sha256[:8]}); {again}"
            )
        kinds = ("quick", "full") if claim.quick else ("full", "quick")
        if records.parents("claim", parent_name(claim._replace(quick=not claim.quick))):
            option = "leave out --quick" if claim.quick else "add --quick"
            again = f"there is a {kinds[1]} one: {option} to judge that, or {again}"
        raise UserError(f"claim {claim.name!r}: no {kinds[0]} replication; {again}")
    if len(named) > 1:
        raise UserError(f"claim {claim.name!r} has {len(named)} replications called {named[0].name!r}: delete one")
    parent = named[0]
    path = claim.data.path
    if claim.moved and path is not None and parent.tags.get(schema.DATA) != f"csv:{path.resolve()}":
        read = parent.tags.get(schema.DATA)
        raise UserError(f"claim {claim.name!r}: its replication on {claim.dataset} read another file, {read}; {again}")
    if parent.status != "FINISHED" or schema.SEEDS not in parent.tags:
        raise UserError(f"claim {claim.name!r}: its replication has not ended ({parent.status}); {again}")
    return parent


def _check_run(claim: Claim, parent: TrackedRun, run: TrackedRun) -> None:
    here = f"claim {claim.name!r}, run {run.id} ({run.name})"
    if run.tags.get(schema.CLAIM_SHA256) != claim.sha256:
        raise UserError(
            f"{here} was made under another text of the claim: {run.tags.get(schema.CLAIM_SHA256, 'none')[:8]}"
        )
    if run.tags.get(schema.QUICK) != str(claim.quick).lower():
        raise UserError(f"{here}: quick and full runs are mixed")
    if run.tags[schema.DATASET_SHA256] != parent.tags[schema.DATASET_SHA256]:
        raise UserError(f"{here} was made with other data than its replication")
    _config(run)


def _check_design(claim: Claim, chosen: dict[str, float], tuning: list[TrackedRun], judged: list[TrackedRun]) -> None:
    wanted: dict[tuple[str, str], str] = {}
    for arm in claim.arms.values():
        if arm.tuned:
            for config in claim.tuning_configs(arm):
                wanted["tuning", arm.name + config.content_hash] = f"{arm.name} lr {config.lr:g} seed {config.seed}"
        if arm.tuned and arm.name not in chosen:
            continue  # some of its tuning runs are missing, and so named below
        for seed in claim.arm_seeds(arm):
            made = claim.search_config(arm, seed) if arm.search else claim.config(arm, seed, _lr(arm, chosen))
            wanted["arm", arm.name + made.content_hash] = f"{arm.name} seed {seed}"
    found = Counter(
        (run.tags[schema.KIND], run.tags[schema.ARM] + run.tags[schema.CONFIG_HASH]) for run in tuning + judged
    )
    for key, name in wanted.items():
        if not found[key]:
            raise UserError(f"claim {claim.name!r} is incomplete: {name} is missing; run harness.replicate again")
        if found[key] > 1:
            raise UserError(f"claim {claim.name!r} holds {name} {found[key]} times: its records were altered")
    for run in tuning + judged:
        if (run.tags[schema.KIND], run.tags[schema.ARM] + run.tags[schema.CONFIG_HASH]) not in wanted:
            raise UserError(
                f"claim {claim.name!r}: run {run.id} ({run.name}) does not belong to its design;"
                " if more seeds were asked for once, finish them with --seeds"
            )


def _lr(arm: Arm, chosen: dict[str, float]) -> float | None:
    return chosen.get(arm.name) if arm.tuned else None


def _row(run: TrackedRun) -> dict[str, object]:
    return {"arm": run.tags[schema.ARM], "run_id": run.id, "state": run.tags[schema.STATE]} | _config(run)


def _config(run: TrackedRun) -> dict[str, object]:
    """What a run was made with. Raises `UserError` if its records were altered."""
    if is_search(run):
        return recorded_search(run)
    config = config_of(run)
    return config.model_dump(exclude={"network", "network_params"}) | config.params()


def _commit(run: TrackedRun) -> str:
    dirty = DIRTY if run.tags.get(schema.GIT_DIRTY) == "true" else ""
    return run.tags.get(schema.GIT_COMMIT, "unknown")[:10] + dirty
