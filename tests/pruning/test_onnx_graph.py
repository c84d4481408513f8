"""Order, first and last layers, axes and constants of ONNX graphs, whatever the order of the weights in the file."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from gsp_studio.pruning import Grouping, open_checkpoint, project_checkpoint  # noqa: E402
from gsp_studio.pruning.formats.onnx_graph import layout_of, uses_of  # noqa: E402

RNG = np.random.default_rng(0)


def saved(path, nodes, weights, inputs=(("x", (None, 8)),), outputs=(("y", (None, 8)),)):
    """A checked model of these nodes; weights by name, in the order of the file."""
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side]
        for side in (inputs, outputs)
    ]
    stored = [numpy_helper.from_array(np.asarray(values), name) for name, values in weights.items()]
    graph = helper.make_graph(
        [helper.make_node(*node[:3], **(node[3] if node[3:] else {})) for node in nodes], "net", *ends, stored
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return open_checkpoint(path)


def square(*names):
    return {name: RNG.normal(size=(8, 8)).astype(np.float32) for name in names}


def ends(found):
    """The names of the first and of the last layers."""
    return [{layer.name for layer in found.layers if getattr(layer, end)} for end in ("is_first", "is_last")]


def test_a_chain(tmp_path):
    nodes = [("MatMul", ["x", "b"], ["h"]), ("Relu", ["h"], ["r"]), ("MatMul", ["r", "c"], ["i"])]
    nodes += [("MatMul", ["i", "a"], ["j"]), ("Softmax", ["j"], ["y"])]
    found = saved(tmp_path / "a.onnx", nodes, square("c", "a", "b"))
    assert ends(found) == [{"b"}, {"a"}]
    assert [layer.name for layer in found.layers] == ["b", "c", "a"]
    pruned = project_checkpoint(found, 0.8, Grouping("network", exclude=("first", "last")))
    assert set(pruned.weights) == {"c"}
    own = project_checkpoint(found, 0.5, Grouping(own=(("last", 0.9),), values="shrunken"))
    assert {layer.name: round(layer.sparsity_after, 3) for layer in own.layers} == {"a": 0.9, "b": 0.5, "c": 0.5}


def test_branches_have_several_ends(tmp_path):
    nodes = [("MatMul", ["x", "left"], ["h"]), ("MatMul", ["x", "right"], ["i"]), ("Add", ["h", "i"], ["s"])]
    nodes += [("MatMul", ["s", "middle"], ["m"]), ("Add", ["m", "x"], ["t"]), ("MatMul", ["t", "head"], ["y"])]
    nodes += [("MatMul", ["m", "other"], ["z"])]
    found = saved(
        tmp_path / "a.onnx",
        nodes,
        square("head", "other", "middle", "right", "left"),
        outputs=(("y", (None, 8)), ("z", (None, 8))),
    )
    assert ends(found) == [{"left", "right"}, {"head", "other"}]
    pruned = project_checkpoint(found, 0.8, Grouping(exclude=("first", "last")))
    assert set(pruned.weights) == {"middle"}


def test_an_output_within_the_network_makes_no_layer_the_last(tmp_path):
    nodes = [("MatMul", ["x", "a"], ["features"]), ("MatMul", ["features", "b"], ["y"])]
    outputs = (("features", (None, 8)), ("y", (None, 8)))
    assert ends(saved(tmp_path / "a.onnx", nodes, square("b", "a"), outputs=outputs)) == [{"a"}, {"b"}]


def test_constants_embeddings_and_biases_are_no_layers(tmp_path):
    weights = square("w2", "w1") | {
        "mean": np.ones((3, 8), np.float32),
        "c": np.ones((3, 8), np.float32),
        "table": RNG.normal(size=(5, 8)).astype(np.float32),
        "unused": np.ones((4, 4), np.float32),
    }
    nodes = [("Cast", ["x"], ["ids"], {"to": 7}), ("Gather", ["table", "ids"], ["e"]), ("Add", ["e", "mean"], ["p"])]
    nodes += [("Gemm", ["p", "w1", "c"], ["h"]), ("MatMul", ["h", "w2"], ["y"])]
    found = saved(tmp_path / "a.onnx", nodes, weights, inputs=(("x", (3,)),), outputs=(("y", (3, 8)),))
    assert [layer.name for layer in found.layers] == ["unused", "w1", "w2"]
    assert ends(found) == [{"w1"}, {"w2"}]
    reasons = {array.name: array.reason for array in found.left_alone}
    assert reasons == {"mean": "a constant of Add", "c": "a bias", "table": "an embedding"}


@pytest.mark.parametrize(
    ("before", "node", "axis"),
    [
        ([], ("MatMul", ["x", "w"], ["y"]), 1),
        ([], ("Gemm", ["x", "w"], ["y"]), 1),
        ([], ("Gemm", ["x", "w"], ["y"], {"transB": 1}), 0),
        ([], ("MatMul", ["w", "x"], ["y"]), 0),
        ([], ("Gemm", ["w", "x"], ["y"], {"transA": 1}), 1),
        ([("Transpose", ["w"], ["v"])], ("MatMul", ["x", "v"], ["y"]), 0),
        ([("Transpose", ["w"], ["t"], {"perm": [1, 0]}), ("Identity", ["t"], ["v"])], ("Gemm", ["x", "v"], ["y"]), 0),
        ([("Identity", ["w"], ["t"]), ("Transpose", ["t"], ["v"])], ("Gemm", ["x", "v"], ["y"], {"transB": 1}), 1),
    ],
)
def test_axes_of_outputs(tmp_path, before, node, axis):
    nodes = [*before, ("MatMul", ["y", "z"], ["o"])]
    nodes.insert(len(before), node)
    x = (8, 8)
    found = saved(tmp_path / "a.onnx", nodes, square("z", "w"), inputs=(("x", x),), outputs=(("o", x),))
    assert found["w"].output_axis == axis
    assert ends(found) == [{"w"}, {"z"}]


def test_kernels_that_are_turned_before_they_are_used(tmp_path):
    weights = {"k": RNG.normal(size=(3, 3, 2, 4)).astype(np.float32)}  # as TensorFlow keeps them
    nodes = [("Transpose", ["k"], ["v"], {"perm": [3, 2, 0, 1]}), ("Conv", ["x", "v"], ["y"])]
    shapes = ((1, 2, 9, 9), (1, 4, 7, 7))
    found = saved(tmp_path / "a.onnx", nodes, weights, inputs=(("x", shapes[0]),), outputs=(("y", shapes[1]),))
    assert found["k"].output_axis == 3
    assert found["k"].filters.shape == (4, 18)


def test_layers_in_branches_that_are_chosen_as_the_network_runs():
    def branch(name):
        node = helper.make_node("MatMul", ["h", name], [f"{name}_out"])
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(f"{name}_out", 1, [8, 8])])

    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("If", ["is"], ["i"], then_branch=branch("b"), else_branch=branch("c")),
        helper.make_node("MatMul", ["i", "d"], ["y"]),
    ]
    side = [helper.make_tensor_value_info(name, 1, [8, 8]) for name in ("x", "y")]
    stored = [numpy_helper.from_array(values, name) for name, values in square("d", "c", "b", "a").items()]
    graph = helper.make_graph(nodes, "net", [side[0], helper.make_tensor_value_info("is", 9, [])], [side[1]], stored)
    uses = uses_of(graph, {"a", "b", "c", "d"})
    assert {name for name, use in uses.items() if use.is_first} == {"a"}
    assert {name for name, use in uses.items() if use.is_last} == {"d"}
    assert sorted(uses, key=lambda name: uses[name].order) in (["a", "b", "c", "d"], ["a", "c", "b", "d"])


def test_graphs_that_are_none():
    """Nodes out of order, in a circle, without names: an answer in linear time."""
    nodes = [helper.make_node("MatMul", ["h", "b"], ["y"]), helper.make_node("MatMul", ["x", "a"], ["h"])]
    nodes += [helper.make_node("MatMul", ["q", "c"], ["q"]), helper.make_node("Add", ["r", ""], ["s", ""])]
    nodes += [helper.make_node("Add", ["s", "c"], ["r"]), helper.make_node("Transpose", ["c"], ["t"], perm=[9, -7])]
    nodes += [helper.make_node("MatMul", ["x", "t"], [""])]
    side = [helper.make_tensor_value_info(name, 1, [8, 8]) for name in ("x", "y")]
    stored = [numpy_helper.from_array(values, name) for name, values in square("a", "b", "c").items()]
    uses = uses_of(helper.make_graph(nodes, "net", side[:1], side[1:], stored), {"a", "b", "c"})
    assert (uses["a"].is_first, uses["a"].is_last) == (True, False)
    assert (uses["b"].is_first, uses["b"].is_last) == (False, True)
    chain = [helper.make_node("Concat", [f"v{k}", f"w{k}"], [f"v{k + 1}"], axis=0) for k in range(20_000)]
    graph = helper.make_graph([*chain, helper.make_node("MatMul", ["x", "v20000"], ["y"])], "net", side[:1], side[1:])
    uses = uses_of(graph, {"v0", *(f"w{k}" for k in range(20_000))})
    assert len(uses) == 40_001
    assert all(use.is_first and use.is_last for use in uses.values())


def test_how_images_enter():
    def graph(*nodes):
        return helper.make_graph(
            [helper.make_node(*node[:3], **(node[3] if node[3:] else {})) for node in nodes], "net", [], []
        )

    scaled = ("Sub", ["x", "mean"], ["a"]), ("Cast", ["a"], ["b"], {"to": 1})
    assert layout_of(graph(*scaled, ("Transpose", ["b"], ["c"], {"perm": [0, 3, 1, 2]})), "x") == "NHWC"
    assert layout_of(graph(*scaled, ("Conv", ["b", "w"], ["c"])), "x") == "NCHW"
    assert layout_of(graph(*scaled, ("MatMul", ["b", "w"], ["c"])), "x") is None
    assert layout_of(graph(("Add", ["x", "y"], ["x"])), "x") is None
