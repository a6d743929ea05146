"""Another process that writes the same row at the same instant, after MLflow looked and before it writes."""

from mlflow.entities import Dataset, DatasetInput
from mlflow.store.tracking.dbmodels.models import SqlDataset
from sqlalchemy import event
from sqlalchemy.orm import Session

from harness.tracking.retry import RetryingClient


def log_a_dataset_at_once(uri):
    """Log the same new dataset to two runs, the second in the middle of the first; the datasets of both runs."""
    client = RetryingClient(uri)
    first, second = (client.create_run("0", name, {}).info.run_id for name in ("first", "second"))

    waiting = [second]

    def overtake(session, *_flush):
        if waiting and any(isinstance(row, SqlDataset) for row in session.new):
            _log_dataset(RetryingClient(uri), waiting.pop())

    event.listen(Session, "before_flush", overtake)
    try:
        _log_dataset(client, first)
    finally:
        event.remove(Session, "before_flush", overtake)
    assert not waiting
    runs = [client.call(lambda plain, run=run: plain.get_run(run)) for run in (first, second)]
    return [[used.dataset.name for used in run.inputs.dataset_inputs] for run in runs]


def _log_dataset(client, run):
    dataset = Dataset("digits", "a-digest", "local", "{}")
    client.call(lambda plain: plain.log_inputs(run, [DatasetInput(dataset, [])]))
