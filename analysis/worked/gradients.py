"""The walkthrough's parts of §0 and §2: losses, the chain rule, the gradients of a network."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.special import expit, logsumexp, softmax
from torch.nn.functional import mse_loss

from analysis.rendering import plots
from analysis.rendering.section import Picture, Table
from analysis.worked import lesson_code
from analysis.worked.exact import exact
from analysis.worked.example import WorkedExample, check
from harness.core.language import N_, _
from harness.reference import worked_examples

if TYPE_CHECKING:
    from torch import Tensor

_SCORES, _CLASS = np.array([2.0, 1.0, 0.1]), 0
_ROUNDING = 1e-12
_SHIFT = 1e-6
_SHOWN = 6


def losses() -> WorkedExample:
    """§0: cross-entropy by its definition, and both losses as functions of a weight."""
    shares = softmax(_SCORES)
    truth = np.eye(len(_SCORES))[_CLASS]
    entropy = float(-(truth * np.log(shares)).sum())
    other = float(logsumexp(_SCORES) - _SCORES[_CLASS])
    squares = float(((truth - shares) ** 2).sum())
    mean = mse_loss(torch.from_numpy(shares), torch.from_numpy(truth)).item()
    table = pd.DataFrame(
        {
            _("class"): range(1, len(_SCORES) + 1),
            "z": _SCORES,
            "σ = softmax(z)": [f"{share:.6f}" for share in shares],
            "y": truth.astype(int),
            "−y ln σ": [f"{-y * np.log(share) + 0.0:.6f}" for y, share in zip(truth, shares, strict=True)],
        }
    )
    figures, axes = plots.new_figures(2)
    weights = np.linspace(-8, 8, 200)
    told = expit(weights)  # one input x = 1 of class y = 1
    axes[0].plot(weights, -np.log(told), linewidth=3)
    axes[0].set(title=_("cross-entropy, −ln σ(w)"), xlabel="w", ylabel=_("loss (nats)"))
    axes[1].plot(weights, (1 - told) ** 2, linewidth=3)
    axes[1].set(title="SSE, (1 − σ(w))²", xlabel="w", ylabel=_("loss"))
    return WorkedExample(
        "0",
        _("The loss is a function of the weights"),
        [_("cross-entropy = −Σ y ln σ, σ = softmax(z)"), "SSE = Σ (y − σ)²"],
        [
            _(
                "Three scores z, class 1 is the true one: cross-entropy {entropy:.6f} nats, SSE {squares:.6f}. The"
                " pictures show a neuron with one weight that should say 1: where it is sure and wrong, w far to the"
                " left, cross-entropy has a slope of −1 and SSE has none, so that descent would not move."
            ).format(entropy=entropy, squares=squares),
            _(
                "The lesson's SSE divides by m, the number of samples. That is a mean, which torch calls MSELoss; the"
                " gradient of the sum is m times as long."
            ),
        ],
        [Picture("walkthrough-losses", _("Both losses of one neuron σ(w·1), true answer 1."), figures)],
        [Table(_("Softmax and cross-entropy, term by term."), table)],
        [
            check(N_("the shares add up to 1, to within"), abs(float(shares.sum()) - 1), _ROUNDING),
            check(N_("−Σ y ln σ equals ln Σ eᶻ − z of the true class"), abs(entropy - other), _ROUNDING),
            check(N_("Σ (y − σ)² / m differs from torch's MSELoss by"), abs(squares / len(truth) - mean), _ROUNDING),
        ],
        code=lesson_code.LOSSES,
    )  # fmt: skip


def chain_rule() -> WorkedExample:
    """§2.1: two sigmoid layers, derived and compared with autograd."""
    found, hand = worked_examples.chain_rule(), _("by hand")
    rows = []
    for name, by_hand, automatic in zip(("w⁽⁰→¹⁾", "w⁽¹→²⁾"), found.by_hand, found.automatic, strict=True):
        for place in np.ndindex(*by_hand.shape):
            entry = f"{name}[{place[0] + 1}, {place[1] + 1}]"
            rows.append(
                {
                    _("weight"): entry,
                    hand: f"{by_hand[place].item():+.15f}",
                    "autograd": f"{automatic[place].item():+.15f}",
                }
            )
    figures, axes = plots.new_figures(2)
    _draw_chain(axes[0])
    entries = range(1, len(rows) + 1)
    axes[1].bar(entries, [float(row[hand]) for row in rows], color="C0", label=hand)
    axes[1].plot(entries, [float(row["autograd"]) for row in rows], "o", color="C1", markersize=9, label="autograd")
    axes[1].set(
        xlabel=_("entry: 1 to 12 in w⁽⁰→¹⁾, 13 to 15 in w⁽¹→²⁾"), ylabel="∂L/∂w", title=_("All gradients, both ways")
    )
    plots.legend(axes[1])
    shown = pd.DataFrame(rows[:_SHOWN] + rows[-3:])
    return WorkedExample(
        "2.1",
        _("The chain rule through two sigmoid layers"),
        [
            "L = −Σ [y ln σ⁽²⁾ + (1 − y) ln(1 − σ⁽²⁾)],  σ⁽²⁾ = σ(σ⁽¹⁾ w⁽¹→²⁾),  σ⁽¹⁾ = σ(X w⁽⁰→¹⁾)",
            _("∂L/∂σ = (σ − y) / (σ(1 − σ)),  ∂σ/∂z = σ(1 − σ),  so ∂L/∂z⁽²⁾ = σ⁽²⁾ − y"),
            _("one layer alone: ∂L/∂w = Xᵀ (σ − y); with two, σ⁽¹⁾ stands where X stood:"),
            "∂L/∂w⁽¹→²⁾ = σ⁽¹⁾ᵀ (σ⁽²⁾ − y)",
            "∂L/∂w⁽⁰→¹⁾ = Xᵀ [(σ⁽²⁾ − y) w⁽¹→²⁾ᵀ ⊙ σ⁽¹⁾ (1 − σ⁽¹⁾)]",
        ],
        [
            _(
                "The denominator of ∂L/∂σ cancels with the slope of the sigmoid. The gradient of the first layer reuses"
                " what the forward pass has computed already, σ⁽¹⁾ and σ⁽²⁾: that is all that backpropagation is."
                " The delta rule is the case of one layer; Rumelhart, Hinton and Williams carried it to the layers"
                " before in 1986, a year after a network of several layers had learned XOR. Below, 50 rows of 4"
                " features through 3 hidden neurons, in float64; the loss is {loss:.6f}."
            ).format(loss=found.loss)
        ],
        [Picture("walkthrough-chain-rule", _("Forward in black, the gradients that flow back in orange."), figures)],
        [Table(_("{shown} of the {n} entries.").format(shown=len(shown), n=len(rows)), shown)],
        [check(N_("gradients by hand and by autograd differ by"), found.error, _ROUNDING), *exact("one_layer_factors")],
        code=lesson_code.CHAIN_RULE,
    )


def network() -> WorkedExample:
    """§2.2: 20–13–8–3, its gradients, and the slopes of its loss that they should be."""
    weights = [weight.detach() for weight in worked_examples.network().weights]
    figures, axes = plots.new_figures(3)
    rows, worst = [], 0.0
    for layer, gradient in enumerate(worked_examples.network_gradients()):
        _draw_gradient(axes[layer], gradient, layer + 1)
        place = divmod(int(gradient.abs().argmax()), gradient.shape[1])
        slope = _slope(weights, layer, place)
        worst = max(worst, abs(slope / gradient[place].item() - 1))
        rows.append(
            {
                _("layer"): layer + 1,
                _("weight"): "×".join(map(str, weights[layer].shape)),
                _("gradient"): "×".join(map(str, gradient.shape)),
                "|∂L/∂w|": f"{gradient.norm().item():.6f}",
                _("its largest entry"): f"{gradient[place].item():+.8f}",
                _("slope of the loss there"): f"{slope:+.8f}",
            }
        )
    return WorkedExample(
        "2.2",
        _("The gradients of a network, by backward()"),
        [_("20–13–8–3: relu, sigmoid, linear; mean cross-entropy over 500 rows"), "d(x²)/dx = 2x"],
        [
            _(
                "Each gradient has its weight's shape. The slope is measured without any derivative: the loss with one"
                " weight a little larger, minus the loss with it a little smaller, over the difference ({shift:g} each"
                " way). The graph is freed by backward(), so that a second one needs retain_graph=True; the data ask"
                " for no gradient."
            ).format(shift=_SHIFT),
            _(
                "Only leaves with requires_grad=True keep a gradient in .grad. nn.Module switches it on for its"
                " weights; weights of one's own need it, and data may be given it. Gradients add up until zero_grad()."
            ),
        ],
        [Picture("walkthrough-gradients", _("The gradient of each layer, of its weight's shape."), figures)],
        [Table(_("Gradients, and the slope of the loss at each layer's largest entry."), pd.DataFrame(rows))],
        [
            check(N_("autograd.grad of x² at 1 is 2"), abs(worked_examples.slope_of_a_square() - 2)),
            check(N_("gradient and slope differ by a share of"), worst, 1e-4),
            *exact(
                "gradient_shapes",
                "no_gradient_before_backward",
                "second_backward",
                "retained_graph",
                "data_without_gradient",
                "data_with_gradient",
                "cross_entropy_is_nll",
                "lesson_loss",
            ),
        ],
        code=lesson_code.NETWORK,
    )


def _draw_chain(axes: Axes) -> None:
    """The way forward through the two layers, and the way back."""
    names, backs = ("X", "z⁽¹⁾", "σ⁽¹⁾", "z⁽²⁾", "σ⁽²⁾", "L"), ("", "", "σ⁽¹⁾(1 − σ⁽¹⁾)", "w⁽¹→²⁾ᵀ", "σ⁽²⁾ − y", "")
    forward = ("· w⁽⁰→¹⁾", "σ", "· w⁽¹→²⁾", "σ", _("loss"))
    for place, name in enumerate(names):
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "black"}
        axes.text(place, 0, name, ha="center", va="center", bbox=box, fontsize="large")
    for place, name in enumerate(forward):
        axes.annotate("", (place + 0.7, 0.12), (place + 0.3, 0.12), arrowprops={"arrowstyle": "->", "color": "black"})
        axes.text(place + 0.5, 0.25, name, ha="center")
        if place:
            arrow = {"arrowstyle": "->", "color": "C1", "linewidth": 2}
            axes.annotate("", (place + 0.3, -0.12), (place + 0.7, -0.12), arrowprops=arrow)
    for place, name in enumerate(backs):
        axes.text(place - 0.5 if place < 4 else place, -0.4 - 0.22 * (place % 2), name, ha="center", color="C1")
    axes.set(xlim=(-0.6, len(names) - 0.4), ylim=(-1, 1), title=_("Forward, and back"))
    axes.axis("off")


def _draw_gradient(axes: Axes, gradient: "Tensor", layer: int) -> None:
    most = float(gradient.abs().max())
    axes.imshow(gradient.numpy(), cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
    title = _("layer {layer}: {shape}").format(layer=layer, shape=" × ".join(map(str, gradient.shape)))
    axes.set(title=title, xlabel=_("from"), ylabel=_("to"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False)


def _slope(weights: "list[Tensor]", layer: int, place: tuple[int, int]) -> float:
    told = []
    for shift in (_SHIFT, -_SHIFT):
        moved = [weight.clone() for weight in weights]
        moved[layer][place] += shift
        told.append(worked_examples.network_loss(moved))
    return (told[0] - told[1]) / (2 * _SHIFT)
