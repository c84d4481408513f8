"""Multiply-adds of ONNX graphs, against PyTorch's own layers and counts by hand."""

import json

import numpy as np
import pytest

from gsp_studio.cli import main

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from gsp_studio.pruning import open_checkpoint  # noqa: E402
from gsp_studio.pruning.sizes import places_of, sizes_of  # noqa: E402

RNG = np.random.default_rng(0)


def saved(path, nodes, weights, sides=("n", 3, 9, 9), more=(), inputs=(), functions=()):
    """A model of these nodes; weights by name as shapes, others as arrays."""
    entries = {"x": sides, **dict(inputs)}
    stored = [
        numpy_helper.from_array(
            RNG.normal(size=given).astype(np.float32) if isinstance(given, tuple) else np.asarray(given), name
        )
        for name, given in weights.items()
    ]
    graph = helper.make_graph(
        [helper.make_node(*node[:3], **(node[3] if node[3:] else {})) for node in nodes],
        "net",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, each) for name, each in entries.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        stored,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=list(functions)), path)
    return open_checkpoint(path)


NET = [
    ("Conv", ["x", "a"], ["h"], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ("Relu", ["h"], ["r"]),
    ("Conv", ["r", "b"], ["i"], {"group": 2}),
    ("Flatten", ["i"], ["f"]),
    ("Gemm", ["f", "c"], ["g"], {"transB": 1}),
    ("Transpose", ["d"], ["e"], {"perm": [1, 0]}),
    ("MatMul", ["g", "e"], ["y"]),
]
WEIGHTS = {"a": (4, 3, 3, 3), "b": (6, 2, 3, 3), "c": (12, 54), "d": (10, 12)}
PLACES = {"a": 25, "b": 9, "c": 1, "d": 1}  # 9 x 9 to 5 x 5 to 3 x 3


@pytest.mark.parametrize("sides", [("n", 3, 9, 9), (1, 3, 9, 9), (8, 3, 9, 9), (None, 3, 9, 9)])
def test_every_use_is_counted_for_one_image(tmp_path, sides):
    found = saved(tmp_path / "a.onnx", NET, WEIGHTS, sides)
    places = places_of(found)
    assert places == PLACES
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.Conv2d(4, 6, 3, groups=2), torch.nn.Flatten(), torch.nn.Linear(54, 12)
    )
    h = torch.zeros(1, 3, 9, 9)
    for layer, name in zip(net, ("a", "b", "", "c"), strict=True):
        h = layer(h)
        if name:
            assert h[0, 0].numel() * found[name].size == places[name] * found[name].size
    zeroed = {"b": found["b"].weights * (np.arange(6)[:, None, None, None] > 2)}
    sizes = sizes_of(found.layers, zeroed, places)
    assert sizes.macs == 25 * 108 + 9 * 108 + 648 + 120
    assert sizes.effective_macs == sizes.macs - 9 * 54


