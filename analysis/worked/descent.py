"""The walkthrough's parts of §1.2: a step against the gradient, and a surface with a way down it."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.rendering import plots
from analysis.rendering.section import Picture, Table
from analysis.worked import lesson_code, quadratics
from analysis.worked.example import WorkedExample, check
from harness.core.language import N_, _
from harness.pages.interactive import figure_html, library_html

_ROUNDING = 1e-12
_SURFACE = N_("The loss over two weights, and the way of plain descent down to its minimum")
_SURFACE_START, _SURFACE_LR = (-8.0, 6.0), 0.04


def first_step() -> WorkedExample:
    """§1.2: from A to A′."""
    step = quadratics.first_step()
    figures, (axes,) = plots.new_figures(1, 5.2)
    ends = {"A": (step.point[0], step.point[1]), "A′ = A − g": (step.after[0], step.after[1])}
    start, end = ends.values()
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "linewidth": 3, "color": "C0"})
    for name, point in ends.items():
        axes.plot(*point, "o", color="C0", markersize=12)
        axes.annotate(f"{name}  ({point[0]:g}, {point[1]:g})", point, (12, -4), textcoords="offset points")
    axes.set(xlim=(0, 16), ylim=(0, 10), xlabel="w₁", ylabel="w₂")
    return WorkedExample(
        "1.2",
        _("A step against the gradient"),
        ["w ← w − η ∂L/∂w", "A = (10, 7.5), g = (5, 5), |g| = 5√2, A′ = A − g"],
        [
            _(
                "The gradient points uphill, so that the step goes the other way. Its length is η times that of the"
                " gradient."
            )
        ],
        [Picture("walkthrough-step", _("One step with η = 1."), figures)],
        [],
        [
            check(N_("the gradient (5, 5) has the length 5√2"), abs(step.length - 5 * np.sqrt(2)), _ROUNDING),
            check(N_("A′ is (5, 2.5)"), float(np.abs(step.after - (5, 2.5)).max()), _ROUNDING),
        ],
        code=lesson_code.FIRST_STEP,
    )


def surface() -> WorkedExample:
    """§1.2: the surface to turn by mouse, and the way down it."""
    way = quadratics.descend(quadratics.surface_gradient, _SURFACE_START, _SURFACE_LR, 0.0, 300)
    heights = quadratics.surface(way[:, 0], way[:, 1])
    sides = np.arange(-10, 10, 0.25)
    grid = np.meshgrid(sides, sides)
    figure = go.Figure(layout={"height": 620, "margin": {"l": 0, "r": 0, "t": 10, "b": 0}})
    figure.add_surface(x=sides, y=sides, z=quadratics.surface(*grid).round(3), colorscale="Rainbow", opacity=0.85,
                       colorbar={"title": {"text": "L"}, "len": 0.6})  # fmt: skip
    figure.add_scatter3d(x=way[:, 0].round(4), y=way[:, 1].round(4), z=heights.round(4) + 2, mode="lines+markers",
                         line={"color": "black", "width": 6}, marker={"size": 2.5, "color": "black"},
                         name=_("descent"))  # fmt: skip
    ends = {_("start"): way[0], _("minimum (1, 1)"): way[-1]}
    labels = [
        {
            "x": x,
            "y": y,
            "z": float(quadratics.surface(x, y)) + 2,
            "text": name,
            "bgcolor": "white",
            "ax": -50,
            "ay": -40,
        }
        for name, (x, y) in ends.items()
    ]
    figure.add_scatter3d(x=[label["x"] for label in labels], y=[label["y"] for label in labels],
                         z=[label["z"] for label in labels], mode="markers",
                         marker={"size": 7, "symbol": ["diamond", "cross"], "color": "white"})  # fmt: skip
    figure.update_layout(
        showlegend=False,
        scene={
            "xaxis_title": "w₁",
            "yaxis_title": "w₂",
            "zaxis_title": "L",
            "camera": {"eye": {"x": 1.5, "y": -1.5, "z": 1}},
            "annotations": labels,
        },
    )
    marks = [0, 1, 2, 5, 10, 50, 300]
    table = pd.DataFrame(
        {
            _("step"): marks,
            "w₁": [f"{way[n, 0]:.4f}" for n in marks],
            "w₂": [f"{way[n, 1]:.4f}" for n in marks],
            "L": [f"{heights[n]:.4g}" for n in marks],
        }
    )
    return WorkedExample(
        "1.2",
        _("A loss of two weights, and the way down"),
        ["L = (2 − w₁ − w₂)² + (4 − 3w₁ − w₂)²", "∂L/∂w₁ = −2(2 − w₁ − w₂) − 6(4 − 3w₁ − w₂)",
         "∂L/∂w₂ = −2(2 − w₁ − w₂) − 2(4 − 3w₁ − w₂)"],
        [_("Turn it with the mouse: left and right is azimuth, up and down is elevation, the wheel comes nearer. Both"
           " squares are 0 at (1, 1), the only minimum. The black way is plain descent with η = {lr:g} from (−8, 6): it"
           " first falls into the valley and then walks along it.").format(lr=_SURFACE_LR)],
        [],
        [Table(_("The way down."), table)],
        [
            check(N_("L is 0 at (1, 1)"), float(quadratics.surface(np.array(1.0), np.array(1.0))), 0.0),
            check(N_("the gradient is 0 at (1, 1)"), float(np.abs(quadratics.surface_gradient(np.ones(2))).max()), 0.0),
            check(N_("after 300 steps the way is at the minimum, to within"), float(np.abs(way[-1] - 1).max()), 0.01),
        ],
        f"{figure_html(figure, _(_SURFACE))}\n{library_html()}",
        code=lesson_code.SURFACE,
    )  # fmt: skip
