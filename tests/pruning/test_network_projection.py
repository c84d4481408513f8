"""Layers as groups: the target is met as the core meets it, signs and types are kept, the rest is left alone."""

import numpy as np
import pytest
from networks import paper

import gsp_studio as gs
from gsp_studio.pruning import Grouping, NetworkPath, project_weights
from gsp_studio.pruning.grouping import groups_of
from gsp_studio.pruning.layers import reason_against
from gsp_studio.pruning.projection import layers_of, layers_to_zeros, project_layers

CONV, LINEAR, SMALL = "conv.weight", "linear.weight", "last.weight"


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    return {
        CONV: rng.normal(size=(8, 3, 3, 3)),
        "conv.bias": rng.normal(size=8),
        "norm.weight": np.ones(8),
        "steps": np.arange(6).reshape(2, 3),
        LINEAR: 5 * rng.normal(size=(10, 72)).astype(np.float32),
        SMALL: rng.normal(size=(4, 10)),
    }


def filters(weight):
    return weight.reshape(len(weight), -1)


def test_each_layer_reaches_the_target(network):
    pruned = project_weights(network, 0.8, paper())
    assert [layer.name for layer in pruned.layers] == [CONV, LINEAR, SMALL]
    for layer in pruned.layers:
        assert layer.sparsity_before < 0.8
        assert layer.sparsity_after == pytest.approx(0.8, abs=1e-5)
        assert layer.zeros_after > layer.zeros_before == 0
        expected = gs.group_sparse_projection(filters(network[layer.name]).T, 0.8).values.T
        np.testing.assert_array_equal(filters(pruned.weights[layer.name]), expected)


def test_one_group_over_the_network_is_the_group_of_all_filters(network):
    pruned = project_weights(network, 0.7, paper("network"))
    vectors = [row.astype(float) for name in (CONV, LINEAR, SMALL) for row in filters(network[name])]
    expected = gs.group_sparse_projection(vectors, 0.7)
    found = [row for name in (CONV, LINEAR, SMALL) for row in filters(pruned.weights[name])]
    for row, wanted in zip(found, expected.values, strict=True):
        np.testing.assert_allclose(row, wanted, rtol=1e-6, atol=1e-7)
    assert np.mean([gs.hoyer_sparsity(row) for row in found]) == pytest.approx(0.7, abs=1e-6)
    assert {layer.mu for layer in pruned.layers} == {expected.mu}
    assert pruned.layers[0].sparsity_after != pytest.approx(pruned.layers[1].sparsity_after, abs=0.01)


@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("vectors", ["filters", "columns", "layers"])
def test_types_signs_and_the_rest_are_kept(network, scope, vectors):
    before = {name: weight.copy() for name, weight in network.items()}
    pruned = project_weights(network, 0.8, Grouping(scope, vectors))
    assert list(pruned.weights) == [CONV, LINEAR, SMALL]
    for name, weight in pruned.weights.items():
        assert weight.dtype == before[name].dtype
        assert weight.shape == before[name].shape
        assert np.all((weight == 0) | (np.sign(weight) == np.sign(before[name])))
    for name, weight in network.items():
        np.testing.assert_array_equal(weight, before[name])


def test_columns_and_whole_layers_as_vectors(network):
    columns = project_weights(network, 0.8, paper(vectors="columns")).weights
    conv = np.moveaxis(network[CONV], 1, 0).reshape(3, -1)
    expected = gs.group_sparse_projection(conv, 0.8, axis=1).values.reshape(3, 8, 3, 3)
    np.testing.assert_array_equal(columns[CONV], np.moveaxis(expected, 0, 1))
    expected = gs.group_sparse_projection(network[LINEAR], 0.8).values
    np.testing.assert_array_equal(columns[LINEAR], expected)
    whole = project_weights(network, 0.8, paper(vectors="layers")).weights
    expected = gs.group_sparse_projection(network[CONV].reshape(-1), 0.8).values.reshape(8, 3, 3, 3)
    np.testing.assert_array_equal(whole[CONV], expected)
    together = project_weights(network, 0.8, paper("network", "columns")).weights
    each = [
        gs.hoyer_sparsity(np.moveaxis(together[n], 1, 0).reshape(network[n].shape[1], -1), axis=1) for n in together
    ]
    assert np.concatenate(each).mean() == pytest.approx(0.8, abs=1e-6)


def test_layers_of_their_own_and_layers_that_are_left_out(network):
    grouping = paper("network", own=((LINEAR, 0.9),), exclude=("first",))
    pruned = project_weights(network, 0.5, grouping)
    assert {layer.name: layer.target for layer in pruned.layers} == {LINEAR: 0.9, SMALL: 0.5}
    for layer in pruned.layers:
        assert layer.sparsity_after == pytest.approx(layer.target, abs=1e-6)
    names = [group.layers[0].name for group in groups_of(layers_of(network), Grouping(exclude=("last", CONV)))]
    assert names == [LINEAR]


