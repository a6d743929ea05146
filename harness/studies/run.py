"""Runs a search: loads the data, runs trials and winner, prints the result."""

import shlex
from typing import TYPE_CHECKING

from harness.cli import command
from harness.cli.console import Console, format_params
from harness.core.defaults import MatmulBackend, SamplerChoice
from harness.core.errors import UserError
from harness.core.files import read_small
from harness.core.metrics import DatasetRecord
from harness.data.dataset import Dataset, batch_size_error, record_of, training_size
from harness.data.load import load
from harness.engines.choice import device_of, make_engine
from harness.storage.checks import tracking_uri
from harness.storage.locks import locked
from harness.studies import summary as texts
from harness.studies.acceptance import NETWORK, PRUNER, SAMPLER
from harness.studies.first_configs import FirstConfigs
from harness.studies.request import SearchRequest
from harness.studies.session import SearchSession
from harness.studies.space import Space
from harness.studies.storage import stop_if_storage_fails
from harness.studies.study import Study
from harness.studies.summary import Summary
from harness.studies.trial import StudyDefaults
from harness.studies.warm_start import warm_start
from harness.tracking.recorder import Recorder
from harness.tracking.writer import ExperimentWriter
from harness.training.network_check import check_network
from harness.training.stacked.matmul_backend import choose_matmul_backend

if TYPE_CHECKING:
    from harness.engines.choice import Workers


_TESTED = "  mean ± sd, fresh runs on train + validation"


def run_search(
    request: SearchRequest, space: Space, first: FirstConfigs | None, workers: "Workers", console: Console
) -> None:
    """Search on these workers and show the result; a new study tries the `first` configs first.

    Raises `UserError` for bad input, `Stopped` on an early end."""
    dataset = load(request.dataset, request.data_dir)
    console.print_reading(dataset.reading, dataset.warnings)
    space = _fitted(space, dataset, console, is_default=request.space is None)
    device = device_of(workers, request.engine)
    record = record_of(dataset)
    name = request.study or f"{dataset.name}-{request.seed}"
    defaults = StudyDefaults(request.seed, dataset.name, request.precision, space.network)
    _check_network(space, defaults, dataset)
    settings = {"dataset": f"{record.name} {record.sha256[:12]}", "round": request.round_size, "device": device}
    settings |= {"cohort": "on" if request.stack else "off", "precision": request.precision}
    settings |= {SAMPLER: request.sampler, PRUNER: request.pruner, NETWORK: _network_text(space)}
    on_wait = console.warn if request.wait else None
    with locked(request.storage, f"study {name!r}", on_wait) as lock, stop_if_storage_fails(request.storage):
        if request.warm_start:
            first, warnings = warm_start(request.warm_start, request.storage, name, space)
            for warning in warnings:
                console.warn(warning)
        study = Study(request.storage, name, space, request.seed, settings)
        backend = _matmul_backend(study, device) if request.stack else None
        if first:
            study.begin_with(first)
        remaining = max(request.trials - study.done, 0)
        engine = make_engine(workers, dataset, request.engine, device, backend)
        if remaining:
            engine.start_workers()  # they get ready while this process opens MLflow's store
        writer = ExperimentWriter(tracking_uri(), f"search/{dataset.name}", record, device)
        session = SearchSession(study, Recorder(engine, writer, console), dataset, defaults, request.plan, lock)
        summary = session.finished()
        was_finished = summary is not None
        if summary:
            has = texts.counted(len(summary.trials), "trial")
            console.print(f"study {name!r} has {has} and its winner: nothing is left to do")
        else:
            console.print(
                f"study {name!r}: {remaining} of {request.trials} trials to run on {workers.size} workers ({device}),"
                f" {record.profile}"
            )
            if study.params_outside_space:
                outside = ", ".join(study.params_outside_space)
                console.warn(f"the lesson's own setting is outside this search space ({outside}): no trial tries it")
            artifacts = {"search.toml": read_small(request.space_file)}
            if space.network:
                artifacts[space.network.file] = space.network.text
            with console:
                summary = session.search(artifacts)
    _show(console, summary, record, request.sampler, was_finished)


def _check_network(space: Space, defaults: StudyDefaults, dataset: Dataset) -> None:
    for params in space.network_examples() if space.network else ():
        check_network(defaults.config(params, "search"), dataset)


def _network_text(space: Space) -> str:
    """The network as a setting of the study."""
    return f"{space.network} {space.network.sha256[:12]}" if space.network else "the lesson's"


def _matmul_backend(study: Study, device: str) -> MatmulBackend:
    """The backend that the study began with, if this machine has it."""
    backend = choose_matmul_backend(device, study.matmul_backend)
    study.keep_matmul_backend(backend)
    return backend


def _fitted(space: Space, dataset: Dataset, console: Console, is_default: bool) -> Space:
    """The default space without batch sizes larger than the data; a space of the user's own is refused instead."""
    examples = training_size(dataset, "search")
    fitting = space.with_batches_up_to(examples) if is_default else space
    if complaint := batch_size_error(fitting.largest_batch(), dataset, "search", verb="goes up to"):
        raise UserError(f"{complaint}; lower it in the search space (--space)")
    if fitting != space:
        console.warn(
            f"batch sizes above the {examples} training {dataset.unit} of {dataset.name} are left out of the search"
        )
    return fitting


def _show(
    console: Console, summary: Summary, record: DatasetRecord, sampler: SamplerChoice, was_finished: bool
) -> None:
    training = f"{summary.training_seconds:.0f} s of training in all trials"
    best, confirmed = summary.best, texts.confirmed_lines(summary.final.candidates)
    console.print("")
    console.print_fields(
        {
            "data": record.profile,
            **({"network": best.network} if best.network else {}),
            "best config": f"trial {best.number}: {format_params(best.params)}",
            "validation accuracy": f"{best.value:.4f}",
            **({"confirmed": "\n".join(confirmed)} if confirmed else {}),
            "test accuracy": texts.accuracy_text(summary) + ("" if summary.diverged else _TESTED),
            "gain": texts.gain_line(summary),
            "trials": texts.states_text(summary),
            "importances": texts.importances_text(summary),
            "time": training if was_finished else f"{console.seconds:.0f} s here, {training}",
        }
    )
    for line in texts.warnings(summary):
        console.warn(line)
    console.print("")
    console.print_fields(
        {
            "MLflow UI": command.command_line("harness.ui"),
            "report": command.command_line("analysis.study", f"--study {shlex.quote(summary.name)}"),
            **({} if sampler == "grid" else {"more trials": f"--trials {len(summary.trials) + 10} adds ten"}),
            "model": next((run.model for run in summary.final.tested if run.model), "none"),
        },
        are_commands=True,
    )
