"""Seeds: columns of W0 that a run begins with, and how long it holds them."""

from dataclasses import replace

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.backends import get_backend
from gsp_studio.core.edits import Kill, Reseed, Split, check_edit, edited_params
from gsp_studio.core.optimality import kkt_residual
from gsp_studio.core.params import Params
from gsp_studio.core.seeds import HELD_FIRST, Seed, held_params, holds_of, seed_of, with_seeds
from gsp_studio.core.validation import check_params

PIXELS, IMAGES = 20, 60


@pytest.fixture(scope="module")
def mixture():
    """X of three spectra whose mixtures leave none of them pure, and these spectra."""
    rng = np.random.default_rng(1)
    M = rng.random((PIXELS, 3)) + 0.1
    return M @ rng.dirichlet(np.ones(3), IMAGES).T, M


def iterates_of(X, params):
    return list(gs.iterate(X, params, "reference"))


@pytest.mark.parametrize("method", ["ahals", "gsphals", "psnmf", "nenmf"])
def test_seeds_that_are_always_held_keep_their_bits(method, mixture):
    X, M = mixture
    params = gs.Params(4, method, 0.3, max_iter=6, seed_basis=M[:, :2], seed_hold="always")
    for it in iterates_of(X, params):
        np.testing.assert_array_equal(it.W[:, :2], M[:, :2])
    assert not np.array_equal(it.W[:, 2:], iterates_of(X, params)[0].W[:, 2:])


def test_all_basis_images_can_be_held_and_the_coefficients_are_fitted(mixture):
    X, M = mixture
    result = gs.factorize(X, gs.Params(3, "ahals", seed_basis=M, seed_hold="always", max_iter=400, tol=0))
    np.testing.assert_array_equal(result.W, M)
    assert result.error < 1e-5
    frozen = gs.factorize(X, gs.Params(3, "ahals", frozen=(0, 1, 2), max_iter=3))
    assert frozen.error > result.error
    assert np.isfinite(kkt_residual(X, result.W, result.H, result.params))


def test_seeds_of_first_are_released_after_the_first_iterations(mixture):
    X, M = mixture
    start = np.abs(M + 0.2 * np.random.default_rng(2).random(M.shape))
    # A tolerance that would have ended the run while the coefficients alone were fitted.
    params = gs.Params(3, "ahals", seed_basis=start, seed_hold="first,free,always", max_iter=HELD_FIRST + 5, tol=0.5)
    found = iterates_of(X, params)
    for it in found[:HELD_FIRST]:
        np.testing.assert_array_equal(it.W[:, [0, 2]], start[:, [0, 2]])
    assert not np.array_equal(found[0].W[:, 1], start[:, 1])
    assert not np.array_equal(found[HELD_FIRST].W[:, 0], start[:, 0])
    np.testing.assert_array_equal(found[HELD_FIRST].W[:, 2], start[:, 2])


def test_a_free_seed_begins_where_it_is_given(mixture):
    X, M = mixture
    [seeded] = iterates_of(X, gs.Params(3, "ahals", seed_basis=M, max_iter=1))
    [drawn] = iterates_of(X, gs.Params(3, "ahals", max_iter=1))
    assert seeded.error < 0.2 * drawn.error
    np.testing.assert_allclose(seeded.W / seeded.W.sum(axis=0), M / M.sum(axis=0), atol=0.03)


def test_divergence_begins_with_free_seeds_and_holds_none(mixture):
    X, M = mixture
    [method] = [name for name, kind in gs.METHODS.items() if not kind.is_least_squares and not kind.uses_sparsity]
    seeded, drawn = (gs.factorize(X, gs.Params(3, method, seed_basis=seeds, max_iter=2)).error for seeds in (M, None))
    assert seeded < 0.5 * drawn
    with pytest.raises(ValueError, match="seed_hold is for methods of least squares"):
        gs.factorize(X, gs.Params(3, method, seed_basis=M, seed_hold="first"))


