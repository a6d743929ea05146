"""The walkthrough's parts of §3: one step by hand, descent and momentum on a bowl, momentum by hand and by torch."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.rendering import plots
from analysis.rendering.formatting import number
from analysis.rendering.section import Picture, Table
from analysis.worked import lesson_code, quadratics
from analysis.worked.exact import exact
from analysis.worked.example import WorkedExample, check
from harness.core.language import N_, _
from harness.reference import worked_examples

_CURVATURE = (0.5, 1.5)
_START = (10.0, 7.5)
_LRS, _GAMMAS = (0.05, 1.2, 1.5, 2.7), (0.0, 0.5, 0.9)
_STEPS = 60
_ROUNDING = 1e-12
_BEHAVIOURS: dict[quadratics.Behaviour, str] = {
    "converges": N_("converges"),
    "oscillates": N_("oscillates"),
    "diverges": N_("diverges"),
}


def one_step_of_two_sizes() -> WorkedExample:
    """§3.1: w -= lr * dw on the 20–13–8–3 network, with lr 10 and 0.001."""
    weights = [weight.detach() for weight in worked_examples.network().weights]
    gradients = worked_examples.network_gradients()
    before = worked_examples.network_loss(weights)
    figures, axes = plots.new_figures(2)
    rows, apart, largest, after = [], 0.0, 0.0, before
    for panel, lr in zip(axes, (0.001, 10.0), strict=True):
        stepped = [weight - lr * gradient for weight, gradient in zip(weights, gradients, strict=True)]
        moved = [(new - old).norm().item() / old.norm().item() for new, old in zip(stepped, weights, strict=True)]
        apart = max(
            apart,
            *(
                worked_examples.distance(old - new, lr * g)
                for old, new, g in zip(weights, stepped, gradients, strict=True)
            ),
        )
        for place, (weight, new) in enumerate(zip(weights[-1].flatten(), stepped[-1].flatten(), strict=True)):
            panel.plot([place, place], [float(weight), float(new)], color="C1", linewidth=2)
            panel.plot(place, float(weight), "o", color="C0", markersize=7)
        panel.set(title=f"lr {lr:g}", xlabel=_("weight of the last layer"), ylabel=_("value"))
        largest, after = max(moved), worked_examples.network_loss(stepped)
        rows.append(
            {"lr": f"{lr:g}"}
            | {
                _("|Δw| / |w|, layer {layer}").format(layer=layer): f"{share:.1e}"
                for layer, share in enumerate(moved, start=1)
            }
            | {_("loss before"): f"{before:.4f}", _("loss after"): f"{after:.4f}"}
        )
    plots.same_y(axes)
    return WorkedExample(
        "3.1",
        _("One step by hand, twice"),
        [_("w ← w − η ∂L/∂w, with η = 10 and with η = 0.001")],
        [_("The same gradients, the same weights. With 0.001 the weights move by so little that nothing is to be seen"
           " in them. With 10 they move by up to {largest:.0%} of their length, and the loss goes from {before:.4f} to"
           " {after:.4f}.").format(largest=largest, before=before, after=after)],
        [Picture("walkthrough-one-step", _("Dots: weights of the last layer. Lines: where a step takes them."),
                 figures)],
        [Table(_("One step of the 20–13–8–3 network of §2.2."), pd.DataFrame(rows))],
        [check(N_("each weight moved by η times its gradient"), apart, 1e-12)],
        code=lesson_code.after_network(lesson_code.ONE_STEP),
    )  # fmt: skip


def bowl() -> WorkedExample:
    """§3.2: plain descent and momentum on one bowl: converging, oscillating, diverging."""
    gradient = quadratics.quadratic_gradient(_CURVATURE)
    figures, axes = plots.new_figures(len(_LRS) * len(_GAMMAS), height=3.6, width=4.8)
    rows, wrong = [], 0
    for panel, (gamma, lr) in zip(axes, product(_GAMMAS, _LRS), strict=True):
        way = quadratics.descend(gradient, _START, lr, gamma, _STEPS)
        factor, told = quadratics.shrink_factor(_CURVATURE[1], lr, gamma)
        wrong += quadratics.behaviour(way) != told
        end, word = float(np.linalg.norm(way[-1])), _(_BEHAVIOURS[told])
        rows.append({"γ": gamma, "η": lr, _("factor a step, in size"): f"{factor:.3f}", _("so it"): word,
                     _("|w| at the end"): number(end)})  # fmt: skip
        _contours(panel, 16)
        panel.plot(way[:, 0], way[:, 1], ".-", linewidth=1.5)
        panel.set(title=f"γ {gamma:g}, η {lr:g}: {word}")
    return WorkedExample(
        "3.2",
        _("Descent and momentum on one bowl"),
        ["v ← γv − η ∂L/∂w, w ← w + v, v₀ = 0", _("L = (0.5 w₁² + 1.5 w₂²) / 2, from (10, 7.5)"),
         _("a step multiplies the distance by the root, largest in size, of z² − (1 + γ − ηc) z + γ = 0, c the"
           " curvature")],
        [_("Without momentum a step multiplies the distance along w₂ by 1 − 1.5 η: below 0 it changes sides, beyond"
           " −1 it grows. Momentum 0.9 swings in all of these, and where it does not diverge, it shrinks the distance"
           " by √0.9 a step, whatever the lr. It bears larger steps, too: descent diverges beyond η = 2/c, momentum"
           " beyond 2(1 + γ)/c."),
         _("Where the root comes from: along one direction the two formulas together read w₊ = (1 + γ − ηc) w − γ w₋."
           " A way that is multiplied by z at each step obeys this where z² − (1 + γ − ηc) z + γ = 0. Of the two"
           " roots, the one that is larger in size is left in the end: below 1 the way converges, above 1 it diverges,"
           " and it oscillates where that root is negative or complex.")],
        [Picture("walkthrough-bowl",
                 _("{steps} steps each. Ways that diverge leave the picture.").format(steps=_STEPS), figures)],
        [Table(_("Foretold for the steep direction; |w| is of both directions."), pd.DataFrame(rows))],
        [check(N_("ways that do not do what the roots foretell (of 12)"), float(wrong))],
        code=lesson_code.after_network(lesson_code.MOMENTUM_BY_HAND),
    )  # fmt: skip


def momentum_by_hand() -> WorkedExample:
    """§3.2 and §3.3: the formula by hand, and `optim.SGD`, step by step."""
    by_hand, torchs = (way.numpy() for way in worked_examples.descend([0.1] * 50, 0.9))
    figures, (axes,) = plots.new_figures()
    _contours(axes, 11)
    axes.plot(by_hand[:, 0], by_hand[:, 1], color="C0", linewidth=3, label=_("by hand"))
    axes.plot(torchs[:, 0], torchs[:, 1], "x", color="C1", markersize=9, markeredgewidth=2, label="optim.SGD")
    plots.legend(axes)
    axes.set(xlabel="w₁", ylabel="w₂")
    steps = [*range(1, 11), 50]
    table = pd.DataFrame(
        {_("step"): steps}
        | {
            _("{name}, by hand").format(name=name): [f"{by_hand[n - 1, axis]:.10f}" for n in steps]
            for axis, name in enumerate(("w₁", "w₂"))
        }
        | {
            _("{name}, optim.SGD").format(name=name): [f"{torchs[n - 1, axis]:.10f}" for n in steps]
            for axis, name in enumerate(("w₁", "w₂"))
        }
    )
    return WorkedExample(
        "3.3",
        _("Momentum by hand, and torch's own"),
        [_("by hand: v ← γv − η ∂L/∂w, w ← w + v"), "torch: u ← γu + ∂L/∂w, w ← w − ηu"],
        [_("optim.SGD(momentum=γ) keeps u, not v = −ηu: the same way while η stays what it is (lr 0.1, γ 0.9 here)."
           " Once η changes, torch rescales the whole past with it, the formula by hand only the new part.")],
        [Picture("walkthrough-momentum", _("50 steps from (10, 7.5), from the first on: a cross each."), figures)],
        [Table(_("From (10, 7.5) on (0.5 w₁² + 1.5 w₂²) / 2."), table)],
        [check(N_("50 steps by hand and by optim.SGD differ by"), float(np.abs(by_hand - torchs).max()), _ROUNDING),
         *exact("momentum_on_linear1", "velocity_settles", "momentum_change_of_lr", "lesson_ten_passes")],
        code=lesson_code.after_network(lesson_code.MOMENTUM),
    )  # fmt: skip


def _contours(axes: Axes, reach: float) -> None:
    """The bowl from above, `reach` in each direction."""
    lines = np.linspace(-reach, reach, 120)
    grid = np.meshgrid(lines, lines)
    height = (_CURVATURE[0] * grid[0] ** 2 + _CURVATURE[1] * grid[1] ** 2) / 2
    axes.contour(*grid, height, levels=12, colors="#c8ccd2", linewidths=1)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
