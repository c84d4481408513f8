"""The Inspector on a scene: a pixel is clicked, its spectrum, fit and parts are drawn; the error map is spatial."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from handling import settle
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from gsp_studio.core.residuals import residuals
from gsp_studio.gui.panels.inspector import ERRORS, IMAGES, MAP, InspectorPanel
from gsp_studio.gui.state import DisplayedBasis
from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import Dataset

BANDS, HEIGHT, WIDTH = 9, 5, 7
LEFT = Qt.MouseButton.LeftButton


def scene(order: str = "F") -> tuple[Dataset, DisplayedBasis]:
    """A scene of 5 x 7 pixels of 9 bands, and a basis of 3 spectra, two of which began with seeds."""
    rng = np.random.default_rng(3)
    W, H = rng.random((BANDS, 3)), rng.random((3, HEIGHT * WIDTH))
    X = np.asfortranarray(W @ H + 0.1 * rng.random((BANDS, HEIGHT * WIDTH)))
    names = [f"pixel {k}" for k in range(X.shape[1])]
    axes = (Axis("band", "wavelength", "nm", values=tuple(500.0 + 10 * np.arange(BANDS))),)
    data = Dataset(X, (1, BANDS), order, "scene", names, grid=(HEIGHT, WIDTH), axes=axes)
    shares = np.full(3, 1 / 3)
    told = {"target": 0.0, "baseline": np.nan, "origin": "run 1", "seeds": ("VCA 1", "water", "")}
    return data, DisplayedBasis(W, shares, shares, np.arange(3), H, 0.1, **told)


@pytest.fixture(params=["C", "F"])
def panel(request: pytest.FixtureRequest, show: Callable[..., QWidget]) -> InspectorPanel:
    data, basis = scene(request.param)
    made = show(InspectorPanel(), 900, 620)
    made.set_dataset(data)
    made.set_shown(basis)
    made.set_errors(basis, residuals(data.X, basis.W, basis.H))
    settle()
    return made


def click(panel: InspectorPanel, row: int, column: int) -> None:
    QTest.mouseClick(panel.pixel.scene.viewport(), LEFT, pos=panel.pixel.scene.place_of(row, column).toPoint())


def test_a_click_on_the_scene_shows_the_spectrum_of_that_pixel_its_fit_and_its_parts(panel: InspectorPanel) -> None:
    data, basis = panel._dataset, panel._shown
    assert data is not None
    assert basis is not None
    assert panel.pixel.isVisible()
    assert not panel.strip.isVisible(), "thousands of curves are no way to find a pixel"
    click(panel, 3, 5)
    sample = 3 + HEIGHT * 5 if data.order == "F" else 3 * WIDTH + 5
    curves = {curve.name: curve.values for curve in panel.pixel.plot.curves}
    np.testing.assert_array_equal(curves["pixel"], data.X[:, sample])
    np.testing.assert_allclose(curves["fit"], basis.W @ basis.H[:, sample])
    parts = [curves[name] for name in ("1, VCA 1", "2, water", "3")]
    np.testing.assert_allclose(np.sum(parts, axis=0), curves["fit"])
    np.testing.assert_allclose(curves["residual"], curves["pixel"] - curves["fit"])
    np.testing.assert_allclose(panel.pixel.scene.values, data.maps(data.X.mean(axis=0)[None])[0], rtol=1e-6)


def test_arrows_walk_through_the_scene_and_stop_at_its_edge(panel: InspectorPanel) -> None:
    click(panel, 0, 1)
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Left):
        QTest.keyClick(panel.pixel, key)
    pixel = next(curve for curve in panel.pixel.plot.curves if curve.name == "pixel")
    sample = 1 if panel._dataset.order == "F" else WIDTH
    np.testing.assert_array_equal(pixel.values, panel._dataset.X[:, sample])


def test_a_part_under_the_pointer_is_left_out_and_its_seed_named(panel: InspectorPanel) -> None:
    click(panel, 2, 2)
    QTest.mouseMove(panel.parts, panel.parts.place_of(1).center().toPoint())
    settle()
    assert "without 2" in [curve.name for curve in panel.pixel.plot.curves]
    assert panel._parts_words.text().endswith("seed water")


def test_a_click_on_the_curves_tells_the_values_of_a_band_with_its_unit(panel: InspectorPanel) -> None:
    click(panel, 2, 2)
    QTest.mouseClick(panel.pixel.plot.viewport(), LEFT, pos=panel.pixel.plot.place_of(4).toPoint())
    x, made = (next(c for c in panel.pixel.plot.curves if c.name == name).values[4] for name in ("pixel", "fit"))
    assert panel.pixel.band_words.text().startswith(f"540 nm  ·  {x:.4g} − {made:.4g} = ")


def test_the_scene_and_the_map_show_the_error_of_each_pixel_and_a_click_takes_it_apart(panel: InspectorPanel) -> None:
    data, basis = panel._dataset, panel._shown
    errors = residuals(data.X, basis.W, basis.H)
    QTest.mouseClick(panel.scene.buttons[ERRORS], LEFT)
    np.testing.assert_allclose(panel.pixel.scene.values, data.maps(errors.images[None])[0], rtol=1e-6)
    QTest.mouseClick(panel.view.buttons[MAP], LEFT)
    settle()
    [plate] = panel.map.plates.plates
    np.testing.assert_allclose(plate.image, data.maps(100 * errors.images[None])[0])
    [bands] = panel.map.bands.curves
    np.testing.assert_allclose(bands.values, errors.pixels)
    assert "nm" in panel.map._facts.text()
    place = panel.map.plates.place_of(0)
    at = place.topLeft() + QPoint(round(place.width() * 6.5 / WIDTH), round(place.height() * 1.5 / HEIGHT)).toPointF()
    QTest.mouseClick(panel.map.plates, LEFT, pos=at.toPoint())
    settle()
    assert panel.view.index() == IMAGES
    pixel = next(curve for curve in panel.pixel.plot.curves if curve.name == "pixel")
    sample = 1 + HEIGHT * 6 if data.order == "F" else WIDTH + 6
    np.testing.assert_array_equal(pixel.values, data.X[:, sample])


def test_images_after_a_scene_have_their_strip_and_plates_again(panel: InspectorPanel) -> None:
    import fakes

    images = fakes.dataset(6, 4, 10)
    panel.set_dataset(images)
    panel.set_shown(fakes.shown(images))
    settle()
    assert panel.strip.isVisible()
    assert panel.plates.isVisible()
    assert panel.order.isVisible()
    assert not panel.pixel.isVisible()
    assert not panel.scene.isVisible()
