"""Time to the error of a peer, over the peer's time: same start, same data in the same type, in turn.

Peers take part where they are installed, ``pip install "gsp-studio[benchmarks]"``; one that is missing, or does not run
here, is named on stderr and left out. No peer's code is copied. Each uses the threads that it takes by itself.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import gsp_studio as gs
from benchmarks.timing import Row

RANK = 49
#: Iterations of ours at most; where they do not reach a peer's error the row has no number.
_MOST = 2000

Factors = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Peer:
    """A solver of another project.

    Attributes
    ----------
    name : str
        In rows.
    package, module : str
        As it is installed and imported.
    solve : (X, W0, H0, n_iter) -> (W, H)
        So many iterations from a start that is scaled to X.
    n_iter : int
        Iterations whose error is the one to reach.
    dtype : str
        The type that it computes in: ours computes in it too.
    goal : float, optional
        For A-HALS on CBCL.
    """

    name: str
    package: str
    module: str
    solve: Callable[[np.ndarray, np.ndarray, np.ndarray, int], Factors]
    n_iter: int = 300
    dtype: str = "float32"
    goal: float | None = None


@dataclass(frozen=True)
class Timed:
    """A run: seconds on the wall, seconds of all processors, iterations, and the relative error at its end."""

    wall: float
    processor: float
    n_iter: int
    error: float


def rows(X: np.ndarray, is_cbcl: bool, quick: bool, backend: Any) -> list[Row]:
    """A-HALS and NeNMF against every peer at hand, and A-HALS with and without extrapolation."""
    goals = is_cbcl and not quick  # they are for the whole number of iterations
    out = []
    for peer in PEERS:
        if is_at_hand(peer, X):
            pairs = 3 if peer.goal is None else 5
            out += against(peer, X, goals, 1 if quick else pairs, min(peer.n_iter, 50 if quick else _MOST), backend)
    seeds = range(1 if quick else 5)
    out.append(over_plain("ahals_to_plain_200", [X] * len(seeds), RANK, 0.30 if goals else None, backend))
    if not quick:
        out.append(over_plain("ahals_to_plain_200_noisy", [noisy(seed) for seed in seeds], 32, 1.05, backend))
    return out


def start(X: np.ndarray) -> Factors:
    """The start of all comparisons, uniform factors in float64."""
    rng = np.random.default_rng(0)
    return rng.random((X.shape[0], RANK)), rng.random((RANK, X.shape[1]))


def is_at_hand(peer: Peer, X: np.ndarray) -> bool:
    """Whether a peer is installed and runs; imports and compilation, which are not timed, happen here."""
    if importlib.util.find_spec(peer.module) is None:
        print(f"{peer.package} is not installed: {peer.name} is left out", file=sys.stderr)
        return False
    few = np.asfortranarray(X[:, :200], dtype=peer.dtype)
    W0, H0 = (factor.astype(peer.dtype) for factor in start(few))
    try:
        timed(peer, few, W0, H0, 2)
    except Exception as error:
        print(f"{peer.package} is installed, but does not run here: {error}", file=sys.stderr)
        return False
    return True


def against(peer: Peer, X: np.ndarray, has_goal: bool, pairs: int, n_iter: int, backend: Any) -> list[Row]:
    """Time of each of ours to the error of a peer after its iterations, over its time; medians of pairs."""
    X = np.asfortranarray(X, dtype=peer.dtype)
    W0, H0 = (factor.astype(peer.dtype) for factor in start(X))
    scale = np.sqrt(np.sum((W0.T @ X) * H0) / np.sum((W0.T @ W0) * (H0 @ H0.T)))  # as ours scales it
    W0, H0 = scale * W0, scale * H0
    ours = {method: gs.Params(RANK, method, max_iter=_MOST, init=(W0, H0), tol=0.0) for method in ("ahals", "nenmf")}
    for params in ours.values():
        run(X[:, :200], gs.Params(RANK, params.method, max_iter=5), backend)  # compile
    found: dict[str, list[tuple[Timed, Timed]]] = {method: [] for method in ours}
    for _ in range(pairs):
        theirs = timed(peer, X, W0, H0, n_iter)
        for method, params in ours.items():
            found[method].append((run(X, params, backend, theirs.error), theirs))
    return [
        row(f"{method}_over_{peer.name}", of_pairs, peer.goal if has_goal and method == "ahals" else None)
        for method, of_pairs in found.items()
    ]


def row(name: str, pairs: list[tuple[Timed, Timed]], goal: float | None) -> Row:
    """The median ratio of pairs; NaN where one did not reach the error of the other."""
    reached = all(ours.error <= theirs.error for ours, theirs in pairs)
    wall, processor = (
        float(np.median([getattr(ours, clock) / getattr(theirs, clock) for ours, theirs in pairs]))
        for clock in ("wall", "processor")
    )
    ours, theirs = pairs[len(pairs) // 2]
    told = f"x, {processor:.3g} x processor time, to {100 * theirs.error:.4f} %: {ours.n_iter} for {theirs.n_iter} it"
    return Row(name, wall if reached else float("nan"), told, goal)


def over_plain(name: str, data: list[np.ndarray], rank: int, goal: float | None, backend: Any) -> Row:
    """Time of extrapolated A-HALS to the error of 200 plain iterations, over theirs; median over seeds 0, 1, ..."""
    pairs = []
    for seed, X in enumerate(data):
        plain = run(X, gs.Params(rank, "ahals", seed=seed, max_iter=200, extrapolate=False, tol=0.0), backend)
        pairs.append(
            (run(X, gs.Params(rank, "ahals", seed=seed, max_iter=_MOST, tol=0.0), backend, plain.error), plain)
        )
    return row(name, pairs, goal)


def noisy(seed: int) -> np.ndarray:
    """1024 x 4000 of rank 32 with as much noise as there is signal, float32."""
    rng = np.random.default_rng(seed)
    exact = rng.random((1024, 32), dtype=np.float32) @ rng.random((32, 4000), dtype=np.float32)
    noise = rng.standard_normal(exact.shape, dtype=np.float32)
    return np.asfortranarray(np.maximum(exact + exact.std() * noise, 0.0))


def run(X: np.ndarray, params: gs.Params, backend: Any, error: float = 0.0) -> Timed:
    """One of ours, until an error is reached."""
    wall, processor = time.perf_counter(), time.process_time()
    for it in gs.iterate(X, params, backend):
        if it.error <= error:
            break
    return Timed(time.perf_counter() - wall, time.process_time() - processor, it.n_iter, it.error)


def timed(peer: Peer, X: np.ndarray, W0: np.ndarray, H0: np.ndarray, n_iter: int) -> Timed:
    """A peer's iterations; its error is computed afterwards, in float64."""
    W0, H0 = W0.copy(), H0.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wall, processor = time.perf_counter(), time.process_time()
        W, H = peer.solve(X, W0, H0, n_iter)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    exact = X.astype(np.float64)
    error = np.linalg.norm(exact - W.astype(np.float64) @ H.astype(np.float64)) / np.linalg.norm(exact)
    return Timed(wall, processor, n_iter, float(error))


