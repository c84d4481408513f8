"""The recipes: they run, go on after an interruption with the same numbers, and say what they found."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

import gsp_studio as gs
from gsp_studio.cli import main
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.readers import peek
from gsp_studio.pruning.images import LabelledFiles

torch = pytest.importorskip("torch")

from gsp_studio.pruning import recipe  # noqa: E402
from gsp_studio.pruning.data import read_parts  # noqa: E402
from gsp_studio.pruning.grouping import Grouping  # noqa: E402
from gsp_studio.pruning.images import LabelledImages, digits, split  # noqa: E402
from gsp_studio.pruning.training import Schedule, Stage, accuracy, make_sets, train  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def load(path, key=None):
    colour = "rgb" if peek(path, key=key).has_colour else None
    return gs.load_dataset(path, key=key, colour=colour)


@pytest.fixture(scope="module")
def sets():
    return make_sets(*split(digits()))


def plan_of(sets, **changes):
    settings = {
        "model": "lenet300",
        "schedule": Schedule(2, 1, 64, 0.05, 0.02, every=5),
        "seeds": 1,
        "shares": (0.8,),
        "methods": ("gsp", "induced", "magnitude", "hoyer"),
        "grouping": Grouping("network"),
        "data": f"{sets.train.fingerprint}+{sets.test.fingerprint}",
    }
    return recipe.Plan(**{**settings, **changes})


def silent(epochs, runs):
    pass


def test_at_ninety_percent_zeros_digits_stay_near_dense(sets, tmp_path):
    """A short cut of what docs/pruning.md shows with five seeds and the whole schedule: within a point of dense."""
    plan = plan_of(sets, schedule=Schedule(12, 12, 64, 0.05, 0.1, 1e-4), seeds=2, shares=(0.9,), methods=("gsp",))
    outcomes = recipe.run_all(plan, sets, tmp_path, torch.device("cpu"), silent)
    dense, _ = recipe.mean_and_spread(outcomes, recipe.DENSE, 0.0)
    found, _ = recipe.mean_and_spread(outcomes, "gsp", 0.9)
    assert dense > 95
    assert found > dense - 2.5
    for outcome in outcomes[1::2]:
        assert outcome.zeros == pytest.approx(0.9, abs=1e-3)
        assert outcome.before < outcome.accuracy


def test_runs_are_kept_and_an_interrupted_recipe_goes_on(sets, tmp_path, monkeypatch):
    plan, device = plan_of(sets), torch.device("cpu")
    whole = recipe.run_all(plan, sets, tmp_path / "whole", device, silent)
    assert [outcome.method for outcome in whole] == ["dense", "gsp", "induced", "magnitude", "hoyer"]
    for outcome in whole[1:]:
        assert outcome.zeros == pytest.approx(0.8, abs=1e-3)
        assert 0.3 < outcome.before <= 1
        assert sum(zeros for _, zeros in outcome.layers) > 1

    def stop(epochs, runs):
        if epochs == 7:  # of the third run
            raise KeyboardInterrupt

    folder = tmp_path / "parts"
    with pytest.raises(recipe.Interrupted) as caught:
        recipe.run_all(plan, sets, folder, device, stop)
    assert (caught.value.finished, caught.value.total) == (2, 5)
    seen = []
    again = recipe.run_all(plan, sets, folder, device, lambda epochs, runs: seen.append(epochs))
    assert seen == sorted(seen)
    assert seen[0] == 3  # the dense run was there
    for a, b in zip(whole, again, strict=True):
        assert (a.method, a.accuracy, a.before, a.layers) == (b.method, b.accuracy, b.before, b.layers)
    monkeypatch.setattr(recipe, "_run", None)  # everything is there
    assert recipe.run_all(plan, sets, folder, device, silent) == again
    damaged = folder / f"{plan.tasks()[1].name}.json"
    damaged.write_text("{")
    assert recipe.load(plan.tasks()[1], folder) is None


def test_a_long_training_goes_on_from_the_middle(sets, tmp_path, monkeypatch):
    from gsp_studio.pruning import training
    from gsp_studio.pruning.models import make_model
    from gsp_studio.pruning.pruner import GSPPruner

    monkeypatch.setattr(training, "_KEPT_EVERY", -1.0)
    stage = Stage(4, 0.05, 3, 128, 1e-4)

    def trained(stop=None):
        model = make_model("lenet300", (1, 8, 8), 10, 0)
        pruner = GSPPruner(model, zeros=0.5, every=4, start=1)
        calls = []

        def on_epoch():
            calls.append(1)
            if len(calls) == stop:
                raise KeyboardInterrupt

        train(model, sets, stage, pruner, on_epoch, tmp_path / "state.pt")
        return model.state_dict()

    expected = trained()
    assert not (tmp_path / "state.pt").exists()
    with pytest.raises(KeyboardInterrupt):
        trained(stop=3)
    assert (tmp_path / "state.pt").exists()
    for name, values in trained().items():
        assert torch.equal(values, expected[name])


def test_the_command_writes_figure_numbers_and_table(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    command = ["reproduce", "pruning", "--out", str(out), "--epochs", "1", "--finetune", "1", "--seeds", "2"]
    assert main([*command, "--shares", "0.5,0.9", "--compare", "gsp,magnitude", "--exclude", "last"]) == 0
    said = capsys.readouterr()
    assert "lenet300 on digits, mean of 2 seeds" in said.out
    assert "GSP, single-shot" in said.out
    assert "10/10 runs  100 %" in said.err
    rows = list(csv.DictReader((out / "pruning.csv").read_text().splitlines()))
    assert len(rows) == 10
    assert {row["method"] for row in rows} == {"dense", "gsp", "magnitude"}
    content = json.loads((out / "recipe.json").read_text())
    assert content["plan"]["grouping"]["exclude"] == ["last"]
    assert " ± " in said.out
    layers = dict(content["outcomes"][1]["layers"])
    assert list(layers) == ["fc1.weight", "fc2.weight"]
    assert "| magnitude" in (out / "pruning.md").read_text()
    with Image.open(out / "pruning.png") as image:
        assert image.width > 1000
    before = {path.name for path in (out / "runs").iterdir()}
    assert main([*command, "--shares", "0.5,0.9", "--compare", "gsp,magnitude", "--exclude", "last", "--quiet"]) == 0
    assert {path.name for path in (out / "runs").iterdir()} == before


def test_vectors_are_chosen_and_one_seed_has_no_deviation(tmp_path, capsys):
    """Of the network that is trained with projections: single-shot over the network has the same support by any."""
    pytest.importorskip("matplotlib")
    found = []
    for vectors in ("positions", "filters"):
        out = tmp_path / vectors
        command = ["reproduce", "pruning", "--out", str(out), "--vectors", vectors, "--seeds", "1", "--quiet"]
        short = ["--epochs", "1", "--finetune", "1", "--every", "4", "--shares", "0.9", "--compare", "cut"]
        assert main([*command, *short]) == 0
        said = capsys.readouterr().out
        assert "mean of 1 seed\n" in said
        assert "±" not in said
        content = json.loads((out / "recipe.json").read_text())
        assert content["plan"]["grouping"]["vectors"] == vectors
        found.append(content["outcomes"][1]["layers"])
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--shares", "1.5"], "a share of zeros is 1.5"),
        (["--compare", "magic"], 'method "magic" is not known'),
        (["--epochs", "0"], "epochs is 0"),
        (["--seeds", "0"], "seeds is 0"),
        (["--threads", "0"], "threads is 0"),
        (["--data", "nowhere"], "nowhere"),
        (["--exclude", "fc9"], 'no layer is called "fc9"'),
        (["--model", "resnet50", "--data", "."], "has no folders train and val"),
        (["--backend", "cuda"], "no CUDA device"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, monkeypatch, capsys, change, message):
    if "cuda" in change and torch.cuda.is_available():
        pytest.skip("needs a machine without CUDA")
    monkeypatch.chdir(tmp_path)
    short = ["--epochs", "1", "--finetune", "1", "--seeds", "1", "--shares", "0.5"]
    assert main(["reproduce", "pruning", "--out", "out", *short, *change]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("gsp-studio: ")
    assert message in said


def test_a_foreign_figure_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "pruning.csv").write_text("mine")
    assert main(["reproduce", "pruning", "--out", str(tmp_path)]) == 2
    assert "which no recipe made there" in capsys.readouterr().err
    assert (tmp_path / "pruning.csv").read_text() == "mine"


def save_classes(folder, count, side=10, classes=3, seed=0):
    """Folders of classes whose images differ in their colour."""
    rng = np.random.default_rng(seed)
    for k in range(classes):
        (folder / f"class{k}").mkdir(parents=True)
        for number in range(count):
            image = rng.integers(0, 80, (side, side, 3), dtype=np.uint8)
            image[..., k] += 150
            Image.fromarray(image).save(folder / f"class{k}" / f"{number}.png")


def test_images_of_class_folders_are_learned(tmp_path, capsys):
    save_classes(tmp_path / "data", 12)
    out = tmp_path / "out"
    command = ["reproduce", "pruning", "--data", str(tmp_path / "data"), "--model", "lenet5", "--out", str(out)]
    assert (
        main([*command, "--epochs", "20", "--finetune", "10", "--batch", "8", "--seeds", "1", "--shares", "0.5"]) == 0
    )
    assert "30 images of 10 x 10 in colour to train, 6 to evaluate, 3 classes" in capsys.readouterr().err
    outcomes = json.loads((out / "recipe.json").read_text())["outcomes"]
    assert all(outcome["accuracy"] == 1.0 for outcome in outcomes)


def test_networks_with_batch_norms_and_shifted_images_run(tmp_path):
    rng = np.random.default_rng(0)
    data = LabelledImages(rng.random((24, 3, 8, 8), np.float32), np.arange(24) % 2, ("a", "b"), is_augmented=True)
    sets = make_sets(*split(data, 0.25))
    plan = plan_of(
        sets, model="resnet20", schedule=Schedule(1, 1, 8, 0.01, 0.01, every=1), methods=("induced",), shares=(0.9,)
    )
    [_, pruned] = recipe.run_all(plan, sets, tmp_path, torch.device("cpu"), silent)
    assert pruned.zeros == pytest.approx(0.9, abs=1e-3)


def test_the_recipe_for_imagenet_runs_on_a_tiny_folder(tmp_path, capsys, monkeypatch):
    """Images decoded a batch at a time from folders train and val, of any size; ResNet50 with few channels."""
    from gsp_studio.pruning.models import ResNet50

    monkeypatch.setattr(ResNet50, "PLAN", ((4, 2), (8, 1), (8, 1), (16, 1)))
    save_classes(tmp_path / "data" / "train", 3, 40, 2)
    save_classes(tmp_path / "data" / "val", 2, 48, 2, seed=1)
    Image.fromarray(np.zeros((60, 35), np.uint8)).save(tmp_path / "data" / "train" / "class0" / "grey.png")
    out = tmp_path / "out"
    command = ["reproduce", "pruning", "--data", str(tmp_path / "data"), "--model", "resnet50", "--out", str(out)]
    short = ["--epochs", "1", "--finetune", "1", "--batch", "4", "--every", "1", "--seeds", "1", "--shares", "0.9"]
    assert main([*command, *short, "--image-shape", "32x32", "--compare", "induced"]) == 0
    assert "7 images of 32 x 32 in colour to train, 4 to evaluate, 2 classes" in capsys.readouterr().err
    outcome = json.loads((out / "recipe.json").read_text())["outcomes"][1]
    assert outcome["zeros"] == pytest.approx(0.9, abs=1e-4)
    train_part, _ = read_parts(tmp_path / "data", load, 32)
    assert isinstance(train_part, LabelledFiles)


def test_parts_of_data_sets_are_found_by_their_names(tmp_path):
    save_classes(tmp_path / "folders" / "train", 4)
    save_classes(tmp_path / "folders" / "val", 2)
    train_part, test = read_parts(tmp_path / "folders", load)
    assert (len(train_part.labels), len(test.labels), train_part.classes) == (12, 6, test.classes)
    assert train_part.is_augmented
    assert not test.is_augmented

    (tmp_path / "idx").mkdir()
    rng = np.random.default_rng(0)
    for name, count in (("train", 20), ("t10k", 10)):
        images = rng.integers(0, 255, (count, 6, 5), dtype=np.uint8)
        header = b"\0\0\x08\x03" + np.array(images.shape, ">u4").tobytes()
        (tmp_path / "idx" / f"{name}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = b"\0\0\x08\x01" + np.array([count], ">u4").tobytes() + bytes(k % 10 for k in range(count))
        (tmp_path / "idx" / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    train_part, test = read_parts(tmp_path / "idx", load)
    assert (train_part.images.shape, test.images.shape) == ((20, 1, 6, 5), (10, 1, 6, 5))
    np.testing.assert_allclose(test.images[:, 0], images / 255, atol=1e-6)
    assert not train_part.is_augmented

    (tmp_path / "cifar").mkdir()
    for name in ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"):
        records = rng.integers(0, 255, (10, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(10)
        (tmp_path / "cifar" / name).write_bytes(records.tobytes())
    train_part, test = read_parts(tmp_path / "cifar", load)
    assert (train_part.images.shape, test.images.shape) == ((20, 3, 32, 32), (10, 3, 32, 32))
    np.testing.assert_allclose(test.images.reshape(10, -1), records[:, 1:] / 255, atol=1e-6)
    assert test.labels.tolist() == list(range(10))


def test_one_set_is_split_and_usps_has_two(tmp_path, shared_data):
    train_part, test = read_parts(shared_data / "usps" / "usps.h5", load)
    assert (len(train_part.labels), len(test.labels), train_part.shape) == (7291, 2007, (1, 16, 16))
    train_part, test = read_parts(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz", load)
    assert len(train_part.labels) + len(test.labels) == 10000
    np.save(tmp_path / "a.npy", np.ones((4, 5, 5)))
    with pytest.raises(DatasetError, match="no labels"):
        read_parts(tmp_path / "a.npy", load)


def test_another_fifth_is_held_out(tmp_path, capsys):
    first, second, again = (read_parts(None, load, seed=seed)[1] for seed in (0, 1, 1))
    assert first.fingerprint != second.fingerprint == again.fingerprint
    assert np.bincount(first.labels).tolist() == np.bincount(second.labels).tolist()
    command = ["reproduce", "pruning", "--epochs", "1", "--finetune", "1", "--seeds", "1", "--shares", "0.9", "--quiet"]
    chosen = [*command, "--compare", "magnitude", "--out", str(tmp_path / "out"), "--split"]
    assert main([*chosen, "1"]) == 0
    recipe = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert recipe["split"] == 1
    assert recipe["plan"]["data"].endswith(second.fingerprint)
    assert main([*chosen, "-1"]) == 2
    assert "split is -1; accepted is a whole number >= 0" in capsys.readouterr().err


def test_accuracy_is_a_count_of_right_answers(sets):
    class First(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return torch.nn.functional.one_hot(torch.zeros(len(x), dtype=torch.long), 10).float()

    assert accuracy(First(), sets) == np.mean(sets.test.labels == 0)


def test_every_way_of_pruning_has_the_same_zeros_and_the_same_epochs(sets, tmp_path):
    """Those whose training does not depend on the share train once for all shares."""
    schedule = Schedule(3, 1, 64, 0.05, 0.02, every=4, sparsity=0.8)
    plan = plan_of(sets, methods=("cut", "control", "gradual", "lamp"), shares=(0.8, 0.95), schedule=schedule)
    outcomes = recipe.run_all(plan, sets, tmp_path, torch.device("cpu"), silent)
    for outcome in outcomes[1:]:
        assert outcome.zeros == pytest.approx(outcome.share, abs=1e-4)
        assert outcome.accuracy > 0.5
    for method in ("cut", "control"):
        assert len(list(tmp_path.glob(f"{method}-*.pt"))) == 1
    cut, control = (next(o for o in outcomes if (o.method, o.share) == (m, 0.8)) for m in ("cut", "control"))
    assert cut.layers != control.layers
    assert recipe.mean_and_spread(outcomes, "cut", 0.8, before=True)[0] == 100 * cut.before


def test_gradual_pruning_follows_the_cubic_and_goes_on_from_its_state():
    from gsp_studio.pruning.gradual import GradualMagnitude
    from gsp_studio.pruning.models import make_model
    from gsp_studio.pruning.pruner import GSPPruner, ramp

    def made():
        model = make_model("lenet300", (1, 8, 8), 10, 0)
        inner = GSPPruner(model, zeros=0.9)
        return inner, GradualMagnitude(inner, 0.9, 2, 1, 3)

    inner, gradual = made()
    assert not gradual.step(0.5)
    assert gradual.step(2)
    assert inner.summary().zeros == pytest.approx(0.9 * (1 - 0.5**3), abs=1e-4)
    assert inner.is_frozen
    other, resumed = made()
    resumed.load_state_dict(gradual.state_dict())
    for pruner, each in ((inner, gradual), (other, resumed)):
        assert [each.step(epoch) for epoch in (2.5, 3.0)] == [False, True]
        assert pruner.summary().zeros == pytest.approx(0.9, abs=1e-4)
    with pytest.raises(ValueError, match="a ramp ends at epoch 1"):
        ramp(1, 1)


def test_the_sparsity_is_chosen_on_images_held_out(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    command = ["reproduce", "pruning", "--out", str(tmp_path), "--epochs", "1", "--finetune", "1", "--seeds", "1"]
    assert main([*command, "--shares", "0.9", "--compare", "cut", "--induce", "0.5,0.9"]) == 0
    said = capsys.readouterr()
    assert "s = 0.5: " in said.err
    assert "on 287 images held out" in said.err
    assert "before fine-tuning" in said.out
    chosen = json.loads((tmp_path / "recipe.json").read_text())["plan"]["schedule"]["sparsity"]
    found = {float(line.split()[2].rstrip(":")): line for line in said.err.splitlines() if line.startswith("s = ")}
    assert chosen == max(found, key=lambda s: float(found[s].split()[3].rstrip("%")))
