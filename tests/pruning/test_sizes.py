"""What one gains: sizes that are counted, files without idle neurons whose outputs are the same, sparse rows."""

import gzip
import json

import numpy as np
import pytest

from gsp_studio.cli import main
from gsp_studio.pruning import compacted, load_sparse, open_checkpoint, save_sparse
from gsp_studio.pruning.projection import layers_of
from gsp_studio.pruning.sizes import file_sizes, places_of, sizes_of, told

torch = pytest.importorskip("torch")
from gsp_studio.pruning.models import make_model, model_for  # noqa: E402


@pytest.fixture
def chain():
    """Three layers whose neurons 1 and 3 have no weights, 2 is not looked at, 4 feeds what is not looked at."""
    rng = np.random.default_rng(0)
    first, second, third = (rng.normal(size=shape).astype(np.float32) for shape in ((8, 16), (6, 8), (3, 6)))
    first[1] = first[3] = 0
    second[:, 2] = 0
    third[:, 5] = 0
    second[:5, 4] = 0
    bias = rng.normal(size=8).astype(np.float32)
    bias[1], bias[3] = 2.0, -2.0
    return {"a.weight": first, "a.bias": bias, "b.weight": second, "c.weight": third}


def outputs(arrays, x):
    with torch.inference_mode():
        return model_for(arrays, (1, 4, 4))(torch.from_numpy(x)).numpy()


