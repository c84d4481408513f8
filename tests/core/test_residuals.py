"""Errors by image, by pixel and without a basis image: the plain definitions in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from definitions import image_errors

from gsp_studio.core import residuals as module
from gsp_studio.core.residuals import error_map, fit_of_image, residuals


def problem(
    m: int = 30, n: int = 47, r: int = 4, dtype: Any = np.float64, noise: float = 0.3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, W, H with an error of about `noise`; X as data sets have it."""
    rng = np.random.default_rng(seed)
    W, H = rng.random((m, r)) * (rng.random((m, r)) < 0.7), rng.random((r, n))
    X = W @ H * (1 + noise * (2 * rng.random((m, n)) - 1))
    return np.asfortranarray(X.astype(dtype)), W.astype(dtype), H.astype(dtype)


def without(W: np.ndarray, k: int) -> np.ndarray:
    """The basis with image k left out."""
    rest = W.astype(np.float64)
    rest[:, k] = 0
    return rest


def relative(X: np.ndarray, W: np.ndarray, H: np.ndarray) -> float:
    """The error as it is defined."""
    X, W, H = (np.asarray(A, np.float64) for A in (X, W, H))
    return float(np.linalg.norm(X - W @ H) / np.linalg.norm(X))


def definition(X: np.ndarray, W: np.ndarray, H: np.ndarray) -> dict[str, Any]:
    """What `residuals` gives, the plain way."""
    R = np.asarray(X, np.float64) - W.astype(np.float64) @ H.astype(np.float64)
    return {
        "images": np.linalg.norm(R, axis=0) / np.linalg.norm(np.asarray(X, np.float64), axis=0),
        "pixels": np.mean(R**2, axis=1),
        "error": relative(X, W, H),
        "without": np.array([relative(X, without(W, k), H) for k in range(W.shape[1])]),
    }


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-6)])
@pytest.mark.parametrize("order", ["F", "C"])
@pytest.mark.parametrize("block", [1, 97, 1 << 18])
def test_equals_the_definition(
    monkeypatch: pytest.MonkeyPatch, dtype: Any, rtol: float, order: Any, block: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    X, W, H = problem(dtype=dtype)
    X, W, H = (np.array(A, order=order) for A in (X, W, H))
    expected = definition(X, W, H)
    found = residuals(X, W, H)
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=rtol, err_msg=name)
        assert np.asarray(getattr(found, name)).dtype == np.float64
    np.testing.assert_array_equal(image_errors(X, W, H), found.images)
    np.testing.assert_array_equal(error_map(X, W, H), found.pixels)


@pytest.mark.parametrize("noise", [1e-2, 1e-4, 1e-5])
def test_good_fits_in_float32_keep_their_digits(noise: float) -> None:
    """The Gram form has none left here: its terms cancel."""
    X, W, H = problem(400, 60, dtype=np.float32, noise=noise)
    expected = definition(X, W, H)
    found = residuals(X, W, H)
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=0.02, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_exact_fit_is_zero(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    W, H = rng.integers(0, 5, (20, 3)).astype(dtype), rng.integers(1, 5, (3, 11)).astype(dtype)
    found = residuals(W @ H, W, H)
    assert not found.images.any()
    assert not found.pixels.any()
    assert found.error == 0.0
    np.testing.assert_allclose(found.without, definition(W @ H, W, H)["without"], rtol=1e-6)
    fit = fit_of_image((W @ H)[:, 2], W, H[:, 2])
    assert fit.error == 0.0
    np.testing.assert_array_equal(fit.reconstruction, (W @ H)[:, 2])


def test_zero_images_and_zero_data() -> None:
    X, W, H = problem()
    X[:, [3, 5]] = 0.0
    H[:, 5] = 0.0
    found = residuals(X, W, H)
    assert found.images[3] == np.inf
    assert found.images[5] == 0.0
    assert np.isfinite(np.delete(found.images, 3)).all()
    assert found.error == pytest.approx(relative(X, W, H), rel=1e-12)
    fit = fit_of_image(X[:, 5], W, H[:, 5])
    assert (fit.error, fit.shares.tolist(), fit.without.tolist()) == (0.0, [0.0] * 4, [0.0] * 4)
    assert fit_of_image(X[:, 3], W, H[:, 3]).error == np.inf
    nothing = residuals(np.zeros_like(X), W, np.zeros_like(H))
    assert nothing.error == 0.0
    assert not nothing.images.any()
    assert not nothing.without.any()
    assert residuals(np.zeros_like(X), W, H).error == np.inf


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_one_image_without_each_basis_image(dtype: Any, rtol: float) -> None:
    X, W, H = problem(dtype=dtype)
    for j in (0, 46):
        fit = fit_of_image(X[:, j], W, H[:, j])
        assert fit.error == pytest.approx(relative(X[:, j], W, H[:, j]), rel=rtol)
        parts = np.linalg.norm(W.astype(np.float64), axis=0) * H[:, j]
        np.testing.assert_allclose(fit.shares, parts / parts.sum(), rtol=rtol)
        for k in range(4):
            rest = without(W, k)
            assert fit.without[k] == pytest.approx(relative(X[:, j], rest, H[:, j]), rel=rtol)
            left = fit.reconstruction_without(k)
            assert left.dtype == dtype
            assert left.min() >= 0
            np.testing.assert_allclose(left, rest @ H[:, j].astype(np.float64), rtol=0, atol=rtol * X.max())


def test_unused_basis_image_changes_nothing() -> None:
    X, W, H = problem()
    H[2] = 0.0
    W[:, 1] = 0.0
    found = residuals(X, W, H)
    assert found.without[[1, 2]] == pytest.approx([found.error] * 2, rel=1e-14)
    fit = fit_of_image(X[:, 0], W, H[:, 0])
    assert fit.without[[1, 2]].tolist() == [fit.error] * 2


def test_basis_image_that_does_harm_lowers_the_error_when_left_out() -> None:
    X, W, H = problem(noise=0.0)
    H[0] += 5.0
    found = residuals(X, W, H)
    assert found.without[0] < found.error
    np.testing.assert_allclose(found.without, definition(X, W, H)["without"], rtol=1e-12)


def test_reports_its_way_and_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 300)
    done: list[int] = []
    residuals(*problem(), on_block=done.append)
    assert done == [8, 16, 24, 32, 40, 47]

    class Enough(Exception):
        pass

    def enough(count: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        residuals(*problem(), on_block=enough)


def test_nothing_is_changed_and_read_only_data_will_do() -> None:
    arrays = problem()
    before = [A.copy() for A in arrays]
    for A in arrays:
        A.flags.writeable = False
    residuals(*arrays)
    fit_of_image(arrays[0][:, 0], arrays[1], arrays[2][:, 0]).reconstruction_without(1)
    for A, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(A, old)


def test_shapes_that_do_not_fit() -> None:
    X, W, H = problem()
    for call in (residuals, error_map):
        with pytest.raises(ValueError, match=r"X \(30, 47\), W \(30, 4\) and H \(4, 46\) do not fit"):
            call(X, W, H[:, :-1])
    with pytest.raises(ValueError, match="do not fit"):
        fit_of_image(X[:, 0], W, H[:-1, 0])
