"""Axes of files: names, units and coordinates come from each format, and go with subsets, steps and pixels."""

import h5py
import numpy as np
import pytest
import tifffile

import gsp_studio as gs
from gsp_studio.io.axes import Axis
from gsp_studio.io.readers import load_dataset, peek

CUBE = np.random.default_rng(0).integers(1, 60000, (4, 6, 5)).astype("<u2")
WAVES = (400.0, 410.5, 431.0, 440.0)
SPECTRAL = Axis("band", "Wavelength", "nm", values=WAVES)


def envi(folder, **more):
    fields = {"samples": 5, "lines": 6, "bands": 4, "data type": 12, "interleave": "bsq", "byte order": 0, **more}
    (folder / "c.hdr").write_text("\n".join(["ENVI", *(f"{k} = {v}" for k, v in fields.items()), ""]), "utf-8")
    (folder / "c.img").write_bytes(CUBE.tobytes())
    return folder / "c.hdr"


def listed(values):
    return "{" + ", ".join(map(str, values)) + "}"


def hdf5(path, fill):
    with h5py.File(path, "w") as file:
        fill(file)
    return path


@pytest.fixture
def cube(tmp_path):
    return envi(
        tmp_path,
        wavelength=listed(WAVES),
        **{
            "wavelength units": "Nanometers",
            "band names": "{violet, blue, , green}",
            "map info": "{UTM, 1, 1, 500000, 4600000, 30, 20, 13, North, WGS-84, units=Meters}",
        },
    )


def test_envi_headers_declare_wavelengths_names_and_pixels(cube):
    data = load_dataset(cube)
    assert data.axes == (
        Axis("y", unit="m", scale=20),
        Axis("x", unit="m", scale=30),
        Axis("band", "Wavelength", "nm", values=WAVES, labels=("violet", "blue", "", "green")),
    )
    assert data.axis("band").title == "Wavelength (nm)"


def test_band_names_and_wavelengths_survive_pixels(cube):
    data = load_dataset(cube, samples="pixels")
    assert data.grid == (6, 5)
    assert data.names[6] == "row 2, column 2"
    assert [data.axis("band").text_at(k) for k in (0, 2)] == ["violet, 400 nm", "431 nm"]
    assert data.axis("x").scale == 30


def test_names_of_bands_alone_become_the_labels_of_spectra(tmp_path):
    for k in range(3):
        tifffile.imwrite(tmp_path / f"{k}-band.tif", CUBE[k])
    data = load_dataset(tmp_path, samples="pixels")
    assert data.axis("band").labels == ("0-band.tif", "1-band.tif", "2-band.tif")
    np.save(tmp_path / "a.npy", CUBE)
    assert load_dataset(tmp_path / "a.npy", samples="pixels", images_in="rows").axes == ()


@pytest.mark.parametrize("samples", ["images", "pixels"])
@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_subsets_and_steps_move_the_axes(cube, samples, storage):
    if (samples, storage) == ("pixels", "disk"):
        return
    steps = [gs.Crop(top=2, left=1, height=4, width=4), gs.Bin(2), gs.Rotate(90)]
    data = load_dataset(cube, samples=samples, storage=storage, subset=(1, 4, 2), steps=steps)
    y, x, band = data.axes
    assert (y.unit, y.scale, y.offset) == ("m", 60, 45)
    assert x.values == (20 * (2 + 2.5), 20 * (2 + 0.5))
    assert (band.values, band.labels) == ((410.5, 440.0), ("blue", "green"))


def test_images_that_are_dropped_take_their_wavelengths_along(tmp_path):
    values = np.arange(1.0, 49).reshape(4, 4, 3)
    values[1, 0, 0] = np.nan
    np.savez(tmp_path / "a.npz", cube=values, wavelength=WAVES)
    data = load_dataset(tmp_path / "a.npz", nonfinite="drop", key="cube", images_in="rows")
    assert data.axes == (Axis("band", "Wavelength", values=(400, 431, 440)),)
    assert data.names == ("400", "431", "440")
    assert load_dataset(tmp_path / "a.npz", nonfinite="drop", key="cube", images_in="columns").axes == ()