def test_seeds_leave_out_the_ways_to_the_target(mixture):
    X, M = mixture
    found = iterates_of(X, gs.Params(3, "gsphals", 0.2, seed_basis=M, max_iter=30, tol=0))
    assert {it.trial for it in found} == {0}


#: Of float32 sizes at which squares, and those at which seeds themselves, are no numbers of the type; of float64 too.
FAR = {
    np.float32: (1e-46, 1e-30, 1e-20, 1e20, 1e30, 1e39),
    np.float64: (1e-300, 1e-200, 1e155, 1e300),
}


@pytest.mark.parametrize("dtype", FAR)
@pytest.mark.parametrize("method", ["ahals", "gsphals", "psnmf", "kl"])
def test_only_the_shape_of_free_seeds_counts(method, dtype, mixture):
    X, M = mixture
    start = np.abs(M + 0.2 * np.random.default_rng(2).random(M.shape))
    params = gs.Params(3, method, 0.3, max_iter=100, tol=0)
    plain = gs.factorize(X.astype(dtype), replace(params, seed_basis=start))
    for size in FAR[dtype]:
        found = gs.factorize(X.astype(dtype), replace(params, seed_basis=start * size))
        assert found.error == pytest.approx(plain.error, abs=1e-3)
        assert found.sparsity == pytest.approx(plain.sparsity, abs=1e-2)
        fit = found.W.astype(np.float64) @ found.H
        if gs.METHODS[method].is_least_squares:
            assert np.linalg.norm(X - fit) / np.linalg.norm(X) == pytest.approx(found.error, abs=1e-4)


@pytest.mark.parametrize("hold", ["always", "first"])
@pytest.mark.parametrize(("dtype", "sizes"), [(np.float32, (2.0**45, 2.0**-45)), (np.float64, (1e140, 1e-140))])
def test_held_seeds_keep_their_bits_or_are_refused(dtype, sizes, hold, mixture):
    X, M = mixture[0].astype(dtype), mixture[1].astype(dtype)
    params = gs.Params(3, "ahals", seed_basis=M, seed_hold=hold, max_iter=40)
    plain = gs.factorize(X, params)
    for size in sizes:
        found = gs.factorize(X, replace(params, seed_basis=M * dtype(size)))
        np.testing.assert_array_equal(found.W, M * dtype(size))
        assert found.error == pytest.approx(plain.error, abs=1e-3)
    for size in FAR[dtype]:
        with pytest.raises(
            ValueError, match=r"seed 1 is held, and its largest value .* is too far from those of X for"
        ):
            gs.factorize(X, replace(params, seed_basis=np.float64(size) * M))


def test_factors_that_are_no_numbers_are_refused(mixture):
    kernels = get_backend("reference")

    def overflowing(*args):
        H, B, G = kernels.sweep_coefficients(*args)
        return H * np.nan, B * np.nan, G * np.nan

    broken = replace(kernels, sweep_coefficients=overflowing)
    with pytest.raises(ValueError, match="the factors of iteration 1 are beyond the range of their type, float64"):
        gs.factorize(mixture[0], gs.Params(3, "ahals", extrapolate=False), broken)


def test_seeds_are_held_in_data_of_extreme_size(mixture):
    X, M = mixture
    X, M = np.ldexp(X, 100), np.ldexp(M, 100)
    result = gs.factorize(X, gs.Params(4, "ahals", seed_basis=M, seed_hold="always", max_iter=5))
    np.testing.assert_array_equal(result.W[:, :3], M)


def test_holds_move_up_when_a_basis_image_is_taken_away(mixture):
    _, M = mixture
    params = gs.Params(5, seed_basis=M, seed_hold="always,first,always")
    after = edited_params(Kill(0), params)
    assert holds_of(after) == ("first", "always", "free")
    assert held_params(after, 1).frozen == (0, 1)
    assert held_params(after, HELD_FIRST + 1).frozen == (1,)
    assert holds_of(edited_params(Kill(4), replace(params, seed_hold="always"))) == ("always",) * 3
    with pytest.raises(ValueError, match="basis image 1 is frozen"):
        check_edit(Split(0), params, PIXELS, IMAGES)


