"""Images in colour: as files and as arrays, kept or made grey, shown and exported as they were."""

import numpy as np
import pytest
import scipy.io
from PIL import Image

import gsp_studio as gs
from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.io.export.run_folder import export_run
from gsp_studio.io.images.image_file import LUMA
from gsp_studio.io.montage import GAP_LEVEL, montage_image, to_grey
from gsp_studio.io.pixels import read_mask, read_pixels
from gsp_studio.io.readers import peek, thumbnails
from gsp_studio.io.run_json import read_run
from gsp_studio.io.run_record import ExportedRun

H, W, N = 6, 4, 10


@pytest.fixture
def colours():
    """Ten images (10, 6, 4, 3), uint8, smooth enough to be told from noise."""
    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.random((N, H, W, 3)), axis=1), axis=2)
    return (255 * smooth / smooth.max()).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, colours):
    path = tmp_path / "colours"
    path.mkdir()
    for k, image in enumerate(colours):
        Image.fromarray(image).save(path / f"{k}.png")
    return path


def as_float(colours):
    return colours.astype(np.float32) / np.float32(255)


def test_a_folder_in_colour(folder, colours):
    found = peek(folder, colour="rgb")
    assert (found.channels, found.has_colour, found.image_shape) == (3, True, (H, W))
    assert "in colour" in found.note
    data = gs.load_dataset(folder, colour="rgb")
    assert (data.X.shape, data.channels, data.image_shape) == ((3 * H * W, N), 3, (H, W))
    assert np.array_equal(data.images(), as_float(colours))
    again = gs.load_dataset(folder, data.options)
    assert again.fingerprint == data.fingerprint
    assert thumbnails(found).shape == (8, H, W, 3)


def test_a_folder_in_colour_is_made_grey_unless_it_is_asked_for(folder, colours):
    data = gs.load_dataset(folder)
    assert (data.channels, data.options.colour) == (1, "grey")
    assert "colour to grey by ITU-R BT.601" in data.steps
    np.testing.assert_allclose(data.images(), as_float(colours) @ LUMA, atol=1e-6)


def test_grey_files_among_coloured_ones_get_three_equal_colours(folder, colours):
    Image.fromarray(colours[0, ..., 0]).save(folder / "0.png")
    image = gs.load_dataset(folder, colour="rgb").images(0)[0]
    assert np.array_equal(image, np.repeat(as_float(colours)[0, ..., :1], 3, axis=2))


def test_a_folder_of_grey_files_has_no_colours(tmp_path, colours):
    for k, image in enumerate(colours[..., 0]):
        Image.fromarray(image).save(tmp_path / f"{k}.png")
    assert not peek(tmp_path).has_colour
    assert gs.load_dataset(tmp_path).options.colour is None
    with pytest.raises(DatasetError, match="no image is stored in colour; accepted is grey"):
        gs.load_dataset(tmp_path, colour="rgb")


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("last.npy", (0, 1, 2, 3)),
        ("first.npy", (0, 3, 1, 2)),
        ("matlab.mat", (1, 2, 3, 0)),
        ("turned.npy", (1, 2, 3, 0)),
        ("planes.npy", (3, 1, 2, 0)),
    ],
)
def test_stacks_of_four_dimensions(tmp_path, colours, name, axes):
    path, values = tmp_path / name, colours.transpose(axes)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        scipy.io.savemat(path, {"images": values})
    data = gs.load_dataset(path)
    assert (data.channels, data.options.colour) == (3, "rgb")
    assert np.array_equal(data.images(), as_float(colours))
    grey = gs.load_dataset(path, colour="grey")
    assert grey.channels == 1
    assert "colour to grey by ITU-R BT.601" in grey.steps
    np.testing.assert_allclose(grey.images(), as_float(colours) @ LUMA, atol=1e-6)
    for options in (data.options, grey.options):
        assert gs.load_dataset(path, options).options == options
        assert thumbnails(peek(path, options)).shape[1:3] == (H, W)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("images_in", ["rows", "columns"])
def test_vectors_hold_one_colour_after_another(tmp_path, colours, order, images_in):
    planes = [colours[..., k].reshape(N, -1) if order == "C" else colours[..., k].transpose(0, 2, 1).reshape(N, -1)
              for k in range(3)]  # fmt: skip
    rows = np.concatenate(planes, axis=1)
    np.save(tmp_path / "x.npy", rows if images_in == "rows" else rows.T)
    choices = {"order": order, "images_in": images_in, "colour": "rgb"}
    data = gs.load_dataset(tmp_path / "x.npy", image_shape=(H, W), **choices)
    assert np.array_equal(data.images(), as_float(colours))
    assert (H, W) in peek(tmp_path / "x.npy", **choices).shapes
    assert thumbnails(peek(tmp_path / "x.npy", data.options)).shape == (8, H, W, 3)


