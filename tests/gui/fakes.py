"""Small data sets, bases and runs made by hand, for panels that know no session."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from gsp_studio.core.metrics import GramError
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.engine.run import FinishReason, Outcome, Record, RunSpec
from gsp_studio.gui.state import Capabilities, DisplayedBasis, RunEntry, RunSettings, UnprojectedBasis
from gsp_studio.io.dataset import Dataset

KNOWN = Capabilities(
    {
        "psnmf": ("PSNMF", "the average sparsity is met exactly", True),
        "ahals": ("A-HALS", "no constraint", False),
    },
    "cpu, a machine",
    {"random": "uniform factors", "images": "images as they are"},
)


def dataset(height: int = 4, width: int = 3, n: int = 12, order: str = "C") -> Dataset:
    """Images that differ in every pixel, so that no flip or turn goes unseen."""
    values = np.random.default_rng(7).random((height * width, n), np.float32)
    names = tuple(f"image {j}" for j in range(n))
    return Dataset(np.asfortranarray(values), (height, width), order, "things.npy", names)  # type: ignore[arg-type]


def shown(
    data: Dataset,
    rank: int = 5,
    *,
    seed: int = 3,
    target: float = 0.5,
    baseline: float = math.nan,
    order: Any = None,
    **changes: Any,
) -> DisplayedBasis:
    """A basis for these data, its tiles in an order that is not 0, 1, 2, ..."""
    rng = np.random.default_rng(seed)
    m, n = data.X.shape
    W = rng.random((m, rank)).astype(np.float32)
    made = DisplayedBasis(
        W=W,
        sparsities=np.asarray(hoyer_sparsity(W)),
        energies=np.full(rank, 1 / rank),
        order=rng.permutation(rank) if order is None else np.asarray(order),
        H=rng.random((rank, n)).astype(np.float32),
        error=0.125,
        target=target,
        baseline=baseline,
        origin="a test",
    )
    return replace(made, **changes)


def pinned(data: Dataset, sparsity: float = 0.3, rank: int = 5) -> UnprojectedBasis:
    """A dense basis for these data."""
    W = np.random.default_rng(1).random((data.X.shape[0], rank)).astype(np.float32)
    H = np.random.default_rng(2).random((rank, data.X.shape[1])).astype(np.float32)
    gram = GramError(data.X @ H.T, H @ H.T, float(np.sum(data.X**2)))
    return UnprojectedBasis(W, H, gram, sparsity, 0.1, "a test")


def record(n_iter: int, error: float = 0.1, sparsity: float = 0.5, target: float = 0.85, **changes: Any) -> Record:
    """The numbers of one iteration."""
    return replace(Record(n_iter, error, sparsity, target, 0.01 * n_iter), **changes)


def run_entry(number: int, data: Dataset, reason: FinishReason = FinishReason.MAX_ITER, **changes: Any) -> RunEntry:
    """A run that has ended after 20 iterations."""
    choice = RunSettings().with_params(rank=5, sparsity=0.5)
    outcome = Outcome(SimpleNamespace(n_iter=20, backend="cpu, 2 threads"), reason)  # type: ignore[arg-type]
    return RunEntry(
        number=number,
        choice=choice,
        label="PSNMF, rank 5, s = 0.500",
        spec=RunSpec(data.X, choice.params),
        outcome=outcome,
        records=tuple(record(k) for k in range(1, 21)),
        pinned=pinned(data),
        shown=shown(data, **changes),
    )
