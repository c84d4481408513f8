"""The whole window: data sets by drop, sample and dialog, and what cannot be opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from handling import drag_enter, greys_of, painted, settle, wait_until
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSettings, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from gsp_studio.gui.dialogs.dataset_layout import LayoutDialog
from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.panels.inspector import PICTURE
from gsp_studio.gui.state import Phase, RunSettings
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.dataset import LoadOptions
from gsp_studio.io.patches import put_back
from gsp_studio.io.resources import sample_path
from gsp_studio.io.steps import Resize

LEFT = Qt.MouseButton.LeftButton


def drop(window: MainWindow, mime: QMimeData) -> bool:
    """Drag something over the window and let it go; whether the window took it."""
    actions, keys = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    enter = drag_enter(QPoint(200, 200), mime)
    enter.ignore()
    QApplication.sendEvent(window, enter)
    if not enter.isAccepted():
        return False
    event = QDropEvent(QPointF(200, 200), actions, mime, LEFT, keys)
    QApplication.sendEvent(window, event)
    return event.isAccepted()


def files(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def wait_for(window: MainWindow, kind: type) -> object:
    wait_until(lambda: window.findChildren(kind))
    [dialog] = window.findChildren(kind)
    assert dialog.isVisible()
    return dialog


def images_folder(folder: Path, order: str = "") -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(8):
        Image.fromarray(rng.integers(0, 255, (7, 5), np.uint8)).save(folder / f"{order}{k}.png")
    return folder


def test_drop_of_a_folder_opens_it(window: MainWindow, settings: QSettings, tmp_path: Path) -> None:
    folder = images_folder(tmp_path / "my <b>pictures & more")
    window.session.settings.set_choice(RunSettings().with_params(rank=3))
    assert drop(window, files(folder))
    wait_until(lambda: window.session.basis.pinned is not None)
    assert window.session.dataset.image_shape == (7, 5)
    assert window.session.dataset.X.shape == (35, 8)
    assert settings.value("folder") == str(tmp_path)
    assert "<b>pictures & more" in window.log.lines.toPlainText()
    assert "&lt;b&gt;pictures" in window.messages.line.text()


def test_drop_of_a_file_opens_it(window: MainWindow) -> None:
    window.session.settings.set_choice(RunSettings().with_params(rank=3))
    assert drop(window, files(sample_path("swimmer")))
    wait_until(lambda: window.session.basis.pinned is not None)
    assert window.session.dataset.name == "swimmer.npz"


@pytest.mark.parametrize("urls", [["https://example.org/faces.mat"], []])
def test_drop_of_what_is_no_file_is_refused(window: MainWindow, urls: list[str]) -> None:
    mime = QMimeData()
    mime.setText("a word")
    if urls:
        mime.setUrls([QUrl(url) for url in urls])
    assert not drop(window, mime)
    assert not window.session.loader.is_loading


def test_sample_button_opens_the_faces(window: MainWindow) -> None:
    window.session.settings.set_choice(RunSettings().with_params(rank=4))
    QTest.mouseClick(window.montage.empty.buttons["sample"], LEFT)
    wait_until(lambda: window.session.display.shown is not None)
    settle()
    assert window.session.dataset.name == "faces.npz"
    assert window.data._facts["shape"].text() == "19 × 19, by rows"
    assert window.montage.view.isVisible()


def test_folder_and_file_are_asked_for(
    window: MainWindow, tmp_path: Path, settings: QSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = images_folder(tmp_path / "pictures")
    window.session.settings.set_choice(RunSettings().with_params(rank=3))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    QTest.mouseClick(window.montage.empty.buttons["folder"], LEFT)
    assert not window.session.loader.is_loading
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    QTest.mouseClick(window.montage.empty.buttons["folder"], LEFT)
    wait_until(lambda: window.session.dataset is not None)
    asked = []
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *told: (asked.append(told[2]), (str(folder), ""))[1])
    window.prompts.file()
    assert asked == [str(tmp_path)], "it begins where the last one was"
    wait_until(lambda: not window.session.loader.is_loading)


def text_file(folder: Path) -> Path:
    path = folder / "words.npy"
    path.write_text("these are words, not numbers")
    return path


def nan_file(folder: Path) -> Path:
    X = np.random.default_rng(0).random((4, 6, 6))
    X[1, 2, 3] = np.nan
    np.save(folder / "nan.npy", X)
    return folder / "nan.npy"


def negative_file(folder: Path) -> Path:
    np.save(folder / "negative.npy", np.random.default_rng(0).random((4, 6, 6)) - 0.5)
    return folder / "negative.npy"


def without_images(folder: Path) -> Path:
    (folder / "notes").mkdir()
    (folder / "notes" / "readme.txt").write_text("no images here")
    return folder / "notes"


def text_named_png(folder: Path) -> Path:
    (folder / "lies").mkdir()
    (folder / "lies" / "a.png").write_text("no image")
    return folder / "lies"


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (text_file, True),
        (nan_file, True),
        (negative_file, True),
        (without_images, False),
        (text_named_png, False),
        (lambda folder: folder / "missing.npy", False),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_sentence(
    window: MainWindow, tmp_path: Path, make: Callable[[Path], Path], remedy: bool
) -> None:
    path = make(tmp_path)
    window.prompts.open(path)
    if remedy:
        dialog = wait_for(window, ErrorDialog)
        sentence = dialog.sentence
        assert dialog.remedy.isVisible()
        assert not dialog.open_logs.isVisible(), "a log tells no more"
        assert not dialog.isModal()
        dialog.reject()
        settle()
    else:
        wait_until(window.messages.refusal.isVisible)
        sentence = window.messages.refusal.text()[2:]
    assert path.name in sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert sentence in window.log.lines.toPlainText()
    assert window.session.phase is Phase.EMPTY
    assert window.montage.empty.isVisible()
    assert not window.findChildren(ErrorDialog)


def damaged_folder(folder: Path) -> Path:
    """Eight images, one of them cut off and another one that is none."""
    images_folder(folder)
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) // 2])
    (folder / "5.png").write_bytes(b"no picture at all")
    return folder


def test_damaged_files_of_a_folder_are_left_out_by_a_click(window: MainWindow, tmp_path: Path) -> None:
    window.session.settings.set_choice(RunSettings().with_params(rank=2))
    window.prompts.open(damaged_folder(tmp_path / "album"))
    error = wait_for(window, ErrorDialog)
    assert "5.png is named like an image but is none" in error.sentence
    assert window.session.dataset is None
    assert error.remedy.text() == "Leave out damaged files"
    QTest.mouseClick(error.remedy, LEFT)
    wait_until(lambda: window.session.dataset is not None)
    dataset = window.session.dataset
    assert dataset.names == ("0.png", "1.png", "2.png", "4.png", "6.png", "7.png")
    assert np.isfinite(dataset.X).all()
    assert any(step.startswith("no pixels can be read from 3.png: 3.png is damaged") for step in dataset.steps)
    told = window.log.lines.toPlainText()
    assert "1 damaged file skipped: 5.png is named like an image but is none" in told
    assert "left out for 35 NaN or infinite values: image 4" in told


def test_steps_that_were_chosen_outlast_a_damaged_file(window: MainWindow, tmp_path: Path) -> None:
    window.session.settings.set_choice(RunSettings().with_params(rank=2))
    folder = images_folder(tmp_path / "album")
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) // 2])
    window.prompts._open(folder, LoadOptions(steps=(Resize(6, 4),)))
    error = wait_for(window, ErrorDialog)
    assert "3.png is damaged" in error.sentence
    QTest.mouseClick(error.remedy, LEFT)
    wait_until(lambda: window.session.dataset is not None)
    assert window.session.dataset.image_shape == (6, 4)
    assert window.session.dataset.X.shape[1] == 7


def test_negative_values_can_be_read_in_another_way(window: MainWindow, tmp_path: Path) -> None:
    window.session.settings.set_choice(RunSettings().with_params(rank=2))
    window.prompts.open(negative_file(tmp_path))
    error = wait_for(window, ErrorDialog)
    QTest.mouseClick(error.remedy, LEFT)
    dialog = wait_for(window, LayoutDialog)
    wait_until(dialog.clip_button.isVisible)
    assert not dialog.accept_button.isEnabled()
    index = dialog.negative.findData("clip")
    dialog.negative.setCurrentIndex(index)
    dialog.negative.activated.emit(index)
    wait_until(lambda: dialog.options.negative == "clip")
    QTest.mouseClick(dialog.accept_button, LEFT)
    wait_until(lambda: window.session.dataset is not None)
    assert window.session.dataset.X.min() == 0
    assert window.session.dataset.image_shape == (6, 6)


def test_layout_of_the_data_on_the_screen_can_be_changed(window: MainWindow, tmp_path: Path) -> None:
    np.save(tmp_path / "matrix.npy", np.random.default_rng(0).random((36, 50)))
    window.session.settings.set_choice(RunSettings().with_params(rank=3))
    window.prompts.open(tmp_path / "matrix.npy")
    dialog = wait_for(window, LayoutDialog)
    assert window.session.dataset is None
    wait_until(dialog.accept_button.isEnabled)
    before = dialog.options
    QTest.mouseClick(dialog.accept_button, LEFT)
    wait_until(lambda: window.session.basis.pinned is not None)
    assert window.session.dataset.image_shape == before.image_shape
    settle()
    assert not window.findChildren(LayoutDialog)
    QTest.mouseClick(window.data.layout_button, LEFT)
    dialog = wait_for(window, LayoutDialog)
    assert dialog.options.image_shape == before.image_shape
    other = "C" if before.order == "F" else "F"
    index = dialog.order.findData(other)
    dialog.order.setCurrentIndex(index)
    dialog.order.activated.emit(index)
    wait_until(lambda: dialog.options.order == other)
    QTest.mouseClick(dialog.accept_button, LEFT)
    wait_until(lambda: window.session.dataset.order == other)
    wait_until(lambda: window.session.display.shown is not None)


def test_layout_dialog_that_is_cancelled_opens_nothing(window: MainWindow, tmp_path: Path) -> None:
    np.save(tmp_path / "matrix.npy", np.random.default_rng(0).random((36, 50)))
    window.prompts.open(tmp_path / "matrix.npy")
    dialog = wait_for(window, LayoutDialog)
    dialog.reject()
    settle()
    assert not window.findChildren(LayoutDialog)
    assert window.session.dataset is None
    assert window.session.phase is Phase.EMPTY


def test_cbcl_faces_come_upright_after_the_layout_is_accepted(window: MainWindow, shared_data: Path) -> None:
    path = shared_data / "CBCL.mat"
    raw = scipy.io.loadmat(path)["X"]
    window.session.settings.set_choice(RunSettings().with_params(rank=16))
    window.prompts.open(path)
    dialog = wait_for(window, LayoutDialog)
    assert (dialog.options.image_shape, dialog.options.order) == ((19, 19), "F")
    wait_until(dialog.accept_button.isEnabled)
    QTest.mouseClick(dialog.accept_button, LEFT)
    wait_until(lambda: window.session.display.shown is not None)
    settle()
    data = window.session.dataset
    np.testing.assert_allclose(data.images(7)[0], raw[:, 7].reshape(19, 19, order="F"), rtol=1e-6)
    mean = data.images().mean(axis=0)
    # A face is the same on its left and right, and not on top and bottom.
    assert np.linalg.norm(mean - mean[:, ::-1]) < 0.5 * np.linalg.norm(mean - mean[::-1])
    shown = window.session.display.shown
    upright = np.stack([shown.W[:, k].reshape(19, 19, order="F") for k in shown.order])
    np.testing.assert_allclose(painted(window.montage.view, window.montage._buffer), greys_of(upright), atol=1.0)


def test_one_photograph_is_offered_in_patches_and_seen_as_a_whole(window: MainWindow, tmp_path: Path) -> None:
    """Dropped on the window, a picture is cut; the inspector puts together what the basis makes of its patches."""
    rng = np.random.default_rng(0)
    values = np.cumsum(np.cumsum(rng.standard_normal((40, 48)), axis=0), axis=1)
    picture = (255 * (values - values.min()) / np.ptp(values)).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "photo.png")
    window.session.settings.set_choice(RunSettings().with_params(rank=3))
    window.prompts.open(tmp_path / "photo.png")
    dialog = wait_for(window, LayoutDialog)
    wait_until(dialog.accept_button.isEnabled)
    assert [step.kind for step in dialog.steps.steps] == ["patches"]
    QTest.mouseClick(dialog.accept_button, LEFT)
    wait_until(lambda: window.session.display.shown is not None)
    assert window.session.dataset.whole == (1, 40, 48)
    window.centre.show_view("Inspector")
    whole = window.inspector.view.buttons[PICTURE]
    assert whole.isVisible()
    QTest.mouseClick(whole, LEFT)
    plates = window.inspector.picture.plates
    wait_until(lambda: len(plates.plates) == 3)
    np.testing.assert_allclose(plates.plates[0].image, picture / 255, atol=1e-6)

    def is_of_the_basis_on_screen() -> bool:
        shown = window.session.display.shown
        expected = put_back(window.session.dataset, shown.W, shown.H)
        return np.allclose(plates.plates[1].image, expected.reconstruction, atol=1e-6)

    wait_until(is_of_the_basis_on_screen)


def test_the_whole_picture_is_offered_for_patches_alone(faces_window: MainWindow) -> None:
    faces_window.centre.show_view("Inspector")
    assert not faces_window.inspector.view.buttons[PICTURE].isVisible()
