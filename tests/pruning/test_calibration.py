"""Calibration: activations of inputs, and batch norms as training would leave them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from gsp_studio.cli import main  # noqa: E402
from gsp_studio.pruning import open_checkpoint, save_checkpoint  # noqa: E402
from gsp_studio.pruning.accuracy import network_of  # noqa: E402
from gsp_studio.pruning.calibration import batch_norms, input_norms, with_importance  # noqa: E402
from gsp_studio.pruning.models import make_model  # noqa: E402

GREY = ((0.0,), (1.0,))


@pytest.fixture
def network(tmp_path):
    model = make_model("resnet20", (1, 8, 8), 3, 0)
    torch.save(model.state_dict(), tmp_path / "a.pt")
    images = np.random.default_rng(0).random((128, 1, 8, 8), dtype=np.float32)
    images[:, :, :4] *= 0.1
    return open_checkpoint(tmp_path / "a.pt"), images


def test_norms_of_activations(network):
    checkpoint, images = network
    norms = input_norms(checkpoint, images)
    first = checkpoint.layers[0]
    np.testing.assert_allclose(norms[first.name], np.sqrt(np.mean(images.astype(float) ** 2)), rtol=1e-6)
    weighted = with_importance(checkpoint.layers, norms)
    assert all(layer.importance.shape == (layer.shape[1],) for layer in weighted)


def test_statistics_of_batch_norms_are_estimated_and_saved(network, tmp_path):
    checkpoint, images = network
    weights = {layer.name: layer.weights.copy() for layer in checkpoint.layers}
    weights[checkpoint.layers[0].name] *= 3
    statistics = batch_norms(checkpoint, weights, images)
    model = network_of(checkpoint, (1, 8, 8))
    with torch.no_grad():
        model.conv1.weight.copy_(torch.from_numpy(weights[checkpoint.layers[0].name]))
        seen = model.conv1(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(statistics["bn1.running_mean"], seen.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    save_checkpoint(checkpoint, tmp_path / "b.pt", weights, statistics)
    saved = torch.load(tmp_path / "b.pt", weights_only=True)
    np.testing.assert_array_equal(saved["bn1.running_mean"].numpy(), statistics["bn1.running_mean"])
    with pytest.raises(ValueError, match='has no floating array "nothing"'):
        save_checkpoint(checkpoint, tmp_path / "b.pt", weights, {"nothing": np.ones(3)})


def test_the_command_writes_them(network, tmp_path):
    checkpoint, images = network
    np.savez(tmp_path / "images.npz", x=np.round(255 * images[:, 0]).astype(np.uint8))
    command = ["prune", str(checkpoint.path), "--to-zeros", "0.8", "--out", str(tmp_path / "b.pt")]
    assert main([*command, "--calibrate", str(tmp_path / "images.npz"), "--batch-norm", "--importance"]) == 0
    old, new = (torch.load(tmp_path / name, weights_only=True) for name in ("a.pt", "b.pt"))
    assert not torch.equal(old["bn1.running_mean"], new["bn1.running_mean"])
