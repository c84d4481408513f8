"""The slider and what follows it, on data of any unit: all that is shown is a fraction."""

from __future__ import annotations

from dataclasses import replace

import fakes
import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.gui.jobs import compute
from gsp_studio.gui.jobs.projector import Projector
from gsp_studio.gui.solutions import SolveRequest
from gsp_studio.gui.state import RunSettings


def seen(exponent: int, dtype: type) -> list[np.ndarray]:
    """The projection of a run's basis, the same with sparse coefficients, and the solution that begins with it."""
    data = fakes.dataset()
    X = np.asfortranarray(data.X / data.X.max(), dtype)
    data = replace(data, X=np.ldexp(X, exponent))
    result = gs.factorize(data.X, gs.Params(3, sparsity=0.5, max_iter=5), "cpu")
    pinned = compute.unprojected_basis(result, "run 1")
    projector = Projector(pinned, data)
    shown = projector.show(0.8)
    outcome = compute.new_refinement(SolveRequest(data, RunSettings().with_params(sparsity=0.8), pinned, shown)).run()
    assert outcome.result is not None
    solved = compute.shown_of(outcome.result, 0.8, np.nan, None, "", outcome.result.params)
    exact = np.linalg.norm(X - np.ldexp(solved.W.astype(np.longdouble) @ solved.H, -exponent))
    assert solved.error == pytest.approx(float(exact / np.linalg.norm(X)), rel=1e-4)
    sparse = projector.show(0.8, 0.6)
    return [np.array([one.error, *one.energies]) for one in (shown, sparse, solved)]


@pytest.mark.parametrize(("dtype", "most"), [(np.float32, 100), (np.float64, 900)])
def test_what_the_slider_shows_has_no_unit(dtype: type, most: int) -> None:
    plain = seen(0, dtype)
    assert 0.0 < plain[2][0] < plain[0][0] < 1.0
    for exponent in (-most, -37, 1, 37, most):
        # Not to the last bit: what is multiplied lies elsewhere in memory, and BLAS sums in another order then.
        np.testing.assert_allclose(seen(exponent, dtype), plain, rtol=1e-5 if dtype == np.float32 else 1e-12)