def test_neurons_that_do_nothing_are_removed_and_outputs_stay(chain):
    made = compacted(chain)
    assert made["a.weight"].shape == (4, 16)
    assert made["b.weight"].shape == (5, 4)
    assert made["c.weight"].shape == (3, 5)
    assert made["b.bias"].any(), "the constant output of neuron 1"
    x = np.random.default_rng(1).normal(size=(20, 1, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(outputs(made, x), outputs(chain, x), rtol=1e-5, atol=1e-5)
    for name, values in compacted(made).items():
        np.testing.assert_array_equal(values, made[name])
    empty = {name: np.zeros_like(values) for name, values in chain.items()}
    assert [values.shape for values in compacted(empty).values() if values.ndim == 2] == [(1, 16), (1, 1), (3, 1)]


def test_other_networks_are_not_touched(chain):
    for change in ({"bn.weight": np.ones(8, np.float32)}, {"d.weight": np.ones((2, 9), np.float32)}):
        with pytest.raises(ValueError, match="chains of linear layers with ReLU"):
            compacted({**chain, **change})


def test_sparse_rows_come_back(chain, tmp_path):
    chain["a.weight"][np.abs(chain["a.weight"]) < 1.2] = 0
    path = tmp_path / "a.safetensors"
    save_sparse(path, chain)
    found = load_sparse(path)
    assert found.keys() == chain.keys()
    for name, values in chain.items():
        dense = found[name].toarray() if hasattr(found[name], "toarray") else found[name]
        np.testing.assert_array_equal(dense, values)
    assert hasattr(found["a.weight"], "indptr")
    assert not hasattr(found["c.weight"], "indptr"), "it would not get smaller"
    x = np.random.default_rng(1).normal(size=(16, 5)).astype(np.float32)
    np.testing.assert_allclose(found["a.weight"] @ x, chain["a.weight"] @ x, rtol=1e-5, atol=1e-5)


def test_files_of_sparse_rows_that_cannot_be_used(chain, tmp_path):
    from safetensors.numpy import load_file, save_file

    chain["a.weight"][np.abs(chain["a.weight"]) < 1.2] = 0
    path = tmp_path / "a.safetensors"
    save_sparse(path, chain)
    held = load_file(path)
    metadata = {"format": "gsp-studio sparse rows 1"}
    for part, values in (
        ("columns", np.full_like(held["a.weight.columns"], 999)),
        ("starts", held["a.weight.starts"][::-1].copy()),
        ("shape", np.array([2**60, 16])),
    ):
        save_file({**held, f"a.weight.{part}": values}, path, metadata=metadata)
        with pytest.raises(ValueError, match=r"the rows of a\.weight do not fit together"):
            load_sparse(path)
    save_file(held, path)
    with pytest.raises(ValueError, match="holds no sparse rows"):
        load_sparse(path)
    path.write_bytes(b"none of it")
    with pytest.raises(ValueError, match="no safetensors file, or is damaged"):
        load_sparse(path)
    with pytest.raises(FileNotFoundError):
        load_sparse(tmp_path / "missing.safetensors")


def test_sizes_are_counted(chain, tmp_path):
    layers = layers_of(chain)
    found = sizes_of(layers)
    assert found.parameters == 8 * 16 + 6 * 8 + 3 * 6
    assert found.nonzeros == sum(int(np.count_nonzero(layer.weights)) for layer in layers)
    assert found.bytes == 4 * found.parameters
    assert found.csr_bytes == 6 * found.nonzeros + 4 * (9 + 7 + 4)
    assert (found.emptied, found.single, found.filters) == (2, 0, 17)
    lone = {"b.weight": np.eye(6, 8, dtype=np.float32)}
    assert (sizes_of(layers, lone).emptied, sizes_of(layers, lone).single) == (2, 6)
    assert found.macs is None
    content = np.random.default_rng(0).bytes(3000) + bytes(3000)
    (tmp_path / "a.bin").write_bytes(content)
    whole, packed = file_sizes(tmp_path / "a.bin")
    assert whole == 6000
    assert packed == pytest.approx(len(gzip.compress(content, 6)), abs=32)
    assert "2 of 17 filters or rows are empty, 0 have a single weight" in told(found)[0]


def test_operations_of_a_known_network(tmp_path):
    torch.save(make_model("resnet20", (3, 32, 32), 10, 0).state_dict(), tmp_path / "a.pt")
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    places = places_of(checkpoint)
    assert places["conv1.weight"] == 32 * 32
    assert places["layer3.0.conv1.weight"] == 8 * 8
    found = sizes_of(checkpoint.layers, {"conv1.weight": np.zeros((16, 3, 3, 3), np.float32)}, places)
    assert found.macs == 40_551_040  # 40.55 million, as published
    assert found.effective_macs == found.macs - 432 * 1024


def test_the_command_writes_smaller_files(tmp_path, capsys):
    torch.save(make_model("lenet300", (1, 8, 8), 10, 0).state_dict(), tmp_path / "a.pt")
    command = ["prune", str(tmp_path / "a.pt"), "--to-zeros", "0.98", "--group", "network", "--out"]
    more = ["--compact", str(tmp_path / "c.safetensors"), "--sparse", str(tmp_path / "s.safetensors")]
    assert main([*command, str(tmp_path / "b.pt"), *more]) == 0
    said = capsys.readouterr().out
    assert "filters or rows are empty" in said
    report = json.loads((tmp_path / "pruning.json").read_text())["networks"]["b.pt"]
    assert report["sizes"]["nonzeros"] == int(50200 * 0.02)
    files = report["files"]
    assert files["s.safetensors"]["bytes"] < files["b.pt"]["bytes"] / 5
    assert files["c.safetensors"]["bytes"] < files["b.pt"]["bytes"]
    x = np.random.default_rng(0).random((50, 1, 8, 8), dtype=np.float32)
    scores = []
    for name in ("b.pt", "c.safetensors"):
        checkpoint = open_checkpoint(tmp_path / name)
        from gsp_studio.pruning.accuracy import network_of

        with torch.inference_mode():
            scores.append(network_of(checkpoint, (1, 8, 8))(torch.from_numpy(x)).numpy())
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4, atol=1e-6)
    assert main([*command, str(tmp_path / "d.pt"), *more]) == 2
    assert "c.safetensors exists; accepted are another name, or --force" in capsys.readouterr().err
    assert not (tmp_path / "d.pt").exists()
