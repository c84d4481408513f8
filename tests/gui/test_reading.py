"""What is read, and how: a part of the images, labels, spectra of pixels, files that are too large to load."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from handling import Listener, settle, wait_until
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QWidget

import gsp_studio as gs
from gsp_studio.backends import blocks
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.gui.dialogs.dataset_layout import LayoutDialog
from gsp_studio.gui.dialogs.preprocessing_step import StepDialog
from gsp_studio.gui.dialogs.preprocessing_steps import StepsList
from gsp_studio.gui.jobs.dataset import Preview
from gsp_studio.gui.state import Phase, RunSettings
from gsp_studio.gui.widgets.dataset_pictures import pictures_of
from gsp_studio.gui.widgets.subset import SubsetEditor
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.dataset import LoadOptions
from gsp_studio.io.montage import curve_shape
from gsp_studio.io.readers import peek, thumbnails

LEFT = Qt.MouseButton.LeftButton
N, H, W = 60, 8, 6


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    walks = np.random.default_rng(0).normal(size=(N, H, W)).cumsum(axis=0)  # as smooth as spectra are
    images = (254 * (walks - walks.min()) / np.ptp(walks)).astype(np.uint8)
    np.save(tmp_path / "x.npy", images)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(N) % 3, other=np.arange(N))
    return tmp_path / "x.npy"


def dialog_of(path: Path, show: Callable[..., QWidget], **choices: object) -> LayoutDialog:
    found = peek(path, **choices)
    dialog = show(LayoutDialog(found))
    dialog.set_preview(Preview(found, thumbnails(found)))
    return dialog


def choose(dialog: LayoutDialog, name: str, data: object) -> LoadOptions:
    """Choose an entry as a user does; the options that are asked for."""
    heard = Listener(dialog, "previewRequested")
    field = getattr(dialog, name)
    field.setCurrentIndex([field.itemData(k) for k in range(field.count())].index(data))
    field.activated.emit(field.currentIndex())
    [options] = heard["previewRequested"]
    found = peek(dialog._found.path, options)
    dialog.set_preview(Preview(found, thumbnails(found)))
    return options


# A part of the images


def test_a_part_is_counted_from_one(show: Callable[..., QWidget]) -> None:
    editor = show(SubsetEditor())
    heard = Listener(editor, "changed")
    editor.set_subset(None, 60)
    assert (editor.first.value(), editor.last.value(), editor.every.value()) == (1, 60, 1)
    assert editor.subset is None
    editor.set_subset((9, 40, 2), 60)
    assert heard.is_silent, "what is shown makes no signal"
    assert (editor.first.value(), editor.last.value(), editor.every.value()) == (10, 40, 2)
    editor.first.setValue(20)
    editor.every.setValue(1)
    assert heard["changed"] == [(19, 40, 2), (19, 40, 1)]
    refused = Listener(editor, "refused")
    editor.last.setValue(5)
    assert heard["changed"] == [(19, 40, 2), (19, 40, 1)], "what is none is not asked for"
    editor.first.setValue(3000)
    assert "the last comes after the first" in refused["refused"][0]
    assert "from 1 to 60" in refused["refused"][1]
    editor.first.setValue(1)
    editor.last.setValue(60)
    assert heard["changed"][-1] is None


def test_the_dialog_asks_for_a_part(stack: Path, show: Callable[..., QWidget]) -> None:
    dialog = dialog_of(stack, show)
    heard = Listener(dialog, "previewRequested")
    dialog.subset.last.setValue(20)
    [options] = heard["previewRequested"]
    assert options.subset == (0, 20, 1)
    found = peek(stack, options)
    dialog.set_preview(Preview(found, thumbnails(found)))
    assert "20 images of 8 × 6" in dialog._facts.text()
    dialog.subset.last.setValue(N + 1)
    assert len(heard["previewRequested"]) == 1
    assert f"from 1 to {N}" in dialog._problem.text()
    assert not dialog.accept_button.isEnabled()


def test_the_dialog_offers_labels(stack: Path, show: Callable[..., QWidget]) -> None:
    dialog = dialog_of(stack.with_suffix(".npz"), show, key="images")
    texts = [dialog.labels.itemText(k) for k in range(dialog.labels.count())]
    assert texts == ["labels", "none", "other"]
    assert choose(dialog, "labels", "other").labels == "other"
    assert [dialog.labels.itemText(k) for k in range(4)] == ["as usual", "none", "labels", "other"]
    assert choose(dialog, "labels", "").labels == ""
    assert choose(dialog, "labels", None).labels is None
    assert not dialog_of(stack, show).labels.isVisible(), "a .npy has none"


def test_the_dialog_says_where_images_are_kept(
    stack: Path, show: Callable[..., QWidget], monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = dialog_of(stack, show)
    assert dialog.storage.currentText() == "as usual: into memory"
    assert "that are free" in dialog._facts.text()
    assert choose(dialog, "storage", "disk").storage == "disk"
    assert "stays in its file" in dialog._facts.text()
    monkeypatch.setattr("gsp_studio.io.readers._LARGE", 1000)
    assert dialog_of(stack, show).storage.currentText() == "as usual: from the file, block by block"


def test_the_dialog_asks_about_nan_and_samples(stack: Path, show: Callable[..., QWidget]) -> None:
    dialog = dialog_of(stack, show)
    assert choose(dialog, "nonfinite", "drop").nonfinite == "drop"
    heard = Listener(dialog, "previewRequested")
    QTest.mouseClick(dialog.samples.buttons[1], Qt.MouseButton.LeftButton)
    [options] = heard["previewRequested"]
    assert options.samples == "pixels"
    found = peek(dialog._found.path, options)
    dialog.set_preview(Preview(found, thumbnails(found)))
    assert "then 48 spectra of 60 values" in dialog._facts.text()
    heard = Listener(dialog, "previewRequested")
    dialog.steps._add(gs.Mask(""))
    assert heard.is_silent
    assert "mask: the path is empty" in dialog._problem.text()


# Steps


def test_an_eye_switches_a_step_off(show: Callable[..., QWidget]) -> None:
    steps = show(StepsList(), 420, 200)
    steps.set_steps((gs.Crop(0, 0, 4, 4), gs.Normalize()), (4, 4))
    heard = Listener(steps, "changed")
    QTest.mouseClick(steps.list.viewport(), LEFT, pos=steps.list.eye_of(1).center())
    assert heard["changed"] == [(gs.Crop(0, 0, 4, 4), gs.Normalize(is_on=False))]
    QTest.mouseClick(steps.list.viewport(), LEFT, pos=steps.list.eye_of(1).center())
    assert heard["changed"][-1] == (gs.Crop(0, 0, 4, 4), gs.Normalize())
    place = steps.list.visualItemRect(steps.list.item(1))
    QTest.mouseClick(steps.list.viewport(), LEFT, pos=QPoint(place.right() - 40, place.center().y()))
    assert len(heard["changed"]) == 2, "a click on the words only selects"
    steps.list.setFocus()
    QTest.keyClick(steps.list, Qt.Key.Key_Space)
    assert heard["changed"][-1] == (gs.Crop(0, 0, 4, 4), gs.Normalize(is_on=False))
    before = steps.list.item(0).icon().pixmap(18).toImage()
    assert steps.list.item(1).icon().pixmap(18).toImage() != before


def test_a_mask_is_browsed_for(show: Callable[..., QWidget], monkeypatch: pytest.MonkeyPatch) -> None:
    dialog = show(StepDialog("Mask", gs.Mask("")))
    heard = Listener(dialog, "stepAccepted")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("/data/mask.png", ""))
    dialog._browse()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    dialog._browse()
    dialog._accept()
    assert heard["stepAccepted"] == [gs.Mask("/data/mask.png")]


# Spectra


def test_spectra_are_curves_and_their_coefficients_a_picture(window: MainWindow, stack: Path) -> None:
    session = window.session
    session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=10, sparsity=0.3))
    session.open(stack, LoadOptions(samples="pixels"))
    wait_until(lambda: session.display.shown is not None)
    settle()
    assert "basis spectra of 60 bands" in window.montage._caption.text()
    assert window.data._facts["shape"].text() == "60 bands, 8 × 6 pixels"
    assert window.data._facts["images"].text().startswith("48 ")
    buffer = window.montage._buffer
    assert (buffer.height, buffer.width) == curve_shape(N)
    tile = buffer.pixels[: buffer.height, : buffer.width]
    first = int(session.display.shown.order[0])
    peak = int(np.argmax(session.display.shown.W[:, first]))
    assert tile[0, peak * (buffer.width // N)] > 200, "the largest value reaches the upper edge"
    assert not tile[0].all()
    session.display.select(first)
    wait_until(lambda: window.basis._users_title.text() == "Where it is")
    [picture] = window.basis._users[0]._images
    assert (picture.width(), picture.height()) == (W, H)
    window.montage._tell_pixel(0, 0, peak)
    assert f"band {peak + 1}" in window.montage._under_pointer.text()
    session.run()
    wait_until(lambda: session.phase is Phase.IDLE)
    for view in window.centre.titles:
        window.centre.show_view(view)
        settle()
    window.centre.show_view("Inspector")
    window.inspector.pixel.plot.bandPicked.emit(5)
    assert "band 6" in window.inspector.pixel.band_words.text()


def test_from_spectra_back_to_images(window: MainWindow, stack: Path) -> None:
    session = window.session
    session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=10))
    for options, shape in ((LoadOptions(samples="pixels"), curve_shape(N)), (LoadOptions(), (H, W))):
        session.open(stack, options)
        wait_until(
            lambda: (
                not session.loader.is_loading and session.display.shown is not None and session.basis.pinned is not None
            )
        )
        settle()
        session.display.select(0)
        wait_until(lambda shape=shape: (window.montage._buffer.height, window.montage._buffer.width) == shape)
    wait_until(window.basis._users[1].isVisible)
    assert window.basis._users_title.text() == "Images that use it most"


# Files that are too large to load


def test_a_file_that_stays_on_the_disk_is_worked_on(window: MainWindow, stack: Path) -> None:
    session = window.session
    session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=5, sparsity=0.4))
    session.open(stack, LoadOptions(storage="disk"))
    wait_until(lambda: session.display.shown is not None)
    assert isinstance(session.dataset.X, BlockMatrix)
    assert "on the disk" in window.data._facts["images"].text()
    session.settings.set_sparsity(0.7)
    wait_until(lambda: session.display.shown.target == pytest.approx(0.7))
    session.run()
    wait_until(lambda: session.phase is Phase.IDLE)
    [entry] = session.runs.entries
    assert entry.outcome.result.n_iter == 5
    window.centre.show_view("Inspector")
    wait_until(lambda: window.inspector._errors is not None)
    assert window.inspector._errors.images.shape == (N,)


def test_a_file_that_goes_is_told_by_a_run_and_black_elsewhere(window: MainWindow, stack: Path) -> None:
    session = window.session
    session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=5, sparsity=0.4))
    session.open(stack, LoadOptions(storage="disk"))
    wait_until(lambda: session.display.shown is not None)
    heard = Listener(session, "failed")
    os.truncate(stack, 128)  # what is open stays readable where it is only unlinked
    for view in window.centre.titles:
        window.centre.show_view(view)
        settle()
    assert not any(map(np.any, pictures_of(session.dataset, [3, 4])))
    session.run()
    wait_until(lambda: heard["failed"])
    assert "has changed since it was looked into" in heard["failed"][0][0]


def test_cancel_does_not_wait_for_the_end_of_a_pass(
    window: MainWindow, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_BYTES_AT_ONCE", 1)  # 64 images
    images = np.random.default_rng(0).integers(1, 255, (6400, H, W), np.uint8)
    np.save(stack, images)
    session = window.session
    session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=1000, tol=0.0, sparsity=0.4))
    session.open(stack, LoadOptions(storage="disk"))
    wait_until(lambda: session.basis.pinned is not None)
    read = BlockMatrix.blocks

    def slowly(self: BlockMatrix) -> object:
        for block in read(self):
            time.sleep(0.02)
            yield block

    monkeypatch.setattr(BlockMatrix, "blocks", slowly)  # a pass takes two seconds
    session.run()
    wait_until(lambda: session.phase is not Phase.IDLE)
    time.sleep(0.3)
    began = time.monotonic()
    session.cancel()
    wait_until(lambda: session.phase is Phase.IDLE)
    assert time.monotonic() - began < 1.5, "it ended within the pass that it was in"
