"""What a claim still needs, by what MLflow holds of it. Runs nothing."""

from collections.abc import Sequence

from harness.claims.claim import Claim
from harness.claims.task import SearchTask, Task
from harness.claims.tuning import choose_lr
from harness.tracking import schema
from harness.tracking.reader import TrackedRun


def missing_tasks(claim: Claim, children: Sequence[TrackedRun]) -> list[Task | SearchTask]:
    """The runs and searches that a claim needs and `children` does not hold.

    Until an arm is tuned, the grid's middle lr stands for its own.
    """
    runs = missing_tuning(claim, children) + missing_arms(claim, children)
    return [*runs, *missing_searches(claim, children)]


def missing_tuning(claim: Claim, children: Sequence[TrackedRun]) -> list[Task]:
    """The runs that tune its arms."""
    done = _judged_keys(children)
    tasks = [
        Task(arm, config, "tuning") for arm in claim.arms.values() if arm.tuned for config in claim.tuning_configs(arm)
    ]
    return [task for task in tasks if _key(task) not in done]


def missing_arms(claim: Claim, children: Sequence[TrackedRun]) -> list[Task]:
    """The judged runs, of arms that train one config."""
    chosen = choose_lr(claim, children)
    done = _judged_keys(children)
    tasks = []
    for arm in (arm for arm in claim.arms.values() if not arm.search):
        lr = None
        if arm.tuned:
            assert claim.tuning is not None
            lr = chosen.get(arm.name, sorted(claim.tuning.lr)[len(claim.tuning.lr) // 2])
        tasks += [Task(arm, claim.config(arm, seed, lr), "arm") for seed in claim.arm_seeds(arm)]
    return [task for task in tasks if _key(task) not in done]


def missing_searches(claim: Claim, children: Sequence[TrackedRun]) -> list[SearchTask]:
    """The searches."""
    done = _judged_keys(children)
    tasks = [
        SearchTask(arm, claim.search_config(arm, seed))
        for arm in claim.arms.values()
        if arm.search
        for seed in claim.arm_seeds(arm)
    ]
    return [task for task in tasks if _key(task) not in done]


def _key(task: Task | SearchTask) -> tuple[str, str, str]:
    return task.kind, task.arm.name, task.config.content_hash


def _judged_keys(children: Sequence[TrackedRun]) -> set[tuple[str, str, str]]:
    return {
        (run.tags[schema.KIND], run.tags.get(schema.ARM, ""), run.tags[schema.CONFIG_HASH])
        for run in children
        if run.tags.get(schema.STATE) in schema.JUDGED_STATES
    }
