"""Supports: kept values, emptied filters, exact shares, shares of small layers, importance of inputs, new vectors."""

from dataclasses import replace

import numpy as np
import pytest
from networks import paper

import gsp_studio as gs
from gsp_studio.pruning import Grouping, NetworkPath, project_weights
from gsp_studio.pruning.methods import pruned_weights
from gsp_studio.pruning.projection import layers_of, layers_to_zeros, project_layers

CONV, MIDDLE, LINEAR = "conv1.weight", "conv2.weight", "fc.weight"


@pytest.fixture
def network():
    """Filters of 9, 144 and 400 weights, scaled as training leaves them: small layers have larger weights."""
    rng = np.random.default_rng(3)
    shapes = {CONV: (16, 1, 3, 3), MIDDLE: (16, 16, 3, 3), LINEAR: (10, 400)}
    scales = {name: np.float32(1 / np.sqrt(np.prod(shape[1:]))) for name, shape in shapes.items()}
    return {name: scales[name] * rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def zeros_of(weights):
    return sum(int(np.sum(values == 0)) for values in weights.values())


def size_of(weights):
    return sum(values.size for values in weights.values())


@pytest.mark.parametrize("scope", ["layer", "network"])
def test_the_support_is_that_of_the_projection_and_its_values_are_the_weights(network, scope):
    """Vectors that the projection leaves a weight below its threshold are empty."""
    layers = layers_of(network)
    kept = project_layers(layers, 0.8, Grouping(scope, shares="paper"))
    projected = project_layers(layers, 0.8, paper(scope))
    for layer in layers:
        new, old = kept.weights[layer.name], projected.weights[layer.name]
        np.testing.assert_array_equal(new[new != 0], layer.weights[new != 0])
        assert np.all((new != 0) <= (old != 0))
        rows, others = layer.rows(new), layer.rows(old)
        gone = ~rows.any(axis=1)
        np.testing.assert_array_equal(rows[~gone] != 0, others[~gone] != 0)
        assert np.all(np.count_nonzero(others[gone], axis=1) == 1)
    whole = project_layers(layers, 0.8, Grouping(scope, shares="paper", keep_one=True))
    for layer in layers:
        np.testing.assert_array_equal(whole.weights[layer.name] != 0, projected.weights[layer.name] != 0)


def test_filters_are_emptied_unless_one_weight_shall_stay(network):
    network[MIDDLE][3] *= 1e-3
    layers = layers_of(network)
    pruned = layers_to_zeros(layers, 0.9, Grouping("network"))
    assert not pruned.weights[MIDDLE][3].any()
    assert {layer.name: layer.emptied for layer in pruned.layers}[MIDDLE] >= 1
    assert project_layers(layers, pruned.sparsity, Grouping("network")).weights[MIDDLE][3].any() == np.False_
    one = layers_to_zeros(layers, 0.9, Grouping("network", keep_one=True))
    assert np.count_nonzero(one.weights[MIDDLE][3]) == 1
    assert one.zeros == pruned.zeros


@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("values", ["kept", "shrunken"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_share_of_zeros_is_met_to_a_weight(network, scope, values, dtype):
    """In half precision, whose many equal weights the share lies among, and whose small ones round to zero."""
    import ml_dtypes

    stored = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    rounded = {name: (1e-3 * weight).astype(stored).astype(np.float32) for name, weight in network.items()}
    layers = [replace(layer, dtype=dtype) for layer in layers_of(rounded)]
    for share in (0.5, 0.9, 0.984):
        pruned = layers_to_zeros(layers, share, Grouping(scope, values=values))
        assert zeros_of(pruned.weights) == np.ceil(share * size_of(rounded))
        for weight in pruned.weights.values():
            np.testing.assert_array_equal(weight.astype(stored).astype(np.float32), weight)


@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("values", ["kept", "shrunken"])
def test_among_equal_weights_the_share_is_met(scope, values):
    equal = {"a.weight": np.sign(np.random.default_rng(0).normal(size=(6, 8))), "b.weight": np.ones((4, 8))}
    pruned = layers_to_zeros(layers_of(equal), 0.5, Grouping(scope, values=values))
    assert zeros_of(pruned.weights) == 40


def test_small_layers_keep_a_fair_share(network):
    """By the paper's shares the filters of 9 weights, which are the largest, lose most."""

    def dropped(shares):
        pruned = layers_to_zeros(layers_of(network), 0.6, Grouping("network", shares=shares))
        assert zeros_of(pruned.weights) == np.ceil(0.6 * size_of(network))
        return {layer.name: layer.zeros_after for layer in pruned.layers}[CONV]

    before, even, after = dropped("paper"), dropped("even"), dropped("balanced")
    assert before > 0.6
    assert even < after < 0.35


def test_even_shares_are_those_of_magnitude_pruning(network):
    layers = layers_of(network)
    found = layers_to_zeros(layers, 0.8, Grouping("network", shares="even"))
    expected = pruned_weights("magnitude", layers, 0.8, Grouping("network"))
    differing = sum(int(np.sum((found.weights[name] != 0) != (expected[name] != 0))) for name in expected)
    assert differing <= 2  # thresholds are rounded
    again = project_layers(layers, found.sparsity, Grouping("network", shares="even"))
    assert abs(zeros_of(again.weights) - zeros_of(found.weights)) <= 2


@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("options", [{}, {"values": "shrunken"}, {"shares": "even"}, {"keep_one": True}])
def test_the_path_gives_what_the_projection_gives(network, scope, options):
    grouping = Grouping(scope, **options)
    layers = layers_of(network)
    path = NetworkPath(layers, grouping)
    for s in (0.3, 0.7, 0.95):
        pruned = project_layers(layers, s, grouping)
        for name, weight in path.project(s).items():
            np.testing.assert_allclose(weight, pruned.weights[name], rtol=1e-5, atol=1e-7)
    found = layers_to_zeros(layers, 0.8, grouping)
    assert path.target_for(0.8) == pytest.approx(found.sparsity, abs=1e-3)


@pytest.mark.parametrize("scope", ["layer", "network"])
def test_weights_of_important_inputs_stay(network, scope):
    """By the weighted projection: for one layer it is the core's, with weights that are the inverse of importance."""
    importance = np.ones(400)
    importance[:40] = 3.0
    layers = [replace(layer, importance=importance) if layer.name == LINEAR else layer for layer in layers_of(network)]
    for grouping in (Grouping(scope), Grouping(scope, values="shrunken")):
        plain = layers_to_zeros(layers_of(network), 0.8, grouping).weights[LINEAR]
        found = layers_to_zeros(layers, 0.8, grouping)
        assert np.mean(found.weights[LINEAR][:, :40] != 0) > 2 * np.mean(plain[:, :40] != 0)
        assert zeros_of(found.weights) == np.ceil(0.8 * size_of(network))
    s = 0.6
    exact = project_layers(layers, s, paper("layer")).weights[LINEAR]
    expected = gs.group_sparse_projection(network[LINEAR], s, 1 / importance, axis=1).values
    np.testing.assert_allclose(exact, expected, rtol=1e-4, atol=1e-7)
    if scope == "network":
        found = layers_to_zeros(layers, 0.8, paper("network"))
        again = project_layers(layers, found.sparsity, paper("network"))
        assert zeros_of(again.weights) == pytest.approx(zeros_of(found.weights), abs=3)


def test_positions_across_filters_and_rows_as_vectors(network):
    found = project_weights(network, 0.8, paper(vectors="positions")).weights
    expected = gs.group_sparse_projection(network[MIDDLE], 0.8, axis=0).values
    np.testing.assert_array_equal(found[MIDDLE], expected)
    rows, filters = (project_weights(network, 0.8, Grouping(vectors=each)).weights for each in ("rows", "filters"))
    assert all(np.array_equal(rows[name], filters[name]) for name in rows)


def test_layers_are_left_out_by_module_and_by_pattern(network):
    layers = layers_of(
        {"stem.conv.weight": network[MIDDLE], "body.0.fc.weight": network[LINEAR], "head": network[CONV]}
    )
    for name, kept in [("stem", 2), ("body.*", 2), ("*.weight", 1), ("stem.conv.weight", 2), ("last", 2)]:
        assert len(project_layers(layers, 0.5, Grouping(exclude=(name,))).layers) == kept
    with pytest.raises(ValueError, match='no layer is called "ste"'):
        project_layers(layers, 0.5, Grouping(exclude=("ste",)))
    for options, message in [({"values": "none"}, 'values is "none"'), ({"shares": "fair"}, 'shares is "fair"')]:
        with pytest.raises(ValueError, match=message):
            Grouping(**options)