def test_names_of_seeds_go_with_their_basis_images(mixture):
    X, W = mixture[:2]
    params = with_seeds(Params(3, max_iter=2), [Seed("soil\nof a field", W[:, 0]), Seed("x" * 200, W[:, 1])])
    assert params.seed_names == ("soil of a field", "x" * 117 + "...")
    assert [seed_of(params, k) for k in range(3)] == [*params.seed_names, ""]
    assert [seed_of(edited_params(Kill(0), params), k) for k in range(2)] == [params.seed_names[1], ""]
    anew = edited_params(Reseed(0), params)
    assert [seed_of(anew, k) for k in range(3)] == ["", params.seed_names[1], ""]
    check_params(anew, *X.shape)
    assert edited_params(Reseed(2), anew) is anew
    going_on = params.with_factors(W, np.ones((3, X.shape[1])))
    assert seed_of(going_on, 0) == ""
    for names in (("a",), ("a", "b\nc"), ["a", "b"]):
        with pytest.raises(ValueError, match="seed_names"):
            check_params(replace(params, seed_names=names), *X.shape)


def test_factors_that_go_on_replace_the_seeds(mixture):
    X, M = mixture
    result = gs.factorize(X, gs.Params(3, "ahals", seed_basis=M, seed_hold="always", max_iter=3))
    onward = result.params.with_factors(result.W, result.H)
    assert (onward.seed_basis, onward.seed_hold) == (None, "free")


def test_names_of_seeds_follow_their_columns_and_change_nothing(mixture):
    X, M = mixture
    seeds = [Seed("water", M[:, 0]), Seed("tree", M[:, 1], "first"), Seed("soil", M[:, 2])]
    params = with_seeds(gs.Params(4, "ahals", max_iter=3), seeds)
    assert params.seed_names == ("water", "tree", "soil")
    assert edited_params(Kill(1), params).seed_names == ("water", "soil", "")
    assert edited_params(Kill(3), params).seed_names == ("water", "tree", "soil")
    named, plain = (gs.factorize(X, replace(params, seed_names=names)) for names in (params.seed_names, ()))
    np.testing.assert_array_equal(named.W, plain.W)
    assert named.params.with_factors(named.W, named.H).seed_names == ()
    with pytest.raises(ValueError, match="1 seed_names for 3 seeds; accepted are none and 3"):
        gs.factorize(X, replace(params, seed_names=("water",)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed_hold": "never"}, 'seed_hold is "never"; accepted are free, first, always'),
        (
            {"seed_basis": np.ones((PIXELS, 3)), "seed_hold": "free,first"},
            "2 entries for 3 seeds; accepted are 1 and 3",
        ),
        ({"seed_basis": np.ones((PIXELS, 5))}, "5 seeds for 4 basis images; accepted are up to 4"),
        ({"seed_basis": np.ones((7, 2))}, r"shape \(7, 2\) and type float64; accepted are real numbers \(20, k\)"),
        ({"seed_basis": -np.ones((PIXELS, 1))}, "negative or non-finite values"),
        ({"seed_basis": np.full((PIXELS, 1), np.nan)}, "negative or non-finite values"),
        ({"seed_basis": np.eye(PIXELS)[:, :2] * [0, 1]}, "seed 1 is zero everywhere"),
        ({"seed_basis": np.ones(PIXELS)}, r"shape \(20,\)"),
    ],
)
def test_bad_seeds_get_one_sentence(fields, message, mixture):
    with pytest.raises(ValueError, match=message):
        gs.factorize(mixture[0], gs.Params(4, **fields))


def test_seeds_are_fixed_while_a_run_goes_on_and_holds_are_not(mixture):
    X, M = mixture
    params = gs.Params(3, "ahals", seed_basis=M, seed_hold="always", max_iter=20, tol=0)
    run = gs.iterate(X + 0.1, params)
    next(run)
    it = run.send(replace(params, seed_hold="free"))
    assert not np.array_equal(it.W, M)
    with pytest.raises(ValueError, match="seed_basis is fixed while a run goes on"):
        run.send(replace(params, seed_basis=M + 1))
