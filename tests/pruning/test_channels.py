"""Channels that do nothing go, and the outputs stay: convolutions, batch norms, shortcuts, ONNX graphs, sparse ones."""

import json

import numpy as np
import pytest

from gsp_studio.cli import main
from gsp_studio.pruning import compact_network, network_of, open_checkpoint

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from gsp_studio.pruning.models import make_model, model_for  # noqa: E402

SEED = 3


def emptied(name, shape, share=0.4):
    """A network some of whose filters are empty, with norms that have seen something."""
    model = make_model(name, shape, 10, SEED).eval()
    rng = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for key, values in model.state_dict().items():
            if values.ndim >= 2:
                values[torch.rand(len(values), generator=rng) < share] = 0
            elif key.endswith("running_var"):
                values.uniform_(0.5, 2, generator=rng)
            elif values.is_floating_point():
                values.normal_(0, 0.5, generator=rng)
    return model


def scores(model, x):
    with torch.inference_mode():
        return model(torch.from_numpy(x)).numpy()


def images(shape, count=5):
    return np.random.default_rng(SEED).normal(size=(count, *shape)).astype(np.float32)


class TestKnownNetworks:
    @pytest.mark.parametrize(("name", "shape"), [("lenet5", (1, 8, 8)), ("resnet20", (3, 16, 16))])
    def test_outputs_stay_and_the_file_opens_again(self, tmp_path, name, shape):
        model = emptied(name, shape)
        torch.save(model.state_dict(), tmp_path / "a.pt")
        made = compact_network(open_checkpoint(tmp_path / "a.pt"), shape=shape)
        made.save(tmp_path / "b.safetensors")
        assert made.found.count > 20
        smaller = network_of(open_checkpoint(tmp_path / "b.safetensors"), shape)
        x = images(shape)
        np.testing.assert_allclose(scores(smaller, x), scores(model, x), rtol=1e-4, atol=1e-5)
        assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in model.parameters())
        again = compact_network(open_checkpoint(tmp_path / "b.safetensors"), shape=shape)
        assert again.found.count == 0

    def test_filters_that_stay_have_a_reason(self, tmp_path):
        model = emptied("resnet20", (3, 16, 16))
        for k, bias in enumerate((2.0, -2.0)):
            model.layer1[0].conv1.weight.data[k] = 0
            model.layer1[0].bn1.running_mean[k], model.layer1[0].bn1.bias.data[k] = 0, bias
        torch.save(model.state_dict(), tmp_path / "a.pt")
        found = compact_network(open_checkpoint(tmp_path / "a.pt"), shape=(3, 16, 16)).found
        count, reason = found.left["layer1.0.conv1.weight"]
        assert count >= 1, "a constant of 2 differs at the border"
        assert "border" in reason
        assert found.removed["layer1.0.conv1.weight"] >= 1, "a constant under 0 is cut off by ReLU"
        assert "shortcuts" in found.left["layer1.0.conv2.weight"][1]

    def test_narrow_layers_are_read_of_compact_files_alone(self, tmp_path):
        torch.save(emptied("lenet5", (1, 8, 8)).state_dict(), tmp_path / "a.pt")
        arrays = compact_network(open_checkpoint(tmp_path / "a.pt"), shape=(1, 8, 8)).found.arrays
        assert model_for(arrays, (1, 8, 8)) is None
        assert model_for(arrays, (1, 8, 8), is_compact=True) is not None
        assert model_for(arrays, (1, 12, 12), is_compact=True) is None, "the linear layers do not fit"

    def test_a_network_that_is_not_known_is_refused(self, tmp_path):
        np.savez(tmp_path / "a.npz", **{"conv.weight": np.ones((4, 3, 3, 3)), "fc.weight": np.ones((2, 4))})
        with pytest.raises(ValueError, match="none of the networks that are known"):
            compact_network(open_checkpoint(tmp_path / "a.npz"))


