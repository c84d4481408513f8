"""Files that lie or would run code: one sentence, nothing run, nothing allocated, nothing written."""

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from networks import make_onnx, make_torch, onnx_model, weights

from gsp_studio.io.formats.pickles import check_pickle
from gsp_studio.pruning import CheckpointError, open_checkpoint, save_checkpoint

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
onnx = pytest.importorskip("onnx")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def refused(path):
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("is_zip", [True, False])
def test_pickles_that_call_something_are_refused(tmp_path, is_zip):
    fell = tmp_path / "fell"
    make_torch(tmp_path / "a.pt", wrap=lambda s: {**s, "x": Bomb(fell)}, _use_new_zipfile_serialization=is_zip)
    assert "asks for Python code (" in refused(tmp_path / "a.pt")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Bomb(fell)))
    refused(tmp_path / "b.pth")
    np.savez(tmp_path / "c.npz", w=np.ones((4, 4)), x=np.array([Bomb(fell)], dtype=object))
    assert "Python objects" in refused(tmp_path / "c.npz")
    assert not fell.exists()


def test_whole_models_and_programs_are_refused(tmp_path):
    torch.save(torch.nn.Linear(4, 4), tmp_path / "model.pt")
    assert "torch.nn.modules.linear.Linear" in refused(tmp_path / "model.pt")
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("script/data.pkl", b"\x80\x02}.")
        archive.writestr("script/code/__torch__.py", "class Net: pass")
        archive.writestr("script/constants.pkl", b"\x80\x02).")
    assert "TorchScript" in refused(tmp_path / "script.pt")


NESTED_KEY = b"\x80\x02}" + b")" + b"\x85" * 300_000 + b"Ns."  # {((((...)))): None}


