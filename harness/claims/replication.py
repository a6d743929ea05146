"""Carries one claim to its end: what is missing of its tuning, then what is missing of its arms, all into MLflow.

What is missing is read from MLflow alone, so that any stop leaves the claim resumable and no run is made twice.
"""

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import closing

from harness.claims.claim import Claim
from harness.claims.task import Task
from harness.claims.tuning import choose_lr, score
from harness.cli.console import Screen
from harness.cli.progress import Clock, Pace
from harness.core.errors import UserError
from harness.engines.base import Engine, Job
from harness.storage.locks import hold
from harness.storage.process import told
from harness.tracking.reader import (
    ARM,
    CLAIM_SHA256,
    CONFIG_HASH,
    DATASET_SHA256,
    KIND,
    QUICK,
    SCORE,
    SEEDS,
    STATE,
    TRAJECTORY,
    State,
    TrackedRun,
    parent_name,
    tuned_tag,
)
from harness.tracking.recorder import Record, Recorder
from harness.tracking.writer import Tracking

_DONE = ("complete", "diverged")


class Replication:
    """One claim on one engine; `run` makes what is missing, `stop` ends it early and whole."""

    def __init__(self, claim: Claim, training_images: int, engine: Engine, tracking: Tracking, screen: Screen) -> None:
        self._claim = claim
        self._images = training_images
        self._engine = engine
        self._tracking = tracking
        self._screen = screen
        self._name = parent_name(claim)
        self.stopped = False

    def stop(self) -> None:
        """Start nothing more; what runs stops after its epoch. Safe in a signal handler."""
        self.stopped = True
        self._engine.drain()
        self._tracking.hurry()

    def work(self, task: Task) -> float:
        """What a run costs, in images."""
        return task.work(self._images)

    def missing(self) -> list[Task]:
        """The runs that MLflow does not hold yet; judged runs of tuned arms count with the grid's middle lr until then.

        Raises `UserError` where another process replicates this claim at this moment, or other data have its name.
        """
        self._refuse_a_mixture()
        parent = self._tracking.parent(self._name, "claim")
        return self._missing_in(parent.id) if parent else self._missing_among([])

    def is_finished(self) -> bool:
        """Whether nothing is missing and the parent run says so."""
        parent = self._tracking.parent(self._name, "claim")
        return parent is not None and parent.status == "FINISHED" and not self.missing()

    def run(self, clock: Clock) -> None:
        """Make what is missing; afterwards `stopped` says whether it went to the end.

        Raises `UserError` where another process replicates this claim at this moment, or other data have its name.
        """
        with hold(self._tracking.uri, f"claim {self._name!r}"):
            self._run(clock)

    def _run(self, clock: Clock) -> None:
        self._refuse_a_mixture()
        claim = self._claim
        if claim.quick:
            self._screen.warn(f"{claim.name}: a quick look (fewer seeds, shorter runs), not evidence")
        params = {"claim": claim.name, "quick": claim.quick, "preregistered_seeds": claim.preregistered_seeds}
        parent_id = self._tracking.open_parent(self._name, "claim", params, self._marks())
        state: State = "failed"
        try:
            self._tracking.log_texts(parent_id, {"claim.toml": claim.text})
            self._tracking.describe(parent_id, f"**{claim.title}** (§{claim.section}). {claim.statement}\n")
            recorder = Recorder(self._engine, self._tracking, self._screen, parent_id)
            for run in recorder.reconcile():
                self._tracking.finish(run.id, "interrupted", "its process died")
            self._make(recorder, self._missing_tuning(self._tracking.children(parent_id)), clock)
            if not self.stopped and not self._missing_tuning(children := self._tracking.children(parent_id)):
                self._choose(parent_id)
                self._make(recorder, self._missing_arms(children), clock)
            left = 0 if self.stopped else len(self._missing_in(parent_id))
            state = "interrupted" if self.stopped else "failed" if left else "complete"
            if state == "complete":
                self._tracking.tag(parent_id, {SEEDS: str(self._seeds_now(parent_id))})
            elif not self.stopped:
                self._screen.warn(f"{claim.name}: {left} runs failed; harness.note of the runs says why")
        except KeyboardInterrupt:
            state = "interrupted"
            raise
        finally:
            self._tracking.end(parent_id, state)

    def _refuse_a_mixture(self) -> None:
        parent = self._tracking.parent(self._name, "claim")
        data = self._tracking.dataset
        if parent is not None and parent.tags[DATASET_SHA256] != data.sha256:
            raise UserError(
                f"claim {self._claim.name!r} has a replication on other data that are called {data.name!r} too (SHA-256"
                f" {parent.tags[DATASET_SHA256][:12]}, now {data.sha256[:12]}): restore or rename the file, or delete"
                f" the run {self._name!r} in MLflow"
            )
        owner = self._tracking.live_owner(self._name, "claim")
        if owner:
            raise UserError(
                f"claim {self._claim.name!r} is being replicated by another process ({told(owner)}): let it end, or, if"
                " that host is gone, set the status of the run in MLflow to KILLED"
            )

    def _missing_in(self, parent_id: str) -> list[Task]:
        return self._missing_among(self._tracking.children(parent_id))

    def _missing_among(self, children: Sequence[TrackedRun]) -> list[Task]:
        return self._missing_tuning(children) + self._missing_arms(children)

    def _make(self, recorder: Recorder, tasks: Sequence[Task], clock: Clock) -> None:
        """Seed by seed, so that paired runs share what the machine does meanwhile; within a seed longest first."""
        tasks = sorted(tasks, key=lambda task: (task.config.seed, -self.work(task)))
        by_name = {task.name: task for task in tasks}
        for kind in ("tuning", "arm"):
            jobs = [self._job(task) for task in tasks if task.kind == kind]
            tags = {job.name: self._marks() | {ARM: by_name[job.name].arm.name} for job in jobs}
            left, pace = Counter(job.config.seed for job in jobs), Pace()
            with closing(recorder.run(jobs, kind, None, tags)) as records:
                for record in records:
                    task = by_name[record.job.name]
                    self._close(record, task)
                    clock.did(self.work(task))
                    left[task.config.seed] -= 1
                    self._screen.run_done(clock.text())
                    if not left[task.config.seed] and pace.is_due(last=not any(left.values())):
                        what = "tuning" if kind == "tuning" else "all arms"
                        seed = f"seed {task.config.seed}"
                        self._screen.say(f"{self._claim.name:<15} {seed:<10} {what} done   {clock.text()}")

    def _job(self, task: Task) -> Job:
        probes = task.probes
        if task.config.seed != self._claim.seeds.first:
            probes = tuple(probe for probe in probes if probe != "trajectory")  # a picture needs one seed
        watch = task.config.split == "lesson" and task.config.dataset == self._claim.dataset
        return Job(task.name, task.config, watch_test=watch, probes=probes)

    def _close(self, record: Record, task: Task) -> None:
        state: State = "interrupted" if record.ending.state == "stopped" else record.ending.state
        metrics = {}
        self._tracking.log_readings(record.run_id, record.ending.readings)
        if state == "complete":
            metrics = {"training_seconds": record.seconds}
            if record.ending.trajectory is not None:
                self._tracking.log_array(record.run_id, TRAJECTORY, record.ending.trajectory)
            if task.kind == "tuning" and math.isfinite(reached := score(task.arm, record.epochs)):
                metrics[SCORE] = reached
        if state == "failed":
            self._screen.warn(f"{record.job.name}: {record.ending.note}")
        self._tracking.finish(record.run_id, state, record.ending.note, metrics)

    def _choose(self, parent_id: str) -> None:
        """Write down which lr tuning chose for each arm."""
        chosen = choose_lr(self._claim, self._tracking.children(parent_id))
        if not chosen:
            return
        assert self._claim.tuning is not None
        self._tracking.tag(parent_id, {tuned_tag(arm): repr(lr) for arm, lr in chosen.items()})
        for arm, lr in chosen.items():
            if lr in (min(self._claim.tuning.lr), max(self._claim.tuning.lr)):
                self._screen.warn(f"{self._claim.name}: the lr chosen for {arm!r}, {lr:g}, is at the edge of the grid")

    def _missing_tuning(self, children: Sequence[TrackedRun]) -> list[Task]:
        wanted = [
            Task(arm, config, "tuning")
            for arm in self._claim.arms.values()
            if arm.tuned
            for config in self._claim.tuning_configs(arm)
        ]
        return [task for task in wanted if _key(task) not in _ended(children)]

    def _missing_arms(self, children: Sequence[TrackedRun]) -> list[Task]:
        claim = self._claim
        chosen = choose_lr(claim, children)
        done = _ended(children)
        tasks = []
        for arm in claim.arms.values():
            lr = None
            if arm.tuned:
                assert claim.tuning is not None
                lr = chosen.get(arm.name, sorted(claim.tuning.lr)[len(claim.tuning.lr) // 2])
            tasks += [Task(arm, claim.config(arm, seed, lr), "arm") for seed in claim.arm_seeds(arm)]
        return [task for task in tasks if _key(task) not in done]

    def _marks(self) -> dict[str, str]:
        return {CLAIM_SHA256: self._claim.sha256, QUICK: str(self._claim.quick).lower()}

    def _seeds_now(self, parent_id: str) -> int:
        """The number of seeds that are complete: never fewer than an earlier replication made."""
        before = {run.id: run for run in self._tracking.parents("claim", self._name)}[parent_id].tags.get(SEEDS, "0")
        return max(int(before), self._claim.seeds.count)


def _key(task: Task) -> tuple[str, str, str]:
    return task.kind, task.arm.name, task.config.content_hash


def _ended(children: Sequence[TrackedRun]) -> set[tuple[str, str, str]]:
    return {
        (run.tags[KIND], run.tags.get(ARM, ""), run.tags[CONFIG_HASH])
        for run in children
        if run.tags.get(STATE) in _DONE
    }
