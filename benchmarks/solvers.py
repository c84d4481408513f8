"""The solvers against their own products and against their peers, on faces; and their errors.

CBCL is used where it lies beside the checkout; else the bundled synthetic faces, whose rows then have no goal.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import gsp_studio as gs
from benchmarks import peers
from benchmarks.peers import RANK, start
from benchmarks.timing import Row, seconds

CBCL = Path(__file__).parents[2] / "shared" / "data" / "CBCL.mat"


def rows(quick: bool) -> list[Row]:
    """All rows; the quick ones do fewer iterations and leave out the large data and the errors."""
    X, is_cbcl = faces()
    backend = gs.get_backend("cpu")
    out = [over_products(X, RANK, backend, 100 if quick else 500, 4.0 if is_cbcl else None, "cbcl")]
    out += peers.rows(X, is_cbcl, quick, backend)
    if not quick:
        out += [*errors(X, backend), price_over_gradient(X, backend)] if is_cbcl else []
        out += large(backend)
    return out


def faces() -> tuple[np.ndarray, bool]:
    """X (361, n) float32 in Fortran order, and whether it is CBCL."""
    if CBCL.exists():
        return gs.load_dataset(CBCL, dtype="float32").X, True
    from gsp_studio.io.resources import sample_path

    return gs.load_dataset(sample_path("faces")).X, False


def fastest_products(X: np.ndarray, rank: int, backend: Any, repeats: int) -> tuple[str, Callable[[], None]]:
    """Fastest way at hand to compute ``X H'`` and ``W'X`` once: in blocks, or by one NumPy call each.

    NumPy is tried with its threads as they come and with one thread, so that the yardstick is not a bad thread count.
    """
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    H = rng.random((rank, X.shape[1]), dtype=np.float32)
    W = np.asfortranarray(rng.random((X.shape[0], rank), dtype=np.float32))
    Xt = np.ascontiguousarray(X.T)

    def numpy_products() -> None:
        X @ H.T, W.T @ X

    def one_thread() -> None:
        with threadpool_limits(1):
            numpy_products()

    def blocks() -> None:
        with backend.scope():
            backend.products(Xt, H)
            backend.encode(Xt, W.T)

    ways = {"numpy": numpy_products, "numpy, one thread": one_thread, "blocks": blocks}
    for way in ways.values():
        way()
    times = {name: np.median([seconds(way) for _ in range(repeats)]) for name, way in ways.items()}
    name = min(times, key=times.__getitem__)
    return name, ways[name]


def over_products(X: np.ndarray, rank: int, backend: Any, n_iter: int, goal: float | None, name: str) -> Row:
    """Time of an iteration of PSNMF over that of its two products; median of pairs."""
    params = gs.Params(rank=rank, method="psnmf", sparsity=0.85, seed=0, max_iter=n_iter)
    gs.factorize(X, gs.Params(rank=rank, max_iter=2), backend)  # compile
    way, products = fastest_products(X, rank, backend, 20 if n_iter > 50 else 5)
    ratios = []
    for _ in range(5 if n_iter > 50 else 3):
        # Threads go from one pool to the other here, which slows down the next timing.
        products()
        floor = seconds(products, n_iter)
        ratios.append(seconds_an_iteration(X, params, backend) / floor)
    return Row(f"psnmf_over_products_{name}", float(np.median(ratios)), f"x ({way}, {n_iter} it)", goal)


def seconds_an_iteration(X: np.ndarray, params: gs.Params, backend: Any) -> float:
    """Mean time of all iterations but the first, which includes the start of the run."""
    solver = gs.iterate(X, replace(params, tol=0.0), backend)
    next(solver)
    return seconds(lambda: deque(solver, maxlen=0)) / (params.max_iter - 1)


def large(backend: Any) -> list[Row]:
    """4096 x 20000 at rank 64: the ratio, and memory beside X in a process of its own."""
    X = np.asfortranarray(np.random.default_rng(0).random((4096, 20000), dtype=np.float32))
    row = over_products(X, 64, backend, 12, 1.5, "4096x20000")
    return [row, Row("peak_memory_4096x20000", peak_memory(), "x X and factors", 1.5)]


def peak_memory() -> float:
    """Peak memory of a run over that of X and its factors, without that of the imports; NaN where it is unknown."""
    if not Path("/proc/self/status").exists():
        return float("nan")
    code = (
        "import re, numpy as np, gsp_studio as gs\n"
        # Not ru_maxrss, which a process inherits from the one that started it.
        "peak = lambda: 1024 * int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])\n"
        "gs.factorize(np.random.default_rng(0).random((64, 500), dtype=np.float32), gs.Params(rank=8, max_iter=2))\n"
        "before = peak()\n"
        "X = np.random.default_rng(0).random((20000, 4096), dtype=np.float32).T\n"
        "result = gs.factorize(X, gs.Params(rank=64, max_iter=3))\n"
        "print((peak() - before) / (X.nbytes + result.W.nbytes + result.H.nbytes))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def errors(X: np.ndarray, backend: Any) -> list[Row]:
    """Errors after 500 iterations from one start, beside the goals taken from the authors' code."""
    runs: list[tuple[str, str, dict[str, Any], float]] = [
        ("ahals", "ahals", {}, 8.10),
        ("nenmf", "nenmf", {}, 8.10),
        ("psnmf", "psnmf", {}, 9.81),
        ("psnmf_continuation", "psnmf", {"continuation": 200}, 9.50),
        ("cpsnmf", "cpsnmf", {}, 10.00),
        ("l1ahals", "l1ahals", {}, 9.70),
        ("gsphals", "gsphals", {"continuation": 200}, 9.30),
    ]
    out = []
    for name, method, fields, goal in runs:
        params = gs.Params(RANK, method, 0.85, max_iter=500, init=start(X), **fields)
        result = gs.factorize(X, params, backend)
        least = float(gs.hoyer_sparsity(result.W).min())
        told = f"%, sparsity {result.sparsity:.4f}, least {least:.4f}"
        out.append(Row(f"error_{name}", 100 * result.error, told, None if name == "nenmf" else goal))
    return out


def price_over_gradient(X: np.ndarray, backend: Any) -> Row:
    """Time of an iteration of GSP-HALS over that of PSNMF; median of pairs."""
    ratios = []
    for _ in range(3):
        ours, theirs = (
            seconds_an_iteration(X, gs.Params(RANK, method, 0.85, max_iter=250), backend)
            for method in ("gsphals", "psnmf")
        )
        ratios.append(ours / theirs)
    return Row("gsphals_over_psnmf", float(np.median(ratios)), "x (time of an iteration, 250 it)", 1.2)
