"""Seeds and spectra in a window: from a scene with pure pixels to a run that begins with them, and back by undo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from handling import press_when_asked, settle, wait_until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QFileDialog

from gsp_studio.core.seeds import Seed
from gsp_studio.gui.dialogs.region import RegionDialog
from gsp_studio.gui.panels.seeds import SeedsPanel, arrays_like
from gsp_studio.gui.panels.spectra import BAND, ERROR, SpectraPanel
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.session_file.seed_texts import seeds_as_json, seeds_from_json
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.dataset import LoadOptions

BANDS, HEIGHT, WIDTH = 12, 6, 8
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A .mat with Y, M and A of 6 x 8 pixels of 12 bands, three of them pure."""
    rng = np.random.default_rng(0)
    M, A = rng.random((BANDS, 3)) + 0.05, rng.dirichlet(3 * np.ones(3), HEIGHT * WIDTH).T
    A[:, [3, 17, 40]] = np.eye(3)
    scipy.io.savemat(tmp_path / "scene.mat", {"Y": M @ A, "M": M, "A": A})
    return tmp_path / "scene.mat"


@pytest.fixture
def window(make_window: Callable[[], MainWindow], scene: Path) -> MainWindow:
    """A window with the pixels of the scene as samples, rank 3 and A-HALS."""
    made = make_window()
    made.resize(1100, 800)
    session = made.session
    choice = session.settings.choice.with_params(rank=3, method="ahals", max_iter=20)
    session.settings.set_choice(choice)
    layout = LoadOptions(key="Y", images_in="rows", image_shape=(HEIGHT, WIDTH), order="F", samples="pixels")
    session.open(scene, layout)
    wait_until(lambda: session.display.shown is not None)
    return made


@pytest.mark.parametrize("name", ["image {}", "Region of 12 x 14 pixels at row 3, column {}"])
def test_three_seeds_are_in_view_in_a_small_window(window: MainWindow, name: str) -> None:
    window.resize(1280, 720)
    window.docks["Seeds"].raise_()
    seeds = [Seed(name.format(k), np.linspace(0.1, 1.0, BANDS)) for k in range(3)]
    window.session.seeds.add(seeds)
    settle()
    panel = window.findChild(SeedsPanel)
    assert panel is not None
    room = panel.list.viewport().rect()
    for k in range(3):
        assert room.contains(panel.list.visualItemRect(panel.list.item(k))), "without scrolling"
    first, second = (panel.list.visualItemRect(panel.list.item(k)) for k in (0, 1))
    assert not first.intersects(second)


def choose(box: QComboBox, key: str) -> None:
    """Choose a row by the keyboard."""
    box.setFocus()
    box.showPopup()
    QTest.keyClick(box.view(), Qt.Key.Key_Home)
    for _ in range(box.findData(key)):
        QTest.keyClick(box.view(), Qt.Key.Key_Down)
    QTest.keyClick(box.view(), Qt.Key.Key_Return)


def test_a_students_session(window: MainWindow, scene: Path, tmp_path: Path) -> None:
    session = window.session
    panel = window.findChild(SeedsPanel)
    spectra = window.findChild(SpectraPanel)
    assert panel is not None
    assert spectra is not None
    # One click finds the pure pixels.
    panel.methods["nfindr"].click()
    wait_until(lambda: len(session.seeds.seeds) == 3)
    M = scipy.io.loadmat(scene)["M"]
    found = np.column_stack([seed.values for seed in session.seeds.seeds])
    assert {int(np.abs(M - x[:, None]).sum(axis=0).argmin()) for x in found.T} == {0, 1, 2}
    assert panel.list.count() == 3
    # Hold all, then undo and redo that.
    panel.hold.setCurrentIndex(panel.hold.findData("always"))
    panel.hold.activated.emit(panel.hold.currentIndex())
    assert {seed.hold for seed in session.seeds.seeds} == {"always"}
    session.undo.stack.undo()
    assert {seed.hold for seed in session.seeds.seeds} == {"free"}
    session.undo.stack.redo()
    # The run begins with the seeds and keeps their bits.
    session.run()
    wait_until(lambda: session.runs.entries)
    result = session.runs.entries[0].outcome.result
    assert result is not None
    np.testing.assert_array_equal(result.W, found)
    assert session.runs.entries[0].label.endswith(", 3 seeds")
    # Spectra: a pixel, a region, a band, the error, the reference.
    window.show_view("Spectra")
    settle()
    assert [curve.name for curve in spectra.plot.curves] == ["1", "2", "3"]
    assert not spectra.strip.horizontalScrollBar().isVisible(), "three maps have room"
    QTest.mouseClick(spectra.scene.viewport(), LEFT, pos=spectra.scene.place_of(2, 5).toPoint())
    pixel = next(curve for curve in spectra.plot.curves if curve.name == "pixel")
    dataset = session.dataset
    assert dataset is not None
    np.testing.assert_array_equal(pixel.values, dataset.X[:, 2 + HEIGHT * 5])
    start, end = (spectra.scene.place_of(*place).toPoint() for place in ((1, 2), (3, 6)))
    QTest.mousePress(spectra.scene.viewport(), LEFT, pos=start)
    QTest.mouseMove(spectra.scene.viewport(), (start + end) / 2)
    QTest.mouseRelease(spectra.scene.viewport(), LEFT, pos=end)
    region = next(curve for curve in spectra.plot.curves if curve.name == "region")
    places = [row + HEIGHT * column for row in range(1, 4) for column in range(2, 7)]
    np.testing.assert_allclose(region.values, dataset.X[:, places].mean(axis=1))
    spectra.seed.click()
    np.testing.assert_allclose(session.seeds.seeds[3].values, region.values)
    assert session.settings.params.rank == 4
    session.undo.stack.undo()
    assert len(session.seeds.seeds) == 3
    QTest.mouseClick(spectra.plot.viewport(), LEFT, pos=spectra.plot.place_of(7).toPoint())
    assert spectra.mode.index() == BAND
    np.testing.assert_allclose(spectra.scene.values, dataset.maps(dataset.X[[7], :])[0], rtol=1e-6)
    session.reference.load(":")
    wait_until(lambda: session.reference.truth is not None)
    names = [curve.name for curve in spectra.plot.curves]
    assert sum(name.startswith("reference") for name in names) == 3
    choose(spectra.unit, "max")
    assert all(float(curve.values.max()) == pytest.approx(1.0) for curve in spectra.plot.curves)
    spectra.mode.buttons[ERROR].click()
    for kind in ("svg", "csv"):
        spectra.save_curves(tmp_path / f"curves.{kind}")
    assert (tmp_path / "curves.svg").read_text().count("reference") >= 3
    assert (tmp_path / "curves.csv").read_text().count("\n") == BANDS + 1
    # All seeds come back from the session's file.
    store = window.session_menu.store
    store.save(tmp_path / "scene.gsps")
    wait_until(lambda: not store.is_saving)
    before = session.seeds.seeds
    session.seeds.remove((0, 1, 2))
    assert panel.list.count() == 0
    store.open(tmp_path / "scene.gsps")
    wait_until(lambda: session.seeds.seeds)
    assert [(seed.name, seed.hold) for seed in session.seeds.seeds] == [(seed.name, seed.hold) for seed in before]
    np.testing.assert_array_equal(session.seeds.seeds[1].values, before[1].values)


