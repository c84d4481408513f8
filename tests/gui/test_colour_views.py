"""Images in colour are shown in colour, in every view of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handling import pixel_size, tile_centre, wait_until
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.dialogs.dataset_layout import LayoutDialog
from gsp_studio.gui.jobs import projector
from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.state import DisplayedBasis, RunSettings, View
from gsp_studio.gui.widgets.image_plates import colour_image, grey_table
from gsp_studio.gui.widgets.picture import qimage_of, scaled_to_grey
from gsp_studio.gui.widgets.tile_buffer import GAP_COLOUR, Contrast, TileBuffer
from gsp_studio.gui.widgets.tile_view import TileView
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.readers import peek

LEFT = Qt.MouseButton.LeftButton
H, W, N = 6, 4, 40


def colours(order: str = "C", n: int = N) -> Dataset:
    X = np.asfortranarray(np.random.default_rng(1).random((3 * H * W, n)).astype(np.float32))
    return Dataset(X, (H, W), order, "colours", tuple(map(str, range(n))), channels=3)  # type: ignore[arg-type]


def shown_of(basis: np.ndarray) -> DisplayedBasis:
    r = basis.shape[1]
    return DisplayedBasis(
        basis, np.zeros(r), np.full(r, 1 / r), np.arange(r)[::-1], np.ones((r, N)), 0.1, 0.5, 0.1, "run 1"
    )


def pixels_of(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def painted_colours(view: TileView, buffer: TileBuffer) -> np.ndarray:
    """The colours on the screen at the middle of every tile's every pixel: (count, height, width, 3)."""
    seen = pixels_of(view.viewport().grab().toImage())
    x, y = pixel_size(view)
    tiles = []
    for k in range(buffer.count):
        centre = tile_centre(view, k)
        columns = centre.x() + x * (np.arange(buffer.width) + 0.5 - buffer.width / 2)
        rows = centre.y() + y * (np.arange(buffer.height) + 0.5 - buffer.height / 2)
        tiles.append(seen[np.ix_(np.floor(rows).astype(int), np.floor(columns).astype(int))])
    return np.stack(tiles)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_montage_paints_colours(show: Callable[..., QWidget], order: str) -> None:
    panel, data = show(MontagePanel(), 500, 500), colours(order)
    panel.set_dataset(data)
    panel.set_view(View(colours="magma"))  # which is for greys
    shown = shown_of(data.X[:, :9].copy())
    panel.set_shown(shown)
    images = data.as_images(shown.W)[shown.order]
    expected = 254 * images / images.max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(painted_colours(panel.view, panel._buffer), expected, atol=1)
    assert set(map(tuple, panel._buffer.pixels[:, W])) == {GAP_COLOUR}
    panel._tell_pixel(0, 2, 1)
    red, green, blue = images[0, 2, 1]
    assert f"row 3, column 2  ·  {red:.4g} {green:.4g} {blue:.4g}  ·" in panel._under_pointer.text()


def test_shared_white_is_that_of_all_colours() -> None:
    data = colours()
    buffer = TileBuffer(4, H, W, channels=3)
    basis = data.X[:, :4] * np.array([1, 2, 3, 4], np.float32)
    buffer.fill(basis, np.arange(4), False, Contrast.SHARED)
    images = data.as_images(basis)
    np.testing.assert_allclose(buffer.pixels[:H, :W], 254 * images[0] / images.max(), atol=1)
    assert buffer.fits(4, H, W, 3)
    assert not buffer.fits(4, H, W)


