"""Factorizations beside a reference: matching, spectral angles, errors of abundances."""

import numpy as np
import pytest

from gsp_studio.core.truth import Truth, compare_with_truth, spectral_angles


@pytest.fixture
def reference():
    """Spectra (12, 3) and abundances (3, 50) that sum to one."""
    rng = np.random.default_rng(0)
    return rng.random((12, 3)), rng.dirichlet(np.ones(3), 50).T


def test_angles_in_degrees():
    first, second = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 1.0, 0.0], [1.0, 1e-9, 5.0]])
    np.testing.assert_allclose(spectral_angles(first, second)[0], [45, np.degrees(1e-9), 90], rtol=1e-6)
    assert spectral_angles(first, second)[1].tolist() == [90, 90, 90]


def test_factors_that_are_the_reference_in_another_order_and_scale(reference):
    M, A = reference
    order, scale = [2, 0, 1], np.array([3.0, 0.5, 7.0])
    found = compare_with_truth(M[:, order] * scale, A[order] / scale[:, None], Truth(M, A))
    assert found.partner.tolist() == [1, 2, 0]
    assert found.mean_angle < 1e-5
    assert max(found.total_rmse, found.total_rmse_scaled) < 1e-12
    assert np.isnan(found.accuracy)


def test_shares_are_compared_and_values_as_they_are_beside_them(reference):
    M, A = reference
    found = compare_with_truth(M, 2 * A, Truth(M, A))  # brighter data: the shares are the same
    assert found.total_rmse < 1e-12
    np.testing.assert_allclose(found.rmse_scaled, np.sqrt((A**2).mean(axis=1)))


def test_more_and_fewer_basis_images_than_materials(reference):
    M, A = reference
    more = compare_with_truth(np.column_stack([np.ones(12), M]), np.vstack([0.1 * A[:1], A]), Truth(M, A))
    assert more.partner.tolist() == [1, 2, 3]
    assert more.rmse[1] > 0  # the spare one takes its share
    few = compare_with_truth(M[:, :2], A[:2], Truth(M, A, names=("a", "b", "c")))
    assert few.partner.tolist() == [0, 1, -1]
    assert np.isnan(few.angle[2])
    assert np.isnan(few.rmse[2])
    assert few.mean_angle < 1e-5


def test_abundances_alone_and_labels(reference):
    M, A = reference
    found = compare_with_truth(M[:, ::-1], 5 * A[::-1], Truth(None, A))
    assert found.partner.tolist() == [2, 1, 0]
    assert np.isnan(found.mean_angle)
    assert found.total_rmse_scaled < 1e-12
    classes = np.eye(3)[np.random.default_rng(1).integers(3, size=50)].T
    of_labels = compare_with_truth(M, classes * 4 + 0.1, Truth(None, classes, is_labels=True))
    assert of_labels.accuracy == 1


def test_references_of_other_sizes_are_refused(reference):
    M, A = reference
    with pytest.raises(ValueError, match="does not fit factors"):
        compare_with_truth(M, A, Truth(M[:5], None))
    with pytest.raises(ValueError, match="spectra, abundances or labels"):
        compare_with_truth(M, A, Truth())
