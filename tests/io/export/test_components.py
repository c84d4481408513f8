"""Components for other programs: they read back here with their values, names and axes."""

import csv
import json

import h5py
import numpy as np
import pytest
import tifffile
from scipy.io import loadmat

import gsp_studio as gs
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.axes import Axis, as_axes
from gsp_studio.io.export.figures import FigureStyle
from gsp_studio.io.export.formats import EXTRAS
from gsp_studio.io.export.normalization import normalized
from gsp_studio.io.readers import load_dataset
from gsp_studio.io.run_record import ExportedRun

WAVES = (400.0, 410.5, 431.0, 440.0, 450.0, 470.0)
AXES = (
    Axis("y", unit="um", scale=0.5, offset=3),
    Axis("x", unit="um", scale=0.25),
    Axis("band", "Wavelength", "nm", values=WAVES, labels=(*"abcde", "=f")),
)


@pytest.fixture(params=["pixels", "images"])
def made(tmp_path, request):
    """A run on a cube of 6 bands of 7 x 5, with a folder into which each kind of export writes."""
    np.save(tmp_path / "cube.npy", np.random.default_rng(0).random((6, 7, 5)))
    how = {"samples": request.param, "images_in": "rows", "axes": AXES}
    data = load_dataset(tmp_path / "cube.npy", **how)
    params = gs.Params(3, sparsity=0.2, max_iter=5)
    run = ExportedRun(result=gs.factorize(data.X, params), start=params)
    spectral, spatial = (run.result.W.T, run.result.H) if data.grid else (run.result.H, run.result.W.T)
    return tmp_path, data, run, spatial.reshape(3, 7, 5), spectral


def write(folder, data, run, kind):
    for name, writer in EXTRAS[kind].make(data, run, FigureStyle()).items():
        writer(folder / name)


def test_maps_have_the_size_of_a_pixel(made):
    folder, data, run, maps, _ = made
    write(folder, data, run, "maps")
    with tifffile.TiffFile(folder / "maps.tif") as file:
        assert file.imagej_metadata["unit"] == "um"
        assert file.asarray().dtype == np.float32
    again = load_dataset(folder / "maps.tif")
    assert np.array_equal(again.images(), maps.astype(np.float32))
    assert [(axis.unit, axis.spacing) for axis in again.axes[:2]] == [("µm", 0.5), ("µm", 0.25)]
    assert again.names == ("component 1", "component 2", "component 3")


def test_normalized_components_say_so(made):
    folder, data, run, _, _ = made
    for kind in ("maps", "envi", "hspy"):
        write(folder, data, normalized(run, "sum"), kind)
    basis, other = ("spectrum", "map") if data.grid else ("map", "curve")
    words = f"each {basis} of unit sum, its {other} scaled inversely"
    with tifffile.TiffFile(folder / "maps.tif") as file:
        assert file.imagej_metadata["Info"] == words
        assert file.imagej_metadata["Labels"] == ["component 1", "component 2", "component 3"]
    for name in ("maps.hdr", "spectra.hdr"):
        assert f"description = {{{words}}}\n" in (folder / name).read_text()
    with h5py.File(folder / "components.hspy") as file:
        assert file["Experiments/maps/metadata/General"].attrs["notes"] == words
    assert load_dataset(folder / "maps.tif").names == ("component 1", "component 2", "component 3")


def test_basis_images_have_the_size_of_a_pixel(made):
    folder, data, run, _, _ = made
    write(folder, data, run, "tiff")
    again = load_dataset(folder / "basis.tif")
    told = [(axis.dimension, axis.unit, axis.spacing) for axis in again.axes]
    assert told == ([] if data.grid else [("y", "µm", 0.5), ("x", "µm", 0.25)])
    with tifffile.TiffFile(folder / "basis.tif") as file:
        (described,) = [axis for axis in file.shaped_metadata[0]["axes_of_data"] if axis["dimension"] == "band"]
    assert (described["name"], described["unit"], tuple(described["values"])) == ("Wavelength", "nm", WAVES)


