"""The projection against copying its input, against plain numpy, and against itself at other sizes.

``python -m benchmarks projection`` also draws the growth with the number of entries as ``out/projection_growth.svg``.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import gsp_studio as gs
from benchmarks.timing import Row, median_seconds, paired_ratio
from gsp_studio.backends import reference
from gsp_studio.backends.cpu.group import project_serial
from gsp_studio.backends.cpu.root import ROWS, new_state
from gsp_studio.backends.layout import equal_offsets

TARGET = 0.85
#: Seconds that the authors' PyTorch code takes on 4 cores (from the task): 361 x 49, and 1e7 float32 entries.
AUTHORS = {"361x49": 1.9e-3, "1e7": 0.930}


def matrix(entries: int, columns: int, dtype: type, seed: int = 0) -> np.ndarray:
    """Normal entries (entries / columns, columns), each column contiguous."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((columns, entries // columns), dtype=dtype).T


def rows(quick: bool) -> list[Row]:
    """All rows; the quick ones use a tenth of the entries and stop the growth at 1e7."""
    return [*small_rows(), *large_rows(quick), *growth_rows(quick)]


def small_rows() -> list[Row]:
    """49 vectors of 361 float64 entries: a basis of the faces."""
    x = matrix(49 * 361, 49, np.float64)
    flat, offsets, out = x.T.reshape(-1), equal_offsets(49, 361), np.empty(49 * 361)
    live, table = np.empty(49, np.int64), np.empty((ROWS, 49))

    def kernel() -> None:
        project_serial(flat, offsets, None, TARGET, True, live, out, table, new_state(), out)

    def ours() -> None:
        gs.group_sparse_projection(x, TARGET)

    path = gs.SparsityPath(x)
    call = median_seconds(ours, 400)
    return [
        Row("kernel_49x361", 1e6 * median_seconds(kernel, 400), "us, one thread", 25.0),
        Row("call_49x361", 1e6 * call, "us, from Python", 40.0),
        Row("call_49x361_over_authors", call / AUTHORS["361x49"], "x their 1.9 ms", 1 / 50),
        Row("path_call_49x361", 1e6 * median_seconds(lambda: path.project(TARGET), 400), "us, from Python"),
        Row("numpy_over_ours_49x361", 1 / paired_ratio(ours, lambda: numpy_projection(x), 9), "x slower, numpy"),
        Row(
            "columns_over_ours_49x361",
            1 / paired_ratio(ours, lambda: gs.column_sparse_projection(x, TARGET), 200),
            "x slower, each column alone",
        ),
        *torch_rows(x, ours, "49x361", 15),
    ]


def numpy_projection(x: np.ndarray) -> np.ndarray:
    """The straightforward version: the definition, evaluated column by column, and bisection."""
    return reference.project_rows(x.T, TARGET)[0]


def torch_rows(x: np.ndarray, ours: Callable[[], object], label: str, pairs: int) -> list[Row]:
    """The straightforward version in torch on the CPU, where torch is installed."""
    try:
        import torch
    except ImportError:
        return []
    c = torch.from_numpy(np.ascontiguousarray(x))
    found = torch_projection(c).numpy()
    np.testing.assert_allclose(found, gs.group_sparse_projection(x, TARGET).values, atol=1e-3 * np.abs(x).max())
    ratio = 1 / paired_ratio(ours, lambda: torch_projection(c), pairs)
    return [Row(f"torch_over_ours_{label}", ratio, "x slower, plain torch")]


def torch_projection(c: Any) -> Any:
    """The definition for the columns of a tensor, evaluated for all of them at once, and bisection.

    It stops at the precision that the library promises for the type; the library itself goes on to the last digit.
    """
    import torch

    size, root = c.abs(), c.shape[0] ** 0.5
    close = 1e-10 if c.dtype == torch.float64 else 1e-5
    low, high = 0.0, float(size.max()) * (root - 1)
    while True:
        mu = (low + high) / 2
        z = (size - mu / (root - 1)).clamp_min(0)
        length = z.norm(dim=0)
        # A vector that is gone keeps one entry: a ratio of norms of 1.
        ratio = torch.where(length > 0, z.sum(dim=0) / length, 1.0)
        average = float(((root - ratio) / (root - 1)).mean())
        if abs(average - TARGET) <= close or not low < mu < high:
            break
        low, high = (low, mu) if average > TARGET else (mu, high)
    for i in torch.nonzero(length == 0).flatten().tolist():
        z[size[:, i].argmax(), i] = 1.0
    z = z / z.norm(dim=0)
    return c.sign() * (size * z).sum(dim=0) * z


