"""Images as ONNX graphs take them, compared with PyTorch's own layers."""

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.pruning import CheckpointError, Evaluator, LabelledImages, labelled_from, open_checkpoint
from gsp_studio.pruning.accuracy import channels_of

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

RNG = np.random.default_rng(0)
NONE = ((0.0,), (1.0,))


def images(shape, count=30, classes=10):
    labels = RNG.integers(0, classes, count)
    return LabelledImages(RNG.random((count, *shape), dtype=np.float32), labels, tuple(map(str, range(classes))))


def squeezed(path, sides, channels, turn=None, kind=TensorProto.FLOAT, ends=("y",), fixed=None, extra=()):
    """A network as a SqueezeNet is: convolutions, a mean over all pixels, scores (n, 10, 1, 1).

    The weights lie in the file from the last to the first. Returns the scores by PyTorch.
    """
    weights = [
        RNG.normal(size=shape).astype(np.float32) for shape in ((10, 6, 1, 1), (6, 4, 3, 3), (4, channels, 3, 3))
    ]
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    stored = [numpy_helper.from_array(w.astype(dtype), name) for w, name in zip(weights, "cba", strict=True)]
    nodes = (
        [helper.make_node("Transpose", ["x"], ["t"], perm=turn)]
        if turn
        else [helper.make_node("Identity", ["x"], ["t"])]
    )
    nodes += [*extra, helper.make_node("Conv", ["t", "a"], ["h"]), helper.make_node("Relu", ["h"], ["i"])]
    nodes += [helper.make_node("Conv", ["i", "b"], ["j"]), helper.make_node("Relu", ["j"], ["k"])]
    nodes += [helper.make_node("Conv", ["k", "c"], ["l"]), helper.make_node("GlobalAveragePool", ["l"], ["y"])]
    nodes += [helper.make_node("ArgMax", ["y"], ["best"], axis=1)] if "best" in ends else []
    kinds = {"y": kind, "best": TensorProto.INT64}
    graph = helper.make_graph(
        nodes,
        "squeezed",
        [helper.make_tensor_value_info("x", kind, None if sides is None else [fixed or "n", *sides])],
        [helper.make_tensor_value_info(name, kinds[name], None) for name in ends],
        stored,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)

    def scores(pixels):
        h = torch.from_numpy(pixels)
        for w in reversed(weights):
            h = torch.nn.functional.conv2d(h, torch.from_numpy(w))
            h = torch.relu(h) if w is not weights[0] else h
        return h.mean((2, 3)).numpy()

    return scores


TURN = [0, 3, 1, 2]


@pytest.mark.parametrize(
    ("sides", "channels", "turn"),
    [
        ((12, 12, 3), 3, TURN),
        ((3, 12, 12), 3, None),
        (("h", "w", 3), 3, TURN),
        (("h", "w", "c"), 3, TURN),
        (("c", "h", "w"), 3, None),
        ((12, 12, 1), 1, TURN),
        ((1, 12, 12), 1, None),
        (None, 3, TURN),
        (None, 1, None),
    ],
)
def test_images_enter_in_the_order_of_axes_of_the_graph(tmp_path, sides, channels, turn):
    scores = squeezed(tmp_path / "a.onnx", sides, channels, turn)
    checkpoint, data = open_checkpoint(tmp_path / "a.onnx"), images((channels, 12, 12))
    assert channels_of(checkpoint) == channels
    expected = scores(data.images)
    assert Evaluator(checkpoint, data, NONE).accuracy() == np.mean(expected.argmax(1) == data.labels)
    assert [layer.name for layer in checkpoint.layers] == ["a", "b", "c"]
    # The labels are what the network says: with all of them right, an accuracy by chance would be seen.
    right = LabelledImages(data.images, expected.argmax(1), data.classes)
    assert Evaluator(checkpoint, right, NONE).accuracy() == 1


