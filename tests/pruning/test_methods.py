"""Ways to prune: the share of zeros that was asked for, by the rule that the method's name says."""

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.pruning import Grouping
from gsp_studio.pruning.methods import METHODS, pruned_weights
from gsp_studio.pruning.path import NetworkPath
from gsp_studio.pruning.projection import layers_of
from gsp_studio.pruning.threshold_path import ThresholdPath


@pytest.fixture
def layers():
    rng = np.random.default_rng(0)
    return layers_of(
        {
            "a.weight": rng.normal(size=(6, 3, 3, 3)).astype(np.float32),
            "b.weight": 3 * rng.normal(size=(8, 20)).astype(np.float32),
            "c.weight": rng.normal(size=(4, 8)).astype(np.float32),
        }
    )


def count(weights):
    return sum(int(np.sum(values == 0)) for values in weights.values()), sum(v.size for v in weights.values())


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_share_of_zeros_is_reached(layers, method, scope, share):
    weights = pruned_weights(method, layers, share, Grouping(scope))
    zeros, size = count(weights)
    assert share * size <= zeros <= share * size + 3  # a layer each rounded up, for magnitudes by layer
    for layer in layers:
        kept = weights[layer.name] != 0
        assert np.all(np.sign(weights[layer.name][kept]) == np.sign(layer.weights[kept]))


def test_magnitude_keeps_the_largest_as_they_are(layers):
    weights = pruned_weights("magnitude", layers, 0.8, Grouping("network"))
    flat = np.concatenate([layer.weights.ravel() for layer in layers])
    new = np.concatenate([weights[layer.name].ravel() for layer in layers])
    kept = new != 0
    np.testing.assert_array_equal(new[kept], flat[kept])
    assert np.abs(flat[kept]).min() > np.abs(flat[~kept]).max()
    weights = pruned_weights("magnitude", layers, 0.8, Grouping("layer"))
    for layer in layers:
        assert np.sum(weights[layer.name] == 0) == np.ceil(0.8 * layer.size)


def test_hoyer_brings_every_filter_to_the_same_sparsity(layers):
    for share in (0.8, 0.94):  # the second within a jump: a vector of 8 has one or two entries
        weights = pruned_weights("hoyer", layers, share, Grouping("network"))
        sparsities = np.concatenate([gs.hoyer_sparsity(layer.rows(weights[layer.name]), axis=1) for layer in layers])
        assert np.median(sparsities) == pytest.approx(sparsities.min(), abs=1e-5)
        zeros, size = count(weights)
        assert share * size <= zeros <= share * size + 1


def test_equal_weights_are_dropped_from_the_end():
    [layer] = layers_of({"a.weight": np.ones((2, 4), np.float32)})
    weights = pruned_weights("magnitude", [layer], 0.5, Grouping())
    np.testing.assert_array_equal(weights["a.weight"], [[1, 1, 1, 1], [0, 0, 0, 0]])


@pytest.mark.parametrize("share", [0.07, 0.14, 0.28, 0.55, 0.56])
def test_a_share_of_a_hundred_weights_is_its_percents(share):
    """0.07 * 100 is 7.000000000000001, and seven of a hundred are a share of 0.07 nevertheless."""
    layers = layers_of({"a.weight": np.random.default_rng(2).normal(size=(4, 25))})
    for method in ("gsp", "magnitude", "lamp", "hoyer"):
        found = pruned_weights(method, layers, share, Grouping("network"))
        assert count(found) == (round(100 * share), 100), method
    path = NetworkPath(layers, Grouping("network"))
    assert count(path.project(path.target_for(share))) == (round(100 * share), 100)
    assert count(ThresholdPath(layers, "magnitude", Grouping()).project(share)) == (round(100 * share), 100)
