"""The unit of the data is not part of the result: X times a power of two gives the same run, to the last bit."""

import itertools
import json
import math

import numpy as np
import pytest
from definitions import image_errors, masked_error
from local_workers import LocalWorkers

import gsp_studio as gs
from gsp_studio.backends.blocks import BlockMatrix, InMemoryBlocks
from gsp_studio.backends.powers import exponent_of, scaled
from gsp_studio.core.distributed.matrix import DistributedMatrix
from gsp_studio.core.edits import Kill, Reseed, Split
from gsp_studio.core.initialization import STARTS
from gsp_studio.core.matching import match_bases
from gsp_studio.core.nmf import METHODS, iterate
from gsp_studio.core.optimality import kkt_residual
from gsp_studio.core.residuals import error_map, fit_of_image, residuals
from gsp_studio.experiments.rank import bicross_validated_errors

M, N, RANK = 40, 150, 5
DTYPES = (np.float32, np.float64)
#: Exponents at which nothing is scaled, and at which all is; of float64 sizes whose squares are no numbers.
EXPONENTS = {np.float32: (-100, -37, -1, 5, 32, 37, 100), np.float64: (-900, -37, -32, 1, 37, 900)}


def data(dtype):
    rng = np.random.default_rng(0)
    X = rng.random((M, RANK)) ** 6 @ rng.random((RANK, N)) ** 2 + 0.03 * rng.random((M, N))
    X /= X.max()
    X[:, 7] = 0.0
    return np.asfortranarray(X, dtype)


def params(method="psnmf", **more):
    weights = np.linspace(0.1, 1.0, M) if METHODS[method].uses_weights else None
    return gs.Params(RANK, method, seed=1, **{"sparsity": 0.6, "max_iter": 8, "weights": weights, **more})


def streamed(X):
    return BlockMatrix(X.shape, X.dtype, lambda start, stop, out: np.copyto(out, X.T[start:stop]))


def assert_same_run(found, plain, exponent):
    """Equal errors and sparsities, and factors whose product is `exponent` powers of two larger."""
    assert np.array_equal(found.history.error, plain.history.error)
    assert np.array_equal(found.history.sparsity, plain.history.sparsity)
    assert (found.error, found.sparsity, found.best_iter) == (plain.error, plain.sparsity, plain.best_iter)
    np.testing.assert_equal(found.sparsity_h, plain.sparsity_h)
    assert (found.dead, found.stop, found.W.dtype, found.H.dtype) == (
        plain.dead,
        plain.stop,
        plain.W.dtype,
        plain.W.dtype,
    )
    a = exponent // 2
    assert np.array_equal(found.W, scaled(plain.W, a))
    assert np.array_equal(found.dense, scaled(plain.dense, a))
    assert np.array_equal(found.H, scaled(plain.H, exponent - a))
    assert found.gram.relative_error(found.dense) == plain.gram.relative_error(plain.dense)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
def test_the_unit_is_not_part_of_a_run(method, dtype):
    X, asked = data(dtype), params(method)
    plain = gs.factorize(X, asked, "cpu")
    assert 0.0 < plain.error < 0.5
    for exponent in EXPONENTS[dtype]:
        assert_same_run(gs.factorize(scaled(X, exponent), asked, "cpu"), plain, exponent)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("init", STARTS)
def test_the_unit_is_not_part_of_a_start(init, dtype):
    X, asked = data(dtype), params(init=init, max_iter=3)
    plain = gs.factorize(X, asked, "cpu")
    for exponent in EXPONENTS[dtype]:
        assert_same_run(gs.factorize(scaled(X, exponent), asked, "cpu"), plain, exponent)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "more",
    [
        {"sparsity_h": 0.4},
        {"method": "nenmf", "sparsity_h": 0.4},
        {"frozen": (1,)},
        {"tol": 1e-3, "max_iter": 60},
        {"kkt_tol": 0.3, "max_iter": 40},
        {"reseed_dead": True, "sparsity": 0.95},
        {"continuation": 4},
    ],
    ids=lambda more: "-".join(more),
)
def test_the_unit_is_not_part_of_what_params_ask_for(more, dtype):
    X, asked = data(dtype), params(**{"method": "psnmf", **more})
    plain = gs.factorize(X, asked, "cpu")
    for exponent in EXPONENTS[dtype]:
        assert_same_run(gs.factorize(scaled(X, exponent), asked, "cpu"), plain, exponent)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_reference_backend_agrees(dtype):
    X, asked = data(dtype), params(max_iter=3)
    plain = gs.factorize(X, asked, "reference")
    for exponent in EXPONENTS[dtype]:
        assert_same_run(gs.factorize(scaled(X, exponent), asked, "reference"), plain, exponent)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", [name for name, kind in METHODS.items() if kind.uses_weights])