def scikit_learn(solver: str) -> Callable[[np.ndarray, np.ndarray, np.ndarray, int], Factors]:
    """Coordinate descent or multiplicative updates."""

    def solve(X: np.ndarray, W0: np.ndarray, H0: np.ndarray, n_iter: int) -> Factors:
        from sklearn.decomposition import non_negative_factorization

        options: dict[str, Any] = {"init": "custom", "solver": solver, "max_iter": n_iter, "tol": 0}
        W, H, _ = non_negative_factorization(X, W0, H0, n_components=W0.shape[1], **options)
        return W, H

    return solve


def nmf_rs(method: str) -> Callable[[np.ndarray, np.ndarray, np.ndarray, int], Factors]:
    """HALS, HALS with extrapolation (Ang & Gillis 2019), the factors of RcppML, or multiplicative updates, in Rust."""

    def solve(X: np.ndarray, W0: np.ndarray, H0: np.ndarray, n_iter: int) -> Factors:
        import nmf_rs

        found = nmf_rs.nmf(X, W0.shape[1], method, W0=W0, H0=H0, max_iter=n_iter)
        return found.W, found.H

    return solve


def torchnmf(X: np.ndarray, W0: np.ndarray, H0: np.ndarray, n_iter: int) -> Factors:
    """Multiplicative updates of torchnmf for the Euclidean distance; it has a sample a row."""
    import torch
    from torchnmf.nmf import NMF

    model = NMF(W=torch.from_numpy(W0), H=torch.from_numpy(np.ascontiguousarray(H0.T)))
    model.fit(torch.from_numpy(np.ascontiguousarray(X.T)), beta=2, max_iter=n_iter, tol=0)
    return model.W.detach().numpy(), model.H.detach().numpy().T


def nimfa(X: np.ndarray, W0: np.ndarray, H0: np.ndarray, n_iter: int) -> Factors:
    """Euclidean multiplicative updates of nimfa."""
    import nimfa

    options: dict[str, Any] = {"update": "euclidean", "objective": "fro", "seed": None, "W": W0, "H": H0}
    fit = nimfa.Nmf(X, rank=W0.shape[1], max_iter=n_iter, **options)().fit
    return np.asarray(fit.basis()), np.asarray(fit.coef())


PEERS = (
    Peer("scikit_learn_cd", "scikit-learn", "sklearn", scikit_learn("cd"), goal=0.15),
    Peer("scikit_learn_mu", "scikit-learn", "sklearn", scikit_learn("mu")),
    Peer("nmf_rs_hals", "nmf-rs", "nmf_rs", nmf_rs("hals"), dtype="float64"),
    Peer("nmf_rs_ehals", "nmf-rs", "nmf_rs", nmf_rs("ehals"), dtype="float64"),
    Peer("nmf_rs_dnmf", "nmf-rs", "nmf_rs", nmf_rs("dnmf"), dtype="float64"),
    Peer("nmf_rs_lee", "nmf-rs", "nmf_rs", nmf_rs("lee"), dtype="float64"),
    Peer("torchnmf", "torchnmf", "torchnmf", torchnmf),
    Peer("nimfa", "nimfa", "nimfa", nimfa, n_iter=100, dtype="float64"),
)
