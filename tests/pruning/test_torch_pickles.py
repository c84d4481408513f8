"""The pickles within PyTorch files are looked through before PyTorch reads them."""

import warnings
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsp_studio.pruning.formats import torch_file  # noqa: E402
from gsp_studio.pruning.formats.stored import CheckpointError  # noqa: E402


@pytest.fixture(params=[True, False], ids=["zip", "old"])
def saved(request, tmp_path):
    """Save what is given, in the present form or that of before 2020; its path."""

    def save(content):
        torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=request.param)
        return tmp_path / "x.pt"

    return save


def test_usual_files_are_read(saved):
    weight = torch.arange(12.0).reshape(3, 4)
    [found] = torch_file.read(saved({"fc.weight": weight}))
    assert np.array_equal(found.values, weight.numpy())


def with_pickle(path, content):
    """A file with another pickle in the place of its own."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            parts = {info.filename: archive.read(info) for info in archive.infolist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, content if name.endswith("data.pkl") else part)
    else:
        path.write_bytes(content + path.read_bytes())
    return path


def test_nesting_that_would_end_the_process(saved):
    path = with_pickle(saved({"fc.weight": torch.ones(3, 4)}), b"\x80\x02})" + b"\x85" * 300_000 + b"K\x01s.")
    with pytest.raises(CheckpointError, match="holds a pickle that is nested more than 100 deep; accepted is"):
        torch_file.read(path)


def test_too_many_steps(saved, monkeypatch):
    monkeypatch.setattr(torch_file, "_MOST_STEPS", 1000)
    path = with_pickle(saved({"fc.weight": torch.ones(3, 4)}), b"\x80\x02(" + b"]" * 1001 + b"l.")
    with pytest.raises(CheckpointError, match="holds a pickle that has more than 1000 steps"):
        torch_file.read(path)


def test_nested_tensors_are_no_weights(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, about a prototype
        nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    torch.save({"fc.weight": torch.ones(3, 4), "ragged": nested}, tmp_path / "x.pt")
    assert [one.name for one in torch_file.read(tmp_path / "x.pt")] == ["fc.weight"]
