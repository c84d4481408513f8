"""Scales of spectra for people."""

import numpy as np
import pytest

from gsp_studio.core.unit_spectra import UNITS, in_units, unit_scales

MEASURES = {
    "sum": lambda W: W.sum(axis=0),
    "max": lambda W: W.max(axis=0),
    "norm": lambda W: np.linalg.norm(W, axis=0),
}


@pytest.mark.parametrize("unit", MEASURES)
@pytest.mark.parametrize("exponent", [-500, 0, 500])
def test_columns_have_the_unit_and_the_product_stays(unit, exponent):
    rng = np.random.default_rng(0)
    W, H = np.ldexp(rng.random((9, 4)), exponent), rng.random((4, 7))
    W[:, 2] = 0
    scaled, coefficients = in_units(W, H, unit)
    np.testing.assert_allclose(MEASURES[unit](scaled)[[0, 1, 3]], 1.0)
    assert not scaled[:, 2].any()
    np.testing.assert_allclose(scaled @ coefficients, W @ H)
    np.testing.assert_array_equal(coefficients[2], H[2])


def test_as_they_are_and_what_is_no_unit():
    W, H = np.ones((3, 2), np.float32), np.ones((2, 5), np.float32)
    assert in_units(W, H, "none") == (W, H)
    assert in_units(W, H, "sum")[1].dtype == np.float32
    assert set(UNITS) == {"none", *MEASURES}
    with pytest.raises(ValueError, match="is no unit of spectra; accepted are none, sum, max, norm"):
        unit_scales(W, "mean")
