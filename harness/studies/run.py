"""A search as a person asked for it, from its checks to its last lines. Only puts the parts together.

Everything slow is imported after what was asked for and the stores have been checked.
"""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.cli import command
from harness.core.defaults import Library, Precision, Switch
from harness.core.errors import UserError
from harness.data.choice import DataChoice
from harness.engines.choice import Where
from harness.storage.checks import check_name, check_stores, tracking_uri

if TYPE_CHECKING:
    from harness.cli.console import Screen
    from harness.core.metrics import DatasetRecord
    from harness.data.dataset import Dataset
    from harness.engines.cluster import Cluster
    from harness.engines.pool import Pool
    from harness.studies.space import Space
    from harness.studies.study import Study
    from harness.studies.summary import Summary

_GREATEST_SEED = 2**32 - 4  # the winner's fresh runs take the three seeds above it


class Plan(NamedTuple):
    """What the person asked for. `study` is "" for the name made of dataset and seed."""

    trials: int
    study: str
    seed: int
    where: Where
    dataset: DataChoice
    data_dir: Path | None
    cohort: Switch
    precision: Precision
    space: Path | None
    storage: str
    round: int
    timeout: float | None
    join: bool


def carry_out(plan: Plan) -> None:
    """Check what was asked for, then search, and show what came out.

    Raises `UserError` for bad input before anything slow is imported, `Stopped` where the search ends early.
    """
    _check_numbers(plan)
    plan.where.check()
    check_stores(plan.storage, tracking_uri())
    check_name(plan.study)

    from harness.studies.space import DEFAULT_SPACE, read_space

    space_file = plan.space or DEFAULT_SPACE
    space = read_space(space_file)

    from harness.cli.console import Screen

    screen = Screen()
    screen.say("loading torch and the data ...")

    from harness.engines.choice import workers_at

    with closing(workers_at(plan.where)) as workers:
        _search_on(workers, plan, space, space_file.read_text(), screen)


def _search_on(workers: "Pool | Cluster", plan: Plan, space: "Space", space_text: str, screen: "Screen") -> None:
    from harness.data.dataset import record_of
    from harness.data.load import load
    from harness.engines.choice import device_of, engine_on

    dataset = load(plan.dataset, plan.data_dir)
    if dataset.warning:
        screen.warn(dataset.warning)
    space = _fitted(space, dataset, screen, is_default=plan.space is None)
    device = device_of(workers, plan.where)
    record = record_of(dataset)

    from harness.storage.locks import hold
    from harness.studies.storage import stops_where_it_fails
    from harness.studies.study import Study

    name = plan.study or f"{dataset.name}-{plan.seed}"
    settings = {"dataset": f"{record.name} {record.sha256[:12]}", "round": plan.round, "device": device}
    settings |= {"cohort": plan.cohort, "precision": plan.precision}
    waiting = screen.warn if plan.join else None
    with hold(plan.storage, f"study {name!r}", waiting) as held, stops_where_it_fails(plan.storage):
        study = Study(plan.storage, name, space, plan.seed, settings)
        left = max(plan.trials - len(study.finished()), 0)
        products = _products(study, device) if plan.cohort == "on" else None
        engine = engine_on(workers, dataset, plan.where, device, products)
        if left:
            engine.start()  # workers get ready while this process imports MLflow

        from harness.studies.session import Sitting
        from harness.studies.summary import counted
        from harness.studies.trial import Shared
        from harness.tracking.writer import Tracking

        tracking = Tracking(tracking_uri(), f"search/{dataset.name}", record, device)
        shared = Shared(plan.seed, dataset.name, plan.precision)
        sitting = Sitting(study, engine, tracking, screen, dataset, shared, held)
        summary = sitting.finished(plan.trials)
        if summary:
            has = counted(len(summary.trials), "trial")
            screen.say(f"study {name!r} has {has} and its winner: nothing is left to do")
        else:
            screen.say(
                f"study {name!r}: {left} of {plan.trials} trials to run on {workers.size} workers ({device}),"
                f" {record.profile}"
            )
            if study.space_without_lesson:
                screen.warn(
                    "the lesson's own setting is outside this search space"
                    f" ({', '.join(study.space_without_lesson)}): it is not tried"
                )
            with screen:
                summary = sitting.run(plan.trials, plan.round, plan.timeout, {"search.toml": space_text})
    _show(screen, summary, record)


def _products(study: "Study", device: str) -> Library:
    """By which library the products of stacks are made: as when the study began, where this machine can."""
    from harness.training.stacked.matmul_backend import choose_library

    chosen = choose_library(device, study.products)
    study.keep_products(chosen)
    return chosen


def _show(screen: "Screen", summary: "Summary", record: "DatasetRecord") -> None:
    from harness.cli.console import show_params
    from harness.studies import summary as words

    python = command.python()
    best = summary.best
    screen.say("")
    screen.facts(
        {
            "data": record.profile,
            "best config": f"trial {best.number}: {show_params(best.params)}",
            "validation accuracy": f"{best.value:.4f}",
            "test accuracy": f"{words.accuracy_text(summary.winner)}  mean ± sd, fresh runs on train + validation",
            "trials": words.states_text(summary),
            "importances": words.importances_text(summary),
            "time": f"{screen.seconds:.0f} s here, {summary.training_seconds:.0f} s of training in all trials",
            "model": next((run.model for run in summary.winner if run.model), "none"),
        }
    )
    for line in words.warnings(summary):
        screen.warn(line)
    screen.say("")
    screen.facts(
        {
            "MLflow UI": f"{python} -m harness.ui   (or make ui)",
            "report": f"{python} -m analysis.study --study {summary.name}",
            "more trials": f"--trials {len(summary.trials) + 10} adds ten",
        }
    )


def _check_numbers(plan: Plan) -> None:
    for option, value, least in (
        ("--trials", plan.trials, 1),
        ("--round", plan.round, 1),
        ("--timeout", plan.timeout, 0),
        ("--seed", plan.seed, 0),
    ):
        if value is not None and not value >= least:  # so that NaN is refused too
            raise UserError(f"{option} is {value}: it should be at least {least}")
    if plan.seed > _GREATEST_SEED:
        raise UserError(f"--seed is {plan.seed}: it should be at most {_GREATEST_SEED}")


def _fitted(space: "Space", dataset: "Dataset", screen: "Screen", is_default: bool) -> "Space":
    """The space, the default one without batches that are larger than the data; a person's own is refused then."""
    from harness.data.dataset import oversize, training_size

    examples = training_size(dataset, "search")
    fitting = space.with_batches_up_to(examples) if is_default else space
    if complaint := oversize(fitting.largest_batch(), dataset, "search", verb="goes up to"):
        raise UserError(f"{complaint}; lower it in the search space (--space)")
    if fitting != space:
        screen.warn(
            f"batch sizes above the {examples} training {dataset.unit} of {dataset.name} are left out of the search"
        )
    return fitting
