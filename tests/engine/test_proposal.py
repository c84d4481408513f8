"""Rank and sparsity that are proposed for spectra."""

import numpy as np
import pytest

from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.engine.proposal import proposal_for
from gsp_studio.io.dataset import Dataset


def spectra(rank, bands=40, height=12, width=15, noise=0.0):
    rng = np.random.default_rng(rank)
    X = rng.random((bands, rank)) ** 6 @ rng.dirichlet(np.full(rank, 0.2), height * width).T
    X = np.asfortranarray(X + noise * rng.random(X.shape))
    return Dataset(X, (1, bands), "C", "cube", ("a",) * (height * width), grid=(height, width))


@pytest.mark.parametrize("rank", [3, 5])
def test_the_rank_is_that_of_the_materials(rank):
    data = spectra(rank)
    found = proposal_for(data)
    assert found.rank == rank
    assert found.sparsity == pytest.approx(np.mean(hoyer_sparsity(data.X)), abs=0.005)
    assert f"rank {rank} and sparsity {found.sparsity:g} are proposed" in found.why


def test_the_rank_is_bounded():
    assert proposal_for(spectra(1)).rank == 2
    assert proposal_for(spectra(30, noise=1.0)).rank == 8
    assert proposal_for(spectra(2, bands=1)).rank == 1
    empty = spectra(2).X * 0
    assert proposal_for(Dataset(np.asfortranarray(empty), (1, 40), "C", "a", ("a",) * 180, grid=(12, 15))) is None


def test_images_have_none():
    assert proposal_for(Dataset(np.ones((6, 2), order="F"), (2, 3), "C", "a", ("a", "b"))) is None
