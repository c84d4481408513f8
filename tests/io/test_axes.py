"""Axes: checked where they are made, and moved with the pixels that they describe."""

import json
from dataclasses import asdict

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.io.apply_steps import Images, apply
from gsp_studio.io.axes import Axis, AxisError, as_axes, as_axis, axes_json, axis_of, declared, with_changes
from gsp_studio.io.axis_steps import axes_after
from gsp_studio.io.axis_text import argument_of_axis, axis_of_argument, describe_axis, script_of_axis
from gsp_studio.io.dataset import Dataset, LoadOptions
from gsp_studio.io.schema import options_from
from gsp_studio.io.steps import as_step


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"dimension": "z"}, "accepted are y, x, band"),
        ({"scale": 0}, "scale is 0; accepted is a finite number above 0"),
        ({"scale": -1.0}, "above 0"),
        ({"scale": float("nan")}, "scale is nan"),
        ({"scale": True}, "scale is True"),
        ({"offset": float("inf")}, "offset is inf"),
        ({"offset": "5"}, "offset is 5"),
        ({"values": (1.0, float("nan"))}, "a coordinate is nan"),
        ({"values": "400"}, "accepted is a list"),
        ({"values": 5}, "accepted is a list"),
        ({"values": (1, 2), "labels": ("a",)}, "as many of both"),
        ({"values": range(70_000)}, "70000 values; accepted are up to 65536"),
        ({"unit": "n" * 30}, "up to 24 characters"),
        ({"name": "n" * 200}, "up to 120 characters"),
        ({"name": None}, "accepted is a text"),
    ],
)
def test_axes_that_cannot_be_are_refused(told, why):
    with pytest.raises(AxisError, match=why):
        Axis(**({"dimension": "x"} | told))
    if "dimension" not in told and told.get("scale") != -1:  # which descends, and is listed
        axis, note = declared("band", 2, **told)
        assert axis is None
        assert note.startswith("what the file says of its bands is not used: ")


def test_units_are_unified():
    units = {"Nanometers": "nm", "um": "µm", "μm": "µm", "\\u00B5m": "µm", "micron": "µm", "eV": "eV", "Unknown": ""}
    units |= {
        "[nm]": "nm",
        "(Nanometers)": "nm",
        "ev": "eV",
        "keV": "keV",
        "cm**-1": "cm⁻¹",
        "a.u.": "a.u.",
    }
    units |= {"micrometer(s)": "µm", "Nanometre (nm)": "nm", "milliseconds": "ms", "M": "M", "THz": "THz"}
    units |= {"\\xb5m": "µm", "mum": "µm", "us": "µs", "KEV": "keV"}
    assert {unit: Axis("x", unit=unit).unit for unit in units} == units


def test_concentrations_and_other_units_are_no_lengths_by_their_letters():
    units = {one: one for one in ("nM", "mM", "cM", "µM", "Mm", "Nm", "pM", "µS", "mS", "NM")}
    units |= {"uM": "µM", "μM": "µM", "[uM]": "µM", "uS": "µS", "concentration (nM)": "concentration (nM)"}
    assert {unit: Axis("x", unit=unit).unit for unit in units} == units


def test_labels_stay_on_one_line():
    assert Axis("band", labels=("a\nb\u202ec", "x" * 500)).labels == ("a b c", "x" * 117 + "...")


def test_coordinates_spacing_and_words():
    energy = Axis("band", "Energy", "eV", 0.5, 100)
    assert np.array_equal(energy.coordinates(3), [100, 100.5, 101])
    assert (energy.spacing, energy.title, energy.text_at(2)) == (0.5, "Energy (eV)", "101 eV")
    listed = Axis("band", unit="nm", values=(650, 550, 450), labels=("red", "", "blue"))
    assert (listed.spacing, listed.title) == (100, "Band (nm)")
    assert [listed.text_at(k) for k in range(3)] == ["red, 650 nm", "550 nm", "blue, 450 nm"]
    assert Axis("band", values=(1, 2, 4)).spacing is None
    plain = Axis("band")
    assert (plain.text_at(0), plain.is_plain, plain.is_calibrated) == ("band 1", True, False)
    assert np.array_equal(plain.coordinates(2), [1, 2])
    assert describe_axis(energy, 3) == "Energy (eV): 3 from 100 to 101"
    assert describe_axis(Axis("x", unit="um", scale=0.5), 9) == "Column (µm): 9 of 0.5 µm"


