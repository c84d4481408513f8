"""Networks that are known by their names and shapes, ONNX graphs, and how many images they get right."""

import numpy as np
import pytest
from networks import make_onnx, weights
from PIL import Image

import gsp_studio as gs
from gsp_studio.io.dataset import DatasetError
from gsp_studio.pruning import CheckpointError, Evaluator, LabelledImages, digits, labelled_from, open_checkpoint
from gsp_studio.pruning.images import labelled_files, split

torch = pytest.importorskip("torch")

from gsp_studio.pruning.models import MODELS, make_model, model_for  # noqa: E402


def images(shape, count=30, classes=10):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, count)
    return LabelledImages(rng.random((count, *shape), dtype=np.float32), labels, tuple(map(str, range(classes))))


@pytest.mark.parametrize("name", ["lenet300", "lenet5", "resnet20", "resnet32"])
def test_a_known_network_is_recognised_and_evaluated(tmp_path, name):
    shape = (3, 16, 16) if name.startswith("resnet") else (1, 12, 12)
    model = make_model(name, shape, 10, seed=1).eval()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "a.pt")
    data = images(shape)
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    evaluator = Evaluator(checkpoint, data, ((0.25,) * shape[0], (0.5,) * shape[0]))
    with torch.inference_mode():
        scores = model(torch.from_numpy((data.images - 0.25) / 0.5)).numpy()
    assert evaluator.accuracy() == np.mean(scores.argmax(1) == data.labels)
    last = checkpoint.layers[-1].name
    changed = evaluator.accuracy({last: np.zeros_like(checkpoint[last].weights)})
    bias = model.state_dict()[last.replace("weight", "bias")].numpy()
    assert changed == np.mean(data.labels == bias.argmax())
    assert evaluator.accuracy() == np.mean(scores.argmax(1) == data.labels)  # as the file has them, again
    assert np.isnan(evaluator.accuracy(cancelled=lambda: True))


@pytest.mark.parametrize("name", [*MODELS])
def test_networks_have_their_usual_sizes(name):
    shape, classes = {
        "lenet300": ((1, 28, 28), 10),
        "lenet5": ((1, 28, 28), 10),
        "resnet50": ((3, 224, 224), 1000),
    }.get(name, ((3, 32, 32), 10))
    with torch.device("meta"):
        model = MODELS[name](shape, classes)
    expected = {
        "lenet300": 266_610,
        "lenet5": 107_786,
        "resnet20": 269_722,
        "resnet32": 464_154,
        "resnet44": 658_586,
        "resnet56": 853_018,
        "resnet110": 1_727_962,
        "vgg16": 14_728_266,
        "resnet50": 25_557_032,
    }
    assert sum(parameter.numel() for parameter in model.parameters()) == expected[name]


def test_seeds_make_networks_and_leave_the_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    a, b, c = (make_model("lenet300", (1, 8, 8), 10, seed) for seed in (1, 1, 2))
    assert torch.equal(a.fc1.weight, b.fc1.weight)
    assert not torch.equal(a.fc1.weight, c.fc1.weight)
    assert torch.equal(torch.rand(1), expected)
    with pytest.raises(ValueError, match='model "lenet" is not known; accepted are lenet300'):
        make_model("lenet", (1, 8, 8), 10, 0)
    with pytest.raises(ValueError, match="resnet50 needs images of at least 32 x 32"):
        make_model("resnet50", (3, 8, 8), 10, 0)


def test_chains_of_linear_layers_are_known(tmp_path):
    rng = np.random.default_rng(0)
    w1, w2, b = rng.normal(size=(6, 8)), rng.normal(size=(3, 6)), rng.normal(size=3)
    np.savez(tmp_path / "a.npz", **{"l1.weight": w1, "l2.weight": w2, "l2.bias": b})
    data = images((1, 2, 4), classes=3)
    scores = np.maximum(data.images.reshape(-1, 8) @ w1.T, 0) @ w2.T + b
    assert Evaluator(open_checkpoint(tmp_path / "a.npz"), data).accuracy() == np.mean(scores.argmax(1) == data.labels)
    assert model_for({"l1.weight": w1, "l2.weight": w2[:, :5]}, (1, 2, 4)) is None
    assert model_for({"bias": b}, (1, 2, 4)) is None
    with pytest.raises(CheckpointError, match="export it to ONNX"):
        Evaluator(open_checkpoint(tmp_path / "a.npz"), images((1, 3, 3), classes=3))


