"""Figures for papers, drawn with matplotlib: images as pixels; curves, spectra, words and frames as vectors."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from gsp_studio.arrays import Array
from gsp_studio.core.lineage import leads, settled, settled_held_out, starts_of
from gsp_studio.core.nmf import History
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.export.figures import FigureStyle, captions_of
from gsp_studio.io.export.print_style import add_grid, print_style
from gsp_studio.io.montage import grid_shape
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.scale_bar import ScaleBar, scale_bar_of

#: Inches that a basis image, and a spectrum, is wide.
_WIDE, _WIDE_SPECTRUM = 0.8, 1.5
_STYLE = {"svg.fonttype": "none", "pdf.fonttype": 42, "font.size": 7.0, "svg.hashsalt": "gsp-studio"}
#: Colours of lines in print, and the grey below a spectrum and of words beside images.
_ERROR, _HELD_OUT, _TARGET, _AREA, _CAPTION = "#1f5fbf", "#b35900", "0.35", "0.85", "0.35"


def draw_montage(path: Path, kind: str, dataset: Dataset, run: ExportedRun, style: FigureStyle) -> None:
    """All basis images or spectra with number and sparsity, and a colour bar where they share their levels.

    Parameters
    ----------
    path : Path
    kind : "svg" | "pdf"
    dataset : Dataset
    run : ExportedRun
    style : FigureStyle
    """
    order, captions = style.placed(run.result.W.shape[1]), captions_of(run)
    W = run.result.W[:, order]
    with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE}):
        ordered = [captions[k] for k in order]
        if dataset.grid is None:
            sheet = _draw_images(dataset, W, ordered, style)
        else:
            sheet = _draw_spectra(dataset, W, ordered, style, run.normalized.removeprefix("of "))
        _save(sheet, path, kind)


def _draw_images(dataset: Dataset, W: Array, captions: list[str], style: FigureStyle) -> Figure:
    images = dataset.pictures(W)
    count, h, w = images.shape[:3]
    rows, columns = grid_shape(count)
    top, is_shared = float(images.max(initial=0.0)) or 1.0, style.scale == "shared"
    colours = ListedColormap(style.colours() / 255.0)
    tall = _WIDE * h / w + 0.2
    sheet = Figure(figsize=(columns * (_WIDE + 0.08), rows * tall + (0.5 if is_shared else 0.0)))
    axes = np.atleast_1d(sheet.subplots(rows, columns, squeeze=False)).ravel()
    shown = None
    for k, ax in enumerate(axes):
        ax.set_axis_off()
        if k >= count:
            continue
        white = top if is_shared else float(images[k].max(initial=0.0)) or 1.0
        values = np.clip(images[k] / white, 0, 1) if images.ndim == 4 else images[k]
        shown = ax.imshow(values, cmap=colours, vmin=0, vmax=white, interpolation="nearest")
        ax.set_title(captions[k], pad=2, color=_CAPTION)
    if (scale := scale_bar_of(dataset)) is not None:
        _draw_scale_bar(axes[0], scale, (h, w))
    sheet.subplots_adjust(0.01, 0.01, 0.99, 0.97, 0.08, 0.3)
    if is_shared and shown is not None and images.ndim == 3:
        sheet.colorbar(shown, ax=list(axes), orientation="horizontal", fraction=0.05, pad=0.04, aspect=40)
    return sheet


def _draw_scale_bar(ax: Axes, bar: ScaleBar, shape: tuple[int, int]) -> None:
    """Draw a bar and its length into the lower left corner of an image, white with a dark edge."""
    h, w = shape
    left, low = 0.05 * w - 0.5, 0.93 * h - 0.5
    edge = [Stroke(linewidth=2.6, foreground="black"), Normal()]
    ax.plot([left, left + bar.pixels], [low, low], color="white", linewidth=1.4, path_effects=edge)
    ground = {"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 0.6}
    ax.text(left, low - 0.06 * h, bar.text, color="white", fontsize=5.5, va="bottom", bbox=ground)
    ax.set_xlim(-0.5, w - 0.5)
    ax.set_ylim(h - 0.5, -0.5)


def _draw_spectra(dataset: Dataset, W: Array, captions: list[str], style: FigureStyle, unit: str) -> Figure:
    """Every spectrum as a line over its bands, from 0 to its own maximum, or to the largest of all."""
    count, axis = W.shape[1], dataset.axis("band")
    bands = axis.coordinates(len(W))
    rows, columns = grid_shape(count)
    sheet = Figure(figsize=(columns * _WIDE_SPECTRUM, rows * 0.95 + 0.3), layout="constrained")
    axes = sheet.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for k, ax in enumerate(axes):
        if k >= count:
            ax.set_axis_off()
            continue
        spectrum = W[:, k].astype(np.float64)
        top = float(W.max() if style.scale == "shared" else spectrum.max()) or 1.0
        ax.fill_between(bands, spectrum, color=_AREA, linewidth=0)
        ax.plot(bands, spectrum, color=_ERROR, linewidth=0.8)
        ax.set_xlim(float(bands.min()), float(bands.max()) if len(bands) > 1 else float(bands[0]) + 1.0)
        ax.set_ylim(0, 1.05 * top)
        ax.set_yticks([0, top], ["0", f"{top:.3g}"])
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_title(captions[k], pad=2, color=_CAPTION)
        ax.tick_params(labelsize=5.5, length=2)
        ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(3, integer=not axis.is_calibrated))
        if unit and k % columns == 0:
            ax.set_ylabel(unit)
        if k >= count - columns:
            ax.tick_params(labelbottom=True)
            ax.set_xlabel(axis.title)
    return sheet


def draw_curves(path: Path, kind: str, run: ExportedRun) -> None:
    """Error and average sparsity of a run against its iterations, without trials that led to nothing.

    Parameters
    ----------
    path : Path
    kind : "svg" | "pdf"
    run : ExportedRun
    """
    history = run.result.history
    kept = history.chosen(leads(history))
    with print_style():
        sheet = Figure(figsize=(6.4, 2.4))
        errors, sparsities = sheet.subplots(1, 2)
        _draw_errors(errors, history, kept)
        _plot(sparsities, kept, kept.sparsity, "basis", _ERROR)
        if np.isfinite(kept.target).any():
            _plot(sparsities, kept, kept.target, "target", _TARGET, "--")
            sparsities.legend(frameon=False)
        sparsities.set_ylabel("average sparsity")
        for axes in (errors, sparsities):
            axes.set_xlabel("iteration")
            axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(6, integer=True))
            add_grid(axes)
        _save(sheet, path, kind)


def _draw_errors(axes: Axes, history: History, kept: History) -> None:
    values = settled(history)
    _plot(axes, kept, 100 * kept.error, "error", _ERROR)
    if np.isfinite(kept.held_out_error).any():
        values = np.r_[values, settled_held_out(kept, values)]
        _plot(axes, kept, 100 * kept.held_out_error, "held-out error", _HELD_OUT, "--")
        axes.legend(frameon=False)
    low, high = 100 * float(np.nanmin(values)), 100 * float(np.nanmax(values))
    room = 0.08 * (high - low) or 0.05 * high or 1.0
    axes.set_ylim(max(0.0, low - room), high + room)  # the first iterations are far above the rest
    axes.set_ylabel("error, %")


def _plot(axes: Axes, kept: History, values: Array, name: str, colour: str, dashes: str = "-") -> None:
    """Draw values, each joined to the one that its iteration followed."""
    breaks = starts_of(kept)[1:]
    x = np.insert(kept.n_iter.astype(np.float64), breaks, np.nan)
    marker = "o" if len(kept.n_iter) == 1 else None
    axes.plot(x, np.insert(values, breaks, np.nan), dashes, color=colour, linewidth=1.0, marker=marker, label=name)


def _save(sheet: Figure, path: Path, kind: str) -> None:
    sheet.savefig(path, format=kind, metadata={"Date": None} if kind == "svg" else {"CreationDate": None}, dpi=300)
