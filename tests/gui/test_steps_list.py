"""The list of steps, and the dialog of one, with no session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import legibility
import numpy as np
import pytest
import tifffile
from handling import Listener, settle, wait_until
from PIL import Image
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QWidget

import gsp_studio as gs
from gsp_studio.gui.dialogs.dataset_layout import LayoutDialog
from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.dialogs.preprocessing_step import StepDialog
from gsp_studio.gui.dialogs.preprocessing_steps import StepsList, new_step
from gsp_studio.gui.jobs.dataset import Preview
from gsp_studio.gui.theme import apply_theme, load_theme
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.readers import peek, thumbnails
from gsp_studio.io.steps import KINDS, text_of

STEPS = (gs.Crop(0, 0, 8, 8), gs.Resize(4, 4, "pad"), gs.Normalize("norm"))
Key = Qt.Key


def dialog_of(kind: type[QDialog]) -> QDialog:
    [found] = [w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()]
    return found


@pytest.fixture
def steps(show: Callable[..., QWidget]) -> StepsList:
    made = show(StepsList(), 420, 200)
    made.set_steps(STEPS, (4, 4))
    return made


def test_steps_are_listed_in_words(steps: StepsList) -> None:
    heard = Listener(steps, "changed")
    assert steps.steps == STEPS
    assert [steps.list.item(k).text() for k in range(3)] == list(map(text_of, STEPS))
    steps.set_steps(STEPS, (4, 4))
    steps.set_steps(STEPS[:1], (4, 4))
    assert heard.is_silent, "what is shown makes no signal"


@pytest.mark.parametrize("width", [270, 300, 330, 335, 340, 345, 350])
def test_texts_are_whole_beside_a_scroll_bar(steps: StepsList, width: int) -> None:
    steps.resize(width, steps.height())
    steps.set_steps(tuple(new_step(kind, (24, 30)) for kind in KINDS), (24, 30))
    settle()
    assert steps.list.verticalScrollBar().isVisible()
    told = set()
    for row in range(steps.list.count()):
        steps.list.scrollToItem(steps.list.item(row))
        settle()
        told |= {text.words for text in legibility.texts_of(steps.list.viewport(), steps)}
    assert not [words for words in told if "…" in words or "..." in words]
    for step in steps.steps:
        assert all(word in " ".join(told) for word in text_of(step).split())


def test_eyes_follow_the_theme(steps: StepsList, app: QApplication) -> None:
    steps.list.item(1).setCheckState(Qt.CheckState.Unchecked)
    try:
        for scheme in ("light", "dark"):
            apply_theme(app, load_theme(scheme))
            settle()
            colours = [steps.list.item(row).foreground().color().name() for row in range(2)]
            assert colours == [load_theme(scheme).text, load_theme(scheme).text_disabled]
    finally:
        apply_theme(app, load_theme("dark"))


def test_a_box_switches_a_step_off(steps: StepsList) -> None:
    heard = Listener(steps, "changed")
    steps.list.item(1).setCheckState(Qt.CheckState.Unchecked)
    assert heard["changed"] == [(STEPS[0], replace(STEPS[1], is_on=False), STEPS[2])]


def test_dragging_moves_a_step(steps: StepsList) -> None:
    heard = Listener(steps, "changed")
    steps.list.model().moveRow(QModelIndex(), 2, QModelIndex(), 0)  # what a drag within the list does
    assert heard["changed"] == [(STEPS[2], STEPS[0], STEPS[1])]


def test_keys_move_and_remove(steps: StepsList) -> None:
    heard = Listener(steps, "changed")
    steps.list.setCurrentRow(2)
    steps.list.setFocus()
    QTest.keyClick(steps.list, Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    QTest.keyClick(steps.list, Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    QTest.keyClick(steps.list, Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert steps.steps == (STEPS[2], STEPS[0], STEPS[1])
    QTest.keyClick(steps.list, Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert steps.steps == (STEPS[0], STEPS[2], STEPS[1])
    QTest.keyClick(steps.list, Key.Key_Delete)
    assert steps.steps == (STEPS[0], STEPS[1])
    assert len(heard["changed"]) == 4
    assert steps.remove_button.isEnabled()
    steps.set_steps((), (4, 4))
    assert not steps.remove_button.isEnabled()


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_step_of_each_kind(steps: StepsList, kind: str) -> None:
    heard = Listener(steps, "changed")
    steps.ask_for(kind)
    asked = dialog_of(StepDialog)
    if kind == "mask":
        assert not asked.accept_button.isEnabled(), "a mask without a file cannot be applied"
        QTest.keyClicks(asked.editors["path"], "/masks/eye.png")
        wanted: object = gs.Mask("/masks/eye.png")
    else:
        wanted = new_step(kind, (4, 4))
    asked.findChild(type(asked.editors[next(iter(asked.editors))])).setFocus()
    QTest.keyClick(asked, Key.Key_Return)
    assert heard["changed"] == [(*STEPS, wanted)]


def test_the_numbers_of_a_step(steps: StepsList) -> None:
    steps.list.setCurrentRow(1)
    QTest.mouseClick(steps.edit_button, Qt.MouseButton.LeftButton)
    asked = dialog_of(StepDialog)
    assert list(asked.editors) == ["height", "width", "how"]
    asked.editors["width"].setValue(7)
    asked.editors["how"].setCurrentIndex(0)
    QTest.keyClick(asked, Key.Key_Return)
    assert steps.steps[1] == gs.Resize(4, 7, "stretch")
    steps.edit()
    QTest.keyClick(dialog_of(StepDialog), Key.Key_Escape)
    settle()
    assert steps.steps[1] == gs.Resize(4, 7, "stretch")


def test_the_dialog_previews_what_the_steps_give(show: Callable[..., QWidget], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (20, 12, 10), np.uint8))
    dialog = show(LayoutDialog(peek(tmp_path / "x.npy")))
    heard = Listener(dialog, "previewRequested", "optionsAccepted")
    dialog.steps._add(gs.Patches(4, 4, 500))
    [options] = heard["previewRequested"]
    assert options.steps == (gs.Patches(4, 4, 500),)
    found = peek(tmp_path / "x.npy", options)
    dialog.set_preview(Preview(found, thumbnails(found)))
    assert "then 500 of 4 × 4" in dialog._facts.text()
    dialog._accept()
    assert heard["optionsAccepted"][0].steps == options.steps


def test_images_of_many_sizes_are_brought_to_one(make_window: Callable[[], MainWindow], tmp_path: Path) -> None:
    for k, shape in enumerate([(16, 16), (20, 16), (16, 24), (30, 30)]):
        Image.fromarray(np.random.default_rng(k).integers(0, 255, shape, np.uint8)).save(tmp_path / f"{k}.png")
    window = make_window()
    session = window.session
    wait_until(lambda: session.phase.name == "EMPTY")
    window.prompts.open(tmp_path)
    wait_until(lambda: [w for w in QApplication.topLevelWidgets() if isinstance(w, ErrorDialog) and w.isVisible()])
    dialog_of(ErrorDialog).accept()
    wait_until(lambda: [w for w in QApplication.topLevelWidgets() if isinstance(w, LayoutDialog) and w.isVisible()])
    dialog = dialog_of(LayoutDialog)
    wait_until(lambda: dialog.accept_button.isEnabled())
    assert dialog.steps.steps == (gs.Resize(128, 128),)
    dialog.accept_button.click()
    wait_until(lambda: session.dataset is not None)
    assert session.dataset.image_shape == (128, 128)
    assert session.dataset.X.shape[1] == 4


def test_files_of_two_planes_open_with_a_question(make_window: Callable[[], MainWindow], tmp_path: Path) -> None:
    for k in range(5):
        tifffile.imwrite(tmp_path / f"t{k}.tif", np.random.default_rng(k).integers(0, 255, (2, 9, 8), np.uint8))
    window = make_window()
    session = window.session
    wait_until(lambda: session.phase.name == "EMPTY")
    window.prompts.open(tmp_path)
    wait_until(lambda: [w for w in QApplication.topLevelWidgets() if isinstance(w, LayoutDialog) and w.isVisible()])
    assert session.dataset is None, "planes are not mixed without a question"
    dialog = dialog_of(LayoutDialog)
    wait_until(lambda: "mixture" in dialog._problem.text())
    dialog.pages.setFocus()
    QTest.keyClick(dialog.pages, Key.Key_Down)
    wait_until(lambda: dialog.subset.subset == (0, 10, 2) and dialog.accept_button.isEnabled())
    dialog.accept_button.click()
    wait_until(lambda: session.dataset is not None)
    assert session.dataset.X.shape[1] == 5
