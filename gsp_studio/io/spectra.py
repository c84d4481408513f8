"""The axis of spectra, and files of their curves."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import write_whole
from gsp_studio.io.dataset import Dataset

#: Name, values (m,), colour or "", and whether it is dashed.
Line = tuple[str, Array, str, bool]
#: Kinds of files of curves, by suffix.
KINDS = ("svg", "pdf", "png", "csv")
_STYLE = {"svg.fonttype": "none", "pdf.fonttype": 42, "font.size": 8.0, "svg.hashsalt": "gsp-studio"}


def spectral_axis(dataset: Dataset) -> tuple[Array, str]:
    """The values of the spectra's axis (m,), and its title with the unit; counted from 1 where these are not known."""
    axis = dataset.axis("band")
    return axis.coordinates(len(dataset.X)), axis.title


def write_curves(
    path: Path,
    x: Array,
    titles: tuple[str, str],
    curves: Sequence[Line],
) -> None:
    """Write curves as a figure or as a table, by the suffix of the file.

    Parameters
    ----------
    path : Path
        Of one of `KINDS`.
    x : ndarray (m,)
    titles : (str, str)
        Of the axis and of the values.
    curves : sequence of (name, values (m,), colour or "", is dashed)

    Raises
    ------
    WriteError
        The file cannot be written; one that is there is as it was.
    ValueError
        Another suffix.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise ValueError(f"{path.name} is no file of curves; accepted are {', '.join('.' + name for name in KINDS)}")
    if kind == "csv":
        write_whole(path, lambda new: _write_table(new, x, titles[0], curves))
    else:
        write_whole(path, lambda new: _draw(new, kind, x, titles, curves))


def _draw(path: Path, kind: str, x: Array, titles: tuple[str, str], curves: Sequence[Line]) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE}):
        sheet = Figure(figsize=(5.0, 3.0), layout="constrained")
        ax = sheet.subplots()
        for name, values, colour, is_dashed in curves:
            ax.plot(x, values, "--" if is_dashed else "-", color=colour or "black", label=name or None, linewidth=1.2)
        ax.set_xlabel(titles[0])
        ax.set_ylabel(titles[1])
        ax.margins(x=0.01)
        ax.set_ylim(bottom=min(0.0, *(float(np.min(values)) for _, values, _, _ in curves), 0.0))
        if any(name for name, _, _, _ in curves):
            ax.legend(frameon=False, fontsize=7)
        metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
        sheet.savefig(path, format=kind, dpi=300, metadata=metadata)


def _write_table(path: Path, x: Array, title: str, curves: Sequence[Line]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([title, *(name or f"curve {k + 1}" for k, (name, *_) in enumerate(curves))])
        for k, value in enumerate(x.tolist()):
            table.writerow([repr(value), *(repr(float(values[k])) for _, values, _, _ in curves)])
