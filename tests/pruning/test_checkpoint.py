"""Networks in files: layers found, values right, and a pruned file that differs from its source in the weights only."""

import zipfile

import numpy as np
import pytest
from networks import LAYERS, MAKERS, make_npz, make_onnx, make_safetensors, make_torch, weights

import gsp_studio as gs
from gsp_studio.pruning import CheckpointError, Grouping, open_checkpoint, project_checkpoint, save_checkpoint
from gsp_studio.pruning.formats import stored_array

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
onnx = pytest.importorskip("onnx")


@pytest.fixture(params=list(MAKERS))
def network(request, tmp_path):
    path = tmp_path / f"network{request.param}"
    MAKERS[request.param](path)
    return path


def test_layers_are_told_with_shape_sparsity_and_zeros(network):
    found, made = open_checkpoint(network), weights()
    assert [layer.name for layer in found.layers] == LAYERS
    for layer in found.layers:
        filters = made[layer.name].reshape(len(made[layer.name]), -1)
        np.testing.assert_array_equal(layer.filters, filters)
        assert layer.sparsity == pytest.approx(np.mean([gs.hoyer_sparsity(row) for row in filters]), abs=1e-12)
        assert layer.zeros == 0
        assert layer.kind == ("convolution" if "conv" in layer.name else "linear")
        assert not layer.weights.flags.writeable
    reasons = {array.name: array.reason for array in found.left_alone}
    assert set(reasons) == set(made) - set(LAYERS)
    assert reasons["conv1.bias"] == "a bias"
    assert reasons["embed.weight"] == "an embedding"
    assert reasons["bn1.num_batches_tracked"] == "no floating values"


def test_a_pruned_file_has_the_same_keys_format_and_everything_else(network, tmp_path):
    found = open_checkpoint(network)
    pruned = project_checkpoint(found, 0.8, Grouping("network", exclude=("first",)))
    out = tmp_path / f"pruned{network.suffix}"
    save_checkpoint(found, out, pruned.weights)
    again = open_checkpoint(out)
    assert again.format == found.format
    assert [(layer.key, layer.dtype, layer.shape) for layer in again.layers] == [
        (layer.key, layer.dtype, layer.shape) for layer in found.layers
    ]
    assert again.left_alone == found.left_alone
    for layer in again.layers:
        expected = pruned.weights.get(layer.name, found[layer.name].weights)
        np.testing.assert_array_equal(layer.weights, expected)
    first = "fc1.weight" if network.suffix == ".onnx" else "conv1.weight"  # the first that the graph uses
    np.testing.assert_array_equal(again[first].weights, found[first].weights)
    assert [layer.name for layer in found.layers if layer.is_first] == [first]
    assert [layer.name for layer in found.layers if layer.is_last] == ["fc2.weight"]
    assert again["conv2.weight"].zeros > 0.5
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_libraries_read_what_was_written(tmp_path):
    from safetensors import safe_open

    made = weights()
    for suffix, make in MAKERS.items():
        make(tmp_path / f"a{suffix}")
        found = open_checkpoint(tmp_path / f"a{suffix}")
        zero = {"fc2.weight": np.zeros((10, 16), np.float32)}
        save_checkpoint(found, tmp_path / f"b{suffix}", zero)
    with safe_open(tmp_path / "b.safetensors", "np") as file:
        assert file.metadata() == {"made by": "a test"}
        np.testing.assert_array_equal(file.get_tensor("fc2.weight"), 0)
        np.testing.assert_array_equal(file.get_tensor("fc1.weight"), made["fc1.weight"])
    with np.load(tmp_path / "b.npz") as archive, zipfile.ZipFile(tmp_path / "b.npz") as members:
        assert list(archive) == list(made)
        np.testing.assert_array_equal(archive["conv2.weight"], made["conv2.weight"])
        assert {info.compress_type for info in members.infolist()} == {zipfile.ZIP_DEFLATED}
    state = torch.load(tmp_path / "b.pt", weights_only=True)
    assert list(state) == list(made)
    np.testing.assert_array_equal(state["bn1.num_batches_tracked"].numpy(), 7)
    model = onnx.load(tmp_path / "b.onnx")
    onnx.checker.check_model(model)
    from onnx.reference import ReferenceEvaluator

    run = ReferenceEvaluator(model).run(None, {"x": np.ones((2, 108), np.float32)})
    np.testing.assert_array_equal(run[0], 0)


@pytest.mark.parametrize("is_zip", [True, False])
def test_state_dicts_are_found_in_checkpoints_of_training(tmp_path, is_zip):
    def wrap(state):
        moments = {0: {"exp_avg": torch.ones(16, 108)}}
        return {
            "epoch": 3,
            "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
            "optimizer": {"state": moments, "param_groups": [{"lr": 0.1, "params": [0]}]},
            "best_prec1": 91.7,
        }

    path, out = tmp_path / "last.th", tmp_path / "out.th"
    make_torch(path, wrap=wrap, _use_new_zipfile_serialization=is_zip)
    found = open_checkpoint(path)
    assert [layer.name for layer in found.layers] == LAYERS
    assert found.layers[0].key == "state_dict.module.conv1.weight"
    save_checkpoint(found, out, project_checkpoint(found, 0.7).weights)
    content = torch.load(out, weights_only=True)
    assert list(content) == ["epoch", "state_dict", "optimizer", "best_prec1"]
    assert content["best_prec1"] == 91.7
    assert torch.equal(content["optimizer"]["state"][0]["exp_avg"], torch.ones(16, 108))
    assert "module.fc1.weight" in content["state_dict"]
    assert zipfile.is_zipfile(out) == is_zip


