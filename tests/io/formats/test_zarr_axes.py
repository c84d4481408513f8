"""Axes of Zarr folders: multiscales of OME-Zarr, and named dimensions with coordinates as xarray writes them."""

import numpy as np
import pytest
import zarr

import gsp_studio as gs
from gsp_studio.io.axes import Axis
from gsp_studio.io.readers import load_dataset, peek

STACK = np.random.default_rng(0).integers(1, 250, (4, 6, 5)).astype("u1")
WAVES = (400.0, 410.5, 431.0, 440.0)


def ome(path, version, axes, datasets, values=STACK, **more):
    """An OME-Zarr image of two resolutions, of NGFF 0.4 (Zarr 2) or 0.5 (Zarr 3)."""
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    told = {"multiscales": [{"version": version, "axes": axes, "datasets": datasets, **more.pop("scales", {})}], **more}
    group.attrs.update(told if version == "0.4" else {"ome": {"version": version, **told}})
    for name, part in (("0", values), ("1", values[..., ::2, ::2])):
        group.create_array(name, shape=part.shape, chunks=part.shape, dtype=part.dtype)[:] = part
    return path


def level(path, *numbers, kind="scale"):
    return {"path": path, "coordinateTransformations": [{"type": kind, kind: list(numbers)}]}


TZYX = [
    {"name": "t", "type": "time", "unit": "second"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_multiscales_say_units_and_sizes_of_each_resolution(tmp_path, version):
    path = ome(tmp_path / "a.zarr", version, TZYX, [level("0", 2, 0.5, 0.25), level("1", 2, 1.0, 0.5)])
    data = load_dataset(path)
    assert data.axes == (
        Axis("y", unit="µm", scale=0.5),
        Axis("x", unit="µm", scale=0.25),
        Axis("band", "Time", "s", scale=2),
    )
    assert np.array_equal(data.images(), STACK / np.float32(255))
    assert load_dataset(path, key="1").axis("x") == Axis("x", unit="µm", scale=0.5)


def test_transformations_follow_each_other_and_channels_have_names(tmp_path):
    first = level("0", 1, 0.5, 0.25)
    first["coordinateTransformations"].append({"type": "translation", "translation": [0, 10, 20]})
    axes = [{"name": "c", "type": "channel"}, *TZYX[1:]]
    whole = {"coordinateTransformations": [{"type": "scale", "scale": [1, 2, 2]}]}
    labels = {"channels": [{"label": name} for name in ("DAPI", "GFP", "RFP", "Cy5")]}
    path = ome(tmp_path / "a.zarr", "0.4", axes, [first], scales=whole, omero=labels)
    data = load_dataset(path)
    assert data.axis("y") == Axis("y", unit="µm", scale=1, offset=20)
    assert data.axis("x") == Axis("x", unit="µm", scale=0.5, offset=40)
    assert data.axis("band") == Axis("band", "Channel", labels=("DAPI", "GFP", "RFP", "Cy5"))


def test_axes_of_length_1_are_left_out_of_five(tmp_path):
    axes = [TZYX[0], {"name": "c", "type": "channel"}, {"name": "z", "type": "space", "unit": "nanometer"}, *TZYX[1:]]
    path = ome(tmp_path / "a.zarr", "0.5", axes, [level("0", 1, 1, 300, 0.5, 0.25)], STACK[None, None])
    assert load_dataset(path).axis("band") == Axis("band", "Depth", "nm", scale=300)


def test_a_plate_and_its_fields_are_found_from_the_nearest_group(tmp_path):
    zarr.open_group(tmp_path / "p.zarr", mode="w", zarr_format=2).attrs["plate"] = {"wells": [{"path": "A/1"}]}
    ome(tmp_path / "p.zarr" / "A" / "1" / "0", "0.4", TZYX, [level("0", 1, 0.5, 0.5)])
    for name in ("A", "A/1"):
        (tmp_path / "p.zarr" / name / ".zgroup").write_text('{"zarr_format": 2}')
    data = load_dataset(tmp_path / "p.zarr")
    assert data.axis("x") == Axis("x", unit="µm", scale=0.5)


@pytest.mark.parametrize(
    ("axes", "datasets", "why"),
    [
        (TZYX[1:], [level("0", 1, 1, 1)], "there are 2 axes for the 3 of the array"),
        (TZYX, [level("0", 1, 1)], "its transformation 'scale' has 2 numbers; accepted are scale and translation"),
        (TZYX, [level("0", 1, "1", 1)], "its transformation 'scale' has 3 numbers"),
        (TZYX, [level("0", 1, 1, 1, kind="affine")], "its transformation 'affine' has 0 numbers"),
        (TZYX, [level("0", 1, 0, 1)], "scale is 0.0; accepted is a finite number above 0"),
        (TZYX, [{"path": "0", "coordinateTransformations": [7]}], "its transformation 'None' has 0 numbers"),
    ],
)
def test_what_multiscales_cannot_say_is_noted(tmp_path, axes, datasets, why):
    data = load_dataset(ome(tmp_path / "a.zarr", "0.4", axes, datasets))
    assert any(why in note for note in data.notes)
    assert data.axis("y").spacing == 1


@pytest.mark.parametrize("told", [7, [], [7], [{"datasets": 3}], [{"datasets": [{"path": 5}, None]}], {"a": 1}])
def test_multiscales_that_are_none_keep_nothing_from_opening(tmp_path, told):
    path = ome(tmp_path / "a.zarr", "0.4", TZYX, [])
    zarr.open_group(path, mode="r+").attrs["multiscales"] = told
    assert load_dataset(path).axes == ()
    (path / ".zattrs").write_text("{ no JSON")
    assert load_dataset(path).axes == ()


@pytest.mark.parametrize("version", [2, 3])
def test_named_dimensions_have_their_coordinates_beside(tmp_path, version):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=version)
    dims = ("wavelength", "y", "time")
    for name, values, attributes in (
        ("cube", STACK, {}),
        ("wavelength", np.array(WAVES), {"units": "nanometers", "long_name": "Wavelength"}),
        ("time", np.arange(5) * 2 + 1, {"units": "days since 2001-01-01 00:00:00"}),
        ("y", np.arange(3.0), {"units": "m"}),  # another length
    ):
        of = dims if name == "cube" else (name,)
        how = {"dimension_names": of} if version == 3 else {}
        made = group.create_array(name, shape=values.shape, chunks=values.shape, dtype=values.dtype, **how)
        made[...] = values
        made.attrs.update(attributes | ({"_ARRAY_DIMENSIONS": list(of)} if version == 2 else {}))
    found = peek(tmp_path / "x.zarr")
    assert found.image_axes == (
        Axis("y", "y"),
        Axis("x", "time", "d", scale=2, offset=1),
        Axis("band", "Wavelength", "nm", values=WAVES),
    )
    assert gs.load_dataset(tmp_path / "x.zarr", samples="pixels").axis("band").unit == "nm"
