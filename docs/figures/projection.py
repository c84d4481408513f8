"""Draw the figure of docs/projection.md: ``python docs/figures/projection.py`` writes docs/images/projection.svg.

The group is a dense basis of the bundled faces. Everything drawn is computed here: the dual function and Newton's steps
from their formulas, the path and its bars by the library. Needs matplotlib (``pip install "gsp-studio[figures]"``).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.style import context as style

import gsp_studio as gs
from gsp_studio.io import sample_path

TARGET = 0.85
RANK = 25
#: Palette of Okabe and Ito, for colour-blind readers too.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.72"
#: The orange for letters: darker, for contrast.
RUST = "#A84A00"
STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,
    "svg.hashsalt": "gsp-studio",  # the same figure is the same file
}
IMAGE = Path(__file__).resolve().parents[1] / "images" / "projection.svg"


def dense_basis() -> np.ndarray:
    """A basis (pixels, vectors) of the bundled faces, its columns of length 1, before any projection."""
    data = gs.load_dataset(sample_path("faces"))
    basis = gs.factorize(data.X, gs.Params(rank=RANK, method="ahals", seed=0, max_iter=200)).W
    return basis / np.linalg.norm(basis, axis=0)


def dual(c: np.ndarray, mu: float) -> tuple[float, float]:
    """``g(mu)`` of the columns of c, without weights, and its derivative."""
    n, r = c.shape
    root = np.sqrt(n)
    beta = 1 / (root - 1)
    z = np.maximum(np.abs(c) - mu * beta, 0)
    z = z[:, z.any(axis=0)]  # a vector that is gone keeps one entry: 1-sparse, whatever mu is
    length, total, kept = np.linalg.norm(z, axis=0), z.sum(axis=0), (z > 0).sum(axis=0)
    value = beta * ((total / length).sum() + r - z.shape[1]) - r * (beta * root - TARGET)
    return float(value), float((beta**2 * (total**2 / length**3 - kept / length)).sum())


def newton_steps(c: np.ndarray) -> list[float]:
    """Multipliers of Newton's method from 0 until it stands still."""
    steps = [0.0]
    while len(steps) < 2 or abs(steps[-1] - steps[-2]) > 1e-12 * steps[-1]:
        value, slope = dual(c, steps[-1])
        steps.append(steps[-1] - value / slope)
    return steps


def draw_dual(axes: Axes, c: np.ndarray, root: float) -> None:
    """``g`` over mu, and the tangents that Newton's method walks down."""
    steps = newton_steps(c)
    mu = np.linspace(0, 1.5 * root, 400)
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.plot(mu, [dual(c, m)[0] for m in mu], color=BLUE, linewidth=2)
    for a, b in pairwise(steps):
        axes.plot([a, b, b], [dual(c, a)[0], 0, dual(c, b)[0]], color=ORANGE, linewidth=1.2, linestyle="--")
    for k, m in enumerate(steps[:3]):
        height = dual(c, m)[0]
        axes.plot(m, height, "o", color=ORANGE, markersize=5)
        axes.annotate(f"{k}", (m, height), (7, 3), textcoords="offset points", color=RUST)
    axes.plot(root, 0, "s", color="black", markersize=5.5)
    axes.annotate(
        f"root μ* = {root:.3f}",
        (root, 0),
        (0.97, 0.47),
        textcoords="axes fraction",
        ha="right",
        arrowprops={"arrowstyle": "-", "color": "0.4", "linewidth": 0.8, "shrinkB": 4},
    )
    axes.text(0.97, 0.93, "dashed: Newton's tangents", transform=axes.transAxes, ha="right", va="top", color=RUST)
    axes.set_xlim(-0.1, mu[-1])
    axes.set_xlabel("multiplier μ (unit of the entries)")
    axes.set_ylabel(f"g(μ) = r (s − average sparsity), r = {c.shape[1]}")
    axes.set_title(f"1  One equation, one root (s = {TARGET})", loc="left")


def draw_path(axes: Axes, path: gs.SparsityPath, marked: dict[str, int]) -> None:
    """The sparsity of every vector over the target, two of them marked."""
    targets = np.linspace(0.4, 1, 151)
    sparsities = np.array([path.sparsities(s) for s in targets])
    axes.plot(targets, sparsities, color=GREY, linewidth=0.8)
    axes.plot(targets, sparsities.mean(axis=1), color="black", linewidth=2.2)
    for (name, i), dashes in zip(marked.items(), ("-", (0, (5, 1.5))), strict=True):
        axes.plot(targets, sparsities[:, i], color=BLUE, linewidth=1.8, linestyle=dashes)
        axes.annotate(
            name,
            (targets[0], sparsities[0, i]),
            (-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color=BLUE,
            fontweight="bold",
        )
    axes.axvline(TARGET, color=ORANGE, linewidth=1.2, linestyle="--")
    axes.text(TARGET - 0.01, 0.32, f"s = {TARGET}", color=RUST, ha="right")
    axes.annotate(
        "average",
        (0.72, 0.72),
        (0.47, 0.9),
        ha="center",
        arrowprops={"arrowstyle": "-", "color": "0.4", "linewidth": 0.8},
    )
    axes.set_xlim(0.36, 1.005)
    axes.set_ylim(0.3, 1.01)
    axes.set_xlabel("target s, average sparsity (0 to 1)")
    axes.set_ylabel("sparsity of each vector (0 to 1)")
    axes.set_title("2  The path, sorted once", loc="left")


def draw_payers(axes: Axes, path: gs.SparsityPath, order: np.ndarray, marked: dict[str, int]) -> None:
    """One bar a vector: its sparsity before, and what the target adds."""
    before, after = path.sparsities(0.0), path.sparsities(TARGET)
    place = np.arange(len(order))
    axes.bar(place, before[order], width=0.8, color=GREY, label="before")
    added = after[order] - before[order]
    axes.bar(place, added, width=0.8, bottom=before[order], color=BLUE, label=f"added at s = {TARGET}")
    axes.axhline(after.mean(), color=ORANGE, linewidth=1.6, linestyle="--", label=f"average {after.mean():.3f}")
    for name, i in marked.items():
        where = int(np.flatnonzero(order == i)[0])
        axes.text(where, 0.02, name, ha="center", fontweight="bold")
    axes.set_ylim(0, 1.24)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_xticks([0, len(order) - 1], ["densest before", "sparsest before"])
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        label.set_ha(side)
    axes.set_xlabel(f"the {len(order)} vectors")
    axes.set_ylabel("sparsity of each vector (0 to 1)")
    axes.legend(loc="upper center", ncols=2, frameon=False, fontsize=8.5, columnspacing=1.2)
    axes.set_title("3  Sparsity of each", loc="left")


def main() -> None:
    """Fit, draw, write."""
    c = dense_basis()
    path = gs.SparsityPath(c)
    order = np.argsort(path.sparsities(0.0), kind="stable")
    marked = {"A": int(order[-1]), "B": int(order[0])}
    with style("default"), mpl.rc_context(STYLE):
        sheet = Figure(figsize=(11.5, 3.9))
        panels = sheet.subplots(1, 3)
        draw_dual(panels[0], c, path.mu(TARGET))
        draw_path(panels[1], path, marked)
        draw_payers(panels[2], path, order, marked)
        IMAGE.parent.mkdir(exist_ok=True)
        sheet.savefig(IMAGE, metadata={"Date": None})


if __name__ == "__main__":
    main()