def test_what_a_file_declares_is_taken_with_distrust():
    axis, note = declared("band", 3, values=np.array([400.0, 410, 420]), unit="nm")
    assert (axis, note) == (Axis("band", unit="nm", scale=10, offset=400), "")
    assert declared("band", 2, values=(1.0, 2, 3))[1].endswith("3 values for 2 places; accepted are as many")
    assert declared("x", 2) == (None, "")
    assert declared("x", 2, colour="red")[0] is None


def test_json_gives_the_same_axes_and_nothing_else_is_read():
    axes = (Axis("y", unit="um", scale=0.25), Axis("band", "Wavelength", "nm", values=(4, 5.5), labels=("a", "b")))
    assert as_axes(json.loads(json.dumps(axes_json(axes)))) == axes
    options = LoadOptions(axes=axes)
    assert options_from(json.loads(json.dumps(asdict(options)))) == options
    for wrong in ({}, "x", {"dimension": "x", "colour": 1}, None):
        with pytest.raises(AxisError, match="accepted"):
            as_axis(wrong)
    for wrong in ("xy", None, {"dimension": "x"}, [Axis("x", "a"), Axis("x", "b")]):
        with pytest.raises(AxisError, match="accepted"):
            as_axes(wrong)
    with pytest.raises(gs.DatasetError, match="x axis: scale is 0"):
        LoadOptions(axes=({"dimension": "x", "scale": 0},))


def test_a_users_axis_replaces_the_files_and_keeps_its_labels():
    file = (Axis("x", unit="um"), Axis("band", labels=("a", "b")))
    found = with_changes(file, (Axis("band", unit="nm", scale=2),))
    assert found == (Axis("x", unit="um"), Axis("band", unit="nm", scale=2, labels=("a", "b")))


def test_arguments_and_scripts_give_the_same_axis():
    for axis in (
        Axis("x", unit="um", scale=0.1),
        Axis("band", "Wavelength", "nm", values=(400.5, 412, 431.25), labels=("a", "b b", "c")),
    ):
        assert axis_of_argument(argument_of_axis(axis)) == axis
        assert eval(script_of_axis(axis), {"gs": gs}) == axis
    assert argument_of_axis(Axis("band", labels=("a,b",))) is None
    for wrong in ("q:scale=1", "x:scale=two", "x:scale", "band:values=1;;2", "x:dimension=y", "x:colour=1"):
        with pytest.raises(AxisError):
            axis_of_argument(wrong)


