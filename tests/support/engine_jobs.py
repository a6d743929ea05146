"""Jobs for engines, and what to read from their events."""

import functools

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.engines.base import Epoch, Finished, Job
from harness.training.model import initial_model
from harness.training.stacked.loop import StackedTrainer
from harness.training.stacked.matmul import use_matmul_backend
from harness.training.stacked.matmul_backend import choose_matmul_backend


@functools.cache
def machine_backend():
    """The backend of this machine, measured once, so that a busy moment does not change it between two calls."""
    return choose_matmul_backend()


def job(name, final=False, **changes):
    """A job of three epochs on the digits."""
    fields = LESSON | {"epochs": 3, "seed": 420, "dataset": "digits", "split": "search"} | changes
    return Job(name, make_config(**fields), final)


def always(job, metrics):
    return True


def numbers(epochs):
    """The records without their times."""
    return [epoch._replace(seconds=0, samples_per_second=0) for epoch in epochs]


def epochs_of(events, name):
    return [event.metrics for event in events if isinstance(event, Epoch) and event.job.name == name]


def results(events):
    return {event.job.name: event.result for event in events if isinstance(event, Finished)}


def trained_in_a_stack(config, dataset):
    """The run's records when it is the only one of its stack."""
    with use_matmul_backend(machine_backend()):
        return [records[0] for records in StackedTrainer([config], dataset, [initial_model(config, dataset)]).epochs()]
