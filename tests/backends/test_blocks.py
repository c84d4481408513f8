"""Data that are read in blocks: the same iterates as from memory, the same errors, and a pass that can be given up."""

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.backends import blocks, get_backend
from gsp_studio.backends.blocks import BlockMatrix, Interrupted
from gsp_studio.backends.kernels import prepared
from gsp_studio.core.edits import Kill, Reseed, Split
from gsp_studio.core.metrics import mean_image, squared_norm, squared_norms_of_images
from gsp_studio.core.nmf import METHODS
from gsp_studio.core.optimality import kkt_residual
from gsp_studio.core.residuals import residuals

M, N = 60, 1000


def data(dtype=np.float32):
    rng = np.random.default_rng(0)
    X = rng.random((M, 5)) ** 3 @ rng.random((5, N)) + 0.05 * rng.random((M, N))
    return np.asfortranarray(X, dtype)


def streamed(X, calls=None):
    def read(start, stop, out):
        if calls is not None:
            calls.append((start, stop))
        out[:] = X.T[start:stop]

    return BlockMatrix(X.shape, X.dtype, read)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "_BYTES_AT_ONCE", 192 * M * 4)  # eight blocks of 128, the last one smaller


def params(method, **more):
    weights = np.linspace(0.1, 1.0, M) if METHODS[method].uses_weights else None
    return gs.Params(5, method, 0.5, seed=1, **{"max_iter": 15, "weights": weights, **more})


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_what_it_gives_from_memory(method, backend):
    X = data(np.float64)
    chosen = params(method, max_iter=15 if backend == "cpu" else 5)  # the reference is slow
    here = gs.factorize(X, chosen, backend)
    there = gs.factorize(streamed(X), chosen, backend)
    assert np.array_equal(there.W, here.W)
    assert np.array_equal(there.H, here.H)
    assert np.array_equal(there.history.error, here.history.error)


def test_it_repeats_to_the_last_bit():
    X = data()
    runs = [gs.factorize(streamed(X), params("psnmf")) for _ in range(2)]
    assert np.array_equal(runs[0].W, runs[1].W)
    assert np.array_equal(runs[0].H, runs[1].H)


def test_sparse_coefficients_and_steering_stream_too():
    X = data(np.float64)
    steering = {3: Split(0), 5: Reseed(1), 8: Kill(2), 9: gs.Params(5, "ahals", seed=1, max_iter=15)}
    for chosen in (params("psnmf", sparsity_h=0.3), params("psnmf")):
        here = gs.factorize(X, chosen, steering=None if chosen.sparsity_h else steering)
        there = gs.factorize(streamed(X), chosen, steering=None if chosen.sparsity_h else steering)
        assert np.array_equal(there.history.error, here.history.error)


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda", "nndsvdar", "images"])
def test_starts_that_look_at_images_look_at_a_sample(init, monkeypatch):
    X = data()
    monkeypatch.setattr("gsp_studio.core.initialization._SAMPLE", 200 * M * 4)
    result = gs.factorize(streamed(X), params("psnmf", init=init))
    assert result.error < 0.2
    assert result.W.dtype == np.float32


def test_the_gradient_residual_and_the_residuals():
    X = data(np.float64)
    result = gs.factorize(X, params("psnmf", kkt_tol=1e-9))
    there = gs.factorize(streamed(X), params("psnmf", kkt_tol=1e-9))
    assert there.error == result.error
    of = (result.W, result.H, result.params)
    np.testing.assert_allclose(kkt_residual(streamed(X), *of), kkt_residual(X, *of), rtol=1e-9)
    here, there = residuals(X, result.W, result.H), residuals(streamed(X), result.W, result.H)
    for name in ("images", "pixels", "error", "without"):
        assert np.array_equal(getattr(there, name), getattr(here, name))