def test_impossible_declarations_are_noted_and_not_used(tmp_path):
    path = envi(tmp_path, wavelength="{1, nan, 3, 4}", **{"pixel size": "{0, -2, units=Meters}"})
    data = load_dataset(path)
    assert [axis.dimension for axis in data.axes] == ["y"]  # which descends, and is listed
    assert data.axis("y").values == (0, -2, -4, -6, -8, -10)
    told = " ".join(data.notes)
    assert "what the file says of its bands is not used: band axis: a coordinate is nan" in told
    assert "its columns is not used: x axis: scale is 0.0" in told
    short = load_dataset(envi(tmp_path, wavelength="{1, 2}", **{"wavelength units": "n" * 99}))
    assert '"wavelength" of the header is not used: it has 2 entries for 4' in " ".join(short.notes)


def test_spectral_libraries_have_wavelengths_across(tmp_path):
    library = {"file type": "ENVI Spectral Library", "wavelength": "{4, 5, 6, 7, 9}"}
    path = envi(tmp_path, **{"lines": 24, "bands": 1, **library})
    assert load_dataset(path).axes == (Axis("x", "Wavelength", values=(4, 5, 6, 7, 9)),)


def test_a_users_axes_replace_the_files(cube):
    mine = (Axis("x", unit="um", scale=2), Axis("band", unit="eV", offset=1))
    data = load_dataset(cube, axes=mine, subset=(1, 3, 1))
    assert data.axis("y").unit == "m"
    assert data.axis("x") == mine[0]
    assert data.axis("band") == Axis("band", unit="eV", offset=2, labels=("blue", ""))
    assert data.options.axes == mine
    with pytest.raises(gs.DatasetError, match=r"c.hdr: band axis: 2 values for 4 places; accepted are as many$"):
        peek(cube, axes=(Axis("band", values=(1, 2)),))
    again = load_dataset(data.source, data.options)
    assert again.axes == data.axes


def test_imagej_stacks(tmp_path):
    resolution = (4.0, 2.0)  # pixels a unit across and down
    how = {"imagej": True, "resolution": resolution}
    tifffile.imwrite(tmp_path / "t.tif", CUBE, metadata={"axes": "TYX", "unit": "um", "finterval": 0.5}, **how)
    y, x, band = load_dataset(tmp_path / "t.tif").axes
    assert (y, x) == (Axis("y", unit="µm", scale=0.5), Axis("x", unit="µm", scale=0.25))
    assert band == Axis("band", "Time", "s", scale=0.5)
    tifffile.imwrite(tmp_path / "z.tif", CUBE, metadata={"axes": "ZYX", "unit": "micron", "spacing": 3}, **how)
    assert load_dataset(tmp_path / "z.tif").axis("band") == Axis("band", "Depth", "µm", scale=3)
    tifffile.imwrite(tmp_path / "c.tif", CUBE, metadata={"axes": "CYX", "Labels": list("abcd")}, **how)
    data = load_dataset(tmp_path / "c.tif")
    assert (data.names, data.axes) == (tuple("abcd"), (Axis("band", labels=tuple("abcd")),))


def test_folders_of_files_with_pixels_of_a_size(tmp_path):
    how = {"imagej": True, "resolution": (4.0, 4.0), "metadata": {"unit": "um"}}
    for k in range(3):
        tifffile.imwrite(tmp_path / f"{k}.tif", CUBE[k], **how)
    assert load_dataset(tmp_path).axes == (Axis("y", unit="µm", scale=0.25), Axis("x", unit="µm", scale=0.25))
    half = gs.Resize(height=3, width=10, how="stretch")
    assert [axis.scale for axis in load_dataset(tmp_path, steps=[half]).axes] == [0.5, 0.125]
    tifffile.imwrite(tmp_path / "2.tif", CUBE[2], **(how | {"resolution": (5.0, 5.0)}))
    data = load_dataset(tmp_path)
    assert data.axes == ()
    assert "the files say that their pixels differ in size: no size is used" in data.notes
    mine = (Axis("y", unit="mm"), Axis("band", "Time", "s", scale=2))
    assert load_dataset(tmp_path, axes=mine).axes == mine


