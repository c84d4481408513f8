"""The inspector with no session: what it shows of an image, the hand on strip, parts and pixels, what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import fakes
import legibility
import numpy as np
import pytest
from handling import Listener, change_theme, pixel_centre, settle, wait_until
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent, QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QToolTip, QWidget

from gsp_studio.core.residuals import fit_of_image, residuals
from gsp_studio.gui.panels import inspector as module
from gsp_studio.gui.panels.inspector import BY_ERROR, BY_NUMBER, IMAGES, MAP, InspectorPanel
from gsp_studio.gui.state import DisplayedBasis
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.adaptive_split import AdaptiveSplit
from gsp_studio.gui.widgets.picture import thumbnail
from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import Dataset

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key
SIGNALS = ("strip.picked", "basisPicked", "errorsRequested", "fitRequested", "asked")
DATA = fakes.dataset(6, 4, 40)
BASIS = fakes.shown(DATA)
ERRORS = residuals(DATA.X, BASIS.W, BASIS.H)


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> InspectorPanel:
    """A panel that knows all about 40 images of 6 x 4 and a basis of 5."""
    made = show(InspectorPanel(), 870, 600)
    made.set_dataset(DATA)
    made.set_shown(BASIS)
    made.set_errors(BASIS, ERRORS)
    settle()
    return made


def words(panel: QWidget) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def image_of(panel: InspectorPanel, plate: int) -> np.ndarray:
    return np.asarray(panel.plates.plates[plate].image, np.float64)


def point_at_part(panel: InspectorPanel, basis: int) -> None:
    QTest.mouseMove(panel.parts, panel.parts.place_of(basis).center().toPoint())


def error_without(j: int | slice, k: int = -1, data: Dataset = DATA, shown: DisplayedBasis = BASIS) -> float:
    """The relative error of an image, or of all, without a basis image: as it is defined."""
    W = shown.W.astype(np.float64)
    if k >= 0:
        W[:, k] = 0
    X = data.X[:, j].astype(np.float64)
    return float(np.linalg.norm(X - W @ shown.H[:, j].astype(np.float64)) / np.linalg.norm(X))


def percent(fraction: float) -> str:
    return f"{100 * fraction:.3f} %"


def test_titles_are_whole_where_there_is_room_beside_narrow_images(panel: InspectorPanel) -> None:
    panel.resize(760, 330)
    settle()
    assert [panel.plates.shown_title(k) for k in range(3)] == [plate.title for plate in panel.plates.plates]


def test_the_map_asks_for_its_own_room_alone(panel: InspectorPanel) -> None:
    """Else it would be scrolled for the sake of a page that is not shown, its colours' bar out of sight."""
    tall = panel.minimumSizeHint().height()
    QTest.mouseClick(panel.view.buttons[MAP], LEFT)
    settle()
    assert panel.minimumSizeHint().height() <= tall - 60
    QTest.mouseClick(panel.view.buttons[IMAGES], LEFT)
    settle()
    assert panel.minimumSizeHint().height() == tall


def test_a_scale_bar_is_there_where_the_size_of_a_pixel_is_known(panel: InspectorPanel) -> None:
    def whites() -> int:
        """White pixels of the longest row of them in the lower part of the first picture."""
        place = panel.plates.place_of(0)
        image = panel.plates.grab().toImage()
        rows = range(int(place.bottom()) - 8, int(place.bottom()))
        columns = range(int(place.left()), int(place.right()))
        return max(sum(image.pixelColor(x, y).value() == 255 for x in columns) for y in rows)

    panel.resize(870, 900)
    X = np.full(DATA.X.shape, 0.01, np.float32, order="F")
    X[0] = 1.0  # the only white pixel is at the top
    for axes, least in (((), 0), ((Axis("x", unit="mm"),), 1)):
        known = replace(DATA, X=X, axes=axes)
        panel.set_dataset(known)
        panel.set_shown(BASIS)
        panel.set_fit(BASIS, 0, fit_of_image(X[:, 0], BASIS.W, BASIS.H[:, 0]))
        settle()
        across = panel.plates.place_of(0).width()
        assert bool(whites()) is bool(least)
        if least:
            assert panel.plates._scale.text == "1 mm"
            assert whites() == pytest.approx(across / 4, abs=2)


