"""NeXus files: the signal that they declare, and its scaling."""

import h5py
import numpy as np
import pytest
from making import pictures

from gsp_studio.io.readers import load_dataset, peek

N, H, W = 12, 9, 7
IMAGES = pictures(N, H, W)
UNIT = IMAGES.astype(np.float32) / np.float32(255)


def scan(path, root="entry", entry="data", signal="counts"):
    """A file with a detector that has larger images, and arrays beside the signal that are as large as it."""
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs["NX_class"] = "NXdata"
        for holder, name, told in (
            (file, "default", root),
            (file["entry"], "default", entry),
            (group, "signal", signal),
        ):
            if told:
                holder.attrs[name] = told
        group["counts"], group["background"] = IMAGES, np.ones_like(IMAGES)
        file["entry/instrument/raw"] = np.ones((N, 2 * H, 2 * W), np.uint8)
    return path


@pytest.mark.parametrize(("root", "entry"), [("entry", "data"), ("entry/data", ""), ("entry", "")])
def test_the_declared_signal_is_read(tmp_path, root, entry):
    path = scan(tmp_path / "a.nxs", root, entry)
    found = peek(path)
    assert found.key == "entry/data/counts"
    assert not any("guessed" in note for note in found.notes)
    data = load_dataset(path)
    assert np.array_equal(data.images(), UNIT)
    assert '"entry/data/counts" is the signal that the file declares (NeXus)' in data.notes
    assert any('also holds "entry/data/background", which is as large' in note for note in data.notes)
    assert load_dataset(path, key="entry/instrument/raw").image_shape == (2 * H, 2 * W)


def test_a_signal_may_be_a_link_within_the_file(tmp_path):
    path = scan(tmp_path / "a.nxs", signal="linked")
    with h5py.File(path, "a") as file:
        file["entry/data/linked"] = h5py.SoftLink("/entry/data/background")
    assert peek(path).key == "entry/data/background"


@pytest.mark.parametrize(
    ("root", "entry", "signal"),
    [
        ("", "data", "counts"),
        ("entry", "data", "none"),
        ("entry", "..", ""),
        ("entry", "/entry", ""),
        ("entry", "out", ""),
    ],
)
def test_without_a_signal_the_largest_array_is_read(tmp_path, root, entry, signal):
    path = scan(tmp_path / "a.nxs", root, entry, signal)
    with h5py.File(path, "a") as file:
        file["entry/out"] = h5py.ExternalLink("b.nxs", "/entry")
    assert peek(path).key == "entry/instrument/raw"


@pytest.mark.parametrize("where", ["counts_", "", "attributes"])
@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_scaling_is_of_the_sum_with_the_offset(tmp_path, where, storage):
    path = scan(tmp_path / "a.nxs")
    with h5py.File(path, "a") as file:
        group = file["entry/data"]
        holder, prefix = (group["counts"].attrs, "") if where == "attributes" else (group, where)
        holder[f"{prefix}scaling_factor"], holder[f"{prefix}offset"] = 0.5, 100
    data = load_dataset(path, storage=storage)
    assert np.array_equal(data.images(), (IMAGES + np.float32(100)) * np.float32(0.5))
    assert "stored numbers times 0.5 plus 50 are the values, as the file says" in data.notes
    assert load_dataset(path, key="entry/data/background").images().max() == np.float32(1 / 255)  # not scaled


def test_a_lone_attribute_offset_is_no_scaling(tmp_path):
    path = scan(tmp_path / "a.nxs")
    with h5py.File(path, "a") as file:
        file["entry/data/counts"].attrs["offset"] = 100.0
    assert np.array_equal(load_dataset(path).images(), UNIT)
