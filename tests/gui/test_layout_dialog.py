"""The layout dialog with no session: the preview is asked for on every change, the options accepted are those shown."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from handling import Listener, settle
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QLabel, QPushButton, QWidget

import gsp_studio as gs
from gsp_studio.gui.dialogs.dataset_layout import LayoutDialog
from gsp_studio.gui.dialogs.preprocessing_step import StepDialog
from gsp_studio.gui.jobs.dataset import Preview
from gsp_studio.io.dataset import LoadOptions
from gsp_studio.io.readers import Peek, look_at, peek, thumbnails

SIGNALS = ("previewRequested", "optionsAccepted")


@pytest.fixture
def found(tmp_path: Path) -> Peek:
    """A matrix of 36 by 50, whose columns may be images of several shapes."""
    path = tmp_path / "matrix.npy"
    np.save(path, np.random.default_rng(0).random((36, 50)))
    return peek(path, LoadOptions(images_in="columns"))


@pytest.fixture
def dialog(show: Callable[..., QWidget], found: Peek) -> LayoutDialog:
    """The dialog with its first preview."""
    made = show(LayoutDialog(found))
    made.set_preview(Preview(found, thumbnails(found)))
    settle()
    return made


def choose(field: QComboBox, data: object) -> None:
    """Choose an entry as the user does."""
    field.setCurrentIndex([field.itemData(k) for k in range(field.count())].index(data))
    field.activated.emit(field.currentIndex())


def answer(dialog: LayoutDialog, options: LoadOptions) -> Peek:
    """What the session does with a request."""
    found = peek(dialog._found.path, options)
    images, lowest = look_at(found)
    dialog.set_preview(Preview(found, images, lowest=lowest))
    return found


def told(dialog: LayoutDialog) -> str:
    return " | ".join(label.text() for label in dialog.findChildren(QLabel) if label.isVisible())


def test_set_preview_never_emits_and_shows_the_layout(dialog: LayoutDialog, found: Peek) -> None:
    heard = Listener(dialog, *SIGNALS)
    dialog.set_preview(Preview(found, thumbnails(found)))
    dialog.set_preview(Preview(None, None, "this cannot be"))
    assert heard.is_silent
    assert dialog.images_in.currentData() == "columns"
    assert dialog.order.currentData() == found.order
    height, width = found.image_shape
    assert dialog.shape.currentText() == f"{height} x {width}"
    assert f"50 images of {height} × {width}, float64" in told(dialog)


@pytest.mark.parametrize(
    ("field", "data", "changes"),
    [
        ("order", "C", {"order": "C"}),
        ("order", "F", {"order": "F"}),
        ("shape", (4, 9), {"image_shape": (4, 9)}),
        ("images_in", "rows", {"images_in": "rows", "image_shape": None}),
        ("negative", "clip", {"negative": "clip"}),
        ("negative", None, {"negative": None}),
    ],
)
def test_every_change_asks_for_a_preview(
    dialog: LayoutDialog, found: Peek, field: str, data: object, changes: dict[str, object]
) -> None:
    heard = Listener(dialog, *SIGNALS)
    choose(getattr(dialog, field), data)
    assert heard["previewRequested"] == [replace(found.options, **changes)]
    assert heard["optionsAccepted"] == []
    assert not dialog.accept_button.isEnabled(), "what is not shown cannot be accepted"
    answer(dialog, heard["previewRequested"][0])
    assert dialog.accept_button.isEnabled()


def test_shape_typed_asks_for_a_preview(dialog: LayoutDialog) -> None:
    heard = Listener(dialog, *SIGNALS)
    line = dialog.shape.lineEdit()
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "2x18")
    dialog.order.setFocus()
    settle()
    assert [options.image_shape for options in heard["previewRequested"]] == [(2, 18)]


@pytest.mark.parametrize("text", ["nineteen", "19", "2x", "-2x18", "2x18x3"])
def test_what_is_no_shape_is_said_and_not_asked_for(dialog: LayoutDialog, text: str) -> None:
    heard = Listener(dialog, *SIGNALS)
    dialog.shape.setEditText(text)
    dialog.shape.lineEdit().editingFinished.emit()
    assert heard.is_silent
    assert "height x width" in told(dialog)


def test_problem_keeps_the_last_layout_that_worked(dialog: LayoutDialog, found: Peek) -> None:
    heard = Listener(dialog, *SIGNALS)
    choose(dialog.order, "C" if found.order == "F" else "F")
    dialog.set_preview(Preview(None, None, "this cannot be"))
    assert "⚠ this cannot be" in told(dialog)
    assert dialog.options == found.options
    assert not dialog.accept_button.isEnabled(), "it would open something else than what is chosen"
    choose(dialog.order, "C")
    answer(dialog, heard["previewRequested"][-1])
    assert "⚠" not in told(dialog)
    assert dialog.accept_button.isEnabled()


def test_open_accepts_the_options_that_are_shown(dialog: LayoutDialog) -> None:
    heard = Listener(dialog, *SIGNALS)
    choose(dialog.shape, (4, 9))
    shown = answer(dialog, heard["previewRequested"][-1])
    choose(dialog.order, "C")
    shown = answer(dialog, heard["previewRequested"][-1])
    QTest.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    assert heard["optionsAccepted"] == [shown.options]
    assert shown.options.image_shape == (4, 9)
    assert shown.options.order == "C"


def test_cancel_accepts_nothing(dialog: LayoutDialog) -> None:
    heard = Listener(dialog, *SIGNALS)
    [cancel] = [button for button in dialog.findChildren(QPushButton) if button.text() == "Cancel"]
    QTest.mouseClick(cancel, Qt.MouseButton.LeftButton)
    assert heard.is_silent


def test_preview_shows_the_images_of_the_layout(dialog: LayoutDialog) -> None:
    heard = Listener(dialog, *SIGNALS)
    before = [picture.grab().toImage() for picture in dialog._pictures]
    choose(dialog.shape, (4, 9))
    answer(dialog, heard["previewRequested"][-1])
    settle()
    assert [picture.grab().toImage() for picture in dialog._pictures] != before


def test_array_is_offered_where_there_are_several(show: Callable[..., QWidget], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "two.npz", a=rng.random((36, 50)), b=rng.random((25, 40)))
    found = peek(tmp_path / "two.npz", LoadOptions(key="a", images_in="columns"))
    dialog = show(LayoutDialog(found))
    heard = Listener(dialog, *SIGNALS)
    assert dialog.key.isVisible()
    choose(dialog.key, "b")
    [options] = heard["previewRequested"]
    assert (options.key, options.image_shape, options.order) == ("b", None, None)


def test_one_array_is_not_asked_for(dialog: LayoutDialog) -> None:
    assert not dialog.key.isVisible()
    assert dialog.order.isVisible()


def test_stack_of_images_has_its_shape(show: Callable[..., QWidget], tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", np.random.default_rng(0).random((20, 6, 5)))
    dialog = show(LayoutDialog(peek(tmp_path / "stack.npy")))
    for field in (dialog.shape, dialog.order):
        assert not field.isVisible()
    assert dialog.negative.isVisible()


def test_the_axis_of_a_stack_can_be_chosen(show: Callable[..., QWidget], tmp_path: Path) -> None:
    np.save(tmp_path / "cube.npy", np.random.default_rng(0).random((20, 6, 5)))
    found = peek(tmp_path / "cube.npy")
    dialog = show(LayoutDialog(found))
    heard = Listener(dialog, *SIGNALS)
    offered = [dialog.images_in.itemData(k) for k in range(dialog.images_in.count())]
    assert offered == ["rows", "middle", "columns"]
    assert dialog.images_in.currentText() == "first axis"
    choose(dialog.images_in, "columns")
    read = answer(dialog, heard["previewRequested"][-1])
    assert (read.n_images, read.image_shape) == (5, (20, 6))
    assert "5 images of 20 × 6" in told(dialog)


def test_one_image_can_only_be_opened_in_patches(show: Callable[..., QWidget], tmp_path: Path) -> None:
    np.save(tmp_path / "photo.npy", np.random.default_rng(0).random((64, 80, 3)))
    found = peek(tmp_path / "photo.npy")
    dialog = show(LayoutDialog(found))
    heard = Listener(dialog, *SIGNALS)
    dialog.set_preview(Preview(found, thumbnails(found)))
    assert "⚠ One image" in told(dialog)
    assert dialog.cut_button.isVisible()
    assert not dialog.accept_button.isEnabled()
    QTest.mouseClick(dialog.cut_button, Qt.MouseButton.LeftButton)
    read = answer(dialog, heard["previewRequested"][-1])
    assert read.count_after > 100
    assert "⚠" not in told(dialog)
    assert not dialog.cut_button.isVisible()
    assert dialog.accept_button.isEnabled()
    assert len(dialog.steps.steps) == 1


def test_a_step_that_failed_stays_until_it_is_mended(show: Callable[..., QWidget], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((20, 6, 5)))
    found = peek(tmp_path / "x.npy")
    dialog = show(LayoutDialog(found))
    dialog.set_preview(Preview(found, thumbnails(found)))
    heard = Listener(dialog, *SIGNALS)
    failing = gs.Crop(0, 0, 40, 5)
    dialog.steps._add(failing)
    dialog.set_preview(Preview(None, None, "does not lie within"))
    assert not dialog.accept_button.isEnabled()
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    choose(dialog.negative, "clip")
    assert heard["previewRequested"][-1].steps == (failing,), "another choice must not drop the step"
    assert heard["optionsAccepted"] == []


def test_a_step_that_leaves_negative_values_comes_with_its_cure(dialog: LayoutDialog) -> None:
    assert not dialog.clip_button.isVisible()
    heard = Listener(dialog, *SIGNALS)
    dialog.steps._add(gs.RelativeChange(50))
    answer(dialog, heard["previewRequested"][-1])
    assert "negative values" in told(dialog)
    assert not dialog.accept_button.isEnabled()
    QTest.mouseClick(dialog.clip_button, Qt.MouseButton.LeftButton)
    assert heard["previewRequested"][-1].negative == "clip"
    answer(dialog, heard["previewRequested"][-1])
    assert "negative values" not in told(dialog)
    assert not dialog.clip_button.isVisible()
    QTest.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    assert (heard["optionsAccepted"][0].negative, heard["optionsAccepted"][0].steps) == (
        "clip",
        (gs.RelativeChange(50),),
    )


def test_escape_asks_before_it_drops_steps(dialog: LayoutDialog, found: Peek) -> None:
    dialog.steps._add(gs.Normalize())
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert dialog.isVisible()
    QTest.keyClick(dialog.question.box, Qt.Key.Key_Escape)
    assert dialog.isVisible()
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    closed = Listener(dialog, "finished")
    dialog.question.buttons["discard"].click()
    assert closed["finished"] == [0]


def test_escape_asks_before_it_drops_numbers_that_were_typed(dialog: LayoutDialog, found: Peek) -> None:
    heard = Listener(dialog, *SIGNALS)
    dialog.subset.last.setFocus()
    dialog.subset.last.selectAll()
    QTest.keyClicks(dialog.subset.last, "3")
    QTest.keyClick(dialog.subset.last, Qt.Key.Key_Tab)
    assert heard["previewRequested"][-1].subset == (0, 3, 1)
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert dialog.isVisible()
    QTest.keyClick(dialog.question.box, Qt.Key.Key_Escape)
    assert dialog.isVisible()


def test_data_that_are_open_are_applied_to(show: Callable[..., QWidget], found: Peek) -> None:
    assert show(LayoutDialog(found, None, True)).accept_button.text() == "Apply"
    assert show(LayoutDialog(found)).accept_button.text() == "Open"


def test_a_warning_moves_no_field(dialog: LayoutDialog) -> None:
    before = [field.mapTo(dialog, QPoint()) for field in (dialog.shape, dialog.steps, dialog.accept_button)]
    dialog.set_problem("This cannot be, for a reason that is explained at some length here.")
    settle()
    assert [field.mapTo(dialog, QPoint()) for field in (dialog.shape, dialog.steps, dialog.accept_button)] == before


def test_dragging_on_an_image_crops_all(show: Callable[..., QWidget], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((20, 16, 12)))
    found = peek(tmp_path / "x.npy")
    dialog = show(LayoutDialog(found))
    dialog.set_preview(Preview(found, thumbnails(found)))
    settle()
    heard = Listener(dialog, *SIGNALS)
    for crop in (gs.Crop(2, 3, 8, 6), gs.Crop(3, 5, 4, 2)):
        picture = dialog._pictures[0]
        (height, width), place = dialog._shape_seen(), picture.place_of(1)
        before = found.options.steps[-1] if found.options.steps else gs.Crop(0, 0, height, width)
        top, left = crop.top - before.top, crop.left - before.left
        scale = place.height() / height
        start = QPoint(round(place.left() + (left + 0.5) * scale), round(place.top() + (top + 0.5) * scale))
        end = start + QPoint(round((crop.width - 1) * scale), round((crop.height - 1) * scale))
        QTest.mousePress(picture, Qt.MouseButton.LeftButton, pos=start)
        QTest.mouseMove(picture, end)
        QTest.mouseRelease(picture, Qt.MouseButton.LeftButton, pos=end)
        assert heard["previewRequested"][-1].steps == (crop,)
        found = answer(dialog, heard["previewRequested"][-1])
        settle()


def test_planes_are_asked_for(show: Callable[..., QWidget], tmp_path: Path) -> None:
    for k in range(6):
        tifffile.imwrite(tmp_path / f"t{k}.tif", np.full((2, 8, 8), [[[10]], [[200]]], np.uint8))
    found = peek(tmp_path)
    assert (found.is_guess, found.pages, found.n_images) == (True, 2, 12)
    dialog = show(LayoutDialog(found))
    dialog.set_preview(Preview(found, thumbnails(found)))
    assert dialog.pages.isVisible()
    assert "mixture" in told(dialog)
    assert dialog._pictures[0]._captions[:3] == ("1, plane 1", "1, plane 2", "2, plane 1")
    heard = Listener(dialog, *SIGNALS)
    choose(dialog.pages, (1, 12, 2))
    read = answer(dialog, heard["previewRequested"][-1])
    assert (read.is_guess, read.n_images) == (False, 6)
    assert "⚠" not in told(dialog)
    data = gs.load_dataset(tmp_path, options=read.options)
    assert np.allclose(data.X, 200 / 255)


@pytest.mark.parametrize(("pattern", "apart"), [("exp_t{t:02d}_z{z}_c{c}.tif", 1), ("w{c}DAPI_z{z}_t{t}.tif", 3)])
def test_planes_that_file_names_tell_are_asked_for(
    show: Callable[..., QWidget], tmp_path: Path, pattern: str, apart: int
) -> None:
    for t, z, c in itertools.product((1, 2, 11), (0, 1), (1, 2)):
        values = np.full((8, 8), 10 * z + 100 * c + t, np.uint8)
        tifffile.imwrite(tmp_path / pattern.format(t=t, z=z, c=c), values)
    found = peek(tmp_path)
    assert (found.is_guess, found.pages, found.apart, found.n_images) == (True, 4, apart, 12)
    dialog = show(LayoutDialog(found))
    dialog.set_preview(Preview(found, thumbnails(found)))
    assert "mixture" in told(dialog)
    dialog.pages.setFocus()
    heard = Listener(dialog, *SIGNALS)
    for _ in range(2 if apart == 1 else 3):
        QTest.keyClick(dialog.pages, Qt.Key.Key_Down)
    assert dialog.pages.currentText().startswith("z 0, channel 2 (" if apart == 1 else "channel 2, z 0 (")
    read = answer(dialog, heard["previewRequested"][-1])
    assert (read.is_guess, read.n_images) == (False, 3)
    data = gs.load_dataset(tmp_path, options=read.options)
    np.testing.assert_allclose(data.X[0] * 255, [201, 202, 211], rtol=1e-6)


def test_file_names_that_tell_of_no_planes_open_without_a_question(tmp_path: Path) -> None:
    for name in ("cell_t1_c1", "cell_t1_c2", "cell_t2_c1", "cell_t3_c2", "cell_t3_c1"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.ones((8, 8), np.uint8))
    assert peek(tmp_path).pages == 1, "moment 2 has one channel alone"


def test_missing_moments_are_told(tmp_path: Path) -> None:
    for t in (0, 1, 2, 5, 6, 9):
        tifffile.imwrite(tmp_path / f"pos1_t{t:03d}_ch1.tif", np.ones((8, 8), np.uint8))
    (tmp_path / "pos1_t007_ch1.tif").write_bytes((tmp_path / "pos1_t000_ch1.tif").read_bytes())
    assert peek(tmp_path).notes == ("3 moments are missing by the files' names: 3, 4, 8; the others follow each other",)
    (tmp_path / "pos1_t007_ch1.tif").unlink()
    for t in (5, 6, 9):
        (tmp_path / f"pos1_t{t:03d}_ch1.tif").rename(tmp_path / f"pos1_t{t + 90:03d}_ch1.tif")
    assert peek(tmp_path).notes == (), "hundred of six: these are no gaps"


def test_channels_that_follow_each_other_as_movies_are_asked_for(show: Callable[..., QWidget], tmp_path: Path) -> None:
    movies = np.arange(16, dtype=np.uint8).reshape(2, 8, 1, 1) * np.ones((6, 5), np.uint8)
    tifffile.imwrite(tmp_path / "x.ome.tif", movies, metadata={"axes": "CTYX"}, ome=True)
    found = peek(tmp_path / "x.ome.tif")
    assert (found.is_guess, found.pages, found.apart, found.n_images) == (True, 2, 8, 16)
    dialog = show(LayoutDialog(found))
    dialog.set_preview(Preview(found, thumbnails(found)))
    assert dialog.pages.isVisible()
    assert "mixture" in told(dialog)
    captions = [caption for picture in dialog._pictures for caption in picture._captions]
    assert captions == [f"{k}, channel {channel}" for channel in (1, 2) for k in (1, 2, 3, 4)]
    assert dialog.pages.itemText(2) == "channel 2 (number 2 of each 2)"
    heard = Listener(dialog, *SIGNALS)
    choose(dialog.pages, (8, 16, 1))
    read = answer(dialog, heard["previewRequested"][-1])
    assert (read.is_guess, read.n_images) == (False, 8)
    data = gs.load_dataset(read.path, options=read.options)
    assert data.names == tuple(f"channel 2, time {k}" for k in range(1, 9))


def test_channels_of_one_file_are_asked_for(tmp_path: Path) -> None:
    movie = np.random.default_rng(0).integers(0, 255, (5, 2, 8, 8)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "movie.tif", movie, imagej=True, metadata={"axes": "TCYX"})
    found = peek(tmp_path / "movie.tif")
    assert (found.is_guess, found.pages, found.n_images) == (True, 2, 10)
    second = gs.load_dataset(tmp_path / "movie.tif", subset=(1, 10, 2))
    assert np.allclose(second.images(), movie[:, 1] / 255)


def test_typing_replaces_the_first_number_of_a_step(show: Callable[..., QWidget]) -> None:
    asked = show(StepDialog("Crop", gs.Crop(0, 0, 32, 24), None, (32, 24)))
    heard = Listener(asked, "stepAccepted")
    asked.editors["top"].selectAll()
    QTest.keyClicks(asked.editors["top"], "40")
    assert asked.editors["top"].text() == "40"
    assert not asked.accept_button.isEnabled()
    asked.editors["top"].selectAll()
    QTest.keyClicks(asked.editors["top"], "4")
    asked.editors["height"].setValue(29)
    QTest.keyClick(asked, Qt.Key.Key_Return)
    assert heard["stepAccepted"] == [gs.Crop(3, 0, 29, 24)]


class TestSpectra:
    """Pixels or bands by one switch, and units by one line."""

    def test_the_layout_is_guessed_anew(self, show: Callable[..., QWidget], tmp_path: Path) -> None:
        np.save(tmp_path / "cube.npy", np.random.default_rng(0).random((6, 35)))
        found = peek(tmp_path / "cube.npy", LoadOptions(images_in="columns"))
        dialog = show(LayoutDialog(found))
        answer(dialog, found.options)
        heard = Listener(dialog, *SIGNALS)
        QTest.mouseClick(dialog.samples.buttons[1], Qt.MouseButton.LeftButton)
        came = answer(dialog, heard["previewRequested"][-1])
        assert (came.options.images_in, came.image_shape[0] * came.image_shape[1]) == ("rows", 35)
        assert "then 35 spectra of 6 values" in told(dialog)

    def test_axes_are_asked_for(self, dialog: LayoutDialog) -> None:
        heard = Listener(dialog, *SIGNALS)
        dialog.axes.unit.setText("um")
        dialog.axes.unit.editingFinished.emit()
        came = answer(dialog, heard["previewRequested"][-1])
        assert came.image_axes == (gs.Axis("x", unit="µm"),)
        dialog.accept_button.click()
        assert heard["optionsAccepted"][-1].axes == came.image_axes
