"""Bundled files: found in a checkout, and the sample data are what their script draws."""

import runpy
from types import SimpleNamespace

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.io import resource_path, sample_path


@pytest.fixture(scope="module")
def draw():
    """The script that draws the sample data, run without leaving compiled files beside it."""
    return SimpleNamespace(**runpy.run_path(str(sample_path("swimmer").with_name("draw.py"))))


def test_swimmer_is_what_the_script_draws(draw):
    with np.load(sample_path("swimmer")) as archive:
        images = archive["images"]
    assert images.dtype == np.uint8
    assert np.array_equal(images, draw.swimmer())
    assert images.shape == (256, 32, 32)
    assert len(np.unique(images.reshape(256, -1), axis=0)) == 256
    assert set(np.unique(images)) == {0, 255}
    parts = np.linalg.matrix_rank(images.reshape(256, -1).astype(float))
    assert parts == 13  # 4 limbs of 4 positions and a torso, less what the limbs have in common


@pytest.mark.slow
def test_faces_are_what_the_script_draws(draw):
    with np.load(sample_path("faces")) as archive:
        images = archive["images"]
    assert images.dtype == np.uint8
    assert np.array_equal(images, draw.faces())
    assert images.shape == (2000, 19, 19)
    assert len(np.unique(images.reshape(2000, -1), axis=0)) == 2000
    # Lit from any side: the mean face is symmetric, single ones are not.
    mean = images.mean(axis=0)
    assert np.abs(mean - mean[:, ::-1]).mean() < 2
    assert np.abs(images - images[:, :, ::-1].astype(float)).mean() > 10


@pytest.mark.parametrize(("name", "shape"), [("swimmer", (32, 32)), ("faces", (19, 19))])
def test_samples_open_without_a_question(name, shape):
    data = gs.load_dataset(sample_path(name))
    assert data.image_shape == shape
    assert data.X.max() <= 1
    assert data.notes == ()
    assert sample_path(name).stat().st_size < 1 << 20


def test_what_is_not_there():
    with pytest.raises(ValueError, match='sample "cats" is not known; accepted are faces, swimmer'):
        sample_path("cats")
    with pytest.raises(FileNotFoundError, match="no-such-thing is missing from this installation"):
        resource_path("no-such-thing")
    assert resource_path("icons").is_dir()
