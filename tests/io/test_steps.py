"""Steps between a file and a data set: what each does, their order, what is recorded, what cannot be."""

import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from making import pictures, save_all
from PIL import Image

import gsp_studio as gs
from gsp_studio.io.apply_steps import Images, apply
from gsp_studio.io.dataset import DatasetError, LoadOptions
from gsp_studio.io.export.run_folder import export_run
from gsp_studio.io.images.resize import resize_image
from gsp_studio.io.readers import load_dataset, peek, thumbnails
from gsp_studio.io.run_json import read_run
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.steps import script_of, text_of

N, H, W = 6, 12, 10


@pytest.fixture
def stack(tmp_path):
    np.save(tmp_path / "x.npy", pictures(N, H, W))
    return tmp_path / "x.npy"


def unit():
    return pictures(N, H, W).astype(np.float32) / np.float32(255)


def done(step, values):
    return apply([step], Images(values, tuple(map(str, range(len(values)))), None)).values


def test_crop(stack):
    data = load_dataset(stack, steps=(gs.Crop(2, 3, 5, 4),))
    assert (data.image_shape, data.order) == ((5, 4), "C")
    assert np.array_equal(data.images(), unit()[:, 2:7, 3:7])
    assert "cropped to 5 x 4 from row 3, column 4 on" in data.steps


def test_resize_by_a_whole_factor_keeps_the_mean(stack):
    small = load_dataset(stack, steps=(gs.Resize(6, 5, "stretch"),))
    assert small.image_shape == (6, 5)
    np.testing.assert_allclose(small.images().mean(axis=(1, 2)), unit().mean(axis=(1, 2)), rtol=0.02)
    assert load_dataset(stack, steps=(gs.Resize(H, W),)).fingerprint == load_dataset(stack).fingerprint


def test_resize_keeps_proportions_unless_told_otherwise():
    image = np.zeros((10, 20), np.float32)
    image[:, 5:15] = 1.0  # a square in the middle
    assert resize_image(image, gs.Resize(10, 10, "crop")).min() == 1.0
    padded = resize_image(image, gs.Resize(20, 20, "pad"))
    assert not padded[:5].any()
    assert not padded[15:].any()
    assert padded[10, 10] == 1.0
    stretched = resize_image(image, gs.Resize(10, 10, "stretch"))
    assert stretched[5].tolist() == pytest.approx([0, 0, 0.5, 1, 1, 1, 1, 0.5, 0, 0], abs=0.2)
    for how in ("crop", "pad", "stretch"):
        for shape in ((7, 13), (1, 1), (33, 2)):
            assert resize_image(image, gs.Resize(*shape, how)).shape == shape


def test_patches(stack):
    data = load_dataset(stack, steps=(gs.Patches(5, 4, 100, seed=1),))
    assert (data.X.shape, data.image_shape) == ((20, 100), (5, 4))
    again = load_dataset(stack, steps=(gs.Patches(5, 4, 100, seed=1),))
    other = load_dataset(stack, steps=(gs.Patches(5, 4, 100, seed=2),))
    assert data.fingerprint == again.fingerprint != other.fingerprint
    for k in (0, 50, 99):
        name, row, column = data.names[k].split(", ")
        j, top, left = (int(text.split()[-1]) for text in (name, row, column))
        assert np.array_equal(data.images(k)[0], unit()[j - 1, top - 1 : top + 4, left - 1 : left + 3])
    counts = [sum(name.startswith(f"image {j},") for name in data.names) for j in range(1, N + 1)]
    assert max(counts) - min(counts) <= 1


def test_subtract_and_normalize():
    rng = np.random.default_rng(0)
    values = rng.random((4, 3, 5)) * rng.random((4, 1, 1)) * 100
    assert np.abs(done(gs.Subtract("mean"), values).mean(axis=(1, 2))).max() < 1e-12
    assert np.abs(done(gs.Subtract("mean", "pixel"), values).mean(axis=0)).max() < 1e-12
    assert not done(gs.Subtract("minimum"), values).min(axis=(1, 2)).any()
    assert not done(gs.Subtract("minimum", "pixel"), values).min(axis=0).any()
    np.testing.assert_allclose(done(gs.Normalize(), values).max(axis=(1, 2)), 1.0)
    np.testing.assert_allclose(np.linalg.norm(done(gs.Normalize("norm"), values).reshape(4, -1), axis=1), 1.0)
    np.testing.assert_allclose(done(gs.Normalize("maximum", "pixel"), values).max(axis=0), 1.0)
    np.testing.assert_allclose(np.linalg.norm(done(gs.Normalize("norm", "pixel"), values), axis=0), 1.0)
    values[1] = 0.0
    assert not done(gs.Normalize("norm"), values)[1].any()
    assert np.isfinite(done(gs.Normalize("norm"), 1e300 * values)).all()


def test_negative_values_after_a_step_are_asked_about(stack):
    with pytest.raises(DatasetError, match="negative"):
        load_dataset(stack, steps=(gs.Subtract("mean"),))
    data = load_dataset(stack, steps=(gs.Subtract("mean"),), negative="clip")
    mean = unit().mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(data.images(), np.maximum(unit() - mean, 0), atol=1e-6)