def test_ome_files(tmp_path):
    pixel = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 250, "PhysicalSizeYUnit": "nm"}
    channels = {"Channel": {"Name": ["DAPI", "GFP"]}, "TimeIncrement": 2.0}
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, CUBE, metadata={"axes": "TYX", "TimeIncrement": 20.0, "TimeIncrementUnit": "ms", **pixel})
    y, x, band = load_dataset(path).axes
    assert (y, x) == (Axis("y", unit="nm", scale=250), Axis("x", unit="µm", scale=0.5))
    assert band == Axis("band", "Time", "ms", scale=20)
    tifffile.imwrite(path, CUBE.reshape(2, 2, 6, 5), metadata={"axes": "TCYX", **channels}, photometric="minisblack")
    data = load_dataset(path)
    assert data.names == ("time 1, DAPI", "time 1, GFP", "time 2, DAPI", "time 2, GFP")
    assert data.axis("band").is_plain
    tifffile.imwrite(path, CUBE[:2], metadata={"axes": "CYX", **channels}, photometric="minisblack")
    data = load_dataset(path, samples="pixels")
    assert data.axis("band").labels == ("DAPI", "GFP")


def test_tags_of_resolution_count_only_in_centimetres(tmp_path):
    how = {"metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", CUBE, resolution=(20_000, 10_000), resolutionunit="CENTIMETER", **how)
    assert load_dataset(tmp_path / "a.tif").axes == (Axis("y", unit="µm"), Axis("x", unit="µm", scale=0.5))
    tifffile.imwrite(tmp_path / "a.tif", CUBE, resolution=(72, 72), resolutionunit="INCH", **how)
    assert load_dataset(tmp_path / "a.tif").axes == ()


def _hyperspy(file):
    group = file.create_group("Experiments/spectra")
    group["data"] = CUBE.transpose(1, 2, 0)
    for k, (name, units, scale, offset) in enumerate(
        (("y", "um", 0.5, 1.0), ("x", "<undefined>", 2.0, 0.0), ("Energy", "eV", -0.1, 280.0))
    ):
        group.create_group(f"axis-{k}").attrs.update(
            {"name": name, "units": units, "scale": scale, "offset": offset, "size": CUBE.shape[k - 2]}
        )


def _netcdf(file):
    file["cube"] = CUBE
    file["wavelength"] = WAVES
    file["wavelength"].attrs["units"] = np.bytes_("nanometers")
    file["lat"] = np.arange(6.0)
    file["lat"].attrs["units"] = "degrees_north"
    file["lon"] = np.zeros(5)
    file["lon"].make_scale("This is a netCDF dimension but not a netCDF variable.         5")
    for name in ("wavelength", "lat"):
        file[name].make_scale(name)
    for k, name in enumerate(("wavelength", "lat", "lon")):
        file["cube"].dims[k].attach_scale(file[name])


def _nexus(file):
    group = file.create_group("entry/data")
    group.attrs["axes"] = ["energy", "y", "."]
    group["counts"], group["energy"], group["y"] = CUBE, WAVES, np.arange(6) * 0.25
    group["energy"].attrs["units"] = "eV"
    group["y"].attrs.update({"units": "mm", "long_name": "Height"})


def _emd(file):
    group = file.create_group("a")
    group["data"], group["dim1"], group["dim2"] = CUBE, WAVES, [3.0, 3.5]
    group["dim1"].attrs.update({"name": "Energy", "units": "[eV]"})
    group["dim2"].attrs.update({"name": "y", "units": "[n_m]"})


def _attributes(file):
    file["cube"] = CUBE
    file["cube"].attrs.update({"wavelength": WAVES, "wavelength_units": "nm", "element_size_um": (9.0, 0.5, 0.25)})


