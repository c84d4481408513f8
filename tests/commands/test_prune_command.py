"""``gsp-studio prune`` as a user meets it: the table, the file, pruning.json, and one sentence for bad input."""

import json

import numpy as np
import pytest
from networks import LAYERS, MAKERS, make_npz, make_torch

from gsp_studio.cli import main
from gsp_studio.pruning import open_checkpoint

pytest.importorskip("torch")


@pytest.mark.parametrize("suffix", list(MAKERS))
def test_a_network_is_pruned_into_the_same_format(tmp_path, suffix, capsys):
    source, out = tmp_path / f"a{suffix}", tmp_path / "new" / f"b{suffix}"
    MAKERS[suffix](source)
    options = "--sparsity", "0.8", "--group", "network", "--values", "shrunken"
    assert main(["prune", str(source), *options, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "conv1.weight" in said
    assert "s = 0.800000" in said
    found = open_checkpoint(out)
    report = json.loads((out.parent / "pruning.json").read_text())["networks"][out.name]
    assert report["grouping"]["scope"] == "network"
    assert report["asked"] == {"sparsity": 0.8}
    assert [layer["name"] for layer in report["layers"]] == LAYERS
    for layer in report["layers"]:
        assert layer["sparsity_after"] == pytest.approx(found[layer["name"]].sparsity, abs=1e-6)
        assert layer["zeros_after"] == pytest.approx(found[layer["name"]].zeros)
        assert layer["sparsity_before"] == pytest.approx(open_checkpoint(source)[layer["name"]].sparsity)
    counts = [len(found[name].filters) for name in LAYERS]
    assert np.average([layer["sparsity_after"] for layer in report["layers"]], weights=counts) == pytest.approx(0.8)


def test_to_zeros_own_targets_and_excluded_layers(tmp_path, capsys):
    make_torch(tmp_path / "a.pt")
    command = ["prune", str(tmp_path / "a.pt"), "--to-zeros", "0.9", "--exclude", "first,last"]
    assert main([*command, "--layer", "fc1.weight=0.95", "--json", "--out", str(tmp_path / "b.pt")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["zeros_after"] == pytest.approx(0.9, abs=1e-3)
    assert report["zeros_after"] >= 0.9
    targets = {layer["name"]: layer["target"] for layer in report["layers"]}
    assert targets == {"conv2.weight": report["sparsity"], "fc1.weight": 0.95}
    assert {"conv1.weight", "fc2.weight"} <= {array["name"] for array in report["left_alone"]}
    main(["prune", str(tmp_path / "a.pt"), "--sparsity", "0.5", "--out", str(tmp_path / "c.pt")])
    assert list(json.loads((tmp_path / "pruning.json").read_text())["networks"]) == ["b.pt", "c.pt"]


def test_a_file_of_that_name_is_not_replaced_without_being_asked(tmp_path, capsys):
    make_torch(tmp_path / "a.pt")
    out = tmp_path / "b.pt"
    out.write_text("mine")
    command = ["prune", str(tmp_path / "a.pt"), "--sparsity", "0.5", "--out", str(out)]
    assert main(command) == 2
    assert f"{out} exists; accepted are another --out, or --force to replace it" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main([*command, "--force"]) == 0
    assert open_checkpoint(out).format == "torch"


def test_the_layers_that_first_and_last_stand_for_are_said(tmp_path, capsys):
    ends = {".pt": ("the order of the file", "conv1.weight"), ".onnx": ("the graph", "fc1.weight")}
    for suffix, (by, first) in ends.items():  # the graph does not use the convolutions
        MAKERS[suffix](tmp_path / f"a{suffix}")
        files = str(tmp_path / f"a{suffix}"), "--out", str(tmp_path / f"b{suffix}")
        assert main(["prune", *files, "--sparsity", "0.5", "--exclude", "first,last"]) == 0
        said = capsys.readouterr().out
        assert f"first, by {by}, and left as it is: {first}\n" in said
        assert f"last, by {by}, and left as it is: fc2.weight\n" in said


def test_a_network_alone_is_listed(tmp_path, capsys):
    make_npz(tmp_path / "a.npz")
    assert main(["prune", str(tmp_path / "a.npz")]) == 0
    assert "4 layers with 2968 weights" in capsys.readouterr().out
    assert main(["prune", str(tmp_path / "a.npz"), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [layer["name"] for layer in listed["layers"]] == LAYERS
    assert len(listed["left_alone"]) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--sparsity", "1.5", "--out", "b.npz"], "sparsity is 1.5; accepted is a number from 0 to 1"),
        (["--to-zeros", "2", "--out", "b.npz"], "zeros is 2.0"),
        (["--sparsity", "0.5"], "prune needs --out"),
        (["--out", "b.npz"], "prune needs --sparsity"),
        (["--layer", "fc9=0.5", "--out", "b.npz"], 'no layer is called "fc9"'),
        (["--layer", "fc1.weight=2", "--out", "b.npz"], "the sparsity of layer fc1.weight is 2.0"),
        (["--sparsity", "0.5", "--out", "b.pt"], "does not end in .npz"),
        (["--sparsity", "0.5", "--out", "a.npz"], "is the network itself"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, monkeypatch, capsys, change, message):
    monkeypatch.chdir(tmp_path)
    make_npz("a.npz")
    assert main(["prune", "a.npz", *change]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_foreign_report_is_not_overwritten(tmp_path, capsys):
    make_npz(tmp_path / "a.npz")
    (tmp_path / "pruning.json").write_text('{"mine": 1}')
    assert main(["prune", str(tmp_path / "a.npz"), "--sparsity", "0.5", "--out", str(tmp_path / "b.npz")]) == 2
    assert "was not written by GSP Studio" in capsys.readouterr().err
    assert (tmp_path / "pruning.json").read_text() == '{"mine": 1}'
    assert not (tmp_path / "b.npz").exists()


@pytest.fixture
def trained(tmp_path):
    """A chain of two linear layers that classifies small grey images by the half that is bright, and the images."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    images = rng.integers(0, 60, (200, 4, 4)).astype(np.uint8)
    images[np.arange(200), :, 0] += (120 * labels).astype(np.uint8)[:, None]
    first = 0.05 * rng.normal(size=(8, 16)).astype(np.float32)
    first[:4, ::4], first[4:, ::4] = 1, -1
    second = 0.05 * rng.normal(size=(2, 8)).astype(np.float32)
    second[1, :4], second[0, 4:] = 1, 1
    bias = np.concatenate([np.full(4, -1.2), np.full(4, 1.2)]).astype(np.float32)
    make_torch(tmp_path / "a.pt", {"fc1.weight": first, "fc1.bias": bias, "fc2.weight": second})
    np.savez(tmp_path / "images.npz", x=images, y=labels)
    return tmp_path


def test_all_methods_in_one_table(trained, capsys):
    command = ["prune", str(trained / "a.pt"), "--compare", "0.5,0.8", "--images", str(trained / "images.npz")]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "200 images of" in said
    assert "normalized: none" in said
    assert main([*command, "--calibrate", str(trained / "images.npz"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["dense"] > 0.95
    rows = {(row["method"], row["zeros"]): row["accuracy"] for row in found["rows"]}
    for method in ("magnitude, network", "LAMP", "GSP, network (balanced)", "GSP, each layer, weighted"):
        assert rows[method, 0.5] > 0.9


@pytest.mark.parametrize("method", ["gsp", "magnitude", "lamp"])
def test_a_method_meets_the_share_and_says_the_accuracy(trained, method, capsys):
    command = ["prune", str(trained / "a.pt"), "--method", method, "--to-zeros", "0.6", "--group", "network"]
    files = ["--images", str(trained / "images.npz"), "--out", str(trained / "b.pt")]
    assert main([*command, *files, "--json"]) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["method"] == method
    assert report["zeros_after"] == pytest.approx(np.ceil(0.6 * 144) / 144)
    assert report["accuracy"]["after"] > 0.9
    assert (report["sparsity"] is None) == (method != "gsp")
    assert "on 200 images of" in said.err
    before, after = open_checkpoint(trained / "a.pt"), open_checkpoint(trained / "b.pt")
    for old, new in zip(before.layers, after.layers, strict=True):
        kept = new.weights != 0
        np.testing.assert_array_equal(new.weights[kept], old.weights[kept])


def test_jpeg_images_come_with_a_caution(trained, capsys):
    from PIL import Image

    with np.load(trained / "images.npz") as content:
        for k, (image, label) in enumerate(zip(content["x"], content["y"], strict=True)):
            folder = trained / "photos" / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{k}.jpg")
    assert main(["prune", str(trained / "a.pt"), "--compare", "0.5", "--images", str(trained / "photos")]) == 0
    assert "these images are JPEG: a network that was trained on lossless ones can lose" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--compare", "0.5"], "--compare needs --images"),
        (["--method", "lamp", "--sparsity", "0.5", "--out", "b.pt"], "--method lamp takes a share of zeros"),
        (["--to-zeros", "0.5", "--importance", "--out", "b.pt"], "--importance and --batch-norm need --calibrate"),
        (["--to-zeros", "0.5", "--images", "images.npz", "--normalize", "imagenet", "--out", "b.pt"], "is for colours"),
    ],
)
def test_options_that_do_not_go_together(trained, monkeypatch, capsys, change, message):
    monkeypatch.chdir(trained)
    assert main(["prune", "a.pt", *change]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (trained / "b.pt").exists()