def with_pickle(source, target, content):
    """An archive of PyTorch's with another pickle in it."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            inside = f"{target.stem}/{name.partition('/')[2]}"
            new.writestr(inside, content if name.endswith("/data.pkl") else old.read(name))


def test_pickles_that_nest_too_deep_to_be_hashed(tmp_path):
    make_torch(tmp_path / "a.pt")
    with_pickle(tmp_path / "a.pt", tmp_path / "b.pt", NESTED_KEY)
    assert "nests values more than 100 deep" in refused(tmp_path / "b.pt")
    make_torch(tmp_path / "a.th", _use_new_zipfile_serialization=False)
    content = (tmp_path / "a.th").read_bytes()
    with io.BytesIO(content) as file:
        for _ in range(3):  # the mark, the version, the system
            check_pickle(file, len(content))
        (tmp_path / "b.th").write_bytes(content[: file.tell()] + NESTED_KEY)
    assert "nests values more than 100 deep" in refused(tmp_path / "b.th")
    # As an archive for Python, which looks for one at the end, and none for PyTorch, which looks at the beginning.
    with zipfile.ZipFile(tmp_path / "b.th", "a") as archive:
        archive.writestr("b/data.pkl", b"\x80\x02}.")
    assert "nests values more than 100 deep" in refused(tmp_path / "b.th")


def test_an_old_pytorch_is_not_trusted(tmp_path, monkeypatch):
    make_torch(tmp_path / "a.pt")
    for version, is_trusted in (("2.5.1+cpu", False), ("1.13.0", False), ("2.6.0", True), ("3.0.0a0+git", True)):
        monkeypatch.setattr(torch, "__version__", version)
        if is_trusted:
            open_checkpoint(tmp_path / "a.pt")
        else:
            assert f"needs PyTorch 2.6 or later; the one that is installed, {version}," in refused(tmp_path / "a.pt")


@pytest.mark.filterwarnings("ignore")
def test_tensors_without_dense_values_are_left_alone(tmp_path):
    others = {
        "nested": torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)]),
        "sparse": torch.eye(5).to_sparse(),
        "meta": torch.ones(3, 3, device="meta"),
    }
    torch.save(others, tmp_path / "a.pt")
    assert "nested is a nested tensor" in refused(tmp_path / "a.pt")
    torch.save({"w": torch.ones(4, 4), **others}, tmp_path / "b.pt")
    found = open_checkpoint(tmp_path / "b.pt")
    assert {array.name: array.reason for array in found.left_alone} == {
        "nested": "a nested tensor",
        "sparse": "a sparse tensor",
        "meta": "without values",
    }
    save_checkpoint(found, tmp_path / "c.pt", {"w": np.zeros((4, 4), np.float32)})
    kept = torch.load(tmp_path / "c.pt", weights_only=True)
    assert not kept["w"].any()
    assert torch.equal(kept["sparse"].to_dense(), torch.eye(5))
    assert torch.equal(kept["nested"].unbind()[1], torch.ones(4, 3))


def test_torch_archives_that_claim_more_than_they_hold(tmp_path):
    make_torch(tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as old,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name) + bytes(1 << 22))
    assert "does not compress" in refused(tmp_path / "b.pt")
    tensor = torch.ones(1, 1).expand(1 << 20, 1 << 20)
    torch.save({"w": tensor}, tmp_path / "c.pt")
    assert "repeats entries" in refused(tmp_path / "c.pt")
    torch.save({"w": torch.ones(8).as_strided((4, 4), (1, 1))}, tmp_path / "d.pt")
    assert "repeats entries" in refused(tmp_path / "d.pt")


def test_containers_that_hold_themselves_end(tmp_path):
    inner = {"w": torch.ones(4, 4)}
    inner["again"] = inner
    wide = [torch.ones(3, 3)]
    for _ in range(40):
        wide = [wide, wide]
    torch.save({**inner, "wide": wide}, tmp_path / "a.pt")
    found = open_checkpoint(tmp_path / "a.pt")
    assert found.layers[0].name == "w"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
@pytest.mark.parametrize("suffix", [".pt", ".th", ".onnx", ".safetensors", ".npz"])
def test_truncated_files(tmp_path, suffix, share):
    from networks import MAKERS

    path = tmp_path / f"a{suffix}"
    if suffix == ".th":
        make_torch(path, _use_new_zipfile_serialization=False)
    else:
        MAKERS[suffix](path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


def safetensors_of(header, body=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


@pytest.mark.parametrize(
    "content",
    [
        safetensors_of({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}, bytes(16), 1 << 60),
        safetensors_of({"w": {"dtype": "F32", "shape": [1 << 30, 1 << 30], "data_offsets": [0, 16]}}, bytes(16)),
        safetensors_of({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 1 << 40]}}, bytes(16)),
        safetensors_of({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [-16, 0]}}, bytes(16)),
        safetensors_of({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [16, 0]}}, bytes(16)),
        safetensors_of({"w": {"dtype": "X9", "shape": [2, 2], "data_offsets": [0, 16]}}, bytes(16)),
        safetensors_of(
            {
                "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
                "b": {"dtype": "F32", "shape": [2, 2], "data_offsets": [8, 24]},
            },
            bytes(24),
        ),
        safetensors_of(b'{"w": ' + b"[" * 100000, bytes(16)),
        safetensors_of(b"{\xff\xfe}", bytes(16)),
        safetensors_of(b"{", bytes(16)),
        b"\x00" * 7,
    ],
)
def test_safetensors_whose_header_lies(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    refused(tmp_path / "a.safetensors")


def test_archives_of_arrays_that_declare_more_than_they_hold(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("w.npy", "w") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 24, 1 << 20)}
        )
        file.write(bytes(100))
    refused(tmp_path / "a.npz")


def test_archives_of_arrays_that_unpack_to_more_than_weights_can(tmp_path):
    zeros = bytes(1 << 20)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("v.npy", "w.npy"):
            with archive.open(name, "w") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 10, 160 << 8)}
                np.lib.format.write_array_header_1_0(file, header)
                for _ in range(160):
                    file.write(zeros)
    assert (tmp_path / "a.npz").stat().st_size < 1 << 20
    assert "declares 320 MiB in a file of" in refused(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", w=np.zeros((1 << 10, 1 << 10), np.float32))  # small enough for any pruning
    assert open_checkpoint(tmp_path / "b.npz").zeros == 1


def test_headers_of_arrays_that_are_longer_than_any_description(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("w.npy", "w") as file:
        file.write(b"\x93NUMPY\2\0" + (100 << 20).to_bytes(4, "little"))
        for _ in range(100):
            file.write(b" " * (1 << 20))
    assert "w.npy declares a header of 100 MiB" in refused(tmp_path / "a.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_two_arrays_of_one_name(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones((4, 4)))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive, archive.open("w.npy", "w") as file:
        np.lib.format.write_array(file, np.zeros((2, 2)))
    assert "two arrays that are called w.npy" in refused(tmp_path / "a.npz")


def external(tmp_path, location, length=None, offset=None):
    """A model whose fc2.weight claims to lie in another file."""
    model = onnx_model()
    tensor = next(t for t in model.graph.initializer if t.name == "fc2.weight")
    values = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    if length is not None:
        tensor.external_data.add(key="length", value=str(length))
    if offset is not None:
        tensor.external_data.add(key="offset", value=str(offset))
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    (folder / "a.onnx").write_bytes(model.SerializeToString())
    return folder / "a.onnx", values


@pytest.mark.parametrize("location", ["../out.bin", "x/../../out.bin", "..\\out.bin", "", "a\0b"])
def test_onnx_values_outside_of_the_folder_are_not_read(tmp_path, location):
    path, values = external(tmp_path, location)
    (tmp_path / "out.bin").write_bytes(values)
    refused(path)


def test_onnx_values_behind_links_and_absolute_paths_are_not_read(tmp_path):
    path, values = external(tmp_path, str(tmp_path / "out.bin"))
    (tmp_path / "out.bin").write_bytes(values)
    assert "outside of the model's folder" in refused(path)
    path, _ = external(tmp_path, "link.bin")
    os.symlink(tmp_path / "out.bin", path.parent / "link.bin")
    refused(path)
    path, _ = external(tmp_path, "inner/out.bin")
    os.symlink(tmp_path, path.parent / "inner")
    refused(path)
    (path.parent / "own.bin").write_bytes(values)
    os.symlink(path.parent / "own.bin", path.parent / "own-link.bin")
    path, _ = external(tmp_path, "own-link.bin")
    assert "no file beside it" in refused(path)


@pytest.mark.parametrize(("length", "offset"), [(10**15, 0), (640, 1), (640, -640), ("x", 0), (64, 0), (640, 10**18)])
def test_onnx_values_are_compared_with_the_file_that_holds_them(tmp_path, length, offset):
    path, values = external(tmp_path, "own.bin", length, offset)
    (path.parent / "own.bin").write_bytes(values)
    assert "does not hold the 640 bytes" in refused(path)


def test_onnx_initializers_that_lie_about_their_size(tmp_path):
    model = onnx_model()
    tensor = next(t for t in model.graph.initializer if t.name == "fc2.weight")
    for dims in ([1 << 40, 1 << 20], [-1, 16], [10, 17]):
        del tensor.dims[:]
        tensor.dims.extend(dims)
        (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
        refused(tmp_path / "a.onnx")


def test_onnx_initializers_with_names_that_are_none(tmp_path):
    model = onnx_model()
    model.graph.initializer.append(model.graph.initializer[0])
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    assert f"two initializers are called {model.graph.initializer[0].name}" in refused(tmp_path / "a.onnx")
    content = onnx_model().SerializeToString()
    (tmp_path / "b.onnx").write_bytes(content.replace(b"fc2.weight", b"fc2.w\xffight"))
    assert "an initializer has no name" in refused(tmp_path / "b.onnx")


def test_archives_that_point_before_their_beginning(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones((4, 4)))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    end = content.rindex(b"PK\5\6")
    content[end + 16 : end + 20] = struct.pack("<I", struct.unpack("<I", content[end + 16 : end + 20])[0] + 90)
    (tmp_path / "a.npz").write_bytes(content)
    refused(tmp_path / "a.npz")


def test_values_that_would_be_overwritten_are_not(tmp_path):
    make_onnx(tmp_path / "a.onnx", save_as_external_data=True, location="b.onnx.data", size_threshold=64)
    before = (tmp_path / "b.onnx.data").read_bytes()
    found = open_checkpoint(tmp_path / "a.onnx")
    with pytest.raises(CheckpointError, match="choose another name"):
        save_checkpoint(found, tmp_path / "b.onnx", {})
    assert (tmp_path / "b.onnx.data").read_bytes() == before


def test_files_of_something_else(tmp_path):
    for name, content in (
        ("a.txt", b"hello, this is a text of some length"),
        ("b.onnx", b"hello"),
        ("c.pt", b"x" * 99),
    ):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name)
    (tmp_path / "empty.pt").touch()
    assert "is empty" in refused(tmp_path / "empty.pt")
    assert "is a folder" in refused(tmp_path)
    with zipfile.ZipFile(tmp_path / "d.pt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "none of a network" in refused(tmp_path / "d.pt")
    np.savez(tmp_path / "e.npz", bias=np.ones(3))
    assert "no layer to prune" in refused(tmp_path / "e.npz")
    with pytest.raises(FileNotFoundError):
        open_checkpoint(tmp_path / "nowhere.pt")


def test_weights_that_are_not_finite_are_listed_and_not_pruned(tmp_path):
    from gsp_studio.pruning import project_checkpoint

    arrays = weights()
    arrays["fc2.weight"][0, 0] = np.nan
    np.savez(tmp_path / "a.npz", **arrays)
    found = open_checkpoint(tmp_path / "a.npz")
    assert np.isnan(found["fc2.weight"].sparsity)
    with pytest.raises(ValueError, match=r"layer fc2\.weight holds NaN"):
        project_checkpoint(found, 0.8)
