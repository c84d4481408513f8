"""Magnitude and LAMP as a slider has them: the weights of the command at every share."""

import numpy as np
import pytest

from gsp_studio.pruning import Grouping, prune_layers
from gsp_studio.pruning.projection import layers_of
from gsp_studio.pruning.threshold_path import ThresholdPath


@pytest.fixture
def layers():
    """Two layers with ties, and zeros that are there already."""
    rng = np.random.default_rng(0)
    first = rng.integers(-3, 4, (6, 8)).astype(np.float32)
    return layers_of({"a.weight": first, "b.weight": rng.normal(size=(4, 6)).astype(np.float32)})


@pytest.mark.parametrize("method", ["magnitude", "lamp"])
@pytest.mark.parametrize("scope", ["layer", "network"])
def test_weights_are_those_of_the_method(layers, method, scope):
    path = ThresholdPath(layers, method, Grouping(scope))
    for share in (0.0, 0.3, 0.55, 0.9, 1.0):
        expected = prune_layers(method, layers, share, Grouping(scope)).weights
        found, sparsities = path.at(share)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
            assert found[name].dtype == values.dtype
        assert path.project(share, only=("b.weight",)).keys() == {"b.weight"}
        assert sparsities.keys() == expected.keys()


def test_it_begins_where_zeros_are_already(layers):
    path = ThresholdPath(layers, "magnitude", Grouping("network"))
    zeros = sum(int((layer.weights == 0).sum()) for layer in layers)
    assert zeros > 0
    assert path.start == zeros / path.size
    for layer in layers:
        np.testing.assert_array_equal(path.project(path.start)[layer.name], layer.weights)
    assert path.target_for(0.7) == 0.7
    assert path.names == ("a.weight", "b.weight")