@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("zeros", [0.3, 0.9, 0.97])
def test_a_share_of_zeros_gives_the_smallest_target(network, scope, zeros):
    layers, grouping = layers_of(network), paper(scope)
    pruned = layers_to_zeros(layers, zeros, grouping)
    size = sum(weight.size for weight in pruned.weights.values())
    found = sum(int(np.sum(weight == 0)) for weight in pruned.weights.values())
    assert found == np.ceil(zeros * size)
    assert pruned.zeros == pytest.approx(found / size)
    again = project_layers(layers, pruned.sparsity, grouping)
    for name, weight in again.weights.items():
        np.testing.assert_allclose(weight, pruned.weights[name], rtol=1e-5, atol=1e-6)
    # A weight's worth below it there are fewer.
    less = project_layers(layers, pruned.sparsity - 2e-3, grouping)
    assert sum(int(np.sum(weight == 0)) for weight in less.weights.values()) < found


def test_a_share_of_zeros_counts_those_of_layers_with_their_own_target(network):
    grouping = Grouping("network", own=((LINEAR, 0.95),))
    pruned = layers_to_zeros(layers_of(network), 0.9, grouping)
    zeros = sum(int(np.sum(weight == 0)) for weight in pruned.weights.values())
    assert zeros == np.ceil(0.9 * sum(weight.size for weight in pruned.weights.values()))
    assert list(pruned.weights) == [CONV, LINEAR, SMALL]
    with pytest.warns(UserWarning, match=r"100\.00% zeros are out of reach .* 98\.61% .* every vector keeps a"):
        one = layers_to_zeros(layers_of({LINEAR: network[LINEAR]}), 1.0, Grouping(keep_one=True))
    assert one.zeros == pytest.approx(1 - 10 / 720)
    assert layers_to_zeros(layers_of({LINEAR: network[LINEAR]}), 1.0).zeros == 1
    none = layers_to_zeros(layers_of(network), 0.0)
    for name, weight in none.weights.items():
        np.testing.assert_array_equal(weight, network[name])


@pytest.mark.parametrize("scope", ["layer", "network"])
def test_the_path_gives_what_the_projection_gives(network, scope):
    layers, grouping = layers_of(network), paper(scope, own=((SMALL, 0.6),))
    path = NetworkPath(layers, grouping)
    assert path.size == sum(layer.size for layer in layers)
    for s in (0.1, 0.5, 0.85):
        pruned = project_layers(layers, s, grouping)
        weights, sparsities, zeros = path.project(s), path.sparsities(s), path.zeros(s)
        for layer in pruned.layers:
            np.testing.assert_allclose(weights[layer.name], pruned.weights[layer.name], rtol=1e-6, atol=1e-7)
            assert sparsities[layer.name] == pytest.approx(layer.sparsity_after, abs=1e-6)
            assert zeros[layer.name] == layer.zeros_after
        both = path.at(s)
        assert both[1] == pytest.approx(sparsities, abs=1e-12)
        assert all(np.array_equal(both[0][name], weights[name]) for name in weights)
        assert both[0].keys() == weights.keys()
    assert list(path.project(0.5, only=[LINEAR])) == [LINEAR]

    def zeros_at(s):
        return sum(np.count_nonzero(values == 0) for values in path.project(s).values()) / path.size

    curve = [zeros_at(s) for s in (0.0, 0.5, 0.9)]
    assert curve[0] < curve[1] < curve[2] < 1
    found = path.target_for(0.9)
    assert zeros_at(found) >= 0.9 > zeros_at(found - 1e-2)


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("layer1.0.conv1.weight", (16, 3, 3, 3), ""),
        ("fc.weight_orig", (10, 5), ""),
        ("encoder.norm.weight", (4, 8, 8), "of a norm layer"),
        ("layer1.0.bn2.weight", (16,), "of a norm layer"),
        ("ln_1.weight", (16, 2), "of a norm layer"),
        ("normal.weight", (16, 4), ""),
        ("fc.bias", (10,), "a bias"),
        ("gamma", (10,), "a bias or of a norm layer"),
        ("wte.weight", (100, 8), "an embedding"),
        ("pos_embed", (1, 5, 8), "an embedding"),
        ("scale.weight", (8, 1, 1, 1), "vectors of fewer than two weights"),
        ("empty.weight", (0, 4), "vectors of fewer than two weights"),
        ("strange", (2, 2, 2, 2, 2, 2), "6 axes"),
    ],
)
def test_what_is_a_layer(name, shape, reason):
    assert reason_against(name, shape) == reason


def test_messages(network):
    for arguments, message in [
        ({"scope": "filter"}, 'group is "filter"'),
        ({"vectors": "pixels"}, 'vectors is "pixels"'),
        ({"own": ((LINEAR, 1.5),)}, r"the sparsity of layer linear\.weight is 1\.5"),
    ]:
        with pytest.raises(ValueError, match=message):
            Grouping(**arguments)
    with pytest.raises(ValueError, match="no layer to prune"):
        project_weights({"bias": np.ones(3)}, 0.5)
    with pytest.raises(ValueError, match=r"sparsity is 1\.5"):
        project_weights(network, 1.5)
    with pytest.raises(ValueError, match=r"zeros is -0\.1"):
        layers_to_zeros(layers_of(network), -0.1)
    with pytest.raises(ValueError, match='no layer is called "convolution"; the layers are'):
        project_weights(network, 0.5, Grouping(exclude=("convolution",)))
    with pytest.raises(ValueError, match="all are left out"):
        project_weights(network, 0.5, Grouping(exclude=(CONV, LINEAR, SMALL)))
    with pytest.raises(ValueError, match="all layers have a target of their own"):
        layers_to_zeros(layers_of({LINEAR: network[LINEAR]}), 0.5, Grouping(own=((LINEAR, 0.5),)))
