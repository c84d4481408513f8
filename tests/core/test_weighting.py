"""Weight images: presets where they are low and high, strokes that depend on the path and not on its points."""

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core import weighting
from gsp_studio.core.weighting import FLOOR, Stroke, brush

SHAPES = [(19, 19), (20, 31), (1, 7), (7, 1), (1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [weighting.centre, weighting.border, weighting.ramp])
@pytest.mark.parametrize("floor", [0.01, FLOOR, 0.7])
def test_presets_stay_between_the_floor_and_one(shape, make, floor):
    weights = make(shape, floor=floor)
    assert weights.shape == shape
    assert weights.dtype == np.float64
    assert weights.min() >= floor - 1e-15
    assert weights.max() <= 1.0


def test_centre_is_cheap_in_the_centre_and_border_is_its_reverse():
    weights = weighting.centre((19, 21))
    assert weights[9, 10] == FLOOR
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == 1).all()
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=1e-15)
    np.testing.assert_allclose(weighting.border((19, 21)), 1 + FLOOR - weights)


@pytest.mark.parametrize(
    ("side", "first", "last"),
    [
        ("right", (slice(None), 0), (slice(None), -1)),
        ("left", (slice(None), -1), (slice(None), 0)),
        ("bottom", (0, slice(None)), (-1, slice(None))),
        ("top", (-1, slice(None)), (0, slice(None))),
    ],
)
def test_ramp_rises_evenly_to_its_side(side, first, last):
    weights = weighting.ramp((5, 8), side)
    np.testing.assert_allclose(weights[first], FLOOR)
    np.testing.assert_allclose(weights[last], 1.0)
    steps = np.diff(weights, axis=1 if side in ("right", "left") else 0)
    np.testing.assert_allclose(steps, steps.flat[0])


def test_bright_pixels_and_large_residuals_are_cheap():
    values = np.linspace(0, 4, 200).reshape(10, 20)
    weights = weighting.from_image(values)
    assert weights[0, 0] == 1.0
    assert weights[-1, -1] == pytest.approx(FLOOR)
    assert (np.diff(weights.ravel()) <= 0).all()
    np.testing.assert_allclose(weighting.from_residual(values**2), weights)


def test_a_hot_pixel_does_not_flatten_the_rest():
    values = np.linspace(0, 1, 400).reshape(20, 20)
    hot = values.copy()
    hot[3, 3] = 1e6
    others = values != values[3, 3]
    np.testing.assert_allclose(weighting.from_image(hot)[others], weighting.from_image(values)[others], atol=0.01)
    single = np.zeros((20, 20))
    single[4, 5] = 2.0
    assert weighting.from_image(single)[4, 5] == pytest.approx(FLOOR)


def test_without_contrast_all_pixels_cost_the_same():
    assert (weighting.from_image(np.full((3, 4), 7.0)) == 1.0).all()
    assert (weighting.from_residual(np.zeros((3, 4))) == 1.0).all()