def test_sums_over_blocks():
    X = data()
    assert squared_norm(streamed(X)) == squared_norm(X) == squared_norm(np.ascontiguousarray(X))
    np.testing.assert_allclose(squared_norm(X), np.square(X, dtype=np.float64).sum(), rtol=1e-12)
    np.testing.assert_allclose(mean_image(streamed(X)), X.mean(axis=1, dtype=np.float64), rtol=1e-6)
    assert np.array_equal(mean_image(streamed(X)), mean_image(X))
    assert np.array_equal(squared_norms_of_images(streamed(X).T), squared_norms_of_images(X.T))
    Xt, backend = prepared(streamed(X), get_backend())
    V, H = np.random.default_rng(0).random((5, M), np.float32), np.random.default_rng(1).random((5, N), np.float32)
    with backend.scope():
        np.testing.assert_allclose(backend.residual(Xt, V, H), np.linalg.norm(X - V.T @ H) ** 2, rtol=1e-5)
        np.testing.assert_allclose(backend.encode(Xt, V), V @ X, rtol=1e-5)


def test_each_image_is_read_once_a_pass():
    X, calls = data(), []
    list(streamed(X, calls).blocks())
    assert calls == [(a, min(N, a + 128)) for a in range(0, N, 128)]
    calls.clear()
    gs.factorize(streamed(X, calls), params("psnmf"))
    images_read = sum(stop - start for start, stop in calls)
    assert images_read <= (15 + 3) * N, "once an iteration, once for the norm, once or twice for the start"


def test_columns_are_taken_as_from_an_array():
    X = data()
    S = streamed(X)
    for key in (3, -1, slice(2, 9), slice(None, None, 100), np.array([5, 2, 5]), np.arange(N) % 97 == 0):
        assert np.array_equal(S[:, key], X[:, key])
        assert np.array_equal(S.T[key], X.T[key])
    assert (S.shape, S.T.shape, len(S), len(S.T), S.size, S.nbytes) == (X.shape, X.T.shape, M, N, X.size, X.nbytes)
    for key in ((slice(0, 3), 1), 4, (1, slice(None))):
        with pytest.raises(TypeError, match="whole columns can be taken"):
            S[key]
    with pytest.raises(IndexError, match="accepted are 0 to 999"):
        S[:, 1000]
    with pytest.raises(TypeError, match="some at a time"):
        np.asarray(S)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.nan, "images 129 to 256 hold NaN or infinite values"),
        (np.inf, "images 129 to 256 hold NaN or infinite values"),
        (-1.0, "images 129 to 256 have negative values"),
    ],
)
def test_values_that_cannot_be_are_found_by_the_first_pass(value, told):
    X = data()
    X[3, 200] = value
    with pytest.raises(ValueError, match=told):
        gs.factorize(streamed(X), params("psnmf"))


def test_what_a_stream_cannot_have():
    X = data()
    with pytest.raises(ValueError, match="zero everywhere"):
        gs.factorize(streamed(np.zeros_like(X)), params("psnmf"))
    with pytest.raises(ValueError, match="a mask needs the images in memory"):
        gs.factorize(streamed(X), params("psnmf"), mask=np.zeros(X.shape, bool))
    with pytest.raises(ValueError, match="held_out needs the images in memory; these are in their file"):
        gs.factorize(streamed(X), gs.Params(3, held_out=0.02))
    calls = []
    with pytest.raises(ValueError, match="rank 61 exceeds"):
        gs.factorize(streamed(X, calls), gs.Params(61))
    assert not calls, "what can be said without a pass over the data is said before it"


def test_a_pass_is_given_up_between_two_blocks():
    X, calls = data(), []
    seen = []
    watched = streamed(X, calls).watched(lambda: len(seen) >= 2)
    with pytest.raises(Interrupted):
        seen.extend(watched.blocks())
    assert len(seen) == 2


def test_an_error_of_the_reader_reaches_the_caller():
    def read(start, stop, out):
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        gs.factorize(BlockMatrix((M, N), np.float32, read), params("psnmf"))