def large_rows(quick: bool) -> list[Row]:
    """1e7 float32 entries in 100 columns, against copying them, and the memory that it takes."""
    entries, label = (10**6, "1e6") if quick else (10**7, "1e7")
    pairs = 15 if quick else 31
    x = matrix(entries, 100, np.float32)
    out, copied = np.empty_like(x), np.empty_like(x)
    path = gs.SparsityPath(x)

    def copy() -> None:
        np.copyto(copied, x)

    def ours() -> None:
        gs.group_sparse_projection(x, TARGET, out=out)

    goal = None if quick else 4.0
    found = [
        Row(f"projection_over_copy_{label}", paired_ratio(ours, copy, pairs), "x np.copyto", goal),
        Row(
            f"path_over_copy_{label}",
            paired_ratio(lambda: path.project(TARGET, out=out), copy, pairs),
            "x np.copyto",
            None if quick else 1.5,
        ),
        Row(f"path_sorting_over_copy_{label}", paired_ratio(lambda: gs.SparsityPath(x), copy, 5), "x np.copyto, once"),
        Row(
            f"columns_over_ours_{label}",
            1 / paired_ratio(ours, lambda: gs.column_sparse_projection(x, TARGET, out=out), 9),
            "x slower, each column alone",
        ),
        Row(f"numpy_over_ours_{label}", numpy_ratio(x, ours), "x slower, plain numpy"),
        *torch_rows(x, ours, label, 3),
        Row(f"extra_memory_{label}", peak_copies(x, out), "copies of the input, besides the result", 1.0),
        Row(f"extra_memory_in_place_{label}", peak_copies(copied, copied), "copies of the input", 1.02),
    ]
    if not quick:
        share = median_seconds(ours, 15) / AUTHORS["1e7"]
        found.insert(1, Row("projection_over_authors_1e7", share, "x their 930 ms", 1 / 80))
    return found


def numpy_ratio(x: np.ndarray, ours: Callable[[], object]) -> float:
    """Time of the plain NumPy version over that of GSP Studio."""
    return 1 / paired_ratio(ours, lambda: numpy_projection(x), 1)


def peak_copies(x: np.ndarray, out: np.ndarray) -> float:
    """Peak memory that a projection of x into `out` allocates, in sizes of x."""
    tracemalloc.start()
    try:
        gs.group_sparse_projection(x, TARGET, out=out)
        return round(tracemalloc.get_traced_memory()[1] / x.nbytes, 3)
    finally:
        tracemalloc.stop()


def growth_rows(quick: bool) -> list[Row]:
    """Time from 1e4 to 1e8 entries in 100 columns (1e7 when quick), the slope of its logarithm, and the drawing."""
    sizes = [10**k for k in range(4, 8 if quick else 9)]
    times = []
    for size in sizes:
        x = matrix(size, 100, np.float32)
        out = np.empty_like(x)
        times.append(median_seconds(lambda x=x, out=out: gs.group_sparse_projection(x, TARGET, out=out), 7))
    slope = float(np.polyfit(np.log10(sizes), np.log10(times), 1)[0])
    steepest = float(np.max(np.diff(np.log10(times)) / np.diff(np.log10(sizes))))
    if not quick:
        target = Path("out") / "projection_growth.svg"
        target.parent.mkdir(exist_ok=True)
        target.write_text(growth_drawing(sizes, times, slope))
    found = [Row(f"ms_{size:.0e}".replace("e+0", "e"), 1e3 * t, "ms") for size, t in zip(sizes, times, strict=True)]
    found.append(Row("growth", slope, "log-log slope", 1.05))
    return [*found, Row("growth_steepest_decade", steepest, "log-log slope")]


def growth_drawing(sizes: list[int], times: list[float], slope: float) -> str:
    """Time against entries, both logarithmic, as SVG."""
    x = [60 + 110 * (np.log10(size) - 4) for size in sizes]
    y = [280 - 45 * (np.log10(t) + 6) for t in times]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    marks = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5"/>' for a, b in zip(x, y, strict=True))
    names = "".join(
        f'<text x="{a:.1f}" y="300" text-anchor="middle">{size:.0e}</text>' for a, size in zip(x, sizes, strict=True)
    )
    values = "".join(
        f'<text x="{a + 8:.1f}" y="{b + 14:.1f}">{1e3 * t:.3g} ms</text>' for a, b, t in zip(x, y, times, strict=True)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="330" font-family="sans-serif" font-size="12">'
        '<rect width="600" height="330" fill="white"/>'
        f'<polyline points="{points}" fill="none" stroke="#0072B2" stroke-width="2"/><g fill="#0072B2">{marks}</g>'
        f'{names}{values}<text x="300" y="322" text-anchor="middle">entries (100 columns, float32)</text>'
        f'<text x="20" y="20">time of a projection; log-log slope {slope:.2f}</text></svg>\n'
    )


if __name__ == "__main__":
    from benchmarks.timing import format_table

    print(format_table("projection", rows(quick=False)))