def test_tied_tensors_stay_tied(tmp_path):
    def wrap(state):
        return {**state, "decoder.weight": state["fc1.weight"]}

    make_torch(tmp_path / "tied.pt", wrap=wrap)
    found = open_checkpoint(tmp_path / "tied.pt")
    assert {array.name: array.reason for array in found.left_alone}["decoder.weight"] == "tied to fc1.weight"
    save_checkpoint(found, tmp_path / "out.pt", project_checkpoint(found, 0.8).weights)
    state = torch.load(tmp_path / "out.pt", weights_only=True)
    assert state["decoder.weight"].data_ptr() == state["fc1.weight"].data_ptr()
    assert float((state["decoder.weight"] == 0).float().mean()) > 0.5


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precisions_are_computed_and_stored_as_they_are(tmp_path, dtype):
    import ml_dtypes

    kept = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    arrays = {"fc.weight": weights()["fc1.weight"].astype(kept), "fc.bias": np.zeros(16, kept)}
    make_safetensors(tmp_path / "a.safetensors", arrays)
    make_torch(
        tmp_path / "a.pt",
        {"fc.weight": weights()["fc1.weight"]},
        lambda s: {"w": s["fc.weight"].to(getattr(torch, dtype))},
    )
    make_onnx(tmp_path / "a.onnx", weights() | {"fc2.weight": arrays["fc.weight"]})
    for name in ("a.safetensors", "a.pt", "a.onnx"):
        found = open_checkpoint(tmp_path / name)
        [layer] = [layer for layer in found.layers if layer.dtype == dtype]
        np.testing.assert_array_equal(layer.weights, arrays["fc.weight"].astype(layer.weights.dtype))
        pruned = project_checkpoint(found, 0.8)
        out = tmp_path / f"b{(tmp_path / name).suffix}"
        save_checkpoint(found, out, pruned.weights)
        np.testing.assert_array_equal(open_checkpoint(out)[layer.name].weights, pruned.weights[layer.name])
        assert pruned.zeros > 0.5


def test_kernels_of_keras_and_flax_have_their_outputs_last(tmp_path):
    kernel = weights()["fc1.weight"].T
    make_npz(tmp_path / "a.npz", {"params/Dense_0/kernel": kernel})
    [layer] = open_checkpoint(tmp_path / "a.npz").layers
    np.testing.assert_array_equal(layer.filters, kernel.T)
    assert project_checkpoint(open_checkpoint(tmp_path / "a.npz"), 0.8).weights[layer.name].shape == kernel.shape


def test_values_of_onnx_models_that_lie_beside_them(tmp_path):
    options = {"save_as_external_data": True, "location": "a.bin", "size_threshold": 64}
    make_onnx(tmp_path / "a.onnx", **options)
    found = open_checkpoint(tmp_path / "a.onnx")
    np.testing.assert_array_equal(found["conv2.weight"].weights, weights()["conv2.weight"])
    pruned = project_checkpoint(found, 0.8)
    save_checkpoint(found, tmp_path / "b.onnx", pruned.weights)
    assert (tmp_path / "b.onnx.data").exists()
    again = open_checkpoint(tmp_path / "b.onnx")
    np.testing.assert_array_equal(again["fc1.weight"].weights, pruned.weights["fc1.weight"])
    loaded = onnx.load(tmp_path / "b.onnx")  # with its values
    onnx.checker.check_model(loaded)
    np.testing.assert_array_equal(
        open_checkpoint(tmp_path / "a.onnx")["fc1.weight"].weights, found["fc1.weight"].weights
    )


def test_saving_refuses_with_a_sentence(tmp_path):
    make_npz(tmp_path / "a.npz")
    found = open_checkpoint(tmp_path / "a.npz")
    good = {"fc2.weight": np.zeros((10, 16), np.float32)}
    for target, new, message in [
        ("a.npz", good, "is the network itself"),
        ("b.pt", good, "does not end in .npz"),
        ("no/b.npz", good, "is not there"),
        ("b.npz", {"fc3.weight": good["fc2.weight"]}, 'has no layer "fc3.weight"'),
        ("b.npz", {"fc2.weight": np.zeros((16, 10), np.float32)}, r"\(16, 10\)"),
        ("b.npz", {"fc2.weight": np.full((10, 16), np.nan, np.float32)}, "NaN"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            save_checkpoint(found, tmp_path / target, new)
    make_npz(tmp_path / "a.npz", {"fc2.weight": np.ones((3, 4))})
    with pytest.raises(CheckpointError, match="has changed since"):
        save_checkpoint(found, tmp_path / "b.npz", good)
    assert not (tmp_path / "b.npz").exists()


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    make_safetensors(tmp_path / "a.safetensors")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        CheckpointError, match=r'safetensors, which is not installed; pip install "gsp-studio\[pruning\]"'
    ):
        open_checkpoint(tmp_path / "a.safetensors")
    assert stored_array.CheckpointError is CheckpointError


def test_real_checkpoints_open(shared_data):
    resnet = open_checkpoint(shared_data / "models" / "resnet20.th")
    assert (len(resnet.layers), resnet.size, len(resnet.left_alone)) == (20, 268336, 77)
    assert resnet.layers[0].name == "conv1.weight"
    assert resnet.layers[-1].name == "linear.weight"
    small = open_checkpoint(shared_data / "models" / "mnist_tinygrad.safetensors")
    assert [layer.shape for layer in small.layers] == [(128, 784), (10, 128)]