def test_regions_and_residuals_of_images(show: Callable[..., RegionDialog], faces: Session) -> None:
    session = faces
    dialog = show(RegionDialog(session.dataset, session.display.shown))
    heard: list[Seed] = []
    dialog.seedMade.connect(heard.append)
    dialog.number.setValue(3)
    start, end = (dialog.view.place_of(*place).toPoint() for place in ((4, 5), (9, 12)))
    QTest.mousePress(dialog.view.viewport(), LEFT, pos=start)
    QTest.mouseMove(dialog.view.viewport(), (start + end) / 2)
    QTest.mouseRelease(dialog.view.viewport(), LEFT, pos=end)
    for button in (dialog.region, dialog.whole, dialog.residual):
        button.click()
    image = session.dataset.X[:, 2]
    part = session.dataset.as_images(heard[0].values[:, None])[0]
    assert np.array_equal(part > 0, (part == session.dataset.images(2)[0]) & (part > 0))
    rows, columns = np.nonzero(part)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 9, 5, 12)
    np.testing.assert_array_equal(heard[1].values, image)
    assert np.all(heard[2].values <= image)


def test_a_number_typed_in_the_dialog_of_a_region_adds_no_seed(
    show: Callable[..., RegionDialog], faces: Session
) -> None:
    dialog = show(RegionDialog(faces.dataset, faces.display.shown))
    heard: list[Seed] = []
    dialog.seedMade.connect(heard.append)
    dialog.number.setFocus()
    QTest.keyClicks(dialog.number, "12")
    assert dialog.number.text() == "12", "typing replaces the number that was there"
    for _ in range(2):
        QTest.keyClick(dialog.number, Qt.Key.Key_Return)
    assert heard == []
    assert dialog.isVisible()
    QTest.mouseClick(dialog.whole, LEFT)
    np.testing.assert_array_equal(heard[0].values, faces.dataset.X[:, 11])


def test_the_key_of_the_view_gives_its_strip_the_arrows(window: MainWindow) -> None:
    spectra = window.findChild(SpectraPanel)
    assert spectra is not None
    window.montage.view.setFocus()
    QTest.keyClick(window.montage.view, Qt.Key.Key_7)
    assert spectra.strip.hasFocus()
    order = [int(basis) for basis in window.session.display.shown.order]
    window.session.display.select(order[0])
    QTest.keyClick(spectra.strip, Qt.Key.Key_Right)
    assert window.session.display.selected == order[1]


def test_curves_are_saved_over_another_file_only_by_word(
    window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spectra = window.findChild(SpectraPanel)
    assert spectra is not None
    window.show_view("Spectra")
    settle()
    (tmp_path / "mine.csv").write_text("mine")
    answer = (str(tmp_path / "mine"), "CSV (*.csv)")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
    said = press_when_asked("Cancel")
    QTest.mouseClick(spectra.save, LEFT)
    assert "Replace mine.csv?" in said[0]
    assert (tmp_path / "mine.csv").read_text() == "mine"
    press_when_asked("Replace")
    QTest.mouseClick(spectra.save, LEFT)
    assert (tmp_path / "mine.csv").read_text() != "mine"


def test_the_arrays_of_the_file_that_fit_are_offered(window: MainWindow) -> None:
    assert window.session.dataset is not None
    assert arrays_like(window.session.dataset) == ["M"]


def test_damaged_seeds_of_a_session_file_are_left_out_with_a_sentence() -> None:
    good = Seed("a <b>", np.arange(5.0), "first")
    [told] = seeds_as_json([good])
    problems: list[str] = []
    bad = [
        {**told, "hold": "never"},
        {**told, "values": "?"},
        7,
        seeds_as_json([replace(good, values=-good.values)])[0],
    ]
    found = seeds_from_json([told, *bad, seeds_as_json([Seed("long", np.ones(99))])[0]], 5, problems)
    assert [(seed.name, seed.hold) for seed in found] == [("a <b>", "first")]
    np.testing.assert_array_equal(found[0].values, good.values)
    assert len(problems) == 5
    assert problems[0] == "what the window showed: seed 2 is of other images, or damaged"
