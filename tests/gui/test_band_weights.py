"""Weights of bands: a curve drawn by the mouse over the axis of spectra, undone, loaded from files, and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from handling import settle, wait_until
from PIL import Image
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QMenu

from gsp_studio.core.weighting import FLOOR
from gsp_studio.gui.panels.weights import WeightsPanel
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.widgets.curve_bar import CurveBar
from gsp_studio.gui.widgets.weight_curve import BRUSH, ERASE, RANGE, WeightCurve
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.pixels import read_mask, read_weights

BANDS, HEIGHT, WIDTH = 20, 6, 8
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


def scene(falling: bool = False) -> Dataset:
    """A scene of 6 x 8 pixels of 20 bands from 400 to 590 nm."""
    X = np.asfortranarray(np.random.default_rng(1).random((BANDS, HEIGHT * WIDTH)) + 0.1)
    names = [f"pixel {k}" for k in range(X.shape[1])]
    values = 400.0 + 10 * np.arange(BANDS)
    axis = Axis("band", "wavelength", "nm", values=tuple(values[::-1] if falling else values))
    return Dataset(X, (1, BANDS), "F", "scene", names, grid=(HEIGHT, WIDTH), axes=(axis,))


@pytest.fixture
def window(make_window: Callable[[], MainWindow]) -> MainWindow:
    """A window that shows the weights of a scene."""
    made = make_window()
    made.resize(1200, 820)
    session = made.session
    wait_until(lambda: session.phase.value == "no data")
    session.settings.set_choice(session.settings.choice.with_params(rank=3, method="ahals", max_iter=10))
    session.set_dataset(scene())
    wait_until(lambda: session.display.shown is not None)
    made.show_view("Weights")
    settle()
    return made


@pytest.fixture
def panel(window: MainWindow) -> WeightsPanel:
    found = window.findChild(WeightsPanel)
    assert found is not None
    return found


def curve_of(panel: WeightsPanel) -> WeightCurve:
    canvas = panel.canvas
    assert isinstance(canvas, WeightCurve)
    return canvas


def drag(curve: WeightCurve, *points: tuple[float, float], button: Qt.MouseButton = LEFT) -> None:
    """A stroke through weights of bands."""
    places = [curve.place_of(*point).toPoint() for point in points]
    QTest.mousePress(curve.viewport(), button, pos=places[0])
    for place in places[1:]:
        QTest.mouseMove(curve.viewport(), place)
    QTest.mouseRelease(curve.viewport(), button, pos=places[-1])
    settle()


@pytest.mark.parametrize("falling", [False, True])
def test_a_curve_that_is_drawn_becomes_the_weights(panel: WeightsPanel, window: MainWindow, falling: bool) -> None:
    window.session.set_dataset(scene(falling))
    settle()
    curve = curve_of(panel)
    drag(curve, (2, 0.3), (6, 0.9), (10, 0.5))
    weights = window.session.settings.weights
    assert weights is not None
    assert weights.shape == (BANDS,)
    height = curve.place_of(0, 0).y() - curve.place_of(0, 1).y()
    np.testing.assert_allclose(weights[[2, 6, 10]], [0.3, 0.9, 0.5], atol=1.5 / height)
    np.testing.assert_allclose(weights[4], 0.6, atol=0.05)
    np.testing.assert_array_equal(np.r_[weights[:2], weights[11:]], FLOOR)


def test_brush_eraser_and_the_right_button(panel: WeightsPanel, window: MainWindow) -> None:
    curve, bar = curve_of(panel), panel.surface.curve_bar
    QTest.mouseClick(bar.tools[BRUSH], LEFT)
    bar.diameter.setValue(1)
    drag(curve, (3, 0.5), (8, 0.2))
    weights = window.session.settings.weights
    np.testing.assert_array_equal(np.flatnonzero(weights == 1.0), range(3, 9))
    QTest.mouseClick(bar.tools[ERASE], LEFT)
    drag(curve, (5, 0.5), (5, 0.6))
    drag(curve, (8, 0.5), (8, 0.6), button=RIGHT)
    np.testing.assert_array_equal(np.flatnonzero(window.session.settings.weights == 1.0), [3, 4, 6, 7])
    undo = window.session.undo.stack
    undo.undo()
    np.testing.assert_array_equal(np.flatnonzero(window.session.settings.weights == 1.0), [3, 4, 6, 7, 8])
    np.testing.assert_array_equal(curve.weights[0], window.session.settings.weights)
    QTest.mouseClick(panel.undo_button, LEFT)
    np.testing.assert_array_equal(np.flatnonzero(window.session.settings.weights == 1.0), range(3, 9))
    QTest.mouseClick(panel.redo_button, LEFT)
    np.testing.assert_array_equal(np.flatnonzero(window.session.settings.weights == 1.0), [3, 4, 6, 7, 8])


def test_a_range_is_set_to_0_and_to_1(panel: WeightsPanel, window: MainWindow) -> None:
    curve, bar = curve_of(panel), panel.surface.curve_bar
    assert isinstance(bar, CurveBar)
    assert not bar.to_zero.isEnabled()
    QTest.mouseClick(bar.tools[RANGE], LEFT)
    drag(curve, (12, 0.5), (4, 0.5))
    QTest.mouseClick(bar.to_zero, LEFT)
    weights = window.session.settings.weights
    np.testing.assert_array_equal(np.flatnonzero(weights == 0.0), range(4, 13))
    QTest.mouseClick(bar.to_one, LEFT)
    np.testing.assert_array_equal(np.flatnonzero(window.session.settings.weights == 1.0), range(4, 13))
    window.session.undo.stack.undo()
    np.testing.assert_array_equal(window.session.settings.weights, weights)


def test_the_pointer_reads_the_band_in_its_unit(panel: WeightsPanel) -> None:
    curve = curve_of(panel)
    QTest.mouseMove(curve.viewport(), curve.place_of(7, 0.5).toPoint())
    settle()
    assert panel._under_pointer.text() == f"470 nm  ·  weight {FLOOR:.3f}"


def test_escape_drops_a_stroke(panel: WeightsPanel, window: MainWindow) -> None:
    curve = curve_of(panel)
    curve.setFocus()
    QTest.mousePress(curve.viewport(), LEFT, pos=curve.place_of(5, 0.8).toPoint())
    QTest.keyClick(curve, Qt.Key.Key_Escape)
    QTest.mouseRelease(curve.viewport(), LEFT, pos=curve.place_of(5, 0.8).toPoint())
    settle()
    np.testing.assert_array_equal(curve.weights, FLOOR)
    assert window.session.settings.weights is None


def test_weights_and_mask_are_kept_in_the_session_and_in_run_json(
    panel: WeightsPanel, window: MainWindow, tmp_path: Path
) -> None:
    session, store = window.session, window.session_menu.store
    session.settings.set_choice(session.settings.choice.with_params(method="wgsphals"))
    drag(curve_of(panel), (2, 0.3), (6, 0.9))
    np.save(tmp_path / "mask.npy", np.arange(BANDS) == 3)
    session.entries.load_mask(tmp_path / "mask.npy")
    wait_until(lambda: session.entries.mask is not None)
    assert "mask.npy: 5 %" in panel._mask_words.text()
    session.run()
    wait_until(lambda: session.runs.entries)
    from gsp_studio.io.run_json import read_run

    session.exports.export(tmp_path / "out", session.runs.entries[0])
    wait_until(lambda: (tmp_path / "out" / "run.json").exists())
    told = read_run(tmp_path / "out")
    np.testing.assert_array_equal(told.start.weights, session.settings.weights)
    np.testing.assert_array_equal(np.flatnonzero(told.mask.all(axis=1)), [3])
    weights, mask = session.settings.weights, session.entries.mask.values
    store.save(tmp_path / "scene.gsps", with_data=True)
    wait_until(lambda: not store.is_saving)
    assert not store.is_modified
    session.entries.load_mask("")
    assert session.entries.mask is None
    assert store.is_modified
    session.undo.stack.undo()
    np.testing.assert_array_equal(session.entries.mask.values, mask)
    session.undo.stack.redo()
    store.open(tmp_path / "scene.gsps")
    wait_until(lambda: session.entries.mask is not None and not store.is_busy)
    np.testing.assert_array_equal(session.entries.mask.values, mask)
    np.testing.assert_array_equal(session.settings.weights, weights)


def choose(panel: WeightsPanel, row: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open the menu of "Load..." by the mouse, and one of its rows by the keyboard."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    menu = panel.load.menu()
    assert isinstance(menu, QMenu)

    def press() -> None:
        for _ in range(row + 1):
            QTest.keyClick(menu, Qt.Key.Key_Down)
        QTest.keyClick(menu, Qt.Key.Key_Return)

    QTimer.singleShot(50, press)
    QTest.mouseClick(panel.load, LEFT)


def test_weights_are_loaded_from_a_file_as_a_step_that_can_be_undone(
    panel: WeightsPanel, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, wanted = window.session, np.linspace(0.0, 1.0, BANDS)
    lines = [f"{400 + 10 * k},{w!r}" for k, w in enumerate(wanted.tolist())]
    (tmp_path / "weights.csv").write_text("\n".join(["wavelength,weight", *lines]))
    choose(panel, 0, tmp_path / "weights.csv", monkeypatch)
    wait_until(lambda: session.settings.weights is not None)
    np.testing.assert_array_equal(session.settings.weights, wanted)
    np.testing.assert_array_equal(curve_of(panel).weights[0], wanted)
    session.undo.stack.undo()
    assert session.settings.weights is None


def test_what_is_no_mask_gets_a_sentence_and_changes_nothing(
    panel: WeightsPanel, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = window.session
    said: list[str] = []
    session.entries.failed.connect(lambda sentence, _: said.append(sentence))
    np.save(tmp_path / "none.npy", np.zeros(BANDS))
    choose(panel, 1, tmp_path / "none.npy", monkeypatch)
    wait_until(lambda: said)
    assert said[0].endswith("none.npy leaves out no entry; accepted are masks that are not 0 where an entry is missing")
    assert session.entries.mask is None


def test_files_of_weights_are_checked(tmp_path: Path, faces: Session) -> None:
    data, images = scene(), faces.dataset
    assert images is not None
    good = np.linspace(0.5, 1.0, BANDS)
    (tmp_path / "list.csv").write_text("weight\n" + "\n".join(map(repr, good.tolist())))
    (tmp_path / "row.txt").write_text(" ".join(map(repr, good.tolist())))
    np.save(tmp_path / "good.npy", good)
    for name in ("list.csv", "row.txt", "good.npy"):
        np.testing.assert_array_equal(read_weights(tmp_path / name, data), good)
    height, width = images.image_shape
    grey = (np.arange(height * width).reshape(height, width) % 256).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_allclose(read_weights(tmp_path / "grey.png", images), images.from_map(grey / 255.0))
    np.savetxt(tmp_path / "grey.csv", grey, delimiter=",")
    np.testing.assert_array_equal(read_weights(tmp_path / "grey.csv", images), images.from_map(grey))
    np.testing.assert_array_equal(read_mask(tmp_path / "grey.csv", images)[:, 0], images.from_map(grey) != 0)
    for name, values, message in (
        ("short.npy", good[:-1], r"shape \(19,\); accepted are that of the images, \(1, 20\), and \(20,\)"),
        ("below.npy", good - 0.6, "holds no weights; accepted are finite values >= 0, not all of them zero"),
        ("nan.npy", good * np.nan, "holds no weights"),
        ("zero.npy", good * 0, "holds no weights"),
    ):
        np.save(tmp_path / name, values)
        with pytest.raises(DatasetError, match=message):
            read_weights(tmp_path / name, data)
    (tmp_path / "words.csv").write_text("a,b\nc,d\n")
    (tmp_path / "broken.csv").write_bytes(b"\xff\xfe\x00\x01" * 9)
    for name in ("words.csv", "broken.csv", "missing.csv"):
        with pytest.raises(DatasetError, match=name):
            read_weights(tmp_path / name, data)
