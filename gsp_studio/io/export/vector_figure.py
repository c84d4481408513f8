"""Figures for papers, drawn with matplotlib: images as pixels, text and frames as vectors."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from gsp_studio.io.dataset import Dataset
from gsp_studio.io.export.figures import captions_of
from gsp_studio.io.montage import Scale, grid_shape
from gsp_studio.io.run_record import ExportedRun

#: Inches that a basis image is wide.
_WIDE = 0.8
_STYLE = {"svg.fonttype": "none", "pdf.fonttype": 42, "font.size": 7.0, "svg.hashsalt": "gsp-studio"}


def draw_montage(path: Path, kind: str, dataset: Dataset, run: ExportedRun, scale: Scale) -> None:
    """All basis images with number and sparsity, and a colour bar where they share their levels.

    Parameters
    ----------
    path : Path
    kind : "svg" | "pdf"
    dataset : Dataset
    run : ExportedRun
    scale : "tile" | "shared"
        White is each image's own maximum, or the largest of all.
    """
    images = dataset.pictures(run.result.W)
    count, h, w = images.shape[:3]
    rows, columns = grid_shape(count)
    top = float(images.max(initial=0.0)) or 1.0
    with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE}):
        tall = _WIDE * h / w + 0.2
        sheet = Figure(figsize=(columns * (_WIDE + 0.08), rows * tall + (0.5 if scale == "shared" else 0.0)))
        axes = np.atleast_1d(sheet.subplots(rows, columns, squeeze=False)).ravel()
        shown = None
        for k, ax in enumerate(axes):
            ax.set_axis_off()
            if k >= count:
                continue
            white = top if scale == "shared" else float(images[k].max(initial=0.0)) or 1.0
            values = np.clip(images[k] / white, 0, 1) if images.ndim == 4 else images[k]
            shown = ax.imshow(values, cmap="gray", vmin=0, vmax=white, interpolation="nearest")
            ax.set_title(captions_of(run)[k], pad=2)
        sheet.subplots_adjust(0.01, 0.01, 0.99, 0.97, 0.08, 0.3)
        if scale == "shared" and shown is not None and images.ndim == 3:
            sheet.colorbar(shown, ax=list(axes), orientation="horizontal", fraction=0.05, pad=0.04, aspect=40)
        sheet.savefig(path, format=kind, metadata={"Date": None} if kind == "svg" else {"CreationDate": None}, dpi=300)
