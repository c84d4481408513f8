"""Choices of unmixing in a window: scales of spectra, shown and exported, and what is known of abundances."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from handling import settle, wait_until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox

from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.engine.proposal import sparsity_of_few
from gsp_studio.gui.dialogs.export import ExportDialog
from gsp_studio.gui.panels.model import ModelPanel
from gsp_studio.gui.panels.spectra import SpectraPanel
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import Dataset

BANDS, HEIGHT, WIDTH = 12, 6, 8
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def window(make_window: Callable[[], MainWindow]) -> MainWindow:
    """A window with a run of rank 3 on a scene of 6 x 8 pixels of 12 bands."""
    rng = np.random.default_rng(0)
    X = np.asfortranarray((rng.random((BANDS, 3)) + 0.05) @ rng.dirichlet(np.ones(3), HEIGHT * WIDTH).T)
    names = [f"pixel {k}" for k in range(X.shape[1])]
    axes = (Axis("band", "wavelength", "nm", values=tuple(500.0 + 10 * np.arange(BANDS))),)
    made = make_window()
    made.resize(1200, 820)
    session = made.session
    session.settings.set_choice(session.settings.choice.with_params(rank=3, method="ahals", max_iter=20))
    session.set_dataset(Dataset(X, (1, BANDS), "F", "scene", names, grid=(HEIGHT, WIDTH), axes=axes))
    wait_until(lambda: session.display.shown is not None)
    session.settings.set_choice(session.settings.choice.with_params(rank=3))
    session.run()
    wait_until(lambda: session.runs.entries)
    return made


def choose(box: QComboBox, text: str) -> None:
    """Open a box by the mouse, and choose a row by the keyboard."""
    QTest.mouseClick(box, LEFT)
    settle()
    QTest.keyClick(box.view(), Qt.Key.Key_Home)
    for _ in range(box.findText(text)):
        QTest.keyClick(box.view(), Qt.Key.Key_Down)
    QTest.keyClick(box.view(), Qt.Key.Key_Return)
    settle()


def test_spectra_are_scaled_and_their_coefficients_inversely_on_the_screen(window: MainWindow) -> None:
    session = window.session
    window.show_view("Spectra")
    settle()
    panel = window.findChild(SpectraPanel)
    assert panel is not None
    shown = session.display.shown
    assert shown is not None
    choose(panel.unit, "unit sum")
    curves = {curve.name: curve.values for curve in panel.plot.curves}
    for k in range(3):
        np.testing.assert_allclose(curves[str(k + 1)], shown.W[:, k] / shown.W[:, k].sum())
    assert panel.plot.getPlotItem().getAxis("left").labelText == "spectrum, unit sum"
    own = shown.H[0] * shown.W[:, 0].sum()
    np.testing.assert_allclose(panel.scene.values, session.dataset.maps(own[None])[0], rtol=1e-6)
    QTest.mouseClick(panel.scene.viewport(), LEFT, pos=panel.scene.place_of(2, 5).toPoint())
    assert f"coefficient of 1: {own[2 + HEIGHT * 5]:.4g}" in panel._facts.text()
    session.undo.stack.undo()
    assert panel.unit.currentText() == "as they are"
    assert panel.plot.getPlotItem().getAxis("left").labelText == "intensity"


def test_an_export_has_the_scale_of_the_window_and_says_so(window: MainWindow, tmp_path: Path) -> None:
    session = window.session
    window.show_view("Spectra")
    settle()
    panel = window.findChild(SpectraPanel)
    assert panel is not None
    choose(panel.unit, "unit maximum")
    window.prompts.export()
    settle()
    dialog = window.findChild(ExportDialog)
    assert dialog is not None
    assert dialog.extras["maps"].isChecked(), "of spectra, maps and curves are what is exported at first"
    assert dialog.extras["spectra"].isChecked()
    assert dialog.as_shown.text().endswith("spectra of unit maximum")
    dialog.folder.setText(str(tmp_path / "out"))
    QTest.mouseClick(dialog.export, LEFT)
    wait_until(lambda: (tmp_path / "out" / "run.json").exists())
    with (tmp_path / "out" / "spectra.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    heads = [f"component_{k}, basis image of unit maximum" for k in (1, 2, 3)]
    assert rows[0] == ["wavelength (nm)", *heads]
    curves = np.array(rows[1:], float)[:, 1:]
    result = session.runs.entries[0].outcome.result
    np.testing.assert_allclose(curves, result.W / result.W.max(axis=0), rtol=1e-6)
    maps = tifffile.imread(tmp_path / "out" / "maps.tif")
    product = curves @ np.array([image.ravel(order="F") for image in maps])
    np.testing.assert_allclose(product, result.W @ result.H, rtol=1e-5)
    with np.load(tmp_path / "out" / "factors.npz") as factors:
        np.testing.assert_array_equal(factors["W"], result.W)  # what repeats the run is as it was


def test_abundances_are_chosen_in_words(window: MainWindow) -> None:
    session, panel = window.session, window.findChild(ModelPanel)
    assert panel is not None
    assert panel.abundances.isVisible()

    def chosen() -> tuple[float | None, float]:
        return session.settings.params.sparsity_h, session.settings.params.sum_to_one

    choose(panel.abundances, "few materials a pixel")
    assert chosen() == (0.34, 0.0)
    choose(panel.abundances, "sum to one, softly")
    assert chosen() == (None, 0.5)
    choose(panel.abundances, "sum to one, exactly")
    assert chosen() == (None, 1.0)
    session.run()
    wait_until(lambda: len(session.runs.entries) == 2)
    np.testing.assert_allclose(session.runs.entries[1].outcome.result.H.sum(axis=0), 1.0, atol=1e-6)
    choose(panel.abundances, "free")
    assert chosen() == (None, 0.0)
    session.undo.stack.undo()
    assert panel.abundances.currentText() == "sum to one, exactly"
    session.settings.set_sparsity_h(0.6)
    assert panel.abundances.currentText() == "sum to one, exactly", "a run with both is refused in a sentence"


def test_images_have_no_abundances(faces_window: MainWindow) -> None:
    panel = faces_window.findChild(ModelPanel)
    assert panel is not None
    assert not panel.abundances.isVisible()


def test_the_sparsity_of_few_materials_is_below_that_of_one_material_a_pixel() -> None:
    for rank in (2, 3, 5, 8):
        maps = np.kron(np.eye(rank), np.ones((1, 500)))
        assert sparsity_of_few(rank) == pytest.approx(0.8 * float(hoyer_sparsity(maps.T).mean()), abs=0.02)
    assert sparsity_of_few(1) == 0