def _dims(file):
    group = file.create_group("scan")
    group["counts"], group["wavelength"] = CUBE, WAVES
    group["wavelength"].attrs["units"] = "[nm]"
    group["counts"].attrs["dims"] = ["wavelength", "y", "x"]
    group["counts"].attrs["units"] = ["", "Micrometers", "mm"]


def _dims_in_one_text(file):
    file["counts"] = CUBE
    file["counts"].attrs["dims"] = "Energy, y, time"
    file["time"] = np.arange(5) * 3
    file["time"].attrs["units"] = "hours since 2001-01-01 00:00:00"


@pytest.mark.parametrize(
    ("fill", "expected", "images_in"),
    [
        (
            _hyperspy,
            (
                Axis("y", "y", "µm", 0.5, 1),
                Axis("x", "x", scale=2),
                Axis("band", "Energy", "eV", values=(280, 279.9, 279.8, 280 - 0.1 * 3)),
            ),
            "columns",
        ),
        (_netcdf, (Axis("y", "lat", "°"), Axis("x", "lon"), Axis("band", "wavelength", "nm", values=WAVES)), "rows"),
        (_nexus, (Axis("y", "Height", "mm", 0.25), Axis("band", "energy", "eV", values=WAVES)), "rows"),
        (_emd, (Axis("y", "y", "n_m", 0.5, 3), Axis("band", "Energy", "eV", values=WAVES)), "rows"),
        (
            _attributes,
            (Axis("y", unit="µm", scale=0.5), Axis("x", unit="µm", scale=0.25), SPECTRAL),
            "rows",
        ),
        (
            _dims,
            (Axis("y", "y", "µm"), Axis("x", "x", "mm"), Axis("band", "wavelength", "nm", values=WAVES)),
            "rows",
        ),
        (_dims_in_one_text, (Axis("y", "y"), Axis("x", "time", "h", scale=3), Axis("band", "Energy")), "rows"),
    ],
)
def test_hdf5_files_declare_axes_in_many_ways(tmp_path, fill, expected, images_in):
    data = load_dataset(hdf5(tmp_path / "a.h5", fill), images_in=images_in)
    assert data.axes == expected


def test_hostile_declarations_are_not_followed(tmp_path):
    elsewhere = hdf5(tmp_path / "b.h5", lambda file: file.create_dataset("w", data=WAVES))

    def fill(file):
        file["cube"] = CUBE
        file["cube"].attrs["axes"] = ["w", "huge", "nan"]
        file["w"] = h5py.ExternalLink(str(elsewhere), "w")
        file.create_dataset("huge", (6,), "f8", chunks=(1 << 20,), maxshape=(None,), compression="gzip")
        file["nan"] = np.full(5, np.nan)
        file["cube"].dims[0].label = "x" * 500
        file["cube"].attrs["wavelength"] = ["a", "b", "c", "d"]

    data = load_dataset(hdf5(tmp_path / "a.h5", fill), key="cube", images_in="rows")
    assert [axis.dimension for axis in data.axes] in ([], ["y"])
    assert any("coordinate is nan" in note for note in data.notes)
    assert any("up to 120 characters" in note for note in data.notes)


def test_wavelengths_beside_a_matrix_of_matlab(tmp_path):
    import scipy.io

    scipy.io.savemat(tmp_path / "a.mat", {"Y": CUBE.reshape(4, 30).astype(float), "wavelength_nm": np.array([WAVES])})
    data = load_dataset(tmp_path / "a.mat", key="Y", images_in="rows", image_shape=(6, 5), samples="pixels")
    assert data.axes == (SPECTRAL,)
    scipy.io.savemat(tmp_path / "a.mat", {"Y": CUBE.reshape(4, 30).astype(float), "wl": np.array([[1.0, 3, 2, 4]])})
    assert load_dataset(tmp_path / "a.mat", key="Y", images_in="rows", image_shape=(6, 5)).axes == ()
