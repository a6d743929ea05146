"""What MLflow shows above the winner's model: what it is, what it was trained on, how it was tested, its limits."""

from harness.cli.console import format_params
from harness.core.defaults import OPTIONAL
from harness.core.metrics import DatasetRecord
from harness.studies.finals import FinalRun
from harness.studies.summary import Summary, accuracy_text, gain_line, warnings


def _optimizer(summary: Summary) -> str:
    name = summary.best.params.get("optimizer", OPTIONAL["optimizer"])
    return {"sgd": "SGD with momentum `gamma`", "rmsprop": "RMSprop with momentum `gamma`"}.get(name, f"torch's {name}")


def _network(summary: Summary) -> str:
    if summary.best.network:
        return f"A network of the user's own, `{summary.best.network}`; its file is an artifact of the study's run"
    return "The lesson's network, one hidden layer with ReLU"


def model_card(summary: Summary, tested: FinalRun, record: DatasetRecord) -> str:
    """Markdown for the model of the run `tested`, which did not diverge."""
    own = f"{tested.test_accuracy:.4f}"
    cautions = "".join(f"- {warning}.\n" for warning in warnings(summary))
    return f"""\
**{own} test accuracy on {record.name}**: the winner of study `{summary.name}` (trial {summary.best.number}, seed \
{tested.seed}).

**What it is.** {_network(summary)}. It takes a batch of inputs as they are in the data \
(they are scaled inside) and returns the position of the class of each; `classes` in the model's metadata names them.

**Data.** {record.profile}. SHA-256 {record.sha256[:12]}.

**Training.** {format_params(summary.best.params)}. {_optimizer(summary)}, on the training and validation parts \
together. The settings were chosen by {len(summary.trials)} trials on the validation part.

**Test.** Once on the test part, which chose nothing. This model: {own}. The same settings with all fresh seeds: \
{accuracy_text(summary)}. Gain: {gain_line(summary)}.

**Limits.**

- It was tested on one dataset. Other images or rows, in other units or scales, are not what it knows.
- The spread of the seeds does not hold the spread of another test set.
{cautions}"""
