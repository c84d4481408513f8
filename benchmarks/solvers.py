"""The solvers against their own products and against scikit-learn, on faces.

CBCL is used where it lies beside the checkout; else the bundled synthetic faces, whose rows then have no goal.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np

import gsp_studio as gs
from benchmarks.timing import Row

CBCL = Path(__file__).parents[2] / "shared" / "data" / "CBCL.mat"


def faces() -> tuple[np.ndarray, bool]:
    """X (361, n) float32 in Fortran order, and whether it is CBCL."""
    if CBCL.exists():
        return gs.load_dataset(CBCL, dtype="float32").X, True
    from gsp_studio.io.resources import sample_path

    return gs.load_dataset(sample_path("faces")).X, False


def seconds(function, *args) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def fastest_products(X: np.ndarray, rank: int, backend, repeats: int):
    """The fastest way at hand to compute ``X H'`` and ``W'X`` once: ours in blocks, or one NumPy call each.

    NumPy is tried with its threads as they come and with one thread, so that the yardstick is not a bad thread count.
    """
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    H = rng.random((rank, X.shape[1]), dtype=np.float32)
    W = np.asfortranarray(rng.random((X.shape[0], rank), dtype=np.float32))
    Xt = np.ascontiguousarray(X.T)

    def numpy_products():
        return X @ H.T, W.T @ X

    def one_thread():
        with threadpool_limits(1):
            numpy_products()

    def blocks():
        # Twice H X' (with its small H H'): W'X is the same product the other way round, and costs the same.
        with backend.scope():
            backend.products(Xt, H)
            backend.products(Xt, H)

    ways = {"numpy": numpy_products, "numpy, one thread": one_thread, "blocks": blocks}
    for way in ways.values():
        way()
    times = {name: np.median([seconds(way) for _ in range(repeats)]) for name, way in ways.items()}
    name = min(times, key=times.__getitem__)
    return name, ways[name]


def rows(quick: bool) -> list[Row]:
    """Time of PSNMF over its products, its error, and A-HALS against scikit-learn."""
    X, is_cbcl = faces()
    iterations = 100 if quick else 500
    backend = gs.get_backend("cpu")
    params = gs.Params(rank=49, method="psnmf", sparsity=0.85, seed=0, max_iter=iterations)
    gs.factorize(X, gs.Params(rank=49, max_iter=2), backend)  # compile
    name, products = fastest_products(X, 49, backend, 20)
    ratios, result = [], None
    for _ in range(3):
        solve = time.perf_counter()
        result = gs.factorize(X, params, backend)
        solve = time.perf_counter() - solve
        ratios.append(solve / seconds(lambda: [products() for _ in range(iterations)]))
    goal = 8.0 if is_cbcl else None
    out = [
        Row("psnmf_over_products", float(np.median(ratios)), f"x ({name}, {iterations} it)", goal),
        Row("psnmf_error", 100 * result.error, "%", 9.85 if is_cbcl and not quick else None),
        Row("psnmf_sparsity", result.sparsity, "attained (target 0.85)", None),
    ]
    return out + against_scikit_learn(X, is_cbcl, 100 if quick else 500, backend)


def against_scikit_learn(X: np.ndarray, is_cbcl: bool, iterations: int, backend) -> list[Row]:
    """Time of A-HALS to the error that scikit-learn's coordinate descent reaches, over its time; same start."""
    try:
        from sklearn.decomposition import non_negative_factorization
    except ImportError:
        return []
    rng = np.random.default_rng(0)
    m, n, rank = *X.shape, 49
    W0, H0 = rng.random((m, rank)).astype(X.dtype), rng.random((rank, n)).astype(X.dtype)
    scale = np.sqrt(np.sum((W0.T @ X) * H0) / np.sum((W0.T @ W0) * (H0 @ H0.T)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        W, H, _ = non_negative_factorization(
            X,
            scale * W0,
            scale * H0,
            n_components=rank,
            init="custom",
            solver="cd",
            max_iter=iterations,
            tol=0,
        )
        theirs = time.perf_counter() - start
    goal_error = float(np.linalg.norm(X - W @ H) / np.linalg.norm(X))
    best = np.inf
    for _ in range(3):
        for it in gs.iterate(X, gs.Params(rank, "ahals", max_iter=2000, init=(W0, H0)), backend):
            if it.error <= goal_error:
                best = min(best, it.seconds)
                break
    return [
        Row(
            "ahals_over_scikit_learn",
            best / theirs,
            f"x, to {100 * goal_error:.4f} %",
            0.25 if is_cbcl else None,
        )
    ]
