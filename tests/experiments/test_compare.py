"""Comparing methods runs each once and reports what factorize reports."""

import numpy as np

import gsp_studio as gs
from gsp_studio.experiments.compare import compare


def test_rows_are_the_runs():
    X = np.random.default_rng(0).random((30, 40))
    runs = [gs.Params(rank=3, method=method, sparsity=0.6, max_iter=5) for method in ("ahals", "psnmf")]
    seen = []
    rows = compare(X, runs, on_done=seen.append)
    assert [row.label for row in rows] == ["A-HALS", "PSNMF"]
    assert tuple(seen) == rows
    direct = gs.factorize(X, runs[1])
    assert rows[1].error == direct.error
    assert rows[1].sparsity == direct.sparsity >= 0.6 - 1e-10
    assert rows[1].least_sparsity <= rows[1].sparsity
    assert rows[0].error < rows[1].error  # a constraint costs error
