"""What a worker does with the jobs that it is handed: train them to their ends, as one stack or one alone.

The same for every engine and for replay.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.core.metrics import EpochMetrics
from harness.data.dataset import Dataset
from harness.engines.base import Ending, Job
from harness.training.loop import evaluate, train
from harness.training.model import MLP, initial_model
from harness.training.probes.registry import Probes
from harness.training.stacked.loop import Cohort
from harness.training.two_basins import TWO_BASINS, descend

# Told of an epoch's records, by number of the job; answers which of them train on.
Report = Callable[[Mapping[int, EpochMetrics]], Mapping[int, bool]]
Ended = Callable[[int, Ending], None]


def execute(job: Job, dataset: Dataset, device: str, report: Callable[[EpochMetrics], bool], stacked: bool) -> Ending:
    """Train one job to its end, asking `report` after each epoch whether to go on. Never raises on a failed run."""
    endings = []
    execute_all(
        [job],
        dataset,
        device,
        lambda epochs: {number: report(metrics) for number, metrics in epochs.items()},
        lambda _number, ending: endings.append(ending),
        stacked,
    )
    return endings[0]


def execute_all(
    jobs: Sequence[Job], dataset: Dataset, device: str, report: Report, ended: Ended, stacked: bool
) -> None:
    """Train jobs to their ends, which `ended` is told of as they come. Never raises on a failed run.

    With `stacked` they are of one shape and train as a stack; otherwise it is one job alone.
    """
    open_jobs = dict(enumerate(jobs))

    def end(number: int, ending: Ending) -> None:
        del open_jobs[number]
        ended(number, ending)

    try:
        if jobs[0].config.dataset == TWO_BASINS:
            end(0, _descend(jobs[0], report))
        else:
            _train(jobs, dataset, device, report, end, stacked)
    except Exception as error:  # noqa: BLE001  # whatever a run raises is that run's end, not the search's
        where = traceback.extract_tb(error.__traceback__)[-1]
        note = f"{type(error).__name__}: {error} ({where.filename}, line {where.lineno})"
        for number in list(open_jobs):
            end(number, Ending("failed", note))


def _descend(job: Job, report: Report) -> Ending:
    metrics = descend(job.config)
    if metrics.diverged:
        return Ending("diverged", f"w is {metrics.train_loss} after update {metrics.steps}")
    report({0: metrics})
    return Ending("complete")


def _train(jobs: Sequence[Job], dataset: Dataset, device: str, report: Report, end: Ended, stacked: bool) -> None:
    models = [initial_model(job.config, dataset).to(device) for job in jobs]
    observers = [
        Probes(job.probes, job.config, dataset, model) if job.probes else None
        for job, model in zip(jobs, models, strict=True)
    ]
    configs, watch_test = [job.config for job in jobs], jobs[0].watch_test
    cohort: Cohort | None = None
    if stacked:
        cohort = Cohort(configs, dataset, models, watch_test=watch_test, observers=observers)
        epochs = cohort.epochs()
    else:
        alone = train(configs[0], dataset, model=models[0], device=device, watch_test=watch_test, observer=observers[0])
        epochs = ({0: metrics} for metrics in alone)
    for number, ending in _endings(jobs, epochs, report):
        if ending.state == "complete":
            ending = _completed(jobs[number], dataset, models[number], observers[number])
        if cohort is not None:
            cohort.leave(number)
        end(number, ending)


def _endings(
    jobs: Sequence[Job], epochs: Iterator[Mapping[int, EpochMetrics]], report: Report
) -> Iterator[tuple[int, Ending]]:
    """Each job's number and how it ended, as it ends; it takes no part in later epochs if its reader sees to that."""
    updates = [0] * len(jobs)
    going = set(range(len(jobs)))
    for records in epochs:
        for number, metrics in records.items():
            if metrics.diverged:
                note = f"loss {metrics.train_loss} in epoch {metrics.epoch}, update {metrics.steps}"
                going.remove(number)
                yield number, Ending("diverged", note, readings=metrics.readings)
        whole = {number: metrics for number, metrics in records.items() if not metrics.diverged}
        verdicts = report(whole) if whole else {}
        for number, metrics in whole.items():
            updates[number] += metrics.steps
            config = jobs[number].config
            is_last = metrics.epoch == config.epochs or updates[number] == config.updates
            if is_last or not verdicts[number]:
                going.remove(number)
                yield number, Ending("complete" if is_last else "stopped")
        if not going:
            return


def _completed(job: Job, dataset: Dataset, model: MLP, observer: Probes | None) -> Ending:
    if not job.final:
        return Ending("complete", trajectory=observer.trajectory if observer else None)
    test = evaluate(model, dataset.test_inputs, dataset.test_labels)
    weights = {name: tensor.cpu().numpy().copy() for name, tensor in model.state_dict().items()}
    return Ending("complete", test=test, weights=weights)