def test_the_strip_tells_the_names_of_its_images(panel: InspectorPanel) -> None:
    names = [f"image {j + 1}" for j in range(40)]
    names[2] = "faces/<b>03</b>.png"
    panel.set_dataset(replace(DATA, names=tuple(names)))
    view = panel.strip.viewport()
    for image, text in ((1, "image 2"), (2, "image 3, faces/&lt;b&gt;03&lt;/b&gt;.png")):
        place = panel.strip.place_of(image).center()
        QApplication.sendEvent(view, QHelpEvent(QEvent.Type.ToolTip, place, view.mapToGlobal(place)))
        assert text in QToolTip.text()


def test_set_methods_never_emit(panel: InspectorPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    for image in (3, 39, -1, 40, 0):
        panel.set_image(image)
    for errors in (None, ERRORS):
        panel.set_errors(BASIS, errors)
    panel.set_fit(BASIS, 0, fit_of_image(DATA.X[:, 0], BASIS.W, BASIS.H[:, 0]))
    for basis in (2, -1):
        panel.set_selected(basis)
    panel.set_dataset(DATA)
    for shown in (BASIS, None, fakes.shown(DATA, 3)):
        panel.set_shown(shown)
    for activity in ("opening things", ""):
        panel.set_activity(activity)
    panel.view.set_index(MAP)
    panel.order.set_index(BY_ERROR)
    assert heard.is_silent
    change_theme()
    heard.heard.pop("errorsRequested")
    assert heard.is_silent


@pytest.mark.parametrize("order", ["C", "F"])
def test_original_reconstruction_and_residual(panel: InspectorPanel, order: str) -> None:
    data = fakes.dataset(6, 4, 40, order=order)
    panel.set_dataset(data)
    panel.set_shown(BASIS)
    panel.set_image(17)
    x, made = data.X[:, 17], BASIS.W @ BASIS.H[:, 17]
    for plate, vector in enumerate((x, made, x - made)):
        np.testing.assert_allclose(image_of(panel, plate), vector.reshape((6, 4), order=order), atol=1e-6)
    original, reconstruction, residual = panel.plates.plates
    assert (original.low, original.high) == (reconstruction.low, reconstruction.high) == (0.0, x.max())
    assert -residual.low == residual.high == pytest.approx(np.abs(x - made).max())
    assert f"image 18 of 40  ·  image 17  ·  error {percent(error_without(17))}" in words(panel)


def test_pixels_on_the_screen_have_the_colours_of_their_values(panel: InspectorPanel) -> None:
    panel.set_image(5)
    settle()
    picture = panel.plates.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    x, left = image_of(panel, 0), image_of(panel, 2)
    for row, column in np.ndindex(6, 4):
        grey = picture.pixelColor(pixel_centre(panel.plates, 0, row, column).toPoint())
        assert grey.red() == grey.green() == grey.blue() == pytest.approx(255 * x[row, column] / x.max(), abs=1.6)
        colour = picture.pixelColor(pixel_centre(panel.plates, 2, row, column).toPoint())
        if abs(left[row, column]) > 0.05 * np.abs(left).max():
            assert (colour.red() > colour.blue()) == (left[row, column] > 0)
    places = [panel.plates.place_of(plate) for plate in range(3)]
    assert len({(place.width(), place.height(), place.top()) for place in places}) == 1
    assert places[0].width() / places[0].height() == pytest.approx(4 / 6)


def test_residual_of_an_exact_fit_is_black(panel: InspectorPanel) -> None:
    shown = replace(BASIS, W=np.eye(24, dtype=np.float32), H=np.asarray(DATA.X))
    panel.set_shown(shown)
    settle()
    place = pixel_centre(panel.plates, 2, 3, 2).toPoint()
    assert panel.plates.grab().toImage().pixelColor(place).name() == "#000000"
    assert "error 0.000 %" in words(panel)


def test_pointing_at_a_basis_image_leaves_it_out(panel: InspectorPanel) -> None:
    panel.set_image(8)
    shares = np.linalg.norm(BASIS.W, axis=0) * BASIS.H[:, 8]
    assert panel.parts.shown().tolist() == np.argsort(-shares).tolist()
    for k in (0, 3):
        point_at_part(panel, k)
        assert (
            f"Without basis {k + 1}: {percent(error_without(8))} → {percent(error_without(8, k))} for this image, "
            f"{percent(error_without(slice(None)))} → {percent(error_without(slice(None), k))} overall"
        ) in words(panel)
        assert f"share {100 * shares[k] / shares.sum():.1f} %" in words(panel)
        W = BASIS.W.copy()
        W[:, k] = 0
        made = W @ BASIS.H[:, 8]
        np.testing.assert_allclose(image_of(panel, 1), made.reshape(6, 4), atol=1e-6)
        np.testing.assert_allclose(image_of(panel, 2), (DATA.X[:, 8] - made).reshape(6, 4), atol=1e-6)
        assert panel.plates.plates[1].title == f"Without basis {k + 1}"
    panel.plates.grab()
    QTest.mouseMove(panel.parts, QPoint(2, 2))
    np.testing.assert_allclose(image_of(panel, 1).ravel(), BASIS.W @ BASIS.H[:, 8], atol=1e-6)
    assert "Point at a basis image" in words(panel)


@pytest.mark.parametrize(("size", "beside"), [((870, 600), False), ((870, 373), True), ((1300, 480), True)])
def test_parts_are_where_there_is_room(panel: InspectorPanel, size: tuple[int, int], beside: bool) -> None:
    panel.resize(*size)
    panel.set_dataset(DATA)
    panel.set_shown(fakes.shown(DATA, 23))
    settle()
    [turning] = panel.findChildren(AdaptiveSplit)
    assert turning.is_beside == beside
    parts = panel.parts.shown().tolist()
    assert len(parts) > 3
    for basis in parts:
        box = panel.parts.place_of(basis)
        assert panel.parts.rect().contains(box.toRect())
        point_at_part(panel, basis)
        assert panel.parts.hot == basis
    assert panel.plates.place_of(0).height() >= 120
    QTest.mouseMove(panel.parts, QPoint(0, panel.parts.height() - 1))
    assert panel.parts.hot == -1


def test_all_parts_are_reached_by_wheel_bar_and_keys_where_few_have_room(panel: InspectorPanel) -> None:
    panel.resize(700, 290)
    panel.set_dataset(DATA)
    panel.set_shown(fakes.shown(DATA, 23))
    settle()
    strip = panel.parts
    few, all_parts = strip.shown().tolist(), strip.order.tolist()
    assert 0 < len(few) < len(all_parts)
    assert strip.bar.isVisible()
    seen = set(few)
    middle = QPointF(strip.rect().center())
    for _ in range(len(all_parts)):
        wheel = QWheelEvent(
            middle,
            strip.mapToGlobal(middle),
            QPoint(),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(strip, wheel)
        seen |= set(strip.shown().tolist())
    assert seen == set(all_parts)
    strip.bar.setValue(0)
    strip.setFocus()
    QTest.keyClick(strip, Qt.Key.Key_Escape)
    walked = []
    for _ in all_parts:
        QTest.keyClick(strip, Qt.Key.Key_Right)
        walked.append(strip.hot)
        assert strip.hot in strip.shown()
    assert walked == all_parts
    panel.resize(2400, 1000)
    settle()
    assert not strip.bar.isVisible()
    assert strip.shown().tolist() == all_parts


def test_texts_of_plates_stay_apart_where_there_is_little_room(panel: InspectorPanel) -> None:
    for width in (590, 620, 700):
        panel.resize(width, 290)
        settle()
        assert [sentence for sentence in legibility.problems(panel) if "Plates" in sentence] == []


def test_fits_into_the_window_s_centre(panel: InspectorPanel) -> None:
    assert panel.minimumSizeHint().height() <= 300
    assert panel.minimumSizeHint().width() <= 560


def test_a_basis_image_left_out_stays_so_on_other_images_and_in_its_place(panel: InspectorPanel) -> None:
    point_at_part(panel, 3)
    before = panel.parts.shown().tolist()
    panel.set_image(11)
    assert f"{percent(error_without(11))} → {percent(error_without(11, 3))} for this image" in words(panel)
    assert panel.parts.shown().tolist() == before
    QTest.mouseMove(panel.parts, QPoint(2, 2))
    shares = np.linalg.norm(BASIS.W, axis=0) * BASIS.H[:, 11]
    assert panel.parts.shown().tolist() == np.argsort(-shares).tolist()


def test_a_basis_of_lower_rank_while_one_is_left_out(panel: InspectorPanel) -> None:
    point_at_part(panel, 4)
    other = fakes.shown(DATA, 3)
    panel.set_shown(other)
    assert "Point at a basis image" in words(panel)
    assert sorted(panel.parts.shown().tolist()) == [0, 1, 2]
    point_at_part(panel, 2)
    assert f"{percent(error_without(0, 2, shown=other))} for this image" in words(panel)


def test_keys_leave_basis_images_out_and_pick_them(panel: InspectorPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    panel.parts.setFocus(Qt.FocusReason.TabFocusReason)
    parts = panel.parts.shown().tolist()
    for key in (Key.Key_Right, Key.Key_Right, Key.Key_Right, Key.Key_Left):
        QTest.keyClick(panel.parts, key)
    assert panel.parts.hot == parts[1]
    assert f"Without basis {parts[1] + 1}:" in words(panel)
    QTest.keyClick(panel.parts, Key.Key_Return)
    assert heard["basisPicked"] == [parts[1]]
    QTest.keyClick(panel.parts, Key.Key_Escape)
    assert "Point at a basis image" in words(panel)
    assert heard["picked"] == []


def test_click_picks_a_basis_image(panel: InspectorPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    QTest.mouseClick(panel.parts, LEFT, pos=panel.parts.place_of(2).center().toPoint())
    QTest.mouseClick(panel.parts, LEFT, pos=QPoint(2, 2))
    assert heard["basisPicked"] == [2]


def test_overall_change_is_told_when_it_is_known(panel: InspectorPanel) -> None:
    other = fakes.shown(DATA, seed=8)
    panel.set_shown(other)
    point_at_part(panel, 1)
    assert f"{percent(error_without(0, 1, shown=other))} for this image, overall: computing..." in words(panel)
    panel.set_errors(other, residuals(DATA.X, other.W, other.H))
    everything = slice(None)
    change = (percent(error_without(everything, shown=other)), percent(error_without(everything, 1, shown=other)))
    assert "{} → {} overall".format(*change) in words(panel)


def test_click_on_the_strip_picks_an_image(panel: InspectorPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    for image in (4, 4, 1):
        QTest.mouseClick(panel.strip.viewport(), LEFT, pos=panel.strip.place_of(image).center())
        assert f"image {image + 1} of 40" in words(panel)
    assert heard["picked"] == [4, 4, 1]


def test_arrows_walk_in_the_order_shown(panel: InspectorPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    panel.setFocus()
    assert panel.strip.hasFocus()
    for key in (Key.Key_Right, Key.Key_Right, Key.Key_Left, Key.Key_End, Key.Key_Right, Key.Key_Home, Key.Key_Left):
        QTest.keyClick(panel.strip, key)
    assert heard["picked"] == [1, 2, 1, 39, 0]
    assert panel.strip.viewport().rect().contains(panel.strip.place_of(0))
    QTest.mouseClick(panel.order.buttons[BY_ERROR], LEFT)
    by_error = np.argsort([-error_without(j) for j in range(40)], kind="stable").tolist()
    for key in (Key.Key_Home, Key.Key_Right, Key.Key_Right, Key.Key_End):
        QTest.keyClick(panel.strip, key)
    assert heard["picked"][5:] == [by_error[0], by_error[1], by_error[2], by_error[-1]]
    assert panel.strip.viewport().rect().contains(panel.strip.place_of(by_error[-1]))


def test_click_on_a_picture_gives_the_keys_to_the_strip(panel: InspectorPanel) -> None:
    panel.view.buttons[IMAGES].setFocus()
    QTest.mouseClick(panel.plates, LEFT, pos=pixel_centre(panel.plates, 0, 1, 1).toPoint())
    assert panel.strip.hasFocus()


def test_largest_errors_come_first_and_back(panel: InspectorPanel) -> None:
    panel.set_image(20)
    QTest.mouseClick(panel.order.buttons[BY_ERROR], LEFT)
    errors = [error_without(j) for j in range(40)]
    assert [panel.strip.image_at(panel.strip.place_of(j).center()) for j in range(40)] == list(range(40))
    ranks = sorted(range(40), key=lambda j: panel.strip.place_of(j).x())
    assert ranks == np.argsort([-error for error in errors], kind="stable").tolist()
    assert panel.strip.viewport().rect().contains(panel.strip.place_of(ranks[0]))
    assert panel.strip._caption(ranks[0]) == percent(max(errors))
    QTest.mouseClick(panel.order.buttons[BY_NUMBER], LEFT)
    assert sorted(range(40), key=lambda j: panel.strip.place_of(j).x()) == list(range(40))
    assert panel.strip._caption(7) == "8"


def test_order_by_error_waits_for_the_errors(show: Callable[..., QWidget]) -> None:
    panel = show(InspectorPanel(), 870, 600)
    panel.set_dataset(DATA)
    panel.set_shown(BASIS)
    panel.order.buttons[BY_ERROR].click()
    assert panel.strip.place_of(1).x() > panel.strip.place_of(0).x()
    panel.set_errors(BASIS, ERRORS)
    worst = int(np.argmax(ERRORS.images))
    assert panel.strip.place_of(worst).x() == min(panel.strip.place_of(j).x() for j in range(40))


def test_wheel_scrolls_the_strip(panel: InspectorPanel) -> None:
    def turn(notches: int) -> None:
        at = QPointF(50, 50)
        buttons, none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
        turned = QPoint(0, -120 * notches)
        phase = Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(at, at, QPoint(), turned, buttons, none, phase, False)
        QApplication.sendEvent(panel.strip.viewport(), event)

    heard = Listener(panel, *SIGNALS)
    before = panel.strip.place_of(10).x()
    turn(2)
    assert panel.strip.place_of(10).x() < before
    turn(-2)
    assert panel.strip.place_of(10).x() == before
    assert heard.is_silent


def test_only_thumbnails_in_view_are_fetched(show: Callable[..., QWidget]) -> None:
    fetched: list[int] = []
    panel = show(InspectorPanel(), 870, 600)
    panel.set_dataset(DATA)
    panel.set_shown(BASIS)

    def fetch(image: int) -> np.ndarray:
        fetched.append(image)
        return np.ones((3, 5), np.float32)

    panel.strip.set_images(fetch, 100_000)
    panel.strip.set_selected(70_000)
    settle()
    assert 70_000 in fetched
    assert len(fetched) == len(set(fetched)) < 40


def test_thumbnail_of_a_large_image_is_small() -> None:
    made = thumbnail(np.linspace(0, 1, 1000 * 600).reshape(1000, 600))
    assert max(made.width(), made.height()) <= 400
    assert made.pixelColor(0, 0).red() == 0
    assert made.pixelColor(made.width() - 1, made.height() - 1).red() == 255


def test_selected_image_is_framed(panel: InspectorPanel) -> None:
    panel.set_image(3)
    settle()
    picture = panel.strip.viewport().grab().toImage()
    accent = current_theme().plot_accent
    framed = []
    for image in range(8):
        box = panel.strip.place_of(image)
        row = [picture.pixelColor(x, box.center().y()).name() for x in range(box.left() - 5, box.right() + 5)]
        framed.append(accent in row)
    assert framed == [image == 3 for image in range(8)]


def test_pixel_under_the_pointer(panel: InspectorPanel) -> None:
    panel.set_image(2)
    made = BASIS.W @ BASIS.H[:, 2]
    for plate in range(3):
        QTest.mouseMove(panel.plates, pixel_centre(panel.plates, plate, 4, 1).toPoint())
        x, y = float(DATA.X[17, 2]), float(made[17])
        signed = f"{x - y:+.4g}".replace("-", "−")
        assert f"row 5, column 2  ·  {x:.4g} − {y:.4g} = {signed}" in words(panel)
    QTest.mouseMove(panel.plates, QPoint(1, 1))
    assert "row 5" not in words(panel)


def test_map_of_the_average_squared_error(panel: InspectorPanel) -> None:
    QTest.mouseClick(panel.view.buttons[MAP], LEFT)
    squares = np.mean((DATA.X - BASIS.W.astype(np.float64) @ BASIS.H) ** 2, axis=1).reshape(6, 4)
    [plate] = panel.map.plates.plates
    np.testing.assert_allclose(plate.image, squares, rtol=1e-5)
    assert (plate.low, plate.high) == (0.0, pytest.approx(squares.max(), rel=1e-5))
    row, column = np.unravel_index(np.argmax(squares), (6, 4))
    assert f"40 images  ·  mean {squares.mean():.4g}" in words(panel)
    assert f"largest {squares.max():.4g} at row {row + 1}, column {column + 1}" in words(panel)
    QTest.mouseMove(panel.map.plates, pixel_centre(panel.map.plates, 0, 2, 3).toPoint())
    assert f"row 3, column 4  ·  {squares[2, 3]:.4g}" in words(panel)
    assert not panel.order.isVisible()
    QTest.mouseClick(panel.view.buttons[IMAGES], LEFT)
    assert panel.order.isVisible()
    assert "Point at a basis image" in words(panel)


def test_keys_change_the_view(panel: InspectorPanel) -> None:
    panel.view.buttons[IMAGES].setFocus()
    QTest.keyClick(panel.view.buttons[IMAGES], Key.Key_Right)
    assert panel.view.index() == MAP
    assert panel.map.isVisible()
    QTest.keyClick(panel.view.buttons[MAP], Key.Key_Left)
    assert panel.strip.isVisible()


def test_map_says_that_it_is_being_computed(show: Callable[..., QWidget]) -> None:
    panel = show(InspectorPanel(), 870, 600)
    panel.set_dataset(DATA)
    panel.set_shown(BASIS)
    panel.view.buttons[MAP].click()
    assert "Computing the errors..." in words(panel)
    panel.set_errors(BASIS, ERRORS)
    assert "40 images" in words(panel)


def test_errors_are_asked_for_once_and_again_for_another_basis(panel: InspectorPanel) -> None:
    heard = Listener(panel, "errorsRequested")
    settle()
    assert heard.is_silent  # these it knows
    for seed in range(5):
        panel.set_shown(fakes.shown(DATA, seed=seed))
    wait_until(lambda: heard["errorsRequested"])
    for seed in range(5):
        panel.set_shown(fakes.shown(DATA, seed=seed))
    assert not panel._errors_timer.isActive()  # one request at a time
    assert len(heard["errorsRequested"]) == 1
    panel.set_errors(BASIS, ERRORS)  # the answer comes late: there is another basis by now
    wait_until(lambda: len(heard["errorsRequested"]) == 2)
    panel.set_errors(panel._shown, None)
    assert not panel._errors_timer.isActive()  # cannot be had: nothing is asked until something changes
    panel.set_errors(panel._shown, ERRORS)
    assert not panel._errors_timer.isActive()


def test_errors_of_other_data_are_dropped(panel: InspectorPanel) -> None:
    other = fakes.dataset(6, 4, 12)
    panel.set_dataset(other)
    panel.set_shown(fakes.shown(other))
    panel.set_errors(BASIS, ERRORS)
    assert panel._errors is None


def test_strip_is_not_sorted_anew_under_the_pointer(panel: InspectorPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    panel.order.buttons[BY_ERROR].click()
    before = [panel.strip.place_of(j).x() for j in range(40)]
    monkeypatch.setattr(panel.strip, "underMouse", lambda: True)
    other = fakes.shown(DATA, seed=8)
    panel.set_shown(other)
    panel.set_errors(other, residuals(DATA.X, other.W, other.H))
    assert [panel.strip.place_of(j).x() for j in range(40)] == before
    monkeypatch.undo()
    panel.strip.left.emit()
    assert [panel.strip.place_of(j).x() for j in range(40)] != before


def test_behind_another_tab_nothing_is_computed_or_drawn(
    panel: InspectorPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(*arguments: object) -> object:
        calls.append(1)
        return fit_of_image(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "fit_of_image", counted)
    heard = Listener(panel, *SIGNALS)
    panel.hide()
    plates = panel.plates.plates
    other = fakes.shown(DATA, seed=8)
    panel.set_shown(other)
    panel.set_image(3)
    panel.set_errors(other, residuals(DATA.X, other.W, other.H))
    panel.set_shown(fakes.shown(DATA, seed=9))
    settle()
    assert not calls
    assert panel.plates.plates is plates
    assert heard.is_silent
    assert not panel._errors_timer.isActive()
    panel.show()
    assert len(calls) == 1
    assert "image 4 of 40" in words(panel)
    wait_until(lambda: heard["errorsRequested"])


def test_while_the_basis_moves_only_the_present_image_is_computed(
    panel: InspectorPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    images: list[int] = []

    def counted(x: np.ndarray, W: np.ndarray, h: np.ndarray) -> object:
        images.append(len(images))
        return fit_of_image(x, W, h)

    monkeypatch.setattr(module, "fit_of_image", counted)
    for seed in range(10):
        panel.set_shown(fakes.shown(DATA, seed=seed))
        settle()
    assert len(images) == 10
    panel.set_shown(panel._shown)
    panel.set_selected(1)
    assert len(images) == 10


def test_colours_of_the_residual_keep_their_meaning_while_its_size_lasts(panel: InspectorPanel) -> None:
    spread = panel.plates.plates[2].high
    panel.set_shown(replace(BASIS, W=BASIS.W * np.float32(0.98)))
    assert spread / 2 < np.abs(image_of(panel, 2)).max() < spread
    assert panel.plates.plates[2].high == spread
    panel.set_shown(replace(BASIS, W=BASIS.W * np.float32(40)))
    assert panel.plates.plates[2].high == pytest.approx(np.abs(image_of(panel, 2)).max())


def test_large_basis_is_left_to_who_can_wait(panel: InspectorPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAME_EVENT", 10)
    heard = Listener(panel, "fitRequested")
    panel.set_image(6)
    assert heard.is_silent
    settle()
    assert heard["fitRequested"] == [6]
    late = fit_of_image(DATA.X[:, 5], BASIS.W, BASIS.H[:, 5])
    panel.set_fit(BASIS, 5, late)
    assert "image 7 of 40" not in words(panel)
    panel.set_fit(BASIS, 6, fit_of_image(DATA.X[:, 6], BASIS.W, BASIS.H[:, 6]))
    assert f"image 7 of 40  ·  image 6  ·  error {percent(error_without(6))}" in words(panel)
    settle()
    assert heard["fitRequested"] == [6]


def test_zero_image(show: Callable[..., QWidget]) -> None:
    X = DATA.X.copy(order="F")
    X[:, 3] = 0
    data = Dataset(X, (6, 4), "C", "things", DATA.names)
    panel = show(InspectorPanel(), 870, 600)
    panel.set_dataset(data)
    panel.set_shown(BASIS)
    panel.set_errors(BASIS, residuals(X, BASIS.W, BASIS.H))
    panel.order.buttons[BY_ERROR].click()
    panel.set_image(3)
    QApplication.processEvents()  # other data may have other parts, which are laid out first
    point_at_part(panel, 0)
    assert "error none, it is zero" in words(panel)
    assert "Without basis 1: a zero image has no relative error, " in words(panel)
    assert "inf" not in words(panel)
    assert panel.strip._caption(3) == "zero"
    panel.set_shown(replace(BASIS, H=np.zeros_like(BASIS.H)))
    assert "Without basis 1: 0.000 % → 0.000 % for this image" in words(panel)
    QTest.mouseMove(panel.parts, QPoint(2, 2))
    assert "No basis image is used for this image" in words(panel)


def test_long_names_do_not_widen_the_panel(panel: InspectorPanel) -> None:
    before = panel.minimumSizeHint().width()
    panel.set_dataset(Dataset(DATA.X, (6, 4), "C", "things", ("a long name " * 50,) * 40))
    panel.set_shown(BASIS)
    settle()
    assert panel.minimumSizeHint().width() == before


@pytest.mark.parametrize("shape", [(1, 24), (24, 1)])
def test_images_of_one_row_or_column(panel: InspectorPanel, shape: tuple[int, int]) -> None:
    data = replace(DATA, image_shape=shape)
    panel.set_dataset(data)
    panel.set_shown(BASIS)
    panel.resize(500, 400)
    panel.view.buttons[MAP].click()
    settle()
    panel.view.buttons[IMAGES].click()
    settle()
    assert image_of(panel, 0).shape == shape


def test_empty_says_what_to_do(show: Callable[..., QWidget]) -> None:
    panel = show(InspectorPanel(), 870, 600)
    heard = Listener(panel, *SIGNALS)
    assert "Open your images" in words(panel)
    panel.empty.buttons["sample"].click()
    assert heard["asked"] == ["sample"]
    panel.set_activity("fitting 9 basis images for the slider")
    assert "Fitting 9 basis images for the slider..." in words(panel)
    panel.set_dataset(DATA)
    assert "Press Run" in words(panel)
    assert not panel.empty.buttons["sample"].isVisible()
    panel.set_shown(BASIS)
    panel.set_shown(None)
    assert "Press Run" in words(panel)


def test_trace_of_the_selected_basis_leads_to_an_image(panel: InspectorPanel) -> None:
    panel.set_dataset(DATA)
    panel.set_shown(BASIS)
    assert not panel.trace.isVisible(), "no basis image is selected"
    panel.set_selected(2)
    settle()
    assert panel.trace.isVisible()
    x, y = panel.trace._curve.getData()
    assert np.array_equal(x, np.arange(1, DATA.X.shape[1] + 1))
    np.testing.assert_allclose(y, BASIS.H[2])
    picked = DATA.X.shape[1] - 2
    place = panel.trace.place_of(picked + 1.0).toPoint()
    QTest.mouseClick(panel.trace.viewport(), Qt.MouseButton.LeftButton, pos=place)
    settle()
    assert f"image {picked + 1} of" in words(panel)
    assert panel.trace._line.value() == picked + 1
    panel.set_selected(-1)
    assert not panel.trace.isVisible()
