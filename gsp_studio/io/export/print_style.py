"""Style of curves in print, for matplotlib: independent of the user's settings, the same in every figure."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.style import context as style

from gsp_studio.io.dataset import one_line

_STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.05,
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "svg.hashsalt": "gsp-studio",
    "text.parse_math": False,  # a dollar sign in a file's name is one
}


@contextmanager
def print_style() -> Iterator[None]:
    """Draw independently of the user's matplotlibrc, and without warnings on odd letters of a name."""
    with style("default"), mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def add_grid(axes: Axes) -> None:
    """Draw a thin grid below the curves."""
    axes.grid(which="major", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def finish_curves(sheet: Figure, axes: Axes, title: str) -> None:
    """Add the title, the grid and, beside the axes, the legend."""
    axes.set_title(one_line(title), loc="left")
    add_grid(axes)
    sheet.legend(loc="outside right upper", frameon=False, handlelength=3.6)
