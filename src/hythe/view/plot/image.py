"""Graphs as PNG or SVG, by matplotlib: imported here alone, since it takes long and not everybody has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hythe.errors import MachineError
from hythe.view.plot.graph import BARS, DOTS, LINE, TONES, Graph, Layer, legend, top

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Inches of one graph, and dots an inch.
_SIZE: Final = (9.0, 5.0)
_DENSITY: Final = 110
#: Below this an axis may have parts of one.
_SMALL: Final = 100


def draw(graphs: Sequence[Graph], path: str, form: str) -> None:
    """Write them beside each other to `path` as `form`, "png" or "svg".

    Raises `MachineError` where matplotlib is not installed, or the file cannot be written.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MachineError(
            f"PNG and SVG are drawn by matplotlib, which is not installed ({error.name}): pip install 'hythe[plot]', or "
            "write a page with -o FILE.html, which needs nothing"
        ) from error
    figure = Figure(figsize=(_SIZE[0] * len(graphs), _SIZE[1]), dpi=_DENSITY, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, each in zip(figure.subplots(1, len(graphs), squeeze=False)[0], graphs, strict=True):
        axes.set_title(each.title, fontsize=10)
        axes.set_xlabel("seconds")
        axes.set_ylabel(each.y)
        axes.grid(True, linewidth=0.4, alpha=0.5)
        for layer in each.layers:
            _put(axes, layer, legend(each, layer))
        axes.set_ylim(0, top(each))
        axes.yaxis.set_major_formatter("{x:,.6g}" if top(each) < _SMALL else "{x:,.0f}")
        beside = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.11), "ncols": len(each.layers), "frameon": False}
        axes.legend(fontsize=8, **beside)  # below: inside it would hide marks
    # The same packets give the same bytes: no date, no random names. Text stays text, for those who search or hear it.
    quiet = {"Date": None} if form == "svg" else {"Software": None}
    try:
        with mpl.rc_context({"svg.hashsalt": "hythe", "svg.fonttype": "none"}):
            figure.savefig(path, format=form, metadata=quiet)
    except OSError as error:
        raise MachineError(f"{path} cannot be written: {error.strerror}") from error


def _put(axes: Axes, layer: Layer, name: str) -> None:
    color = TONES[layer.tone]
    times = [each[0] for each in layer.marks]
    levels = [each[1] for each in layer.marks]
    if layer.shape == BARS:
        axes.vlines(times, levels, [each[2] for each in layer.marks], color=color, linewidth=1.4, label=name)
        if layer.tone == "resent":  # they are few, and what one looks for
            axes.plot(times, levels, "x", color=color, markersize=7)
    elif layer.shape == DOTS:
        axes.plot(times, levels, ".", color=color, markersize=3, label=name)
    elif layer.shape == LINE:
        axes.plot(times, levels, color=color, linewidth=1, label=name)
    else:
        axes.step(times, levels, where="post", color=color, linewidth=1, label=name)
