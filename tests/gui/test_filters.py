"""Layers as images: which tile shows which weights."""

from __future__ import annotations

import numpy as np
import pytest

from gsp_studio.gui.network.filter_images import MOST_PIXELS, pictures_of, white_of
from gsp_studio.pruning.layers import layer_of


def layer(*shape: int, output_axis: int = 0):
    values = np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)
    return layer_of("some.weight", values, output_axis=output_axis)


def drawn(found, is_first: bool = False):
    pictures = pictures_of(found, is_first)
    images = pictures.images_of(found.weights)
    assert images.shape[:3] == (pictures.count, pictures.height, pictures.width)
    return pictures, images


def test_filters_that_read_colours_are_in_colour() -> None:
    found = layer(4, 3, 5, 6)
    pictures, images = drawn(found)
    assert pictures.channels == 3
    np.testing.assert_array_equal(images[2, 1, 4], found.weights[2, :, 1, 4])
    assert pictures.words == "4 filters of 5 × 6 in colour"
    assert pictures.name_of(2, 1, 4) == "filter 3  ·  row 2, column 5"


def test_deeper_filters_are_a_row_of_kernels_each() -> None:
    found = layer(6, 4, 3, 3)
    pictures, images = drawn(found)
    assert (pictures.columns, pictures.count) == (4, 24)
    np.testing.assert_array_equal(images[4 * 5 + 2], found.weights[5, 2])
    assert pictures.name_of(4 * 5 + 2, 0, 0) == "filter 6, input 3  ·  row 1, column 1"


def test_filters_that_read_one_channel_are_one_image() -> None:
    pictures, images = drawn(layer(5, 1, 7, 7))
    assert (pictures.count, pictures.columns, pictures.channels) == (5, 0, 1)
    assert images[3, 0, 0] == 1 + 3 * 49


def test_outputs_may_come_last() -> None:
    found = layer(3, 3, 2, 5, output_axis=3)  # height, width, in, out
    _, images = drawn(found)
    np.testing.assert_array_equal(images[2 * 4 + 1], found.weights[:, :, 1, 4])


def test_large_layers_are_drawn_in_part_and_say_so() -> None:
    pictures, _ = drawn(layer(512, 300, 3, 3))
    assert pictures.count * 16 <= MOST_PIXELS
    assert pictures.count % 300 == 0, "filters are whole"
    assert pictures.words.startswith(f"the first {pictures.count // 300} of 512 filters")


@pytest.mark.parametrize(("inputs", "side", "channels"), [(64, 8, 1), (784, 28, 1), (192, 8, 3)])
def test_rows_of_a_first_linear_layer_are_images(inputs: int, side: int, channels: int) -> None:
    found = layer(10, inputs)
    pictures, images = drawn(found, is_first=True)
    assert (pictures.height, pictures.width, pictures.channels) == (side, side, channels)
    first = images[1, 0, 1] if channels == 1 else images[1, 0, 1, 0]
    assert first == found.weights[1, 1]
    assert pictures_of(found, is_first=False).count == 1, "behind other layers they are no images"


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1, 1), (2000, 1000)])
def test_all_else_is_a_matrix(shape: tuple[int, ...]) -> None:
    found = layer(*shape)
    pictures, images = drawn(found, is_first=True)
    assert pictures.count == 1
    assert images[0, 7, 5] == found.weights[7, 5].item()
    assert pictures.name_of(0, 7, 5) == "output 8, input 6"
    assert ("the first" in pictures.words) == (shape[0] > 1000)


def test_filters_in_one_and_three_dimensions() -> None:
    flat = layer(6, 4, 5)
    _, images = drawn(flat)
    np.testing.assert_array_equal(images, flat.weights)
    deep = layer(2, 2, 4, 3, 3)
    _, images = drawn(deep)
    np.testing.assert_array_equal(images[8 + 4 + 3], deep.weights[1, 1, 3])


def test_white_leaves_out_the_very_largest() -> None:
    values = np.concatenate([np.full(999, -1.0), [50.0], np.zeros(5000)])
    assert white_of(values) == 1.0
    assert white_of(np.zeros(4)) == 1.0
