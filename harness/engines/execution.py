"""What a worker does with its jobs: train them to the end, as a stack or a single job. Every engine uses it."""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.core.metrics import EpochMetrics
from harness.data.dataset import Dataset
from harness.engines.base import Job, JobResult
from harness.training.loop import evaluate, train
from harness.training.model import MLP, Model, initial_model
from harness.training.probes.registry import Probes
from harness.training.stacked.loop import StackedTrainer
from harness.training.two_basins import TWO_BASINS, descend

# Gets the metrics of an epoch, by number of the job; returns which jobs train on.
OnEpoch = Callable[[Mapping[int, EpochMetrics]], Mapping[int, bool]]
OnResult = Callable[[int, JobResult], None]


def execute(
    job: Job, dataset: Dataset, device: str, on_epoch: Callable[[EpochMetrics], bool], stacked: bool
) -> JobResult:
    """Train one job to its end. After each epoch, `on_epoch` says whether to train on. A failed run raises nothing."""
    results = []
    execute_all(
        [job],
        dataset,
        device,
        lambda epochs: {number: on_epoch(metrics) for number, metrics in epochs.items()},
        lambda _number, result: results.append(result),
        stacked,
    )
    return results[0]


def execute_all(
    jobs: Sequence[Job], dataset: Dataset, device: str, on_epoch: OnEpoch, on_result: OnResult, stacked: bool
) -> None:
    """Train jobs to their end, and call `on_result` as each ends. A failed run raises nothing.

    If `stacked`, the jobs have one shape and train as a stack; otherwise there is one job.
    """
    open_jobs = dict(enumerate(jobs))

    def end(number: int, result: JobResult) -> None:
        del open_jobs[number]
        on_result(number, result)

    try:
        if jobs[0].config.dataset == TWO_BASINS:
            end(0, _descend(jobs[0], on_epoch))
        else:
            _train(jobs, dataset, device, on_epoch, end, stacked)
    except Exception as error:  # noqa: BLE001  # an error ends its run, not the search
        where = traceback.extract_tb(error.__traceback__)[-1]
        note = f"{type(error).__name__}: {error} ({where.filename}, line {where.lineno})"
        for number in list(open_jobs):
            end(number, JobResult("failed", note))


def _descend(job: Job, on_epoch: OnEpoch) -> JobResult:
    metrics = descend(job.config)
    if metrics.diverged:
        return JobResult("diverged", f"w is {metrics.train_loss} after update {metrics.steps}")
    on_epoch({0: metrics})
    return JobResult("complete")


def _train(jobs: Sequence[Job], dataset: Dataset, device: str, on_epoch: OnEpoch, end: OnResult, stacked: bool) -> None:
    models = [initial_model(job.config, dataset).to(device) for job in jobs]
    observers = [
        Probes(job.probes, job.config, dataset, model) if job.probes else None
        for job, model in zip(jobs, models, strict=True)
    ]
    configs, watch_test = [job.config for job in jobs], jobs[0].watch_test
    stack: StackedTrainer | None = None
    if stacked:
        own = [model for model in models if isinstance(model, MLP)]
        stack = StackedTrainer(configs, dataset, own, watch_test=watch_test, observers=observers)
        epochs = stack.epochs()
    else:
        alone = train(configs[0], dataset, model=models[0], device=device, watch_test=watch_test, observer=observers[0])
        epochs = ({0: metrics} for metrics in alone)
    for number, result in _results(jobs, epochs, on_epoch):
        if result.state == "complete":
            result = _completed(jobs[number], dataset, models[number], observers[number])
        if stack is not None:
            stack.drop(number)
        trainable = sum(one.numel() for one in models[number].parameters() if one.requires_grad)
        end(number, result._replace(parameters=trainable))


def _results(
    jobs: Sequence[Job], epochs: Iterator[Mapping[int, EpochMetrics]], on_epoch: OnEpoch
) -> Iterator[tuple[int, JobResult]]:
    """The number and result of each job as it ends. The caller has to drop it from later epochs."""
    updates = [0] * len(jobs)
    going = set(range(len(jobs)))
    for records in epochs:
        for number, metrics in records.items():
            if metrics.diverged:
                note = f"loss {metrics.train_loss} in epoch {metrics.epoch}, update {metrics.steps}"
                going.remove(number)
                yield number, JobResult("diverged", note, readings=metrics.readings)
        whole = {number: metrics for number, metrics in records.items() if not metrics.diverged}
        train_on = on_epoch(whole) if whole else {}
        for number, metrics in whole.items():
            updates[number] += metrics.steps
            config = jobs[number].config
            is_last = metrics.epoch == config.epochs or updates[number] == config.updates
            if is_last or not train_on[number]:
                going.remove(number)
                yield number, JobResult("complete" if is_last else "stopped")
        if not going:
            return


def _completed(job: Job, dataset: Dataset, model: Model, observer: Probes | None) -> JobResult:
    if not job.final:
        return JobResult("complete", trajectory=observer.trajectory if observer else None)
    test = evaluate(model, dataset.test_inputs, dataset.test_labels)
    weights = {name: tensor.cpu().numpy().copy() for name, tensor in model.state_dict().items()}
    return JobResult("complete", test=test, weights=weights)
