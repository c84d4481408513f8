"""Figures drawn with matplotlib, without a window: readable in print, without colour too.

matplotlib is an extra (`pip install "gsp-studio[figures]"`): axes with a log scale, PDF with embedded fonts and text
layout are its trade, and only this module needs it, so it is imported when a figure is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import FuncFormatter, LogFormatter, MaxNLocator

from gsp_studio.arrays import Array
from gsp_studio.core.methods import METHODS
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.experiments.contents import (
    AS_AHALS,
    Bases,
    Content,
    Curves,
    ErrorMaps,
    OverSparsity,
    label_of,
    notes_on,
)
from gsp_studio.experiments.path_points import PathPoints
from gsp_studio.io.dataset import one_line
from gsp_studio.io.export.print_style import add_grid, finish_curves, print_style
from gsp_studio.io.montage import montage_image

#: Colour (of Okabe and Ito, for colour-blind readers too), dashes and marker of each method.
_LINES: dict[str, tuple[str, Any, str]] = {
    "nenmf": ("#0072B2", (0, (5, 1.5)), "s"),
    "ahals": ("#009E73", (0, (1, 1)), "^"),
    "psnmf": ("#000000", "-", "o"),
    "cpsnmf": ("#D55E00", (0, (6, 1.5, 1, 1.5)), "D"),
    "l1ahals": ("#AA4499", (0, (3, 1, 1, 1, 1, 1)), "v"),
    "wsnmf": ("#56B4E9", "-", "x"),
    "gsphals": ("#E69F00", "-", "P"),
    "wgsphals": ("#999999", "-", "+"),
    AS_AHALS: ("#56B4E9", (0, (8, 2)), "h"),
}
#: Names of the date in files that have one.
_DATES = {".pdf": "CreationDate", ".svg": "Date"}


def save_figure(content: Content, path: Path) -> None:
    """Draw a figure and write it.

    Parameters
    ----------
    content : Content
        Curves, OverSparsity, Bases, ErrorMaps or PathPoints.
    path : Path
        A name that ends in .png, .svg or .pdf.

    Raises
    ------
    OSError
    """
    with print_style():
        sheet = draw(content)
        # Without its date, the same figure is the same file.
        sheet.savefig(path, metadata={_DATES[path.suffix]: None} if path.suffix in _DATES else {})


def draw(content: Content) -> Sheet:
    """The figure of some content, not yet written."""
    if isinstance(content, Curves):
        return _draw_curves(content)
    if isinstance(content, OverSparsity):
        return _draw_over_sparsity(content)
    if isinstance(content, Bases):
        return _draw_bases(content)
    if isinstance(content, ErrorMaps):
        return _draw_maps(content)
    if isinstance(content, PathPoints):
        return _draw_path(content)
    raise TypeError(f"there is no drawing of {type(content).__name__}")


def _draw_curves(curves: Curves) -> Sheet:
    sheet = Sheet(figsize=(6.0, 4.0))
    axes = sheet.add_subplot()
    for number, (method, percent) in enumerate(curves.percent.items()):
        colour, dashes, marker = _LINES[method]
        # The lowest error less itself has no place on a log axis.
        shown = np.where(percent > 0, percent, np.nan)
        n_iter = len(shown)
        axes.plot(
            np.arange(1, n_iter + 1),
            shown,
            color=colour,
            linestyle=dashes,
            linewidth=1.5,
            marker=marker,
            markersize=4.5,
            # Apart from those of the other methods: curves that lie on each other stay two.
            markevery=(min(n_iter - 1, (number + 1) * n_iter // 50), max(1, n_iter // 10)),
            label=label_of(method),
        )
    _use_log_scale(axes)
    axes.set_xlim(0, len(next(iter(curves.percent.values()))))
    axes.set_xlabel("iteration")
    axes.set_ylabel(curves.quantity)
    finish_curves(sheet, axes, curves.title)
    _write_notes(sheet, curves.percent)
    return sheet


def _use_log_scale(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    # Labels between the powers of ten where there are hardly any of these.
    axes.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1.5, 0.5)))


def _draw_over_sparsity(content: OverSparsity) -> Sheet:
    sheet = Sheet(figsize=(6.0, 4.0))
    axes = sheet.add_subplot()
    for method, curve in content.curves.items():
        colour, dashes, marker = _LINES[method]
        targets, attained, mean, low, high = curve.T
        style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.5, "label": label_of(method)}
        if np.isnan(targets).all():
            axes.errorbar(attained, mean, (mean - low, high - mean), linestyle="none", **style)
            continue
        axes.plot(targets, mean, linestyle=dashes, linewidth=1.5, **style)
        axes.fill_between(targets, low, high, color=colour, alpha=0.15, linewidth=0)
    _use_log_scale(axes)
    axes.set_xlabel("average Hoyer sparsity: target, or attained without one")
    axes.set_ylabel("relative error (%), mean and range of the starts")
    finish_curves(sheet, axes, content.title)
    _write_notes(sheet, content.curves)
    return sheet


def _draw_path(points: PathPoints) -> Sheet:
    """The error over the target; below it, where there are any, the basis images that are of little use."""
    spec, solved = points.spec, points.sorted_results
    targets = np.array([target for target, _ in solved])
    errors = np.array([100 * result.error for _, result in solved])
    dead = np.array([len(result.dead) for _, result in solved])
    single = np.array([points.one_pixel(result) for _, result in solved])
    has_counts = bool(dead.any() or single.any())
    sheet = Sheet(figsize=(6.0, 5.0 if has_counts else 4.0))
    rows = sheet.subplots(1 + has_counts, 1, sharex=True, squeeze=False, height_ratios=[3, 1][: 1 + has_counts])[:, 0]
    method = solved[0][1].params.method
    colour, _, marker = _LINES[method]
    rows[0].plot(targets, errors, color=colour, linewidth=1.5, marker=marker, markersize=4.5)
    at = points.knee
    if at == at:
        error = 100 * points.results[at].error
        rows[0].axvline(at, color="0.5", linewidth=0.8, linestyle=(0, (4, 3)))
        rows[0].annotate(
            f"knee: s = {at:.3f}, {error:.2f} %", (at, error), (-6, 14), textcoords="offset points", ha="right"
        )
    rows[0].set_ylim(bottom=0.0)
    rows[0].set_ylabel("error in %")
    total = len(spec.targets)
    many = f"{len(solved)} of {total} targets" if len(solved) < total else f"{total} target{'s' * (total > 1)}"
    title = f"{spec.dataset.name}, rank {spec.params.rank}, {METHODS[method].label}, {many}"
    rows[0].set_title(one_line(title), loc="left")
    if has_counts:
        rows[1].step(targets, single, where="mid", color="#000000", linewidth=1.2, label="one pixel")
        rows[1].step(targets, dead, where="mid", color="#D55E00", linewidth=1.2, linestyle=(0, (5, 1.5)), label="dead")
        rows[1].set_ylim(bottom=0.0)
        rows[1].yaxis.set_major_locator(MaxNLocator(4, integer=True))
        rows[1].set_ylabel("basis images")
        rows[1].legend(frameon=False, loc="upper left")
    rows[-1].set_xlabel("target: average sparsity of the basis")
    for axes in rows:
        add_grid(axes)
    return sheet


def _draw_bases(bases: Bases) -> Sheet:
    panels = [(_caption(bases, method), bases.dataset.as_images(run.W)) for method, run in bases.runs.items()]
    columns = 2
    rows = -(-len(panels) // columns)
    height, width = montage_image(panels[0][1]).shape
    each = 3.2
    sheet = Sheet(figsize=(columns * each, rows * (each * height / width + 0.45)))
    for number, (caption, images) in enumerate(panels):
        axes = sheet.add_subplot(rows, columns, number + 1)
        _show_image(axes, montage_image(images, zoom=4, gap=4), cmap="gray", vmin=0, vmax=255)
        axes.set_title(caption, loc="left")
    _write_notes(sheet, bases.runs)
    return sheet


def _write_notes(sheet: Sheet, methods: Collection[str]) -> None:
    """Below the panels, what has to be known of the methods."""
    notes = "\n".join(line for note in notes_on(methods) for line in wrap(note, int(17 * sheet.get_figwidth())))
    if notes:
        sheet.supxlabel(notes, x=0.01, horizontalalignment="left", fontsize=7.5, color="0.3")


def _caption(bases: Bases, method: str) -> str:
    run = bases.runs[method]
    sparsity = float(np.mean(hoyer_sparsity(run.W)))
    weighted = f" (weighted {run.best_sparsity:.3f})" if METHODS[method].uses_weights else ""
    return f"{METHODS[method].label}\nerror {100 * run.best_error:.3f} %, sparsity {sparsity:.3f}{weighted}"


def _draw_maps(maps: ErrorMaps) -> Sheet:
    height, width = maps.dataset.image_shape
    each = 2.5
    sheet = Sheet(figsize=(3 * each + 0.4, each * height / width + 1.25))
    panels = sheet.subplots(1, len(maps.runs) + 1)
    weights = _show_image(panels[0], _one_image(maps, maps.weights), cmap="gray_r", vmin=0, vmax=1)
    panels[0].set_title("weights\nline: around the centre", loc="left")
    sheet.colorbar(weights, ax=panels[0], location="bottom", label="weight", shrink=0.9)
    top = max(float(run.pixel_error.max()) for run in maps.runs.values())
    for axes, (method, run) in zip(panels[1:], maps.runs.items(), strict=True):
        centre, border = maps.means()[method]
        errors = _show_image(axes, _one_image(maps, run.pixel_error), cmap="gray_r", vmin=0, vmax=top or 1)
        axes.set_title(f"{METHODS[method].label}\ncentre {centre:.2e}, border {border:.2e}", loc="left")
    for axes in panels:
        axes.spines[:].set(visible=True, color="0.7")  # white corners are part of the image
        _outline(axes, _one_image(maps, maps.centre))
    power = 0 if not top or 1e-2 <= top < 1e4 else math.floor(math.log10(top))
    label = f"mean squared error ({_power_of_ten(power)}squared grey values)"
    sheet.colorbar(
        errors,
        ax=list(panels[1:]),
        location="bottom",
        label=label,
        shrink=0.6,
        ticks=MaxNLocator(4),  # more would run into each other
        format=FuncFormatter(lambda value, _: f"{value / 10.0**power:g}"),
    )
    return sheet


def _power_of_ten(exponent: int) -> str:
    """ "10⁻⁵ ", or nothing for 1."""
    return f"10{str(exponent).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))} " if exponent else ""


def _outline(axes: Axes, inside: Array) -> None:
    """A line between the pixels inside and the others."""
    colour, width = "#D55E00", 0.8
    y, x = np.nonzero(inside[1:] != inside[:-1])
    axes.hlines(y + 0.5, x - 0.5, x + 0.5, color=colour, linewidth=width)
    y, x = np.nonzero(inside[:, 1:] != inside[:, :-1])
    axes.vlines(x + 0.5, y - 0.5, y + 0.5, color=colour, linewidth=width)


def _one_image(maps: ErrorMaps, vector: Array) -> Array:
    image: Array = maps.dataset.as_images(vector[:, None])[0]
    return image


def _show_image(axes: Axes, image: Array, **levels: Any) -> Any:
    """An image without interpolation: a pixel is a square, in the PDF too."""
    shown = axes.imshow(image, interpolation="nearest", **levels)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return shown