def test_sides_that_fit_both_orders_are_decided_by_the_graph(tmp_path):
    for turn in (None, TURN):
        path = tmp_path / f"{turn is None}.onnx"
        nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=turn)] if turn else []
        nodes += [helper.make_node("Conv", ["t" if turn else "x", "w"], ["h"])]
        nodes += [helper.make_node("GlobalAveragePool", ["h"], ["y"])]
        w = RNG.normal(size=(10, 3, 3, 2)).astype(np.float32)
        ends = [helper.make_tensor_value_info("x", 1, ["n", 3, 3, 3]), helper.make_tensor_value_info("y", 1, None)]
        graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], [numpy_helper.from_array(w, "w")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        data = images((3, 3, 3))
        expected = torch.nn.functional.conv2d(torch.from_numpy(data.images), torch.from_numpy(w)).mean((2, 3)).numpy()
        right = LabelledImages(data.images, expected.argmax(1), data.classes)
        assert Evaluator(open_checkpoint(path), right, NONE).accuracy() == 1


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_batches_and_types_are_those_of_the_graph(tmp_path, kind):
    scores = squeezed(tmp_path / "a.onnx", (3, 8, 8), 3, kind=kind, fixed=7, ends=("best", "y"))
    data = images((3, 8, 8))
    right = LabelledImages(data.images, scores(data.images).argmax(1), data.classes)
    assert Evaluator(open_checkpoint(tmp_path / "a.onnx"), right, NONE).accuracy() == 1


def test_colours_are_read_from_a_data_set_as_the_graph_asks(tmp_path):
    """CIFAR-10 in its binary files, and a network that takes (n, 32, 32, 3)."""
    pixels, labels = RNG.integers(0, 255, (20, 3, 32, 32), dtype=np.uint8), RNG.integers(0, 10, 20, dtype=np.uint8)
    rows = np.concatenate([labels[:, None], pixels.reshape(20, -1)], axis=1)
    (tmp_path / "test_batch.bin").write_bytes(rows.tobytes())
    scores = squeezed(tmp_path / "a.onnx", (32, 32, 3), 3, TURN)
    checkpoint = open_checkpoint(tmp_path / "a.onnx")
    assert channels_of(checkpoint) == 3
    data = labelled_from(gs.load_dataset(tmp_path / "test_batch.bin", colour="rgb"))
    expected = scores(pixels.astype(np.float32) / 255).argmax(1)
    assert Evaluator(checkpoint, data, NONE).accuracy() == np.mean(expected == labels)


@pytest.mark.parametrize(("shape", "channels"), [((20, 784), 1), ((20, 3072), 3), ((20, 49), 1), ((20, 100), 1)])
def test_channels_of_networks_without_a_graph(tmp_path, shape, channels):
    np.savez(tmp_path / "a.npz", w=RNG.normal(size=shape))
    assert channels_of(open_checkpoint(tmp_path / "a.npz")) == channels


def test_channels_by_convolutions_whatever_lies_before_them(tmp_path):
    made = {"classifier.weight": (10, 8), "features.0.weight": (8, 3, 3, 3), "features.1.weight": (8, 1, 3, 3)}
    np.savez(tmp_path / "a.npz", **{name: RNG.normal(size=shape) for name, shape in made.items()})
    assert channels_of(open_checkpoint(tmp_path / "a.npz")) == 3


def refused(path, shape=(3, 8, 8)):
    with pytest.raises(CheckpointError) as caught:
        Evaluator(open_checkpoint(path), images(shape)).accuracy()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_graphs_that_cannot_be_computed_for_images(tmp_path):
    path = tmp_path / "a.onnx"
    squeezed(path, (8, 8, 1), 1, TURN)
    assert "takes inputs of 8 x 8 x 1; the images are 3 x 8 x 8, channels x height x width" in refused(path)
    squeezed(path, (3, 8, 8), 3, kind=TensorProto.FLOAT, extra=[helper.make_node("Nonesuch", ["t"], ["u"])])
    assert "cannot be computed (" in refused(path)
    squeezed(path, (3, 8, 8), 3)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    onnx.save(model, path)
    assert "takes inputs of ONNX's type 2; accepted are floating values" in refused(path)
    model = onnx.load(path)
    del model.graph.node[-1]
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    model.graph.output[0].name = "l"
    onnx.save(model, path)
    assert "gives no scores of classes" in refused(path)


def test_graphs_without_an_end_are_not_computed(tmp_path):
    squeezed(tmp_path / "a.onnx", (3, 8, 8), 3)
    model = onnx.load(tmp_path / "a.onnx")
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["on"])], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["count", "go"], [], body=body))
    onnx.save(model, tmp_path / "a.onnx")
    assert "computes with Loop, which may have no end" in refused(tmp_path / "a.onnx")
