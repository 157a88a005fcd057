"""What a learning rate does, on two variables: a textbook's example, none of it from the data."""

import numpy as np
from matplotlib.figure import Figure

from pipeline.analysis.descent import EXAMPLES, STEPS
from pipeline.analysis.study import Study
from pipeline.reporting.figures.illustration import Illustration


def draw(_: Study) -> Figure:
    """The paths of gradient descent on contours of their functions."""
    figure = Figure(figsize=(9.5, 2.9), layout="constrained")
    grid = np.linspace(-5, 5, 81)
    x0, x1 = np.meshgrid(grid, grid)
    for axis, example in zip(figure.subplots(1, len(EXAMPLES), sharey=True), EXAMPLES, strict=True):
        values = np.array(
            [example.function(point) for point in np.stack([x0, x1], -1).reshape(-1, 2)]
        )
        axis.contour(x0, x1, values.reshape(x0.shape), levels=12, cmap="Greys", linewidths=0.6)
        path = example.path()
        axis.plot(path[:, 0], path[:, 1], "o-", markersize=3, linewidth=1, color="#0173b2")
        axis.plot(*path[0], "s", color="#de8f05", markersize=6)
        axis.set(xlim=(-5, 5), ylim=(-5, 5), aspect="equal", xlabel="x₀", title=example.name)
        axis.set_xticks([-4, -2, 0, 2, 4])
        axis.title.set_fontsize(10)
        axis.grid(visible=False)
    figure.axes[0].set_ylabel("x₁")
    return figure


def caption(_: Study) -> str:
    """How long they are."""
    return (
        f"{STEPS} steps from the square, none of it from these data; paths that leave the "
        "panel go on."
    )


ILLUSTRATION = Illustration(
    "descent", "What a learning rate does, on two variables", "descent", draw, caption
)