def test_only_ratios_of_weights_count(method, dtype):
    X = data(dtype)
    of_each = np.linspace(0.1, 1.0, M * RANK, dtype=dtype).reshape(M, RANK).astype(np.float64)
    for weights, one in ((of_each, False), (of_each[:, 0], False), (of_each, True)):
        plain = gs.factorize(X, params(method, weights=weights))
        for exponent in (-1000, -520, -160, -145, 130, 520, 1000):
            moved = np.ldexp(weights, exponent)
            if one:  # of one basis image alone
                moved = np.column_stack([moved[:, 0], weights[:, 1:]])
            assert_same_run(gs.factorize(X, params(method, weights=moved)), plain, 0)
    equal = gs.factorize(X, params(method, weights=np.full(M, 1e308)))
    assert_same_run(equal, gs.factorize(X, params(method, weights=np.ldexp(np.full(M, 1e308), -1024))), 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_missing_entries_are_filled_in_the_unit(dtype):
    X = data(dtype)
    mask = np.random.default_rng(1).random(X.shape) < 0.1
    X[mask] = np.nan
    whole = data(dtype)
    plain = gs.factorize(X, params(), "cpu", mask=mask)
    left_out = masked_error(whole, plain.W, plain.H, mask)
    for exponent in EXPONENTS[dtype]:
        found = gs.factorize(scaled(X, exponent), params(), "cpu", mask=mask)
        assert_same_run(found, plain, exponent)
        assert masked_error(scaled(whole, exponent), found.W, found.H, mask) == left_out


@pytest.mark.parametrize("dtype", DTYPES)
def test_given_factors_are_in_the_unit_of_the_data(dtype):
    X = data(dtype)
    first = gs.factorize(X, params(max_iter=4), "cpu")
    frozen = params(init=(first.W, first.H), frozen=(0, 3))
    plain = gs.factorize(X, frozen, "cpu")
    for exponent in EXPONENTS[dtype]:
        before = gs.factorize(scaled(X, exponent), params(max_iter=4), "cpu")
        found = gs.factorize(scaled(X, exponent), params(init=(before.W, before.H), frozen=(0, 3)), "cpu")
        assert_same_run(found, plain, exponent)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["of another size", "integers", "lists"])
