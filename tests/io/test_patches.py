"""Patches by a stride, of image files and arrays, and the pictures that come together again from them."""

import json

import numpy as np
import pytest
import tifffile
from making import pictures, save_all
from PIL import Image

import gsp_studio as gs
from gsp_studio.cli import main
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.io.export.run_folder import export_run
from gsp_studio.io.patches import image_of, put_back
from gsp_studio.io.readers import load_dataset, peek
from gsp_studio.io.run_json import read_run
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.session_file import SavedSession, describe, read_session, write_session
from gsp_studio.io.steps import StepError, argument_of, corners, proposed_patches, shape_after

H, W = 30, 23


@pytest.fixture
def photo(tmp_path):
    (path,) = save_all(pictures(1, H, W), tmp_path, "photo{}.png")
    return path


def fitted(data, rank=4):
    params = gs.Params(rank=rank, method="ahals", max_iter=15)
    return ExportedRun(result=gs.factorize(data.X, params, "reference"), start=params, backend="reference")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "pgm", "webp", "gif", "tif"])
def test_one_image_file_opens_as_patches(tmp_path, suffix):
    (path,) = save_all(pictures(1, H, W), tmp_path, "a{}." + suffix)
    assert peek(path).is_one
    data = load_dataset(path, steps=[gs.Patches(8, 7, stride=5)])
    assert (data.image_shape, data.whole) == ((8, 7), (1, H, W))
    with pytest.raises(DatasetError, match="holds 1 image of 30 x 23; a factorization needs at least 2") as refused:
        load_dataset(path)
    assert "patches:height=" in str(refused.value)


def test_a_stride_covers_all_of_an_image(photo):
    step = gs.Patches(8, 7, stride=5)
    places = corners(step, (H, W))
    assert places.tolist()[:5] == [[0, 0], [0, 5], [0, 10], [0, 15], [0, 16]]
    assert places[-1].tolist() == [H - 8, W - 7]
    assert shape_after([step], (H, W), 3) == ((8, 7), 3 * len(places))
    data = load_dataset(photo, steps=[step])
    image = pictures(1, H, W)[0] / np.float32(255)
    for patch, (top, left) in zip(data.images(), places, strict=True):
        assert np.array_equal(patch, image[top : top + 8, left : left + 7])
    assert "patches of 8 x 7 every 5 pixels" in data.steps


@pytest.mark.parametrize("shape", [(5, 4), (30, 23), (512, 512), (3000, 4000), (40, 20000)])
def test_proposed_patches_cover_an_image_and_are_not_too_many(shape):
    step = proposed_patches(shape)
    _, count = shape_after([step], shape, 1)
    assert 2 <= count < 50_000
    assert step.stride <= min(step.height, step.width)


def test_patches_without_end_are_refused():
    with pytest.raises(StepError, match="accepted are up to"):
        shape_after([gs.Patches(1, 1, stride=1)], (30000, 30000), 1)


@pytest.mark.parametrize("steps", [(gs.Patches(8, 7, stride=5),), (gs.Patches(9, 9, 3000, seed=2),)])
def test_patches_make_the_image_again(photo, steps):
    data = load_dataset(photo, steps=steps)
    run = fitted(data)
    picture = put_back(data, run.result.W, run.result.H)
    image = pictures(1, H, W)[0] / np.float32(255)
    assert picture.covered.all()
    np.testing.assert_allclose(picture.original, image, rtol=1e-6)
    # By hand: every patch of the reconstruction added where it lies, and divided by how many lie there.
    sums, times = np.zeros((H, W)), np.zeros((H, W))
    for name, patch in zip(data.names, data.as_images(run.result.W @ run.result.H), strict=True):
        top, left = (int(part.split()[-1]) - 1 for part in name.split(", ")[-2:])
        sums[top : top + patch.shape[0], left : left + patch.shape[1]] += patch
        times[top : top + patch.shape[0], left : left + patch.shape[1]] += 1
    np.testing.assert_allclose(picture.reconstruction, sums / times, rtol=1e-5)
    error = np.linalg.norm(image - sums / times) / np.linalg.norm(image)
    assert picture.error == pytest.approx(error, rel=1e-4)
    assert 0 < picture.error <= run.result.error


def test_pixels_in_no_patch_are_told(photo):
    data = load_dataset(photo, steps=[gs.Patches(4, 4, 5)])
    run = fitted(data, 2)
    picture = put_back(data, run.result.W, run.result.H)
    assert 0 < picture.coverage == picture.covered.mean() < 0.2
    assert not picture.original[~picture.covered].any()


def test_several_images_in_colour(tmp_path):
    colours = np.random.default_rng(0).integers(1, 255, (3, H, W, 3), np.uint8)
    save_all(colours, tmp_path)
    data = load_dataset(tmp_path, colour="rgb", steps=[gs.Crop(2, 3, 20, 16), gs.Patches(6, 6, stride=3)])
    assert data.whole == (3, 20, 16)
    run = fitted(data)
    for k in range(3):
        picture = put_back(data, run.result.W, run.result.H, k)
        np.testing.assert_allclose(picture.original, colours[k, 2:22, 3:19] / 255, rtol=1e-5)
    each = data.X.shape[1] // 3
    assert [image_of(data, patch) for patch in (0, each - 1, each, 3 * each - 1)] == [0, 0, 1, 2]
    with pytest.raises(ValueError, match="there is no image 3; accepted are 0 to 2"):
        put_back(data, run.result.W, run.result.H, 3)


