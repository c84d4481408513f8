"""The order of layers: by numbers and shapes, never by the alphabet; files that do not tell it are refused."""

import numpy as np
import pytest
from networks import MAKERS

from gsp_studio.pruning import Grouping, compact_network, open_checkpoint
from gsp_studio.pruning.chain import chain_order
from gsp_studio.pruning.grouping import groups_of
from gsp_studio.pruning.sizes import places_of

UNKNOWN = "the order of the layers"


def weights(shapes, emptied=()):
    rng = np.random.default_rng(5)
    made = {f"{name}.weight": rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    for name, count in dict(emptied).items():
        made[f"{name}.weight"][:count] = 0
    return made


def outputs(arrays, order, x):
    for number, name in enumerate(order):
        x = arrays[f"{name}.weight"] @ (np.maximum(x, 0) if number else x) + arrays.get(f"{name}.bias", 0)
    return x


def opened(folder, arrays, suffix):
    MAKERS[suffix](folder / f"a{suffix}", arrays)
    return open_checkpoint(folder / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt"])
def test_numbered_layers_are_in_the_order_of_their_numbers(tmp_path, suffix):
    order = [f"body.fc{k}" for k in range(1, 13)]
    arrays = weights(dict.fromkeys(order, (16, 16)), {order[0]: 4, order[-1]: 4})
    checkpoint = opened(tmp_path, dict(sorted(arrays.items())), suffix)
    found = compact_network(checkpoint).found
    assert found.removed == {"body.fc1.weight": 4}, "the rows of the last layer are outputs"
    x = np.random.default_rng(1).normal(size=16).astype(np.float32)
    np.testing.assert_allclose(outputs(found.arrays, order, x), outputs(arrays, order, x), rtol=1e-4, atol=1e-4)
    ends = [layer.name for layer in checkpoint.layers if layer.is_first or layer.is_last]
    assert ends == ["body.fc1.weight", "body.fc12.weight"]
    assert places_of(checkpoint) == dict.fromkeys(arrays, 1)


def test_an_order_of_names_alone_is_refused(tmp_path):
    coder = weights({"encoder": (8, 20), "decoder": (20, 8)}, {"decoder": 4})
    for suffix in (".safetensors", ".pt"):  # 8 -> 20 -> 8 fits as well as 20 -> 8 -> 20
        with pytest.raises(ValueError, match=UNKNOWN):
            compact_network(opened(tmp_path, coder, suffix))
    heads = dict.fromkeys(("q_proj", "k_proj", "v_proj", "out_proj"), (16, 16))
    checkpoint = opened(tmp_path, weights(heads, dict.fromkeys(heads, 2)), ".npz")
    with pytest.raises(ValueError, match=UNKNOWN):
        compact_network(checkpoint)
    assert places_of(checkpoint) is None, "attention uses its weights for every token"


def test_shapes_that_allow_one_order_tell_that_of_a_file_that_keeps_it(tmp_path):
    arrays = weights({"stem": (8, 20), "body": (6, 8), "head": (3, 6)}, {"stem": 2})
    found = compact_network(opened(tmp_path, arrays, ".npz")).found
    assert found.removed == {"stem.weight": 2}
    with pytest.raises(ValueError, match=UNKNOWN):
        compact_network(opened(tmp_path, arrays, ".safetensors"))


def test_first_and_last_are_refused_where_they_are_not_known(tmp_path):
    checkpoint = opened(tmp_path, weights({"encoder": (8, 20), "decoder": (20, 8)}), ".safetensors")
    for name in ("first", "last"):
        with pytest.raises(ValueError, match=f'{UNKNOWN} cannot be told from this file, so "{name}"'):
            groups_of(checkpoint.layers, Grouping(exclude=(name,)))
    shapes = {"classifier": (10, 12 * 4), "features.0": (8, 3, 3, 3), "features.10": (12, 8, 3, 3)}
    checkpoint = opened(tmp_path, weights(shapes), ".safetensors")
    kept = groups_of(checkpoint.layers, Grouping(exclude=("first", "last")))
    assert [group.layers[0].name for group in kept] == ["features.10.weight"], "by what reads and gives what"


@pytest.mark.parametrize(
    ("ends", "is_alone"),
    [
        ([(4, 3), (3, 2)], True),
        ([(4, 3), (3, 4)], False),
        ([(4, 3), (3, 3), (3, 2)], True),
        ([(4, 3), (3, 3), (3, 3), (3, 2)], False),
        ([(9, 3), (3, 4), (4, 3), (3, 5), (5, 3), (3, 2)], False),
        ([(9, 3), (3, 4), (4, 3), (3, 2)], True),
    ],
)
def test_every_other_order_is_looked_for(ends, is_alone):
    from itertools import pairwise, permutations

    fitting = [each for each in permutations(ends) if all(a[1] == b[0] for a, b in pairwise(each))]
    assert (len(fitting) == 1) == is_alone
    names = [chr(ord("a") + k) for k in range(len(ends))]
    assert (chain_order(dict(zip(names, ends, strict=True)), True) == names) == is_alone
    assert chain_order(dict(zip(names, ends, strict=True)), False) is None