def test_only_the_shape_of_given_factors_counts(kind, dtype):
    X, rng = data(dtype), np.random.default_rng(2)
    W0, H0 = rng.integers(1, 9, (M, RANK)), rng.integers(1, 9, (RANK, N))
    init = {"of another size": (W0 * 1e-30, H0 * 1e33), "integers": (W0, H0), "lists": (W0.tolist(), H0.tolist())}[kind]
    plain = gs.factorize(X, params(init=init), "cpu")
    assert 0.0 < plain.error < 0.5
    for exponent in EXPONENTS[dtype]:
        found = gs.factorize(scaled(X, exponent), params(init=init), "cpu")
        assert np.array_equal(found.history.error, plain.history.error)
        assert np.array_equal(found.W, scaled(plain.W, exponent // 2))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["psnmf", "l1ahals"])
def test_steering_is_not_told_the_unit(method, dtype):
    X = data(dtype)
    steering = {
        2: Split(1),
        3: Reseed(0),
        5: Kill(2),
        6: params(method, frozen=(1,)),
    }
    plain = gs.factorize(X, params(method), "cpu", steering=steering)
    for exponent in EXPONENTS[dtype]:
        found = gs.factorize(scaled(X, exponent), params(method), "cpu", steering=steering)
        assert_same_run(found, plain, exponent)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["psnmf", "l1ahals", "nenmf"])
def test_image_stream_images_are_multiplied_as_they_are_read(method, dtype):
    X = data(dtype)
    plain = gs.factorize(X, params(method), "cpu")
    for exponent in EXPONENTS[dtype]:
        there = scaled(X, exponent)
        for stream in (streamed(there), InMemoryBlocks(np.ascontiguousarray(there.T))):
            found = gs.factorize(stream, params(method, init="random"), "cpu")
            assert_same_run(found, plain, exponent)
        assert np.array_equal(there, scaled(X, exponent))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_part_and_a_copy_of_multiplied_images_are_multiplied(dtype):
    X = data(dtype)
    twice = streamed(X).scaled(1).scaled(2)
    assert np.array_equal(twice.part(10, 30)[:, 2:5], 8 * X[:, 12:15])
    assert np.array_equal(twice[:, 7:9], 8 * X[:, 7:9])
    assert np.array_equal(twice.held()[:, :20], 8 * X[:, :20])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_cluster_says_by_what_to_multiply(dtype):
    def spread(X):
        spans = [slice(0, 128), slice(128, N)]
        return DistributedMatrix(
            X.shape, X.dtype, LocalWorkers(InMemoryBlocks(np.ascontiguousarray(X.T)), spans, "cpu")
        )

    X = data(dtype)
    plain = gs.factorize(spread(X), params(), "cpu")
    near, far = (sorted(EXPONENTS[dtype], key=abs)[i] for i in (1, -1))
    found = gs.factorize(spread(scaled(X, near)), params(), "cpu")
    assert np.array_equal(found.history.error, plain.history.error)
    with pytest.raises(ValueError, match=rf"multiply the images by 2\.0\*\*{-far}$"):
        gs.factorize(spread(scaled(X, far)), params(), "cpu")


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_and_smallest_numbers_of_a_type_can_be_factorized(dtype):
    X = data(dtype)
    X[X < 0.01] = 0.0
    info = np.finfo(dtype)
    largest = X * dtype(info.max)
    assert largest.max() > info.max / 2
    plain = gs.factorize(X, params(), "cpu")
    found = gs.factorize(largest, params(), "cpu")
    assert found.error == pytest.approx(plain.error, rel=1e-3)
    assert np.isfinite(found.W).all()
    assert np.isfinite(found.H).all()
    if dtype == np.float64:  # longer than any number
        assert found.gram.length_of(found.gram.x_norm2) == math.inf
    # Subnormal: what is left of their digits is what counts.
    smallest = np.round(X * 200) * info.smallest_subnormal
    found = gs.factorize(smallest, params(), "cpu")
    again = gs.factorize(np.round(X * 200), params(), "cpu")
    assert np.array_equal(found.history.error, again.history.error)


def test_values_that_are_refused_are_refused_in_every_unit():
    X = data(np.float64)
    for exponent in (-900, 0, 900):
        for bad, said in ((np.nan, "NaN or infinite"), (np.inf, "NaN or infinite"), (-0.5, "negative values")):
            some = scaled(X, exponent)
            some[3, 4] = bad * 2.0**exponent
            with pytest.raises(ValueError, match=said):
                gs.factorize(some, params())
            with pytest.raises(ValueError, match=said):
                gs.factorize(streamed(some), params())
            with pytest.raises(ValueError, match=said):
                gs.factorize(some, params(), mask=np.arange(N) + np.zeros((M, 1)) == 9)


@pytest.mark.parametrize("dtype", DTYPES)
def test_errors_of_images_and_pixels_have_no_unit(dtype):
    X = data(dtype)
    plain = gs.factorize(X, params(), "cpu")
    of, map_ = residuals(X, plain.W, plain.H), error_map(X, plain.W, plain.H)
    one = fit_of_image(X[:, 3], plain.W, plain.H[:, 3])
    kkt = kkt_residual(X, plain.W, plain.H, params(), "cpu")
    assert 0.0 < of.error < 0.5
    assert 0.0 < one.error < 1.0
    assert 0.0 < kkt < 1.0
    for exponent in EXPONENTS[dtype]:
        there, a = scaled(X, exponent), exponent // 2
        W, H = scaled(plain.W, a), scaled(plain.H, exponent - a)
        for where in (there, streamed(there)):
            found = residuals(where, W, H)
            assert found.error == of.error
            assert np.array_equal(found.images, of.images)
            assert np.array_equal(found.without, of.without)
            assert kkt_residual(where, W, H, params(), "cpu") == kkt
        with np.errstate(over="ignore", under="ignore"):
            assert np.array_equal(found.pixels, np.ldexp(of.pixels, 2 * exponent))
            assert np.array_equal(error_map(there, W, H), np.ldexp(map_, 2 * exponent))
        assert np.array_equal(image_errors(there, W, H), of.images)
        fit = fit_of_image(there[:, 3], W, H[:, 3])
        assert (fit.error, fit.without.tolist(), fit.shares.tolist()) == (
            one.error,
            one.without.tolist(),
            one.shares.tolist(),
        )
        assert np.array_equal(fit.reconstruction, scaled(one.reconstruction, exponent))
        assert (
            match_bases(W, plain.W[:, ::-1]).cosine.tolist() == match_bases(plain.W, plain.W[:, ::-1]).cosine.tolist()
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sparsity_h", [None, 0.4])
def test_the_estimator_has_no_unit(sparsity_h, dtype):
    X = np.ascontiguousarray(data(dtype).T)
    plain = gs.SparseNMF(RANK, sparsity=0.6, sparsity_h=sparsity_h, max_iter=8, backend="cpu")
    Z, some = plain.fit_transform(X), plain.transform(X[:20])
    for exponent in EXPONENTS[dtype]:
        there, a = scaled(X, exponent), exponent // 2
        model = gs.SparseNMF(RANK, sparsity=0.6, sparsity_h=sparsity_h, max_iter=8, backend="cpu")
        assert np.array_equal(model.fit_transform(there), scaled(Z, exponent - a))
        assert np.array_equal(model.components_, scaled(plain.components_, a))
        assert model.reconstruction_err_ == math.ldexp(plain.reconstruction_err_, exponent)
        assert np.array_equal(model.transform(there[:20]), scaled(some, exponent - a))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_estimator_has_no_unit_where_samples_hide_entries(dtype):
    X = np.ascontiguousarray(data(dtype).T)
    hidden = np.random.default_rng(2).random(X.shape) < 0.1
    plain = gs.SparseNMF(RANK, sparsity=0.6, max_iter=8, backend="cpu")
    Z = plain.fit_transform(np.ma.array(X, mask=hidden))
    left = np.where(hidden, 0, X - plain.inverse_transform(Z)).astype(np.float64)
    assert plain.reconstruction_err_ == pytest.approx(np.linalg.norm(left), rel=1e-4)
    for exponent in EXPONENTS[dtype]:
        model = gs.SparseNMF(RANK, sparsity=0.6, max_iter=8, backend="cpu")
        found = model.fit_transform(np.ma.array(scaled(X, exponent), mask=hidden))
        assert np.array_equal(found, scaled(Z, exponent - exponent // 2))
        assert model.reconstruction_err_ == math.ldexp(plain.reconstruction_err_, exponent)


@pytest.mark.parametrize("exponent", [-900, 0, 900])
def test_what_a_consumer_is_handed_is_read_only_in_every_unit(exponent):
    for it in iterate(scaled(data(np.float64), exponent), params(max_iter=2), "cpu"):
        for array in (it.W, it.H, it.dense, it.gram.A, it.gram.G):
            with pytest.raises(ValueError, match="read-only"):
                array[0, 0] = 7.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_validation_has_no_unit(dtype):
    X = data(dtype)
    plain = bicross_validated_errors(X, params(max_iter=3), "cpu", folds=(2, 2))
    for exponent in EXPONENTS[dtype]:
        found = bicross_validated_errors(scaled(X, exponent), params(max_iter=3), "cpu", folds=(2, 2))
        assert np.array_equal(found, plain)


def test_sparse_images_of_any_unit_meet_the_target_of_l1ahals():
    X, asked = data(np.float64), params("l1ahals", max_iter=120)
    attained = {gs.factorize(X * unit, asked, "cpu").sparsity for unit in (2.0**-10, 1.0, 255.0, 2.0**30)}
    assert max(attained) - min(attained) < 0.02
    assert np.allclose(sorted(attained), 0.6, atol=0.03)


def test_data_of_ordinary_size_are_not_copied():
    X = data(np.float64)
    solver = iterate(X, params(), "cpu")
    next(solver)
    assert np.shares_memory(solver.gi_frame.f_locals["run"].Xt, X)


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_of_two(dtype):
    assert [exponent_of(x) for x in (1.0, 1.01, 0.5, 0.51, 2.0, 5e-324, 0.0, math.nan, math.inf)] == [
        0, 1, -1, 0, 1, -1074, 0, 0, 0,
    ]  # fmt: skip
    low, high = (-149, 127) if dtype == np.float32 else (-1074, 1023)
    for a, b in itertools.product((low, -30, 0, 30, high), repeat=2):
        one = np.ldexp(dtype(1.0), a)
        assert scaled(np.full(3, one), b - a).tolist() == [float(np.ldexp(dtype(1.0), b))] * 3


def test_the_command_fits_data_of_any_unit(tmp_path):
    from gsp_studio.cli import main

    errors = set()
    for exponent in (-900, 0, 900):
        path, out = tmp_path / f"{exponent}.npy", tmp_path / f"out{exponent}"
        np.save(path, scaled(data(np.float64), exponent))
        arguments = ["fit", str(path), "--rank", "3", "--max-iter", "5", "--backend", "cpu", "--out", str(out)]
        assert main(arguments) == 0
        errors.add(json.loads((out / "run.json").read_text())["result"]["error"])
    assert len(errors) == 1
