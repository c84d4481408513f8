"""Words of the window for a cube whose samples are pixels: spectra, basis spectra and bands, in every text in view."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from handling import settle, wait_until
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDialog,
    QGroupBox,
    QLabel,
    QTableView,
    QWidget,
)

from gsp_studio.core.diagnosis import cautions
from gsp_studio.gui.panels.seeds import SeedsPanel
from gsp_studio.gui.widgets.controls import ElidedLabel
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.dataset import LoadOptions
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.nouns import IMAGES, SPECTRA

BANDS, HEIGHT, WIDTH = 12, 6, 8
#: Texts about files and their layout, which hold images whatever the samples are; and the name of a start.
ABOUT_FILES = re.compile(
    r"(?i)folder of images|PNG images|image shape, row or column|^ComboBox: images$|samples are images|PNG each|"
    r"open your images|in 12 images a spectrum each|coefficients of each pixel|in which each pixel has"
)
#: A value of a spectrum is a band; its samples are pixels.
WRONG = re.compile(
    r"(?i)\bimages?\b|\b((one|single|1|each) pixel|no pixels?)\b|"
    r"pixels? (to|in use)|\b(their|its|of all) pixels|which pixels"
)


@pytest.fixture
def window(make_window: Callable[[], MainWindow], tmp_path: Path) -> MainWindow:
    """A window with the 48 pixels of a cube of 12 bands as samples, rank 3, and a short fit."""
    rng = np.random.default_rng(0)
    M, A = rng.random((BANDS, 3)) + 0.05, rng.dirichlet(3 * np.ones(3), HEIGHT * WIDTH).T
    scipy.io.savemat(tmp_path / "scene.mat", {"Y": M @ A})
    made = make_window()
    made.resize(1280, 720)
    session = made.session
    session.settings.set_choice(session.settings.choice.with_params(rank=3, max_iter=20))
    session.open(
        tmp_path / "scene.mat",
        LoadOptions(key="Y", images_in="rows", image_shape=(HEIGHT, WIDTH), order="F", samples="pixels"),
    )
    wait_until(lambda: session.display.shown is not None)
    return made


def texts_of(root: QWidget) -> Iterator[tuple[str, str]]:
    """Every text that can be read of a window: on its widgets, in tool tips, choices, headers and menus."""
    for widget in (root, *root.findChildren(QWidget)):
        if not widget.isVisible():
            continue
        where = type(widget).__name__
        yield f"tip of {where}", widget.toolTip()
        yield f"name of {where}", widget.accessibleName()
        yield f"description of {where}", widget.accessibleDescription()
        if isinstance(widget, ElidedLabel):
            yield where, widget.text()
            yield f"tip of {where}", widget.tip
        elif isinstance(widget, QLabel | QAbstractButton):
            yield where, widget.text()
        elif isinstance(widget, QGroupBox):
            yield where, widget.title()
        elif isinstance(widget, QComboBox):
            for k in range(widget.count()):
                yield where, widget.itemText(k)
                yield f"tip of {where}", str(widget.itemData(k, Qt.ItemDataRole.ToolTipRole) or "")
        elif isinstance(widget, QTableView):
            model = widget.model()
            for k in range(model.columnCount()):
                for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
                    yield f"header of {where}", str(model.headerData(k, Qt.Orientation.Horizontal, role) or "")
    for action in root.findChildren(QAction):
        yield "action", action.text().replace("&", "")
        yield "command", action.iconText()
    yield "title", root.windowTitle()


def wrong_in(texts: Iterator[tuple[str, str]]) -> list[str]:
    """Those of other data than spectra."""
    found = [f"{where}: {text}" for where, text in texts if WRONG.search(text)]
    return [text for text in found if not ABOUT_FILES.search(text)]


def dialog_of(window: MainWindow) -> QDialog:
    """The dialog that is open."""
    [found] = [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog) and w.isVisible()]
    return found


def test_no_text_of_the_window_calls_spectra_images(window: MainWindow, tmp_path: Path) -> None:
    session = window.session
    said: list[str] = []
    session.logged.connect(said.append)
    session.activity.changed.connect(said.append)
    found = wrong_in(texts_of(window))
    session.run()
    wait_until(lambda: session.runs.entries)
    session.settings.set_choice(session.settings.choice.with_params(seed=1))
    session.run()
    wait_until(lambda: len(session.runs.entries) == 2)
    session.display.select(1)
    window.docks["Seeds"].raise_()
    for title in window.centre.titles:
        if title != "Networks":  # which is about filters
            window.show_view(title)
            settle()
            if title == "Compare":
                wait_until(lambda: window.compare._comparison is not None)
            if title == "Inspector":
                for page in (1, 0):
                    window.inspector.view.buttons[page].click()
                    wait_until(lambda: window.inspector._errors is not None)
                    settle()
                    found += wrong_in(texts_of(window))
                window.inspector.parts.hovered.emit(0)
            found += [f"{title}, {text}" for text in wrong_in(texts_of(window))]
    window.show_view("Basis")
    found += [f"tile: {text}" for text in [window.montage.view.about(0)] if WRONG.search(text)]
    for ask in (window.prompts.export, window.prompts.apply, window.prompts.rank):
        ask()
        dialog = dialog_of(window)
        found += [f"{type(dialog).__name__}, {text}" for text in wrong_in(texts_of(dialog))]
        dialog.close()
        settle()
    window.prompts.keys(window.menus)
    found += wrong_in(texts_of(dialog_of(window)))
    dialog_of(window).close()
    window.take_tour()
    assert window.tour is not None
    for _ in range(5):
        found += [text for text in wrong_in(texts_of(window)) if "TIFF" not in text]  # what opens the first data
        if window.tour is not None:
            window.tour.next.click()
    session.stability.check()
    wait_until(lambda: session.runs.current is not None and session.runs.current.stability is not None)
    found += wrong_in(texts_of(window))
    session.slider.toggle_locked(0)
    assert session.undo.stack.undoText() == "locked basis spectra"
    session.exports.export(tmp_path / "run", session.runs.entries[0], ExportOptions(extras=("report",)))
    wait_until(lambda: not session.exports.is_going)
    report = re.sub(r"<(pre|style)>.*?</\1>|<[^>]*>", " ", (tmp_path / "run" / "report.html").read_text(), flags=re.S)
    found += [f"report: {match.group()}" for match in WRONG.finditer(ABOUT_FILES.sub(" ", report))]
    found += [text for text in said if WRONG.search(text) and "opening" not in text]
    assert not found, "\n".join(dict.fromkeys(found))


def test_the_chip_warns_of_spectra(window: MainWindow) -> None:
    shown = window.session.display.shown
    assert shown is not None
    odd = replace(shown, sparsities=np.array([0.1, 0.9, 1.0]), energies=np.array([0.98, 0.01, 0.01]))
    window.chip.set_shown(odd)
    assert window.chip.accessibleDescription() == "one spectrum carries 98 %"
    assert "basis spectrum 1 is dense" in window.chip.toolTip()
    assert not WRONG.search(window.chip.toolTip())
    window.chip.set_shown(replace(odd, sparsities=np.array([0.9, 1.0, 1.0]), energies=np.array([0.4, 0.3, 0.3])))
    assert window.chip.accessibleDescription() == "2 of 3 are one band"


def test_hints_of_seeds_name_spectra(window: MainWindow) -> None:
    window.docks["Seeds"].raise_()
    settle()
    panel = window.findChild(SeedsPanel)
    assert panel is not None
    texts = [text for _, text in texts_of(panel)]
    assert any("first basis spectra of the next run" in text for text in texts)
    panel._fill_menu()
    assert "The &selected basis spectra" in [action.text() for action in panel.menu.actions()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Basis images are matched", "Basis spectra are matched"),
        ("an image and its pixels", "a spectrum and its bands"),
        ("An image", "A spectrum"),
        ("the least sparse basis image's pixel", "the least sparse basis spectrum's band"),
        ("How &many basis images?", "How &many basis spectra?"),
        ("imagery stays", "imagery stays"),
    ],
)
def test_texts_for_images_are_said_for_spectra(text: str, said: str) -> None:
    assert SPECTRA.of(text) == said
    assert IMAGES.of(text) == text


def test_cautions_have_the_words_of_the_data() -> None:
    sparsities, energies = np.array([0.1, 0.9, 0.9]), np.array([0.98, 0.01, 0.01])
    assert cautions(sparsities, energies)[0].short == "one image carries 98 %"
    [caution] = cautions(sparsities, energies, SPECTRA)
    assert caution.short == "one spectrum carries 98 %"
    assert caution.sentence.startswith("basis spectrum 1 is dense")
