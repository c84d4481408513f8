"""Layers as groups: the target is met, signs and names are kept, biases are left alone."""

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.pruning.layers import filters_of, project_layers


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    return {
        "conv.weight": rng.normal(size=(8, 3, 3, 3)),
        "conv.bias": rng.normal(size=8),
        "norm.weight": np.ones(8),
        "steps": np.arange(6).reshape(2, 3),
        "linear.weight": 5 * rng.normal(size=(10, 72)).astype(np.float32),
    }


def test_each_layer_reaches_the_target(network):
    pruned = project_layers(network, 0.8)
    assert [layer.name for layer in pruned.layers] == ["conv.weight", "linear.weight"]
    for layer in pruned.layers:
        assert layer.sparsity_before < 0.8
        assert layer.sparsity_after == pytest.approx(0.8, abs=1e-5)
        assert layer.zeros_after > layer.zeros_before == 0
    conv = gs.group_sparse_projection(filters_of(network["conv.weight"]).T, 0.8).values.T
    np.testing.assert_allclose(filters_of(pruned.weights["conv.weight"]), conv)


def test_one_group_over_the_network_shares_the_budget(network):
    pruned = project_layers(network, 0.7, group="network")
    filters = [row for name in ("conv.weight", "linear.weight") for row in filters_of(pruned.weights[name])]
    each = [gs.hoyer_sparsity(row) for row in filters]
    assert np.mean(each) == pytest.approx(0.7, abs=1e-5)
    assert abs(pruned.layers[0].sparsity_after - pruned.layers[1].sparsity_after) > 0.01


@pytest.mark.parametrize("group", ["layer", "network"])
def test_names_types_signs_and_the_rest_are_kept(network, group):
    before = {name: weight.copy() for name, weight in network.items()}
    pruned = project_layers(network, 0.8, group=group)
    assert list(pruned.weights) == list(network)
    for name, weight in pruned.weights.items():
        assert weight.dtype == before[name].dtype
        assert weight.shape == before[name].shape
        assert np.all((weight == 0) | (np.sign(weight) == np.sign(before[name])))
        np.testing.assert_array_equal(network[name], before[name])
    for name in ("conv.bias", "norm.weight", "steps"):
        assert pruned.weights[name] is network[name]


def test_messages(network):
    with pytest.raises(ValueError, match='group is "filter"'):
        project_layers(network, 0.5, group="filter")
    with pytest.raises(ValueError, match="no layer to prune"):
        project_layers({"bias": np.ones(3)}, 0.5)
    with pytest.raises(ValueError, match=r"1\.5"):
        project_layers(network, 1.5)
