"""Makes the missing runs of one claim: first those that tune its arms, then those that are judged, all into MLflow.

What is missing is read from MLflow alone, so that a claim can be resumed after any stop and no run is made twice.
"""

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import closing

from harness.claims.arm import tag_name, tuned_tag
from harness.claims.claim import Claim, parent_name
from harness.claims.missing import missing_arms, missing_searches, missing_tasks, missing_tuning
from harness.claims.searches import Searches
from harness.claims.task import SearchTask, Task
from harness.claims.tuning import choose_lr, score
from harness.cli.progress import Eta, Throttle
from harness.core.errors import Stopped, UserError
from harness.engines.base import Job
from harness.storage.locks import Lock, locked
from harness.storage.process import describe_owner
from harness.tracking import schema
from harness.tracking.reader import TrackedRun
from harness.tracking.recorder import RecordedJob, Recorder


class Replication:
    """The runs of one claim, made by `recorder`, and its searches, made by `searches`.

    `training_images`: how many images train, for the cost of a run.
    """

    def __init__(self, claim: Claim, training_images: int, recorder: Recorder, searches: Searches) -> None:
        self._claim = claim
        self._images = training_images
        self._recorder = recorder
        self._searches = searches
        self._writer = recorder.writer
        self._console = recorder.console
        self._name = parent_name(claim)

    @property
    def stopped(self) -> bool:
        """Whether it was stopped before its end."""
        return self._recorder.stopped

    def stop(self) -> None:
        """Start nothing more; running jobs stop after their epoch. Safe in a signal handler."""
        self._recorder.stop()

    def cost(self, task: Task | SearchTask) -> float:
        """The cost of a run or a search, in images."""
        return task.cost(self._images)

    def missing(self) -> list[Task | SearchTask]:
        """The runs and searches that MLflow does not have yet.

        Until an arm is tuned, its judged runs use the grid's middle lr.

        Raises `UserError` if another process replicates this claim, or if other data have the same name.
        """
        with locked(self._writer.uri, f"claim {self._name!r}") as lock:
            self._check_parent(lock)
        parent = self._writer.parent(self._name, "claim")
        return missing_tasks(self._claim, self._children(parent.id) if parent else [])

    def is_finished(self) -> bool:
        """Whether nothing is missing and the parent run is finished."""
        parent = self._writer.parent(self._name, "claim")
        return parent is not None and parent.status == "FINISHED" and not self.missing()

    def replicate(self, eta: Eta) -> None:
        """Make what is missing. Afterwards `stopped` says whether it was stopped early.

        Raises `UserError` if another process replicates this claim, or if other data have the same name.
        """
        with locked(self._writer.uri, f"claim {self._name!r}") as lock:
            self._check_parent(lock)
            self._replicate(eta, lock)

    def _replicate(self, eta: Eta, lock: Lock) -> None:
        claim = self._claim
        if claim.quick:
            self._console.warn(f"{claim.name}: a quick look (fewer seeds, shorter runs), not evidence")
        params = {"claim": claim.name, "quick": claim.quick, "preregistered_seeds": claim.preregistered_seeds}
        self._recorder.open(self._name, "claim", params, self._tags())
        parent_id = self._recorder.parent_id
        state: schema.State = "failed"
        try:
            self._writer.log_texts(parent_id, claim.texts)
            self._writer.set_description(parent_id, f"**{claim.heading}**. {claim.statement}\n")
            for run in self._recorder.reconcile():
                self._writer.end_left_open(run)
            self._run(missing_tuning(claim, self._children(parent_id)), eta)
            if not self.stopped and not missing_tuning(claim, children := self._children(parent_id)):
                self._record_chosen_lr(parent_id)
                self._run(missing_arms(claim, children), eta)
                self._search(missing_searches(claim, children), eta, lock)
            missing = 0 if self.stopped else len(missing_tasks(self._claim, self._children(parent_id)))
            state = "interrupted" if self.stopped else "failed" if missing else "complete"
            if state == "complete":
                self._writer.set_tags(parent_id, {schema.SEEDS: str(self._complete_seeds(parent_id))})
            elif not self.stopped:
                self._console.warn(
                    f"{claim.name}: {missing} runs or searches failed; harness.note of the runs says why"
                )
        except (KeyboardInterrupt, Stopped):  # the latter by a search, or because the store is unavailable
            state = "interrupted"
            raise
        finally:
            self._recorder.finish(state)

    def _check_parent(self, lock: Lock) -> None:
        parent = self._writer.parent(self._name, "claim")
        data = self._writer.dataset
        if parent is not None and parent.tags[schema.DATASET_SHA256] != data.sha256:
            before = parent.tags[schema.DATASET_SHA256]
            raise UserError(
                f"claim {self._claim.name!r} has a replication on other data that are also called {data.name!r}"
                f" (SHA-256 {before[:12]}, now {data.sha256[:12]}): restore or rename the file, or delete the run"
                f" {self._name!r} in MLflow"
            )
        owner = self._writer.live_owner(self._name, "claim", elsewhere=lock.reach == "none")
        if owner:
            raise UserError(
                f"claim {self._claim.name!r} is being replicated by another process ({describe_owner(owner)}): wait for"
                " it, or, if that host is gone, set the status of the run in MLflow to KILLED"
            )

    def _children(self, parent_id: str) -> list[TrackedRun]:
        return self._writer.read().children(parent_id)

    def _run(self, tasks: Sequence[Task], eta: Eta) -> None:
        """Seed by seed, so that paired runs meet the same load of the machine; within a seed the longest first."""
        tasks = sorted(tasks, key=lambda task: (task.config.seed, -self.cost(task)))
        by_name = {task.name: task for task in tasks}
        for kind in ("tuning", "arm"):
            jobs = [self._job(task) for task in tasks if task.kind == kind]
            kinds: dict[str, schema.Kind] = {job.name: by_name[job.name].kind for job in jobs}
            tags = {job.name: self._tags() | {schema.ARM: by_name[job.name].arm.name} for job in jobs}
            remaining, throttle = Counter(job.config.seed for job in jobs), Throttle()
            with closing(self._recorder.run(jobs, kinds, None, tags)) as records:
                for record in records:
                    task = by_name[record.job.name]
                    self._end_run(record, task)
                    eta.advance(self.cost(task))
                    remaining[task.config.seed] -= 1
                    self._console.advance(eta.text())
                    if not remaining[task.config.seed] and throttle.is_due(final=not any(remaining.values())):
                        what = "tuning" if kind == "tuning" else "all arms"
                        seed = f"seed {task.config.seed}"
                        self._console.print(f"{self._claim.name:<15} {seed:<10} {what} done   {eta.text()}")

    def _search(self, tasks: Sequence[SearchTask], eta: Eta, lock: Lock) -> None:
        """Seed by seed, so that paired searches meet the same load of the machine."""
        for count, task in enumerate(sorted(tasks, key=lambda task: task.config.seed), start=1):
            if self.stopped:
                return
            study = f"{self._name}-{tag_name(task.arm.name)}-{task.config.seed}"
            try:
                result = self._searches.run(study, task.config, lock)
            except Stopped as stop:
                raise Stopped(f"{task.name}: {stop}", stop.status) from None
            tags = self._tags() | {schema.ARM: task.arm.name, schema.STUDY: study}
            run = self._writer.start_run(self._recorder.parent_id, task.name, "arm", task.config, tags)
            self._writer.log_readings(run, result.readings)
            self._writer.end_run(run, result.state, result.note)
            eta.advance(self.cost(task))
            self._console.set_progress(count, len(tasks), "searches", eta.text())
            seed = f"seed {task.config.seed}"
            self._console.print(f"{self._claim.name:<15} {seed:<10} {task.arm.name}: {result.note}   {eta.text()}")

    def _job(self, task: Task) -> Job:
        probes = task.probes
        if task.config.seed != self._claim.seeds.first:
            probes = tuple(probe for probe in probes if probe != "trajectory")  # pictures need one seed
        watch_test = task.config.split == "lesson" and task.config.dataset == self._claim.dataset
        return Job(task.name, task.config, watch_test=watch_test, probes=probes)

    def _end_run(self, record: RecordedJob, task: Task) -> None:
        state: schema.State = "interrupted" if record.result.state == "stopped" else record.result.state
        metrics = {}
        self._writer.log_readings(record.run, record.result.readings)
        if state == "complete":
            metrics = {schema.TRAINING_SECONDS: record.seconds}
            if record.result.trajectory is not None:
                self._writer.log_array(record.run, schema.TRAJECTORY, record.result.trajectory)
            if task.kind == "tuning" and math.isfinite(value := score(task.arm, record.epochs)):
                metrics[schema.SCORE] = value
        if state == "failed":
            self._console.warn(f"{record.job.name}: {record.result.note}")
        self._writer.end_run(record.run, state, record.result.note, metrics)

    def _record_chosen_lr(self, parent_id: str) -> None:
        """Tag the parent run with the lr that tuning chose for each arm."""
        chosen = choose_lr(self._claim, self._children(parent_id))
        if not chosen:
            return
        assert self._claim.tuning is not None
        self._writer.set_tags(parent_id, {tuned_tag(arm): repr(lr) for arm, lr in chosen.items()})
        for arm, lr in chosen.items():
            if lr in (min(self._claim.tuning.lr), max(self._claim.tuning.lr)):
                self._console.warn(f"{self._claim.name}: the lr chosen for {arm!r}, {lr:g}, is at the edge of the grid")

    def _tags(self) -> dict[str, str]:
        return {schema.CLAIM_SHA256: self._claim.sha256, schema.QUICK: str(self._claim.quick).lower()}

    def _complete_seeds(self, parent_id: str) -> int:
        """The number of complete seeds: never fewer than an earlier replication made."""
        parents = {run.id: run for run in self._writer.read().parents("claim", self._name)}
        return max(int(parents[parent_id].tags.get(schema.SEEDS, "0")), self._claim.seeds.count)