def test_inverted_twice_is_the_same():
    weights = weighting.centre((9, 9))
    np.testing.assert_allclose(weighting.invert(weighting.invert(weights)), weights)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: weighting.centre((0, 4)), "shape is"),
        (lambda: weighting.centre((3, 4), floor=0.0), "never leave"),
        (lambda: weighting.ramp((3, 4), floor=1.0), "floor is 1.0"),
        (lambda: weighting.ramp((3, 4), "up"), "side is 'up'"),
        (lambda: weighting.from_image(np.zeros(4)), "shape"),
        (lambda: weighting.from_image(np.full((2, 2), np.nan)), "NaN"),
        (lambda: weighting.from_residual(-np.ones((2, 2))), "squares holds -1"),
        (lambda: brush(np.ones((2, 2)), [(0, 0)], 1, radius=0.0), "radius is"),
        (lambda: brush(np.ones((2, 2)), [(0, 0)], 1, radius=1, strength=1.5), "strength is 1.5"),
        (lambda: brush(np.ones((2, 2)), [(0, 0)], 1, radius=1, hardness=-1), "hardness is -1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(call, said):
    with pytest.raises(ValueError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_smallest_brush_paints_the_pixels_it_meets_and_no_other():
    painted = brush(np.zeros((6, 6)), [(2.9, 1.1), (2.1, 4.8)], 1.0, radius=0.5)
    expected = np.zeros((6, 6))
    expected[2, 1:5] = 1.0
    np.testing.assert_array_equal(painted, expected)


def test_brush_is_round_full_in_the_middle_and_soft_at_the_edge():
    painted = brush(np.zeros((41, 41)), [(20.5, 20.5)], 1.0, radius=10, hardness=0.5)
    rows, columns = np.indices(painted.shape) - 20
    distance = np.hypot(rows, columns)
    assert (painted[distance <= 5] == 1.0).all()
    assert (painted[distance >= 10.5] == 0.0).all()
    edge = painted[20, 25:31]
    assert (np.diff(edge) < 0).all()
    np.testing.assert_allclose(painted, painted.T, atol=1e-12)


def test_stroke_does_not_depend_on_the_points_that_tell_its_path():
    weights = weighting.centre((30, 40))
    ends = (5.0, 3.0), (20.0, 33.0)
    many = [tuple(np.add(ends[0], t * np.subtract(ends[1], ends[0]))) for t in np.linspace(0, 1, 57)]
    few, fine = (brush(weights, points, 1.0, radius=3, strength=0.6) for points in (ends, many + many[::-1]))
    np.testing.assert_allclose(fine, few, atol=1e-9)


def test_strength_says_how_far_to_the_value():
    painted = brush(np.full((9, 9), 0.2), [(4.5, 4.5)], 1.0, radius=2, strength=0.25)
    assert painted[4, 4] == pytest.approx(0.4)
    erased = brush(painted, [(4.5, 4.5)], 0.2, radius=2)
    assert erased[4, 4] == pytest.approx(0.2)


@pytest.mark.parametrize("width", [12, 13])
def test_mirror_paints_both_sides_alike(width):
    weights = np.full((10, width), 0.1)
    painted = brush(weights, [(2.0, 1.7), (8.0, 3.2)], 1.0, radius=1.6, mirror=True)
    np.testing.assert_allclose(painted, painted[:, ::-1], atol=1e-12)
    one_side = brush(weights, [(2.0, 1.7), (8.0, 3.2)], 1.0, radius=1.6)
    np.testing.assert_allclose(painted, np.maximum(one_side, one_side[:, ::-1]), atol=1e-12)


def test_stroke_tells_where_it_has_changed_something():
    weights = np.zeros((50, 60))
    stroke = Stroke(weights, 1.0, radius=2.0, mirror=True)
    before = weights.copy()
    boxes = stroke.extend((10.0, 10.0), (12.0, 14.0))
    assert len(boxes) == 2
    changed = np.zeros(weights.shape, bool)
    for box in boxes:
        changed[box] = True
    assert (weights[~changed] == 0).all()
    assert weights.any()
    assert changed.sum() < 200
    np.testing.assert_array_equal(stroke.before(stroke.touched), before[stroke.touched])
    assert stroke.extend((-40.0, 10.0), (-30.0, 14.0)) == []


def test_brush_leaves_its_input_alone():
    weights = np.zeros((4, 4))
    brush(weights, [(1, 1)], 1.0, radius=2)
    assert not weights.any()
    assert brush(weights, [], 1.0, radius=2).tolist() == weights.tolist()


def test_weighted_projection_leaves_the_dear_pixels():
    x = np.random.default_rng(0).random((19 * 19, 8))
    weights = weighting.centre((19, 19)).ravel()
    plain, weighted = (np.abs(gs.group_sparse_projection(x, 0.6, weights=w).values) for w in (None, weights))
    dear = weights > 0.8
    share = [float((p[dear] ** 2).sum() / (p**2).sum()) for p in (plain, weighted)]
    assert share[1] < 0.5 * share[0]