def test_envi_has_names_and_wavelengths(made):
    folder, data, run, maps, spectral = made
    write(folder, data, run, "envi")
    cube, library = load_dataset(folder / "maps.hdr"), load_dataset(folder / "spectra.hdr")
    assert np.array_equal(cube.images(), maps.astype(np.float32))
    assert cube.names == library.names == ("component 1", "component 2", "component 3")
    assert [(axis.unit, axis.spacing) for axis in cube.axes[:2]] == [("µm", 0.5), ("µm", 0.25)]
    assert np.array_equal(library.X.T, spectral.astype(np.float32))
    assert library.axis("x") == Axis("x", "Wavelength", "nm", values=WAVES)


def test_spectra_stand_beside_their_wavelengths(made):
    folder, data, run, _, spectral = made
    write(folder, data, run, "spectra")
    with (folder / "spectra.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["Wavelength (nm)", "name", "component_1", "component_2", "component_3"]
    assert [float(row[0]) for row in rows] == list(WAVES)
    assert rows[-1][1] == "'=f"
    assert np.array_equal(np.array([row[2:] for row in rows], float).T, spectral)


def test_hyperspy_finds_signals_with_axes(made):
    folder, data, run, maps, spectral = made
    write(folder, data, run, "hspy")
    with h5py.File(folder / "components.hspy") as file:
        assert file.attrs["file_format"] == "HyperSpy"
        assert np.array_equal(file["Experiments/maps/data"], maps)
        assert np.array_equal(file["Experiments/spectra/data"], spectral)
        axis = file["Experiments/maps/axis-1"].attrs
        assert (axis["scale"], axis["offset"], axis["units"], axis["size"]) == (0.5, 3, "µm", 7)
        assert np.array_equal(file["Experiments/spectra/axis-1/axis"], WAVES)
    found = load_dataset(folder / "components.hspy", key="Experiments/spectra/data", images_in="one", samples="pixels")
    assert found.axis("x") == Axis("x", "Wavelength", "nm", values=WAVES)


def test_hyperspy_itself_opens_them(made):
    hs = pytest.importorskip("hyperspy.api")
    folder, data, run, maps, _ = made
    write(folder, data, run, "hspy")
    signals = {type(signal).__name__: signal for signal in hs.load(folder / "components.hspy")}
    assert np.array_equal(signals["Signal2D"].data, maps)
    assert np.array_equal(signals["Signal1D"].axes_manager[-1].axis, WAVES)
    factors, loadings = run.result.to_hyperspy(data)
    curves, images = (factors, loadings) if data.grid else (loadings, factors)
    assert np.array_equal(images.data, maps)
    assert images.axes_manager["x"].scale == 0.25
    assert curves.axes_manager[-1].units == "nm"
    assert run.result.to_hyperspy()[0].data.shape == (3, len(data.X))


def test_data_without_axes_and_in_colour(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((6, 7, 5)))
    np.save(tmp_path / "c.npy", np.random.default_rng(0).random((6, 7, 5, 3)))
    params = gs.Params(2, sparsity=0.2, max_iter=2)
    for name in ("a.npy", "c.npy"):
        data = load_dataset(tmp_path / name)
        run = ExportedRun(result=gs.factorize(data.X, params), start=params)
        for kind in ("maps", "envi", "hspy", "spectra"):
            if name == "a.npy" or kind == "spectra":
                write(tmp_path, data, run, kind)
            else:
                with pytest.raises(ExportError, match="maps are grey"):
                    write(tmp_path, data, run, kind)
    assert load_dataset(tmp_path / "maps.tif").axis("x").is_plain
    assert (tmp_path / "spectra.csv").read_text().startswith("Band,component_1,component_2\n1.0,")


def test_factors_of_hdf5_and_matlab_name_their_axes(made):
    folder, data, run, _, _ = made
    write(folder, data, run, "h5")
    write(folder, data, run, "mat")
    of, k, other = ("W", 0, ("H", 1)) if data.grid else ("H", 1, ("W", 0))
    with h5py.File(folder / "factors.h5") as file:
        scale = file[of].dims[k][0]
        assert tuple(scale[:]) == WAVES
        assert (scale.attrs["units"], file[of].dims[k].label) == ("nm", "Wavelength")
        assert file[other[0]].dims[other[1]].label == "pixel"
        told = json.loads(file.attrs["axes"])
    assert as_axes(told) == data.axes
    assert json.loads(str(loadmat(folder / "factors.mat")["axes"][0])) == told
    assert load_dataset(folder / "factors.h5", key=of, images_in="rows" if data.grid else "columns").axes == (
        Axis("band", "Wavelength", "nm", values=WAVES),
    )