def test_what_cannot_be_in_colour(tmp_path, colours):
    np.save(tmp_path / "flat.npy", colours[..., 0].reshape(N, -1)[:, :-1])
    np.save(tmp_path / "grey.npy", colours[..., 0])
    np.save(tmp_path / "four.npy", np.zeros((5, 4, 4, 2)))
    with pytest.raises(DatasetError, match="has 23 values, which are no three times as many pixels; accepted is grey"):
        gs.load_dataset(tmp_path / "flat.npy", colour="rgb", images_in="rows")
    with pytest.raises(DatasetError, match="a stack of 3 dimensions holds grey images; accepted is grey"):
        gs.load_dataset(tmp_path / "grey.npy", colour="rgb")
    with pytest.raises(DatasetError, match="it has 4 dimensions, 5 x 4 x 4 x 2; accepted are"):
        gs.load_dataset(tmp_path / "four.npy")
    with pytest.raises(DatasetError, match='colour is "pink"; accepted are grey, rgb, red, green, blue'):
        gs.load_dataset(tmp_path / "grey.npy", colour="pink")
    with pytest.raises(DatasetError, match="a stack of 3 dimensions holds grey images; accepted is grey"):
        gs.load_dataset(tmp_path / "grey.npy", colour="red")
    np.save(tmp_path / "last.npy", colours)
    with pytest.raises(DatasetError, match="read so, have no axis of 3 colours"):
        gs.load_dataset(tmp_path / "last.npy", images_in="columns")
    with pytest.raises(DatasetError, match="image shape 4x6 does not fit the stack's images of 6x4"):
        gs.load_dataset(tmp_path / "last.npy", image_shape=(4, 6))


def test_maps_have_one_value_a_pixel(folder):
    data = gs.load_dataset(folder, colour="rgb")
    image = np.random.default_rng(0).random((H, W))
    assert np.array_equal(data.as_images(data.from_map(image)[:, None])[0], np.repeat(image[..., None], 3, axis=2))
    np.testing.assert_allclose(data.as_map(data.from_map(image)), image, rtol=1e-12)
    column = data.X[:, 0]
    np.testing.assert_allclose(data.as_map(column), data.images(0)[0].mean(axis=2), rtol=1e-6)
    assert data.as_map(column).dtype == np.float32


def test_weights_and_masks_count_for_all_colours_of_a_pixel(tmp_path, folder):
    data = gs.load_dataset(folder, colour="rgb")
    image = np.arange(H * W, dtype=float).reshape(H, W)
    np.save(tmp_path / "w.npy", image)
    assert np.array_equal(read_pixels(tmp_path / "w.npy", data), np.tile(image.ravel(), 3))
    np.save(tmp_path / "m.npy", np.arange(3 * H * W) == 5)
    assert read_mask(tmp_path / "m.npy", data).sum() == N
    np.save(tmp_path / "bad.npy", np.zeros((H + 1, W)))
    with pytest.raises(DatasetError, match=r"accepted are that of the images, \(6, 4\), and \(72,\)"):
        read_pixels(tmp_path / "bad.npy", data)


def test_figures_and_run_json_know_of_colour(tmp_path, folder):
    data = gs.load_dataset(folder, colour="rgb")
    params = gs.Params(rank=2, sparsity=0.5, max_iter=3)
    run = ExportedRun(result=gs.factorize(data.X, params, "reference"), start=params, backend="reference")
    export_run(tmp_path / "out", data, run, ExportOptions(zoom=2))
    images = data.as_images(run.result.W)
    with Image.open(tmp_path / "out" / "basis" / "basis_2.png") as image:
        assert np.array_equal(np.asarray(image), to_grey(images)[1].repeat(2, axis=0).repeat(2, axis=1))
    with Image.open(tmp_path / "out" / "montage.png") as image:
        assert np.array_equal(np.asarray(image), montage_image(images, gap=2, zoom=2))
    content = read_run(tmp_path / "out").content["data"]
    assert (content["channels"], content["pixels"], content["options"]["colour"]) == (3, H * W, "rgb")
    with np.load(tmp_path / "out" / "factors.npz") as factors:
        assert factors["channels"] == 3


def test_white_is_the_largest_of_the_three_colours():
    images = np.zeros((2, 2, 2, 3))
    images[0, 0, 0] = (1.0, 0.5, 0.0)
    images[1, 1, 1] = (0.0, 0.0, 4.0)
    assert to_grey(images)[0, 0, 0].tolist() == [255, 128, 0]
    assert to_grey(images, "shared")[0, 0, 0].tolist() == [64, 32, 0]
    canvas = montage_image(images)
    assert canvas.shape == (2, 5, 3)
    assert canvas[0, 2].tolist() == [GAP_LEVEL] * 3
    assert canvas[1, 4].tolist() == [0, 0, 255]


def test_a_dataset_has_one_or_three_values_a_pixel():
    X = np.asfortranarray(np.random.default_rng(0).random((24, 3)))
    names = ("a", "b", "c")
    assert Dataset(X, (4, 2), "F", "x", names, channels=3).images().shape == (3, 4, 2, 3)
    with pytest.raises(DatasetError, match="2 values a pixel; accepted are 1, grey, and 3, colour"):
        Dataset(X, (4, 3), "F", "x", names, channels=2)
    with pytest.raises(DatasetError, match="images of 4 x 3 have 36 values in colour, the data have 24"):
        Dataset(X, (4, 3), "F", "x", names, channels=3)