def test_onnx_models_compute_as_their_graph_says(tmp_path):
    pytest.importorskip("onnx")
    make_onnx(tmp_path / "a.onnx")
    data, made = images((3, 6, 6)), weights()
    evaluator = Evaluator(open_checkpoint(tmp_path / "a.onnx"), data, ((0.0,), (1.0,)))
    scores = np.maximum(data.images.reshape(-1, 108) @ made["fc1.weight"].T, 0) @ made["fc2.weight"].T
    assert evaluator.accuracy() == np.mean(scores.argmax(1) == data.labels)
    assert evaluator.accuracy({"fc2.weight": np.zeros((10, 16), np.float32)}) == np.mean(data.labels == 0)
    with pytest.raises(CheckpointError, match="takes inputs of 108; the images are 1 x 3 x 3"):
        Evaluator(open_checkpoint(tmp_path / "a.onnx"), images((1, 3, 3)))


def test_labelled_images_are_those_of_the_data_set(tmp_path):
    rng = np.random.default_rng(0)
    for name, level in (("dog 10", 40), ("dog 9", 200)):
        (tmp_path / name).mkdir()
        for k in range(5):
            Image.fromarray(rng.integers(level, level + 20, (6, 4, 3), dtype=np.uint8)).save(
                tmp_path / name / f"{k}.png"
            )
    found = labelled_from(gs.load_dataset(tmp_path, colour="rgb"))
    assert found.classes == ("dog 9", "dog 10")
    assert found.shape == (3, 6, 4)
    assert found.labels.tolist() == [0] * 5 + [1] * 5
    picture = np.asarray(Image.open(tmp_path / "dog 9" / "3.png"), np.float32).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(found.images[3], picture, atol=1e-6)
    files = labelled_files(tmp_path, 8, found.classes)
    assert files.labels.tolist() == found.labels.tolist()
    batch = files.batch(np.arange(10))
    assert batch.shape == (10, 3, 8, 8)
    assert batch[:5].mean() > batch[5:].mean() + 0.5
    np.testing.assert_array_equal(files.batch(np.arange(2)), batch[:2])
    changed = files.batch(np.arange(10), np.random.default_rng(1))
    assert not np.array_equal(changed, batch)
    np.testing.assert_array_equal(files.batch(np.arange(10), np.random.default_rng(1)), changed)
    with pytest.raises(DatasetError, match='class "dog 10", which the images for training have not'):
        labelled_files(tmp_path, 8, ("dog 9",))
    with pytest.raises(DatasetError, match="outside of folders of classes"):
        labelled_files(tmp_path / "dog 9", 8)
    with pytest.raises(DatasetError, match="has no labels"):
        labelled_from(gs.load_dataset(tmp_path / "dog 9"))


def test_digits_and_their_split():
    data = digits()
    assert data.images.shape == (1797, 1, 8, 8)
    assert data.images.max() == 1
    train, test = split(data)
    assert len(train.labels) + len(test.labels) == 1797
    assert abs(len(test.labels) - 0.2 * 1797) < 10
    for number in range(10):
        share = np.sum(test.labels == number) / np.sum(data.labels == number)
        assert share == pytest.approx(0.2, abs=0.005)
    assert np.array_equal(split(data)[1].images, test.images)
    assert split(data, seed=1)[1].fingerprint != test.fingerprint
    with pytest.raises(DatasetError, match='class "0" has a single image'):
        split(data.part(np.array([0])))


def test_augmented_batches_are_shifted_and_mirrored():
    data = LabelledImages(images((1, 8, 8)).images, np.zeros(30, np.int64), ("a",), is_augmented=True)
    chosen = np.arange(30)
    np.testing.assert_array_equal(data.batch(chosen), data.images)
    shifted = data.batch(chosen, np.random.default_rng(0))
    wide = np.pad(data.images, ((0, 0), (0, 0), (4, 4), (4, 4)))
    for k in range(30):
        parts = [wide[k, :, i : i + 8, j : j + 8] for i in range(9) for j in range(9)]
        assert any(np.array_equal(shifted[k], part) or np.array_equal(shifted[k], part[..., ::-1]) for part in parts)
    assert not np.array_equal(shifted, data.images)


def test_a_real_network_gets_most_digits_right(shared_data):
    data = labelled_from(gs.load_dataset(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz"))
    checkpoint = open_checkpoint(shared_data / "models" / "mnist_tinygrad.safetensors")
    assert Evaluator(checkpoint, data.part(np.arange(1000))).accuracy() > 0.85