#: Coordinates of the pixels are images themselves: steps that move pixels have to move these alike.
_STEPS = [
    {"kind": "crop", "top": 1, "left": 2, "height": 5, "width": 4},
    {"kind": "bin", "factor": 2},
    {"kind": "rotate", "degrees": 90},
    {"kind": "rotate", "degrees": 180},
    {"kind": "rotate", "degrees": 270},
    {"kind": "flip", "direction": "left-right"},
    {"kind": "flip", "direction": "up-down"},
    {"kind": "resize", "height": 4, "width": 6, "how": "stretch"},
    {"kind": "resize", "height": 4, "width": 4, "how": "crop"},
    {"kind": "resize", "height": 8, "width": 6, "how": "crop"},
]


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("step", _STEPS, ids=str)
def test_coordinates_go_with_the_pixels(step, listed):
    shape = (8, 12)
    y, x = Axis("y", "Down", "mm", 0.5, 3), Axis("x", "Across", "um", 2, -7)
    if listed:
        y = Axis("y", "Down", "mm", values=(3, 4, 6, 7, 9, 12, 13, 20))
    rows, columns = y.coordinates(8), x.coordinates(12)
    images = Images(np.stack([np.tile(rows[:, None], 12), np.tile(columns, (8, 1))]), ("y", "x"), None)
    moved = apply([as_step(step)], images).values
    after = axes_after((y, x, Axis("band", unit="nm")), [as_step(step)], shape)
    is_turned = step.get("degrees") in (90, 270)
    found = {axis.name: axis for axis in after}
    height, width = moved.shape[1:]
    of_y, of_x = (found["Down"], found["Across"])
    assert (of_y.dimension, of_x.dimension) == (("x", "y") if is_turned else ("y", "x"))
    expected = {"y": moved[0 if not is_turned else 1], "x": moved[1 if not is_turned else 0]}
    # Smoothed at the edges by Pillow, so that only places within are compared.
    within = slice(1, -1) if step["kind"] == "resize" else slice(None)
    down, across = axis_of(after, "y").coordinates(height), axis_of(after, "x").coordinates(width)
    if not (listed and step["kind"] in ("resize", "bin")):
        assert np.allclose(down[within], expected["y"][within, 0], rtol=1e-5)
        assert np.allclose(across[within], expected["x"][0, within], rtol=1e-5)
    else:
        assert of_y.coordinates(height).min() >= 3
        assert of_y.coordinates(height).max() <= 20
    assert axis_of(after, "band").unit == "nm"


def test_padding_and_patches_keep_only_what_holds():
    axes = (
        Axis("y", unit="um", scale=0.5, offset=9),
        Axis("x", unit="um", values=(1, 2, 5, 6)),
        Axis("band", "t", "s"),
    )
    pad = as_step({"kind": "resize", "height": 8, "width": 8, "how": "pad"})
    y, x, band = axes_after(axes, [pad], (2, 4))
    assert (y.scale, y.offset) == (0.25, 9 - 0.125 - 0.5)
    assert x.values[-1] == 6
    assert band == axes[2]
    wide = as_step({"kind": "resize", "height": 4, "width": 8, "how": "pad"})
    assert [one.dimension for one in axes_after(axes, [wide], (4, 4))] == ["y", "band"]
    cut = as_step({"kind": "patches", "height": 2, "width": 2, "stride": 1})
    assert axes_after(axes, [cut], (4, 4)) == (Axis("y", unit="um", scale=0.5),)
    off = as_step({"kind": "bin", "factor": 2, "is_on": False})
    assert axes_after(axes, [off], (4, 4)) == axes


def test_flipping_twice_gives_the_axis_back():
    axis = Axis("x", unit="um", scale=0.25, offset=1)
    assert axis.reversed(5).spacing == 0.25
    assert axis.reversed(5).reversed(5) == axis
    bands = Axis("band", values=(1, 2, 4), labels=("a", "b", "c"))
    assert bands.picked([2, 0], 3) == Axis("band", values=(4, 1), labels=("c", "a"))
    assert bands.part(1, 2) == Axis("band", values=(2, 4), labels=("b", "c"))
    assert axis.part(2, 2, 3) == Axis("x", unit="um", scale=0.75, offset=1.5)


def test_a_data_set_checks_the_length_of_its_axes():
    X = np.asfortranarray(np.arange(12.0).reshape(6, 2))
    axes = (Axis("band", unit="nm", values=(400, 500)), Axis("x", unit="um"), Axis("y"))
    data = Dataset(X, (2, 3), "C", "test", ("a", "b"), axes=axes)
    assert [axis.dimension for axis in data.axes] == ["x", "band"]
    assert (data.axis("band").unit, data.axis("y").is_plain) == ("nm", True)
    spectra = Dataset(X.T.copy(order="F"), (1, 2), "C", "test", "abcdef", axes=axes, grid=(2, 3))
    assert spectra.axis("band").text_at(1) == "500 nm"
    for wrong in (Axis("band", values=(1, 2, 3)), Axis("x", labels=("a",)), "x"):
        with pytest.raises(gs.DatasetError, match="accepted"):
            Dataset(X, (2, 3), "C", "test", ("a", "b"), axes=(wrong,))