@pytest.mark.parametrize(
    ("nodes", "weights", "sides", "expected"),
    [
        ([("ConvTranspose", ["x", "w"], ["y"], {"strides": [2, 2]})], {"w": (3, 5, 2, 2)}, ("n", 3, 4, 6), {"w": 24}),
        ([("Conv", ["x", "w"], ["y"])], {"w": (4, 3, 5)}, ("n", 3, 20), {"w": 16}),
        ([("Conv", ["x", "w"], ["y"])], {"w": (4, 1, 2, 2, 2)}, (2, 1, 4, 4, 4), {"w": 27}),
        ([("MatMul", ["x", "w"], ["y"])], {"w": (16, 5)}, ("n", 7, 16), {"w": 7}),  # of seven tokens each
        ([("MatMul", ["w", "x"], ["y"])], {"w": (5, 16)}, (1, 16, 7), {"w": 7}),
        ([("MatMul", ["x", "w"], ["y"])], {"w": (3, 8, 5)}, ("n", 3, 7, 8), {"w": 7}),  # of three heads
        ([("Gemm", ["w", "x"], ["y"], {"transA": 1})], {"w": (16, 5)}, (16, 32), {"w": 2}),
        (
            [("LSTM", ["x", "w", "r"], ["", "h"], {"hidden_size": 4}), ("Squeeze", ["h", "zero"], ["y"])],
            {"w": (1, 16, 3), "r": (1, 16, 4), "zero": np.array([0])},
            (11, 1, 3),
            {"w": 1, "r": 1},  # eleven steps, which lie where batches do
        ),
        (
            [("MatMul", ["x", "w"], ["h"]), ("Relu", ["h"], ["r"]), ("MatMul", ["r", "w"], ["y"])],
            {"w": (8, 8)},
            ("n", 8),
            {"w": 2},  # twice in a pass
        ),
        (
            [
                ("Transpose", ["x"], ["t"], {"perm": [0, 3, 1, 2]}),
                ("Transpose", ["k"], ["w"], {"perm": [3, 2, 0, 1]}),
                ("Conv", ["t", "w"], ["h"], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
                ("Shape", ["h"], ["s"]),
                ("Gather", ["s", "zero"], ["n"]),
                ("Concat", ["n", "rest"], ["to"], {"axis": 0}),
                ("Reshape", ["h", "to"], ["f"]),
                ("MatMul", ["f", "d"], ["y"]),
            ],
            {"k": (3, 3, 2, 4), "zero": np.array([0]), "rest": np.array([-1]), "d": (100, 6)},
            ("n", 10, 10, 2),
            {"k": 25, "d": 1},  # as TensorFlow exports networks
        ),
        ([("MatMul", ["x", "a"], ["y"])], {"a": (8, 8), "unused": (3, 8)}, ("n", 8), {"a": 1, "unused": 0}),
    ],
)
def test_kinds_of_layers(tmp_path, nodes, weights, sides, expected):
    assert places_of(saved(tmp_path / "a.onnx", nodes, weights, sides)) == expected


def test_images_close_sides_that_are_left_open(tmp_path):
    nodes = [("Conv", ["x", "a"], ["h"]), ("GlobalAveragePool", ["h"], ["y"])]
    found = saved(tmp_path / "a.onnx", nodes, {"a": (4, 3, 3, 3)}, ("n", 3, None, None))
    assert places_of(found) is None
    assert sizes_of(found.layers, places=None).macs is None
    assert places_of(found, (3, 12, 10)) == {"a": 80}
    last = [("Transpose", ["x"], ["t"], {"perm": [0, 3, 1, 2]}), *[("Conv", ["t", "a"], ["h"]), nodes[1]]]
    found = saved(tmp_path / "b.onnx", last, {"a": (4, 3, 3, 3)}, ("n", None, None, 3))
    assert places_of(found, (3, 12, 10)) == {"a": 80}


def test_what_cannot_be_counted_is_left_open(tmp_path):
    """Other operations, functions, shapes that depend on values, graphs that are none: never a wrong number."""
    open_ones = [
        ([("Einsum", ["x", "w"], ["y"], {"equation": "ni,io->no"})], {"w": (8, 8)}),
        ([("Own", ["x", "w"], ["y"], {"domain": "own"})], {"w": (8, 8)}),
        ([("Own", ["x"], ["h"], {"domain": "own"}), ("MatMul", ["h", "w"], ["y"])], {"w": (8, 8)}),
        (
            [
                ("Cast", ["x"], ["c"], {"to": 9}),
                ("Compress", ["x", "c"], ["i"], {"axis": 0}),
                ("MatMul", ["i", "w"], ["y"]),
            ],
            {"w": (8, 8)},
        ),
        ([("MatMul", ["x", "w"], ["y"])], {"w": (9, 8)}),
        ([("MatMul", ["y", "w"], ["h"]), ("MatMul", ["h", "w"], ["y"])], {"w": (8, 8)}),
    ]
    itself = helper.make_function(
        "own",
        "Own",
        ["x"],
        ["y"],
        [helper.make_node("Own", ["x"], ["y"], domain="own")],
        [helper.make_opsetid("own", 1)],
    )
    for number, (nodes, weights) in enumerate(open_ones):
        found = saved(tmp_path / f"{number}.onnx", nodes, weights, ("n", 8), functions=[itself])
        assert places_of(found) in (None, {"w": 0}), nodes
        assert (places_of(found) is None) == (number != 5)


def test_a_file_that_has_changed_is_not_counted(tmp_path):
    found = saved(tmp_path / "a.onnx", NET, WEIGHTS)
    saved(tmp_path / "a.onnx", [("MatMul", ["x", "other"], ["y"])], {"other": (8, 8)}, ("n", 8))
    assert places_of(found) is None
    (tmp_path / "a.onnx").write_bytes(b"none")
    assert places_of(found) is None
    (tmp_path / "a.onnx").unlink()
    assert places_of(found) is None


def test_several_inputs_are_counted_where_their_sides_are_declared(tmp_path):
    nodes = [("Concat", ["x", "z"], ["h"], {"axis": 1}), ("MatMul", ["h", "w"], ["y"])]
    found = saved(tmp_path / "a.onnx", nodes, {"w": (12, 5)}, ("n", 8), inputs=[("z", ("n", 4))])
    assert places_of(found) == {"w": 1}
    found = saved(tmp_path / "b.onnx", nodes, {"w": (12, 5)}, ("n", 8), inputs=[("z", ("n", None))])
    assert places_of(found) is None


def test_the_command_reports_them(tmp_path, capsys):
    saved(tmp_path / "a.onnx", NET, WEIGHTS)
    command = ["prune", str(tmp_path / "a.onnx"), "--to-zeros", "0.5", "--group", "network", "--out"]
    assert main([*command, str(tmp_path / "b.onnx")]) == 0
    assert "multiply-adds for an image: 4,440, " in capsys.readouterr().out
    sizes = json.loads((tmp_path / "pruning.json").read_text())["networks"]["b.onnx"]["sizes"]
    assert sizes["macs"] == 4440
    assert 0 < sizes["effective_macs"] < 4440
    assert (
        sizes_of(open_checkpoint(tmp_path / "b.onnx").layers, places=PLACES).effective_macs == sizes["effective_macs"]
    )


def test_linear_layers_that_are_no_chain_are_not_counted(tmp_path):
    """Attention and recurrent layers of a file without a graph see as many steps as there are."""
    pytest.importorskip("torch")

    def kept(name, **weights):
        np.savez(tmp_path / name, **{key: RNG.normal(size=size).astype(np.float32) for key, size in weights.items()})
        return places_of(open_checkpoint(tmp_path / name))

    assert kept("a.npz", **{"b.weight": (6, 8), "a.weight": (8, 16), "a.bias": (8,)}) == {"b.weight": 1, "a.weight": 1}
    assert kept("b.npz", **{"weight_ih": (32, 16), "weight_hh": (32, 8), "head.weight": (4, 8)}) is None
    assert kept("c.npz", **{"embed.weight": (50, 8), "a.weight": (8, 8), "b.weight": (8, 8)}) is None
