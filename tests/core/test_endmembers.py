"""VCA and N-FINDR on mixtures whose pure samples are known."""

import numpy as np
import pytest

from gsp_studio.core.endmembers import ENDMEMBERS


def mixture(noise, rank=4, scale=1.0):
    """Mixtures of `rank` spectra, none purer than 80 %, but for one pure sample of each; and where these are."""
    rng = np.random.default_rng(5)
    bands, x = 40, np.linspace(0, 1, 40)
    M = 0.2 + np.exp(-(((x[:, None] - np.linspace(0.1, 0.9, rank)) / 0.12) ** 2))
    A = rng.dirichlet(np.ones(rank), 400).T
    A = A[:, A.max(axis=0) < 0.8]
    pure = rng.permutation(A.shape[1])[:rank]
    A[:, pure] = np.eye(rank)
    return scale * (M @ A + noise * rng.standard_normal((bands, A.shape[1]))), pure


@pytest.mark.parametrize("name", ENDMEMBERS)
@pytest.mark.parametrize(("noise", "scale"), [(0.0, 1.0), (0.01, 1e-200), (0.06, 1.0)])
def test_the_pure_samples_are_found(name, noise, scale):
    X, pure = mixture(noise, scale=scale)
    assert set(ENDMEMBERS[name](X, 4)) == set(pure)


@pytest.mark.parametrize("name", ENDMEMBERS)
def test_dark_samples_are_no_corner(name):
    X, pure = mixture(0.0)
    X[:, next(j for j in range(X.shape[1]) if j not in pure)] = 0
    found = ENDMEMBERS[name](X, 4)
    assert set(found) == set(pure)


def test_nfindr_reaches_the_volume_that_no_single_replacement_exceeds():
    rng = np.random.default_rng(2)
    X = rng.random((12, 80))
    found = ENDMEMBERS["nfindr"](X, 4)
    centred = X - X.mean(axis=1, keepdims=True)
    points = np.linalg.svd(centred)[0][:, :3].T @ centred

    def volume(columns):
        return abs(np.linalg.det(np.vstack([np.ones(4), points[:, columns]])))

    largest = max(volume([*found[:k], j, *found[k + 1 :]]) for k in range(4) for j in range(80))
    assert volume(found) >= largest * (1 - 1e-9)


@pytest.mark.parametrize("name", ENDMEMBERS)
def test_few_samples_of_many_bands_and_one_endmember(name):
    X, pure = mixture(0.0)
    tall = np.repeat(X[:, pure], 5, axis=0)
    assert sorted(ENDMEMBERS[name](tall, 4)) == [0, 1, 2, 3]
    assert ENDMEMBERS[name](X, 1)[0] == np.linalg.norm(X, axis=0).argmax()


@pytest.mark.parametrize("name", ENDMEMBERS)
@pytest.mark.parametrize(
    ("X", "rank", "message"),
    [
        (np.ones((3, 5)), 4, "4 endmembers of data of shape"),
        (np.full((3, 5), np.nan), 2, "NaN or infinite"),
        (np.eye(3)[:, [0, 0, 0]] * [1, 0, 0], 2, "1 samples are not zero"),
    ],
)
def test_bad_input_gets_one_sentence(name, X, rank, message):
    with pytest.raises(ValueError, match=message):
        ENDMEMBERS[name](X, rank)