def test_the_order_counts_and_a_step_can_be_off(stack):
    crop, normalize = gs.Crop(0, 0, 4, 4), gs.Normalize()
    first, then = (load_dataset(stack, steps=steps).images() for steps in ((crop, normalize), (normalize, crop)))
    assert not np.array_equal(first, then)
    assert np.allclose(first.max(axis=(1, 2)), 1)
    off = load_dataset(stack, steps=(gs.Crop(0, 0, 4, 4, is_on=False), normalize))
    assert off.image_shape == (H, W)
    assert "cropped" not in " ".join(off.steps)


def test_folders_of_many_sizes_become_one(tmp_path):
    rng = np.random.default_rng(0)
    for k, shape in enumerate([(16, 16), (20, 16), (16, 24), (8, 8)]):
        Image.fromarray(rng.integers(0, 255, shape, np.uint8)).save(tmp_path / f"{k}.png")
    with pytest.raises(DatasetError, match="or a step that resizes them"):
        load_dataset(tmp_path)
    options = LoadOptions(steps=(gs.Resize(12, 12, "pad"),))
    found = peek(tmp_path, options)
    assert (found.n_images, found.image_shape) == (4, (12, 12))
    assert thumbnails(found).shape == (4, 12, 12)
    data = load_dataset(tmp_path, options)
    assert data.X.shape == (144, 4)
    assert load_dataset(tmp_path, data.options).fingerprint == data.fingerprint
    with pytest.raises(DatasetError, match="images differ in size"):
        load_dataset(tmp_path, steps=(gs.Normalize(), gs.Resize(12, 12)))  # resized too late


def test_colour_goes_through(tmp_path):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 255, (4, H, W, 3), np.uint8)
    save_all(colours, tmp_path)
    data = load_dataset(tmp_path, colour="rgb", steps=(gs.Crop(1, 1, 8, 8), gs.Resize(4, 4), gs.Normalize()))
    assert (data.X.shape, data.image_shape, data.channels) == ((48, 4), (4, 4), 3)
    assert np.allclose(data.images().max(axis=(1, 2, 3)), 1)
    patches = load_dataset(tmp_path, colour="rgb", steps=(gs.Patches(3, 3, 20),))
    assert patches.X.shape == (27, 20)