def test_what_is_not_made_of_patches(photo, tmp_path):
    patches = gs.Patches(8, 7, stride=5)
    assert load_dataset(photo, steps=[patches, gs.Normalize()]).whole == (1, H, W)
    for steps in ([patches, gs.Resize(4, 4)], [patches, gs.Crop(0, 0, 4, 4)]):
        data = load_dataset(photo, steps=steps)
        assert data.whole is None
        run = fitted(data)
        with pytest.raises(ValueError, match="is not made of patches"):
            put_back(data, run.result.W, run.result.H)
        with pytest.raises(ValueError, match="no patches"):
            export_run(tmp_path / "out", data, run, ExportOptions(extras=("pictures",)))
    data = load_dataset(photo, steps=[patches])
    with pytest.raises(ValueError, match="are not those of data"):
        put_back(data, run.result.W[:5], run.result.H)
    with pytest.raises(DatasetError, match="no step cuts"):
        gs.Dataset(data.X, data.image_shape, "C", "x", data.names, options=data.options, whole=(1, H, W + 50))


def test_the_picture_is_exported(photo, tmp_path):
    data = load_dataset(photo, steps=[gs.Patches(8, 7, stride=5)])
    run = fitted(data)
    export_run(tmp_path / "out", data, run, ExportOptions(extras=("pictures",)))
    picture = put_back(data, run.result.W, run.result.H)
    pages = tifffile.imread(tmp_path / "out" / "picture.tif")
    np.testing.assert_allclose(pages, [picture.original, picture.reconstruction, picture.residual], atol=1e-6)
    with Image.open(tmp_path / "out" / "picture.png") as image:
        assert image.size == (3 * W + 8, H)
        shown = np.asarray(image)
    np.testing.assert_allclose(shown[:, :W], np.round(255 * picture.original / picture.original.max()), atol=1)
    again = read_run(tmp_path / "out")
    assert load_dataset(again.source, again.options).whole == data.whole


@pytest.mark.parametrize("exponent", [-900, 900])
def test_the_picture_of_an_image_of_extreme_size_is_that_of_an_ordinary_one(tmp_path, exponent):
    seen = []
    for k in (0, exponent):
        np.save(tmp_path / "x.npy", np.ldexp(pictures(1, H, W).astype(np.float64) / 256, k))
        data = load_dataset(tmp_path / "x.npy", steps=[gs.Patches(8, 7, stride=5)])
        run = fitted(data)
        export_run(tmp_path / str(k), data, run, ExportOptions(extras=("pictures",)))
        with Image.open(tmp_path / str(k) / "picture.png") as image:
            pages = np.ldexp(tifffile.imread(tmp_path / str(k) / "picture.tif").astype(np.float64), -k)
            seen.append((put_back(data, run.result.W, run.result.H).error, np.asarray(image), pages))
    (error, shown, pages), found = seen
    assert found[0] == pytest.approx(error, rel=1e-9)
    assert np.array_equal(found[1], shown)
    np.testing.assert_allclose(found[2], pages, atol=1e-7)


def test_a_session_keeps_where_patches_come_from(photo, tmp_path):
    data = load_dataset(photo, steps=[gs.Patches(8, 7, stride=5)])
    assert argument_of(data.options.steps[0]) == "patches:height=8,width=7,stride=5"
    write_session(tmp_path / "a.gsps", SavedSession(describe(data), data))
    assert read_session(tmp_path / "a.gsps").dataset.whole == (1, H, W)


def test_the_command_cuts_one_image_and_says_what_it_took(photo, tmp_path, capsys):
    np.save(tmp_path / "photo.npy", np.asarray(Image.open(photo)))
    call = ["fit", str(tmp_path / "photo.npy"), "--rank", "3", "--max-iter", "3", "--quiet", "--json"]
    out = ["--out", str(tmp_path / "out"), "--images-in", "one"]
    assert main([*call, *out]) == 2
    assert "add a step that cuts it into patches, as patches:height=" in capsys.readouterr().err
    assert main([*call, *out, "--step", "patches:height=8,width=8,stride=4", "--also", "pictures"]) == 0
    assert (tmp_path / "out" / "picture.png").exists()
    np.save(tmp_path / "cube.npy", np.random.default_rng(0).random((20, 9, 7)))
    call[1] = str(tmp_path / "cube.npy")
    assert main([*call, "--out", str(tmp_path / "cube")]) == 0
    told = capsys.readouterr()
    assert "not said by the file, so guessed: 20 images of 9 x 7" in told.err
    assert json.loads(told.out.splitlines()[-1])["notes"] == read_run(tmp_path / "cube").content["data"]["notes"]
    assert read_run(tmp_path / "cube").content["data"]["notes"][0].startswith("not said by the file")
