"""The walkthrough's part of §5: the images and their classes, and the seven steps of training."""

import pandas as pd
import torch
from matplotlib.figure import Figure

from analysis.rendering.section import Picture, Table
from analysis.worked import lesson_code
from analysis.worked.example import WorkedExample, check
from harness.core.language import _, language_code
from harness.data.choice import DataChoice, data_folder
from harness.data.dataset import Dataset
from harness.data.fashion_mnist import is_present
from harness.data.load import load

_COLUMNS = 5


def images() -> WorkedExample:
    """§5: Fashion-MNIST where it is present, else the small digits."""
    dataset = load(DataChoice("fashion-mnist" if is_present(data_folder(None)) else "digits"))
    size, classes = dataset.train_inputs[0].numel(), len(dataset.train_labels.unique())
    text = [
        _(
            "Images 0 and 1 come first, as in the lesson, then the first image of each class. An image is a tensor of"
            " whole grey levels; ToTensor divides them by {most}. The network takes a row of input_ = {size} numbers"
            " and gives output_ = {classes} scores, both read from the data."
        ).format(most=dataset.max_level, size=size, classes=classes),
        _(
            "The lesson trains with lr 0.15, γ 0 and batches of 128 for 10 epochs, after torch.manual_seed(420). Its"
            " accuracy is that of all images so far, each judged by the weights of its own update; harness.lesson"
            " prints the same."
        ),
    ]
    if dataset.name != "fashion-mnist":
        text.append(_("Fashion-MNIST is not here, so these are scikit-learn's small digits."))
    counts = torch.bincount(dataset.train_labels).tolist()
    rows = [
        {_("class"): label, _("name"): _(name), **_original(name), _("training images"): f"{counts[label]:,}"}
        for label, name in enumerate(dataset.classes)
    ]
    return WorkedExample(
        "5",
        _("The images, and the seven steps of training"),
        [_("input_ = height × width, output_ = number of classes")],
        text,
        [Picture("walkthrough-images", _("Images 0 and 1, and one image of each class."), [_drawn(dataset)])],
        [
            Table(_("The classes."), pd.DataFrame(rows)),
            Table(_("The lesson's seven steps, and where they are in this project."), _steps()),
        ],
        [
            check(_("labels that are no class from 0 to {last}").format(last=classes - 1), _strangers(dataset)),
            check(_("grey levels below 0 or above {most}").format(most=dataset.max_level), _outside(dataset)),
        ],
        code=f"{lesson_code.IMAGES}\n\n{lesson_code.TRAINING}",
    )


def _original(name: str) -> dict[str, str]:
    """The name of a class as the data have it, on a page in another language."""
    return {} if language_code() == "en" else {_("in the data"): name}


def _drawn(dataset: Dataset) -> Figure:
    first = [int((dataset.train_labels == label).nonzero()[0]) for label in range(len(dataset.classes))]
    chosen = [0, 1, *first]
    rows = -(-len(chosen) // _COLUMNS)
    figure = Figure(figsize=(9.0, 2.2 * rows), layout="constrained")
    places = figure.subplots(rows, _COLUMNS).flatten()
    for axes in places:
        axes.axis("off")
    for axes, position in zip(places, chosen, strict=False):
        axes.imshow(dataset.train_inputs[position].numpy(), cmap="gray_r")
        name = _(dataset.classes[int(dataset.train_labels[position])])
        axes.set_title(f"[{position}] {name}", fontsize="x-small")
    return figure


def _steps() -> pd.DataFrame:
    step, lesson, here = _("the lesson's step"), _("in the lesson's loop"), _("in this project's")
    rows = [
        (_("1 set lr, γ, epochs, batch size, initial weights"), _("options of harness.lesson"), "RunConfig"),
        (_("2 data into batches"), "DataLoader", "train, harness/data/dataset.py"),
        (_("3 network"), "LessonModel", "MLP, harness/training/model.py"),
        (_("4 loss"), _("NLLLoss on log-softmax"), _("the same")),
        (_("5 optimizer"), "optim.SGD", "make_optimizer, harness/training/loop.py"),
        (_("6 loops: reshape, forward, backward, update, clear gradients, watch"), "fit", "train, StackedTrainer"),
        (_("7 results"), _("the progress line"), _("MLflow and the reports")),
    ]
    return pd.DataFrame(rows, columns=[step, lesson, here])


def _strangers(dataset: Dataset) -> float:
    labels = dataset.train_labels
    return float(((labels < 0) | (labels >= len(dataset.classes))).sum())


def _outside(dataset: Dataset) -> float:
    return float((dataset.train_inputs.float().amax() > (dataset.max_level or 0)) + (dataset.train_inputs.amin() < 0))