def test_thumbnails_show_the_steps(stack):
    found = peek(stack, steps=(gs.Crop(2, 3, 5, 4),))
    assert thumbnails(found).shape == (N, 5, 4)
    assert thumbnails(peek(stack, steps=(gs.Patches(5, 4, 1000),))).shape == (N, 5, 4)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ((gs.Crop(0, 0, 99, 4),), "cropped to 99 x 4 from row 1, column 1 on does not lie within images of 12 x 10"),
        ((gs.Resize(4, 4), gs.Patches(5, 5, 10)), "does not lie within images of 4 x 4"),
        ((gs.Crop(0, 0, 0, 4),), "crop: height is 0; accepted is a whole number from 1"),
        ((gs.Crop(-1, 0, 1, 4),), "crop: top is -1; accepted is a whole number from 0"),
        ((gs.Resize(4, 4, "squash"),), 'resize: how is "squash"; accepted are stretch, crop, pad'),
        ((gs.Resize(99999, 4),), "resize: 99999 x 4 is too large"),
        ((gs.Normalize("mean"),), 'normalize: by is "mean"; accepted are maximum, norm'),
        (({"kind": "blur"},), 'step "blur" is not known; accepted are crop, resize, rotate, flip'),
        (({"kind": "crop", "top": 1},), 'step "crop" is incomplete'),
        (("crop",), "'crop' is no step; accepted are crop, resize"),
        ((gs.Resize(30000, 30000),), "of memory, but"),
    ],
)
def test_steps_that_cannot_be_get_one_sentence(stack, steps, told, monkeypatch):
    monkeypatch.setattr("gsp_studio.io.memory.free_memory", lambda: 1 << 30)
    with pytest.raises(DatasetError) as error:
        load_dataset(stack, steps=steps)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_runs_repeat_with_their_steps(tmp_path, stack):
    steps = (gs.Resize(6, 6, "pad"), gs.Patches(4, 4, 40, seed=3), gs.Normalize("norm", is_on=False))
    data = load_dataset(stack, steps=steps)
    params = gs.Params(rank=3, sparsity=0.4, max_iter=4)
    backend = gs.get_backend("cpu", threads=1)
    run = ExportedRun(
        result=gs.factorize(data.X, params, backend),
        start=params,
        interventions=(),
        reason="done",
        backend="cpu",
        threads=1,
    )
    export_run(tmp_path / "out", data, run)
    again = read_run(tmp_path / "out")
    assert again.options.steps == steps
    again.check_data(load_dataset(again.source, again.options))
    assert json.loads(json.dumps(asdict(data.options)))["steps"][0]["kind"] == "resize"
    script = (tmp_path / "out" / "repeat.py").read_text()
    assert "gs.Patches(height=4, width=4, count=40, seed=3), gs.Normalize(by='norm', is_on=False)" in script
    command = [sys.executable, str(tmp_path / "out" / "repeat.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "the factors are the same to the last bit"


def test_words():
    assert text_of(gs.Resize(4, 5)) == "resized to 4 x 5, edges cut"
    assert text_of(gs.Patches(4, 5, 9)) == "9 patches of 4 x 5, seed 0"
    assert text_of(gs.Subtract("minimum", "pixel")) == "minimum of each pixel subtracted"
    assert text_of(gs.Normalize()) == "each image divided by its largest absolute value"
    assert script_of(gs.Crop(0, 1, 2, 3)) == "gs.Crop(top=0, left=1, height=2, width=3)"


def test_rotate_and_flip_move_pixels_and_change_none(stack):
    turned = load_dataset(stack, steps=(gs.Rotate(90),))
    assert turned.image_shape == (W, H)
    assert np.array_equal(turned.images(), unit()[:, ::-1, :].transpose(0, 2, 1)), "the left column comes to the top"
    half = load_dataset(stack, steps=(gs.Rotate(180),))
    both = load_dataset(stack, steps=(gs.Flip("left-right"), gs.Flip("up-down")))
    assert np.array_equal(half.images(), both.images())
    assert np.array_equal(load_dataset(stack, steps=(gs.Flip("up-down"),)).images(), unit()[:, ::-1])
    back = load_dataset(stack, steps=(gs.Rotate(270), gs.Rotate(90)))
    assert np.array_equal(back.images(), unit())


def test_bins_are_means_and_the_rest_is_cut_off(stack):
    data = load_dataset(stack, steps=(gs.Bin(5),))
    assert data.image_shape == (2, 2)
    want = [[unit()[:, 5 * i : 5 * i + 5, 5 * j : 5 * j + 5].mean(axis=(1, 2)) for j in range(2)] for i in range(2)]
    np.testing.assert_allclose(data.images(), np.transpose(want, (2, 0, 1)), rtol=1e-6)
    colour = np.random.default_rng(0).random((3, 4, 6, 3))
    np.testing.assert_allclose(done(gs.Bin(2), colour)[1, 0, 2], colour[1, :2, 4:].mean(axis=(0, 1)))
    with pytest.raises(DatasetError, match="means of 11 x 11 pixels are more than images of 12 x 10 have"):
        load_dataset(stack, steps=(gs.Bin(11),))


def test_background_is_a_percentile_of_each_pixel_over_the_movie(stack):
    values = unit()
    got = done(gs.Background(), values)
    np.testing.assert_allclose(got, values - np.median(values, axis=0), atol=1e-7)
    with pytest.raises(DatasetError, match="negative"):
        load_dataset(stack, steps=(gs.Background(),))
    data = load_dataset(stack, steps=(gs.Background(20), gs.Nonnegative()))
    want = np.clip(values - np.percentile(values, 20, axis=0), 0, None)
    np.testing.assert_allclose(data.images(), want, atol=1e-6)
    assert "background subtracted: percentile 20 of each pixel" in data.steps


def test_relative_change_is_that_of_each_pixel_and_dark_pixels_have_none():
    values = np.random.default_rng(0).random((9, 4, 3)) + 0.5
    values[:, 1, 2] = 0
    got = done(gs.RelativeChange(10), values)
    base = np.percentile(values, 10, axis=0)
    assert not got[:, 1, 2].any()
    keep = base > 0
    np.testing.assert_allclose(got[:, keep], (values[:, keep] - base[keep]) / base[keep])


@pytest.mark.parametrize("step", [gs.Background(), gs.RelativeChange()])
def test_what_needs_the_whole_movie_does_not_stay_on_the_disk(stack, step):
    with pytest.raises(DatasetError, match="needs all images at once"):
        load_dataset(stack, storage="disk", steps=(step,), negative="clip")


@pytest.mark.parametrize("step", [gs.Rotate(), gs.Flip("up-down"), gs.Bin(3), gs.Background(5), gs.RelativeChange(20)])
def test_steps_of_movies_come_back_from_the_command_line(step):
    from gsp_studio.commands import arguments
    from gsp_studio.io.steps import argument_of, as_step

    assert as_step(arguments.step(argument_of(step))) == step
    assert as_step(asdict(step)) == step


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"kind": "rotate", "degrees": 45}, 'degrees is "45"; accepted are 90, 180, 270'),
        ({"kind": "flip", "direction": "x"}, 'direction is "x"; accepted are left-right, up-down'),
        ({"kind": "bin", "factor": 1}, "factor is 1; accepted is a whole number from 2"),
        ({"kind": "dff", "percentile": 101}, "percentile is 101; accepted is a whole number from 0 to 100"),
    ],
)
def test_steps_out_of_range_are_refused(step, said):
    with pytest.raises(DatasetError, match=said):
        LoadOptions(steps=(step,))
