"""Lengths of scale bars: round, as long as fits, in a unit with a readable number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsp_studio.io.scale_bar import scale_bar


@pytest.mark.parametrize(
    ("width", "spacing", "unit", "text"),
    [
        (256, 0.65, "µm", "50 µm"),
        (100, 1.0, "mm", "20 mm"),
        (512, 30.0, "m", "5 km"),
        (512, 12.0, "µm", "2 mm"),
        (64, 0.001, "µm", "20 nm"),
        (95, 3.0, "°", "50°"),
        (40, 2.5, "px apart", "20 px apart"),
        (286, 0.1, "Å", "10 Å"),
    ],
)
def test_the_longest_round_length_that_fits(width, spacing, unit, text):
    assert scale_bar(width, spacing, unit).text == text


@pytest.mark.parametrize(
    ("spacing", "unit"), [(None, "µm"), (1.0, ""), (0.0, "µm"), (-1.0, "µm"), (math.inf, "m"), (math.nan, "m")]
)
def test_no_bar_where_the_size_of_a_pixel_is_not_known(spacing, unit):
    assert scale_bar(100, spacing, unit) is None


def test_a_picture_of_two_pixels_has_no_bar():
    assert scale_bar(2, 1.0, "µm") is None


@given(st.integers(30, 10**5), st.floats(1e-30, 1e30), st.sampled_from(["nm", "µm", "m", "arcsec"]))
def test_a_bar_is_round_and_takes_a_readable_part(width, spacing, unit):
    bar = scale_bar(width, spacing, unit)
    assert bar is not None
    assert 0.1 * 0.35 * width < bar.pixels * (1 + 1e-6)
    assert 1 <= bar.pixels <= 0.35 * width * (1 + 1e-6)
    number = float(bar.text.split()[0])
    assert f"{number:e}"[0] in "125"