def graph(nodes, arrays, sides):
    """A model x -> y of these nodes."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, sides)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "c"])
    held = [numpy_helper.from_array(values, name) for name, values in arrays.items()]
    made = helper.make_graph([helper.make_node(*node[:3], **node[3]) for node in nodes], "g", [x], [y], held)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def residual():
    """A stem, a depthwise and a 1 x 1 convolution around a shortcut, norms, a mean, a flattened end."""
    rng = np.random.default_rng(SEED)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    arrays = {"stem": normal(6, 3, 3, 3), "deep": normal(6, 1, 3, 3), "out": normal(6, 6, 1, 1), "out.b": normal(6)}
    for name in ("bn1", "bn2"):
        arrays |= {f"{name}.{part}": normal(6) for part in ("scale", "bias", "mean")}
        arrays[f"{name}.var"] = np.full(6, 1.5, np.float32)
    arrays |= {"last": normal(8, 6, 1, 1), "fc1": normal(5, 8 * 16), "fc2": normal(5, 4)}
    arrays["flat"] = np.array([-1, 8 * 16])
    for name, row in (("stem", 1), ("deep", 2), ("out", 1), ("last", 0), ("last", 5), ("fc1", 3)):
        arrays[name][row] = 0
    arrays["bn1.bias"][1], arrays["bn1.mean"][1] = -5, 0  # behind ReLU nothing is left of it
    arrays["out.b"][1] = 0.0
    norm = [("scale", "bias", "mean", "var")]
    nodes = [
        ("Conv", ["x", "stem"], ["a"], {"pads": [1, 1, 1, 1]}),
        ("BatchNormalization", ["a", *(f"bn1.{part}" for part in norm[0])], ["b"], {}),
        ("Relu", ["b"], ["c"], {}),
        ("Conv", ["c", "deep"], ["d"], {"pads": [1, 1, 1, 1], "group": 6}),
        ("BatchNormalization", ["d", *(f"bn2.{part}" for part in norm[0])], ["e"], {}),
        ("Conv", ["e", "out", "out.b"], ["f"], {}),
        ("Add", ["f", "c"], ["g"], {}),
        ("Conv", ["g", "last"], ["h"], {}),
        ("Relu", ["h"], ["i"], {}),
        ("Reshape", ["i", "flat"], ["j"], {}),
        ("Gemm", ["j", "fc1"], ["k"], {"transB": 1}),
        ("Relu", ["k"], ["l"], {}),
        ("MatMul", ["l", "fc2"], ["y"], {}),
    ]
    return graph(nodes, arrays, ["n", 3, 4, 4])


def computed(model, x):
    return ReferenceEvaluator(model).run(None, {"x": x})[0]


class TestGraphs:
    def test_outputs_stay(self, tmp_path, residual):
        onnx.save(residual, tmp_path / "a.onnx")
        made = compact_network(open_checkpoint(tmp_path / "a.onnx"))
        made.save(tmp_path / "b.onnx")
        smaller = onnx.load(tmp_path / "b.onnx")
        onnx.checker.check_model(smaller, full_check=True)
        x = images((3, 4, 4))
        np.testing.assert_allclose(computed(smaller, x), computed(residual, x), rtol=1e-4, atol=1e-4)
        found = made.found
        assert found.removed == {"stem": 1, "last": 2, "fc1": 1, "out": 1}
        shapes = {tensor.name: tuple(tensor.dims) for tensor in smaller.graph.initializer}
        assert shapes["stem"] == (5, 3, 3, 3)
        assert shapes["deep"] == (5, 1, 3, 3)
        assert shapes["out"] == (5, 5, 1, 1)
        assert shapes["fc1"] == (4, 6 * 16)
        assert compact_network(open_checkpoint(tmp_path / "b.onnx")).found.count == 0

    def test_a_constant_goes_into_a_bias_that_is_made(self, tmp_path, residual):
        residual.graph.node[8].CopyFrom(helper.make_node("Sigmoid", ["h"], ["i"]))
        onnx.save(residual, tmp_path / "a.onnx")
        made = compact_network(open_checkpoint(tmp_path / "a.onnx"))
        x = images((3, 4, 4))
        np.testing.assert_allclose(computed(made.model, x), computed(residual, x), rtol=1e-4, atol=1e-4)
        assert made.found.removed["last"] == 2
        assert "fc1.bias" in {tensor.name for tensor in made.model.graph.initializer}

    @pytest.mark.parametrize(
        ("place", "node"),
        [
            (8, ("Softmax", ["h"], ["i"], {"axis": 1})),  # every channel depends on all
            (9, ("Transpose", ["i"], ["t"], {"perm": [0, 2, 3, 1]})),
        ],
    )
    def test_channels_around_other_operators_stay(self, tmp_path, residual, place, node):
        residual.graph.node[place].CopyFrom(helper.make_node(*node[:3], **node[3]))
        if node[0] == "Transpose":
            residual.graph.node.insert(10, helper.make_node("Reshape", ["t", "flat"], ["j"]))
        onnx.save(residual, tmp_path / "a.onnx")
        made = compact_network(open_checkpoint(tmp_path / "a.onnx"))
        x = images((3, 4, 4))
        np.testing.assert_allclose(computed(made.model, x), computed(residual, x), rtol=1e-4, atol=1e-4)
        assert made.found.left["last"] == (2, f"{node[0]} is not looked into")

    def test_weights_that_are_used_twice_stay(self, tmp_path, residual):
        residual.graph.node[7].input[1] = "out"
        residual.graph.node[10].input[1] = "fc3"
        shape = np.array([-1, 6 * 16])
        held = [numpy_helper.from_array(np.ones((5, 96), np.float32), "fc3"), numpy_helper.from_array(shape, "flat")]
        kept = [tensor for tensor in residual.graph.initializer if tensor.name != "flat"]
        del residual.graph.initializer[:]
        residual.graph.initializer.extend([*kept, *held])
        onnx.save(residual, tmp_path / "a.onnx")
        made = compact_network(open_checkpoint(tmp_path / "a.onnx"))
        x = images((3, 4, 4))
        np.testing.assert_allclose(computed(made.model, x), computed(residual, x), rtol=1e-4, atol=1e-4)
        assert "out" not in made.found.removed

    def test_a_reshape_that_is_no_flattening_stays(self, tmp_path):
        """A head that makes a row of two numbers for each place, and one that makes rows of several channels."""
        rng = np.random.default_rng(SEED)
        for columns in (2, 36, -1):
            arrays = {"one": rng.normal(size=(8, 3, 3, 3)), "two": rng.normal(size=(4, 8, 3, 3))}
            arrays = {name: values.astype(np.float32) for name, values in arrays.items()}
            arrays["one"][:2] = 0
            arrays["two"][0] = 0
            arrays["shape"] = np.array([-1 if columns > 0 else 8, columns])
            pads = {"pads": [1, 1, 1, 1]}
            nodes = [
                ("Conv", ["x", "one"], ["a"], pads),
                ("Relu", ["a"], ["b"], {}),
                ("Conv", ["b", "two"], ["c"], pads),
            ]
            nodes.append(("Reshape", ["c", "shape"], ["d"], {}))
            arrays["fc"] = rng.normal(size=(72 if columns < 0 else columns, 5)).astype(np.float32)
            nodes.append(("MatMul", ["d", "fc"], ["y"], {}))
            model = graph(nodes, arrays, [4, 3, 6, 6])
            onnx.save(model, tmp_path / "a.onnx")
            made = compact_network(open_checkpoint(tmp_path / "a.onnx"))
            assert made.found.removed == {"one": 2}
            x = images((3, 6, 6), 4)
            np.testing.assert_allclose(computed(made.model, x), computed(model, x), rtol=1e-4, atol=1e-4)

    def test_a_flattening_behind_channels_that_stay_keeps_its_shape(self, tmp_path):
        rng = np.random.default_rng(SEED)
        arrays = {"one": rng.normal(size=(8, 3, 1, 1)), "two": rng.normal(size=(4, 8, 1, 1))}
        arrays = {name: values.astype(np.float32) for name, values in arrays.items()} | {"shape": np.array([-1, 64])}
        arrays["one"][:2] = 0
        nodes = [("Conv", ["x", "one"], ["a"], {}), ("Conv", ["a", "two"], ["b"], {})]
        model = graph([*nodes, ("Reshape", ["b", "shape"], ["y"], {})], arrays, ["n", 3, 4, 4])
        onnx.save(model, tmp_path / "a.onnx")
        made = compact_network(open_checkpoint(tmp_path / "a.onnx"))
        assert made.found.removed == {"one": 2}
        assert made.model.graph.node[2].input[1] == "shape"


class TestCommand:
    def test_a_graph_gets_smaller(self, tmp_path, residual, capsys):
        onnx.save(residual, tmp_path / "a.onnx")
        more = ["--compact", str(tmp_path / "c.onnx"), "--sparse", str(tmp_path / "s.onnx")]
        command = ["prune", str(tmp_path / "a.onnx"), "--to-zeros", "0.7", "--out", str(tmp_path / "b.onnx"), *more]
        assert main(command) == 0
        said = capsys.readouterr().out
        assert "filters or rows removed from" in said
        x = images((3, 4, 4))
        pruned = computed(onnx.load(tmp_path / "b.onnx"), x)
        np.testing.assert_allclose(computed(onnx.load(tmp_path / "c.onnx"), x), pruned, rtol=1e-4, atol=1e-4)
        report = json.loads((tmp_path / "pruning.json").read_text())["networks"]["b.onnx"]
        assert sum(report["compact"]["removed"].values()) > 0
        sparse = onnx.load(tmp_path / "s.onnx")
        assert sparse.graph.sparse_initializer
        onnx.checker.check_model(sparse)
        assert (tmp_path / "s.onnx").stat().st_size < (tmp_path / "b.onnx").stat().st_size
        one, other = open_checkpoint(tmp_path / "s.onnx"), open_checkpoint(tmp_path / "b.onnx")
        for layer in other.layers:
            np.testing.assert_array_equal(one[layer.name].weights, layer.weights)

    def test_the_ending_has_to_be_that_of_the_format(self, tmp_path, residual, capsys):
        onnx.save(residual, tmp_path / "a.onnx")
        command = ["prune", str(tmp_path / "a.onnx"), "--to-zeros", "0.7", "--out", str(tmp_path / "b.onnx")]
        assert main([*command, "--compact", str(tmp_path / "c.safetensors")]) == 2
        assert "does not end in .onnx" in capsys.readouterr().err

    def test_statistics_that_are_estimated_anew_are_in_the_smaller_file(self, tmp_path):
        torch.save(emptied("resnet20", (3, 8, 8)).state_dict(), tmp_path / "a.pt")
        np.savez(tmp_path / "x.npz", np.random.default_rng(0).integers(0, 255, (8, 8, 8, 3), np.uint8))
        command = ["prune", str(tmp_path / "a.pt"), "--to-zeros", "0.6", "--out", str(tmp_path / "b.pt"), "--quiet"]
        more = ["--calibrate", str(tmp_path / "x.npz"), "--batch-norm", "--compact", str(tmp_path / "c.safetensors")]
        assert main([*(word for word in command if word != "--quiet"), *more]) == 0
        x = images((3, 8, 8))
        one, other = (network_of(open_checkpoint(tmp_path / name), (3, 8, 8)) for name in ("b.pt", "c.safetensors"))
        np.testing.assert_allclose(scores(other, x), scores(one, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("places", "dims"),
    [([0, 99], [2, 3]), ([-1, 0], [2, 3]), ([0], [2, 3]), ([[0, 5], [1, 1]], [2, 3]), ([0, 1], [-2, 3])],
)
def test_sparse_initializers_that_do_not_fit_are_refused(tmp_path, places, dims):
    values = numpy_helper.from_array(np.array([1.0, 2.0], np.float32), "w")
    where = numpy_helper.from_array(np.array(places, np.int64), "w.places")
    model = graph([("MatMul", ["x", "w"], ["y"], {})], {}, ["n", 2])
    sparse = onnx.SparseTensorProto(values=values, indices=where, dims=dims)
    model.graph.sparse_initializer.append(sparse)
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="the sparse initializer 'w' does not hold what it declares"):
        open_checkpoint(tmp_path / "a.onnx")