def test_from_colours_to_greys_and_back(show: Callable[..., QWidget]) -> None:
    panel, data = show(MontagePanel(), 500, 500), colours()
    grey = Dataset(data.X[: H * W].copy(order="F"), (H, W), "C", "greys", data.names)
    panel.set_view(View(colours="viridis"))
    for dataset in (data, grey, data):
        panel.set_dataset(dataset)
        panel.set_shown(shown_of(dataset.X[:, :9].copy()))
        seen = painted_colours(panel.view, panel._buffer).reshape(-1, 3)
        if dataset is grey:
            assert len(np.unique(seen, axis=0)) <= 255, "colours of the map"
        else:
            images = data.as_images(data.X[:, :9])[::-1]
            expected = 254 * images / images.max(axis=(1, 2, 3), keepdims=True)
            np.testing.assert_allclose(seen, expected.reshape(-1, 3), atol=1)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_part_of_the_pixels_has_all_their_colours(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "GLIMPSE_ENTRIES", 9 * 3 * H * W // 4)
    data = colours(order)
    basis = data.X[:, :9]
    coarse = projector._coarse(basis, data)
    assert coarse.image_shape == (H // 2, W // 2)
    part = replace(data, X=np.asfortranarray(coarse.W), image_shape=coarse.image_shape, names=tuple("123456789"))
    np.testing.assert_array_equal(part.as_images(coarse.W), data.as_images(basis)[:, ::2, ::2])


def test_pictures_and_plates() -> None:
    image = colours().images(0)[0]
    np.testing.assert_array_equal(pixels_of(qimage_of(scaled_to_grey(image))), scaled_to_grey(image))
    low, high = 0.2, 0.7
    expected = np.clip(255 * (image - low) / (high - low), 0, 255)
    np.testing.assert_allclose(pixels_of(colour_image(image, grey_table(), low, high)), expected, atol=0.51)


def test_the_dialog_asks_for_colour_where_there_is_one(show: Callable[..., QWidget], tmp_path: Path) -> None:
    values = (255 * np.random.default_rng(0).random((8, H, W, 3))).astype(np.uint8)
    np.save(tmp_path / "colours.npy", values)
    dialog = show(LayoutDialog(peek(tmp_path / "colours.npy")))
    assert dialog.colour.isVisible()
    assert dialog.colour.currentText() == "red, green and blue"
    assert "in colour" in dialog._facts.text()
    asked = []
    dialog.previewRequested.connect(asked.append)
    dialog.colour.setCurrentIndex(0)
    dialog.colour.activated.emit(0)
    assert (asked[0].colour, asked[0].image_shape) == ("grey", (H, W))
    np.save(tmp_path / "grey.npy", values[..., 0])
    assert not show(LayoutDialog(peek(tmp_path / "grey.npy"))).colour.isVisible()


def test_the_whole_window_on_colours(make_window: Callable[[], MainWindow], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = rng.random((5, 12, 10, 3)) * (rng.random((5, 12, 10, 1)) < 0.4)
    values = np.tensordot(rng.random((60, 5)), parts, axes=1)
    np.save(tmp_path / "colours.npy", (255 * values / values.max()).astype(np.uint8))
    window = make_window()
    session = window.session
    wait_until(lambda: session.phase.name == "EMPTY")
    session.settings.set_choice(RunSettings().with_params(rank=5, max_iter=30, sparsity=0.5))
    session.open(tmp_path / "colours.npy")
    wait_until(lambda: session.display.shown is not None)
    session.run()
    wait_until(lambda: session.runs.entries)
    assert "in colour" in window.data._facts["shape"].text()
    window.montage.view.fit()
    seen = painted_colours(window.montage.view, window.montage._buffer)
    images = session.dataset.as_images(session.display.shown.W)[session.display.shown.order]
    np.testing.assert_allclose(seen, 254 * images / images.max(axis=(1, 2, 3), keepdims=True), atol=1)
    QTest.mouseClick(window.montage.view.viewport(), LEFT, pos=tile_centre(window.montage.view, 1).toPoint())
    assert pixels_of(window.basis._picture._images[0]).std(axis=2).max() > 0
    for view in ("Compare", "Inspector", "Path", "Weights"):
        window.centre.show_view(view)
        wait_until(lambda view=view: window.centre.bar is not None and not window.grab().isNull())
    wait_until(lambda: window.weights._mean is not None)
    window.weights.presets.buttons["centre"].click()
    wait_until(lambda: session.settings.weights is not None)
    assert session.settings.weights.shape == (3 * 12 * 10,)
    np.testing.assert_array_equal(session.settings.weights[:120], session.settings.weights[240:])
    window.centre.show_view("Inspector")
    wait_until(lambda: window.inspector.plates.plates)
    original, made, left = window.inspector.plates.plates
    assert original.image.shape == made.image.shape == (12, 10, 3)
    assert left.image.shape == (12, 10)
    window.inspector.plates.hovered.emit(0, 3, 2)
    assert "mean" in window.inspector.plates.pixel_words.text()
    window.inspector.view.buttons[1].click()
    wait_until(lambda: window.inspector.map.plates.plates)
    assert window.inspector.map.plates.plates[0].image.shape == (12, 10)
