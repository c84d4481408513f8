"""Seeds and references from files: spectra, images, abundances, labels."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import scipy.io
from PIL import Image

import gsp_studio as gs
from gsp_studio.core.truth import Truth, compare_with_truth
from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.references import Sizes, read_columns
from gsp_studio.io.seed_sources import read_seeds, region_seed, residual_seed, sample_seed
from gsp_studio.io.truth_file import describe_agreement, read_truth, truth_of_labels, write_agreement, write_reference

BANDS, HEIGHT, WIDTH = 8, 4, 5


@pytest.fixture
def scene(tmp_path):
    """A .mat with Y, M and A of a scene of 4 x 5 pixels of 8 bands, filled by columns."""
    rng = np.random.default_rng(0)
    M, A = rng.random((BANDS, 3)) + 0.1, rng.dirichlet(np.ones(3), HEIGHT * WIDTH).T
    A[:, [3, 7, 11]] = np.eye(3)
    scipy.io.savemat(tmp_path / "scene.mat", {"Y": M @ A, "M": M, "A": A})
    return tmp_path / "scene.mat"


@pytest.fixture
def pixels(scene):
    """Its pixels as samples."""
    layout = {"key": "Y", "images_in": "rows", "image_shape": (HEIGHT, WIDTH), "order": "F"}
    return gs.load_dataset(scene, samples="pixels", **layout)


@pytest.fixture
def pictures(tmp_path):
    """Ten images of 4 x 5 pixels."""
    np.save(tmp_path / "images.npy", np.random.default_rng(3).random((10, HEIGHT, WIDTH)) + 0.1)
    return gs.load_dataset(tmp_path / "images.npy")


def envi_library(folder, spectra, names):
    head = (
        "ENVI\nsamples = {}\nlines = {}\nbands = 1\ndata type = 5\ninterleave = bsq\nbyte order = 0\n"
        "file type = ENVI Spectral Library\nspectra names = {{{}}}\n"
    )
    (folder / "library.hdr").write_text(head.format(spectra.shape[1], len(spectra), ", ".join(names)))
    (folder / "library.sli").write_bytes(spectra.astype("<f8").tobytes())
    return folder / "library.sli"


def test_an_array_of_the_same_file_gives_its_columns(pixels):
    seeds = read_seeds([":M"], pixels, 3)
    assert [seed.name for seed in seeds] == ["M 1", "M 2", "M 3"]
    M = scipy.io.loadmat(pixels.source)["M"]
    np.testing.assert_array_equal(np.column_stack([seed.values for seed in seeds]), M)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_of_spectra_with_names_and_an_axis(tmp_path, pixels, separator):
    path, values = tmp_path / "spectra.csv", np.random.default_rng(1).random((BANDS, 2)) + 1
    lines = [separator.join(("wavelength [nm]", "quartz", "iron, red" if separator != "," else "iron"))]
    lines += [separator.join(map(repr, (400.0 + 10 * i, *row))) for i, row in enumerate(values.tolist())]
    path.write_text("\n".join(lines))
    found = read_columns(str(path), Sizes.of(pixels))
    assert found.names[0] == "quartz"
    assert found.names[1].startswith("iron")
    np.testing.assert_array_equal(found.values, values)


def test_a_table_without_names_loses_an_axis_that_rises_far_above(tmp_path, pixels):
    path, values = tmp_path / "plain.csv", np.random.default_rng(1).random((BANDS, 2)) + 1
    np.savetxt(path, np.column_stack([400 + np.arange(BANDS), values]), "%.17g", ",")
    np.testing.assert_array_equal(read_columns(str(path), Sizes.of(pixels)).values, values)
    np.savetxt(path, values.T, "%.17g", ",")  # a spectrum a line
    np.testing.assert_array_equal(read_columns(str(path), Sizes.of(pixels)).values, values)


def test_spectra_with_an_axis_are_interpolated_at_the_bands(tmp_path, pixels):
    axis = Axis("band", "Wavelength", "nm", scale=10.0, offset=405.0)
    placed = replace(pixels, axes=(axis,))
    wide = np.arange(400.0, 601.0, 2.0)
    np.savetxt(tmp_path / "wide.csv", np.column_stack([wide, wide / 1000]), "%.17g", ",", header="nm,iron", comments="")
    found = read_columns(str(tmp_path / "wide.csv"), Sizes.of(placed))
    np.testing.assert_allclose(found.values[:, 0], (405 + 10 * np.arange(BANDS)) / 1000)
    assert found.names == ("iron",)
    falling = np.column_stack([wide, wide / 1000])[::-1]
    np.savetxt(tmp_path / "falling.csv", falling, "%.17g", ",", header="wavelength (nm),iron", comments="")
    np.testing.assert_allclose(read_columns(str(tmp_path / "falling.csv"), Sizes.of(placed)).values, found.values)
    np.savetxt(tmp_path / "um.csv", np.column_stack([wide / 1000, wide]), "%.17g", ",", header="um,iron", comments="")
    with pytest.raises(
        DatasetError, match=r"has spectra from 0\.4 to 0\.6; the bands of the data are at 405 to 475 nm"
    ):
        read_columns(str(tmp_path / "um.csv"), Sizes.of(placed))


def test_an_envi_library_gives_a_named_spectrum_each(tmp_path, pixels):
    spectra = np.random.default_rng(2).random((BANDS, BANDS))  # as many spectra as bands: a row is a spectrum
    found = read_columns(str(envi_library(tmp_path, spectra, list("abcdefgh"))), Sizes.of(pixels))
    np.testing.assert_array_equal(found.values, spectra.T)
    assert found.names == tuple("abcdefgh")


def test_basis_images_of_an_exported_run(tmp_path, pixels):
    result = gs.factorize(pixels.X, gs.Params(3, "ahals", max_iter=2), "reference")
    np.savez(tmp_path / "factors.npz", W=result.W, H=result.H)
    found = read_columns(f"{tmp_path}:3,1", Sizes.of(pixels))
    np.testing.assert_array_equal(found.values, result.W[:, [2, 0]])
    assert [name.rpartition(", ")[2] for name in found.names] == ["basis 3", "basis 1"]
    for wrong in ("4", "0", "M"):
        with pytest.raises(DatasetError, match=r"names no basis images of .* accepted are numbers from 1 to 3"):
            read_columns(f"{tmp_path}:{wrong}", Sizes.of(pixels))


def test_images_as_seeds(tmp_path, pictures):
    grey = np.random.default_rng(1).integers(1, 255, (HEIGHT, WIDTH), np.uint8)
    Image.fromarray(grey).save(tmp_path / "part.png")
    [seed] = read_seeds([str(tmp_path / "part.png")], pictures, 3)
    np.testing.assert_allclose(pictures.as_images(seed.values[:, None])[0], grey / 255, rtol=1e-6)
    stack = np.random.default_rng(2).random((2, HEIGHT, WIDTH))
    np.save(tmp_path / "stack.npy", stack)
    seeds = read_seeds([str(tmp_path / "stack.npy")], pictures, 3)
    np.testing.assert_array_equal(pictures.as_images(np.column_stack([s.values for s in seeds])), stack)


def test_regions_samples_and_residuals(pixels, pictures):
    region = np.zeros((HEIGHT, WIDTH), bool)
    region[1:3, 2:4] = True
    [seed] = read_seeds(["region:1,2,2x2"], pixels, 3)
    np.testing.assert_array_equal(seed.values, region_seed(pixels, region).values)
    places = [row + HEIGHT * column for row in (1, 2) for column in (2, 3)]  # by columns
    np.testing.assert_allclose(seed.values, pixels.X[:, places].mean(axis=1))
    part = pictures.as_images(region_seed(pictures, region, 4).values[:, None])[0]
    np.testing.assert_array_equal(part, np.where(region, pictures.images(4)[0], 0))
    two = read_seeds(["samples:3,7"], pictures, 3)
    np.testing.assert_array_equal(two[1].values, sample_seed(pictures, 7).values)
    W, H = pictures.X[:, :2], np.ones((2, 10))
    left = residual_seed(pictures, W, 0.3 * H, 1).values
    assert left.min() >= 0
    assert np.all(left <= pictures.X[:, 1])


def test_methods_find_as_many_as_are_missing(pixels):
    M = scipy.io.loadmat(pixels.source)["M"]
    found = read_seeds(["vca"], pixels, 3)
    assert {int(np.abs(M - seed.values[:, None]).sum(axis=0).argmin()) for seed in found} == {0, 1, 2}
    mixed = read_seeds(["samples:3", "nfindr"], pixels, 3)
    assert [seed.name.split()[0] for seed in mixed] == ["row", "N-FINDR", "N-FINDR"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["nowhere.csv"], "nowhere.csv does not exist"),
        ([":N"], 'has no array "N"; accepted is scene.mat:NAME of'),
        ([":A"], r"A \(3 x 20\) does not fit the data; accepted are spectra of 8 values"),
        (["region:3,0,2x2"], "leaves the 4 x 5 pixels"),
        (["samples:20"], "there is no sample 20; accepted are 0 to 19"),
        (["vca", "nfindr"], "vca and nfindr both find"),
        ([":M", "vca"], "vca is left no seed to find"),
    ],
)
def test_bad_seeds_get_one_sentence(pixels, texts, message):
    with pytest.raises(DatasetError, match=message):
        read_seeds(texts, pixels, 3)


def test_negative_spectra_are_no_seeds(tmp_path, pixels):
    np.save(tmp_path / "below.npy", np.linspace(-1, 1, BANDS))
    with pytest.raises(DatasetError, match=r'"below" of .* is no seed; accepted are finite values >= 0'):
        read_seeds([str(tmp_path / "below.npy")], pixels, 3)


def test_references_are_found_by_name_and_by_shape(tmp_path, scene, pixels):
    content = scipy.io.loadmat(scene)
    for texts in ([":"], [":M", ":A"], [str(scene)]):
        truth = read_truth(texts, Sizes.of(pixels))
        np.testing.assert_array_equal(truth.spectra, content["M"])
        np.testing.assert_array_equal(truth.abundances, content["A"])
    maps = np.stack([row.reshape(HEIGHT, WIDTH, order="F") for row in content["A"]])
    np.save(tmp_path / "maps.npy", maps)
    np.testing.assert_array_equal(read_truth([str(tmp_path / "maps.npy")], Sizes.of(pixels)).abundances, content["A"])


def test_labels_as_a_reference(tmp_path, pixels, pictures):
    classes = np.random.default_rng(0).integers(4, 7, HEIGHT * WIDTH)
    classes[:3] = 4, 5, 6
    np.save(tmp_path / "gt.npy", classes.reshape(HEIGHT, WIDTH, order="F"))
    truth = read_truth([str(tmp_path / "gt.npy")], Sizes.of(pixels))
    assert truth.is_labels
    assert (truth.abundances.argmax(axis=0) + 4).tolist() == classes.tolist()
    assert truth_of_labels(pictures) is None


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([":N"], 'has no array "N"'),
        ([":M", "other.npy"], r"are of \[2, 3\] materials"),
        (["odd.npy"], r"odd.npy \(7 x 3\) is no reference of these data; accepted are spectra of 8 values, abundances"),
        (["below.npy"], "negative or non-finite values"),
    ],
)
def test_bad_references_get_one_sentence(tmp_path, pixels, monkeypatch, texts, message):
    monkeypatch.chdir(tmp_path)
    np.save("other.npy", np.random.default_rng(0).random((2, HEIGHT * WIDTH)))
    np.save("odd.npy", np.ones((7, 3)))
    np.save("below.npy", np.full((BANDS, 2), -1.0))
    with pytest.raises(DatasetError, match=message):
        read_truth(texts, Sizes.of(pixels))


def test_a_table_of_agreement_takes_every_name_and_no_formula(tmp_path):
    named = Truth(np.eye(3), names=("=1+1", "caf\xe9", "soil"), source="M of sams\udcff.mat")
    write_agreement(tmp_path / "truth.csv", describe_agreement(compare_with_truth(np.eye(3), np.eye(3), named)))
    with open(tmp_path / "truth.csv", newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert [row[0] for row in rows] == ["'=1+1", "caf\xe9", "soil", "all"]
    assert {row[head.index("reference")] for row in rows} == {"M of sams\\udcff.mat"}


@pytest.mark.parametrize(
    "reference",
    [
        Truth(np.arange(24.0).reshape(BANDS, 3), None, ("iron", "=water", "sams\udcff")),
        Truth(np.ones((BANDS, 2)), np.full((2, HEIGHT * WIDTH), 0.5), ("a", "b")),
        Truth(None, np.eye(2)[:, np.arange(HEIGHT * WIDTH) % 2], ("road", "field"), is_labels=True),
        Truth(np.ones((BANDS, 2))),
    ],
)
def test_a_written_reference_is_read_back_with_its_names(tmp_path, pixels, reference):
    write_reference(tmp_path / "reference.npz", reference)
    key = ":gt" if reference.is_labels else ":M"
    for place in ("", key) if reference.abundances is None or reference.is_labels else ("",):
        found = read_truth([f"{tmp_path / 'reference.npz'}{place}"], Sizes.of(pixels))
        assert (found.names, found.is_labels) == (reference.names, reference.is_labels)
        for name in ("spectra", "abundances"):
            np.testing.assert_array_equal(getattr(found, name), getattr(reference, name))


def test_labels_keep_their_numbers_and_name_the_materials(tmp_path, pixels):
    classes = 4 + 3 * (np.arange(HEIGHT * WIDTH) % 3)
    np.save(tmp_path / "gt.npy", classes)
    truth = read_truth([str(tmp_path / "gt.npy")], Sizes.of(pixels))
    assert truth.names == ("4", "7", "10")
    write_reference(tmp_path / "reference.npz", truth)
    np.testing.assert_array_equal(np.load(tmp_path / "reference.npz")["gt"], classes)
    assert read_truth([str(tmp_path / "reference.npz")], Sizes.of(pixels)).names == truth.names
    write_reference(tmp_path / "reference.npz", replace(truth, names=("7", "4", "10")))  # as of first appearance
    assert read_truth([str(tmp_path / "reference.npz")], Sizes.of(pixels)).names == ("7", "4", "10")
