"""The sparsity panel with no session: slider, number, read-outs, bars."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import fakes
import numpy as np
import pytest
from handling import Listener, change_theme, settle
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget

from gsp_studio.gui.panels.sparsity import SparsityPanel
from gsp_studio.gui.state import Phase
from gsp_studio.gui.theme import current_theme

SIGNALS = (
    "sparsityChanged",
    "sparsityHChanged",
    "settled",
    "resetRequested",
    "refineToggled",
    "basisPicked",
    "lockToggled",
    "unlockRequested",
)


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> SparsityPanel:
    """A panel that shows a projected basis of five images, s = 0.5."""
    data = fakes.dataset()
    made = SparsityPanel()
    made.set_pinned(fakes.pinned(data, sparsity=0.3))
    made.set_phase(Phase.IDLE)
    made.set_sparsity(0.5)
    made.set_shown(fakes.shown(data, target=0.5, baseline=0.1))
    show(made, 700, 220)
    return made


def texts(panel: QWidget) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel))


def test_set_methods_never_emit(panel: SparsityPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    data = fakes.dataset()
    for s in (0.0, 0.123456, 1.0, 0.85):
        panel.set_sparsity(s)
        panel.set_sparsity_h(s)
    for phase in Phase:
        panel.set_phase(phase)
    for pinned in (fakes.pinned(data, 0.9), None):
        panel.set_pinned(pinned)
    for basis in (fakes.shown(data, 7), None, fakes.shown(data)):
        panel.set_shown(basis)
    for selected in (3, -1, 99):
        panel.set_selected(selected)
    for on in (False, True):
        panel.set_refine(on)
    for locked in ({1: 0.4}, {}):
        panel.set_locked(locked)
    change_theme()
    settle()
    assert heard.is_silent


def test_slider_and_number_show_one_value(panel: SparsityPanel) -> None:
    panel.set_sparsity(0.8512)
    assert panel.slider.value() == 0.8512
    assert panel.number.value() == 0.8512
    assert panel.number.text() == "0.8512"


def test_number_typed_and_entered_is_an_edit(panel: SparsityPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    panel.number.setFocus()
    panel.number.selectAll()
    QTest.keyClicks(panel.number, "0.7351")
    assert heard.is_silent, "nothing happens while the number is being typed"
    QTest.keyClick(panel.number, Qt.Key.Key_Return)
    assert heard["sparsityChanged"] == [0.7351]
    assert panel.slider.value() == 0.7351
    QTest.keyClick(panel.number, Qt.Key.Key_Return)
    assert heard["sparsityChanged"] == [0.7351]


def test_number_does_not_take_what_is_no_sparsity(panel: SparsityPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    panel.number.setFocus()
    panel.number.selectAll()
    QTest.keyClicks(panel.number, "7")
    QTest.keyClick(panel.number, Qt.Key.Key_Return)
    assert all(0 <= s <= 1 for s in heard["sparsityChanged"])
    assert 0 <= panel.number.value() <= 1


def test_leaving_the_number_unchanged_keeps_the_digits_it_does_not_show(panel: SparsityPanel) -> None:
    panel.set_sparsity(0.8500049)
    heard = Listener(panel, *SIGNALS)
    panel.number.setFocus()
    QTest.keyClick(panel.number, Qt.Key.Key_Return)
    panel.slider.setFocus()
    settle()
    assert heard.is_silent


def test_keys_on_the_slider_are_edits(panel: SparsityPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    QTest.keyClick(panel.slider, Qt.Key.Key_Right)
    QTest.keyClick(panel.slider, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert heard["sparsityChanged"] == [0.51, 0.511]
    assert panel.number.value() == 0.511


def test_double_click_and_button_ask_for_the_reset(panel: SparsityPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    QTest.mouseDClick(panel.slider, Qt.MouseButton.LeftButton, pos=panel.slider.handle_position().toPoint())
    panel.reset.click()
    assert len(heard["resetRequested"]) == 2
    assert heard["sparsityChanged"] == []


def test_click_on_a_bar_picks_the_basis_image_of_that_tile(panel: SparsityPanel) -> None:
    basis = fakes.shown(fakes.dataset(), order=[4, 2, 0, 1, 3])
    panel.set_shown(basis)
    heard = Listener(panel, *SIGNALS)
    each = panel.bars.width() / 5
    for tile in (0, 1, 4):
        QTest.mouseClick(panel.bars, Qt.MouseButton.LeftButton, pos=QPoint(int((tile + 0.5) * each), 30))
    assert heard["basisPicked"] == [4, 2, 3]
    assert heard["lockToggled"] == []
    QTest.mouseDClick(panel.bars, Qt.MouseButton.LeftButton, pos=QPoint(int(1.5 * each), 30))
    assert heard["lockToggled"] == [2]


def test_the_marked_bar_follows_its_basis_image_through_another_order(panel: SparsityPanel) -> None:
    panel.set_shown(fakes.shown(fakes.dataset(), order=[4, 2, 0, 1, 3]))
    panel.set_selected(2)
    assert panel.bars._selected == 1
    panel.set_shown(fakes.shown(fakes.dataset(), order=[2, 0, 1, 3, 4]))
    assert panel.bars._selected == 0


def test_held_bars_are_marked_and_unlocked_together(panel: SparsityPanel) -> None:
    def bars() -> QImage:
        settle()
        return panel.bars.grab().toImage()

    heard = Listener(panel, *SIGNALS)
    free = bars()
    assert not panel.unlock.isVisible()
    panel.set_locked({int(panel._shown.order[2]): 0.4})
    locked = bars()
    assert locked != free
    assert panel.unlock.isVisible()
    panel.set_shown(fakes.shown(fakes.dataset(), target=0.5, baseline=0.1, order=panel._shown.order[::-1]))
    assert panel.bars._locked == {2}  # where its basis image is now, the middle of five
    QTest.mouseClick(panel.unlock, Qt.MouseButton.LeftButton)
    assert heard["unlockRequested"] == [()]
    panel.set_locked({})
    assert panel.bars._locked == set()
    assert not panel.unlock.isVisible()


def test_click_where_no_bars_are_picks_nothing(panel: SparsityPanel) -> None:
    panel.set_shown(None)
    heard = Listener(panel, *SIGNALS)
    QTest.mouseClick(panel.bars, Qt.MouseButton.LeftButton, pos=QPoint(20, 30))
    assert heard.is_silent


def test_bars_are_as_high_as_sparse_in_tile_order(panel: SparsityPanel) -> None:
    basis = fakes.shown(fakes.dataset(), order=[4, 2, 0, 1, 3], target=math.nan)
    panel.set_shown(basis)
    image = panel.bars.grab().toImage()
    background = image.pixel(panel.bars.width() - 1, 0)
    each, room = panel.bars.width() / 5, panel.bars.height() - 2
    for tile, k in enumerate(basis.order):
        x = int((tile + 0.5) * each)
        filled = sum(image.pixel(x, y) != background for y in range(room))
        assert filled == pytest.approx(basis.sparsities[k] * room, abs=1.5)


def test_selected_bar_takes_the_accent_and_the_target_its_line(panel: SparsityPanel) -> None:
    panel.set_shown(fakes.shown(fakes.dataset(), order=[4, 2, 0, 1, 3], target=0.75))
    panel.set_selected(0)  # on tile 2
    image = panel.bars.grab().toImage()
    each, room = panel.bars.width() / 5, panel.bars.height() - 2
    colours = [image.pixelColor(int((tile + 0.5) * each), room - 4).name() for tile in range(5)]
    assert [name == current_theme().accent for name in colours] == [False, False, True, False, False]
    line = [image.pixelColor(2, y).name() for y in range(room)]
    near = round(room * 0.25)
    assert current_theme().curve_target in line[near - 2 : near + 3]


@pytest.mark.parametrize(
    ("changes", "pinned_at", "expected"),
    [
        ({"target": 0.5, "baseline": 0.1, "error": 0.1234}, 0.3, "projected 12.340 %  ·  +2.340 points by projecting"),
        ({"target": 0.5, "baseline": math.nan, "error": 0.1234}, 0.3, "error 12.340 %"),
        (
            {"target": 0.2, "baseline": 0.1, "error": 0.1},
            0.3,
            "projected 10.000 %  ·  not sparser than the unprojected basis: it stays as it is",
        ),
        ({"target": 0.5, "baseline": 0.2, "error": 0.1}, 0.3, "projected 10.000 %  ·  −10.000 points by projecting"),
        (
            {"target": 0.5, "baseline": 0.1, "error": 0.2761, "projected": 0.7, "iterations": 90, "is_solved": True},
            0.3,
            "solved 27.610 %   projected 70.000 %",
        ),
        (
            {"target": 0.2, "baseline": 0.1, "error": 0.09, "projected": 0.1, "iterations": 12, "is_refining": True},
            0.3,
            "refining, 12 iterations: error 9.000 %   projected 10.000 %",
        ),
        (
            {"target": 0.5, "baseline": 0.1, "error": 0.2, "projected": 0.7, "iterations": 1},
            0.3,
            "stopped after 1 iteration: error 20.000 %   projected 70.000 %",
        ),
    ],
)
def test_words_say_what_the_projection_costs_now(
    panel: SparsityPanel, changes: dict[str, float], pinned_at: float, expected: str
) -> None:
    data = fakes.dataset()
    panel.set_pinned(fakes.pinned(data, pinned_at))
    panel.set_shown(fakes.shown(data, **changes))
    told = [label.text() for label in panel.findChildren(QLabel)]
    assert any(text.startswith(expected) for text in told), told


def test_words_say_what_is_pinned_or_steered(panel: SparsityPanel) -> None:
    assert "basis of a test: unprojected sparsity 0.300" in texts(panel)
    panel.set_phase(Phase.RUNNING)
    assert "steering the run" in texts(panel)
    assert "pinned" not in texts(panel)
    panel.set_phase(Phase.IDLE)
    panel.set_pinned(None)
    assert "pinned" not in texts(panel)


def test_mark_is_there_only_while_the_slider_projects(panel: SparsityPanel) -> None:
    def picture() -> object:
        return panel.slider.grab().toImage()

    marked = picture()
    panel.set_phase(Phase.PAUSED)
    unmarked = picture()
    assert unmarked != marked
    panel.set_phase(Phase.IDLE)
    assert picture() == marked
    panel.set_pinned(None)
    assert picture() == unmarked


def test_hand_that_lets_go_is_told_once(panel: SparsityPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    start = panel.slider.handle_position().toPoint()
    QTest.mousePress(panel.slider, Qt.MouseButton.LeftButton, pos=start)
    for step in (10, 20, 30):
        QTest.mouseMove(panel.slider, start + QPoint(step, 0))
    assert len(heard["sparsityChanged"]) == 3
    assert heard["settled"] == []
    QTest.mouseRelease(panel.slider, Qt.MouseButton.LeftButton, pos=start + QPoint(30, 0))
    assert len(heard["settled"]) == 1
    QTest.keyClick(panel.slider, Qt.Key.Key_Left)
    assert len(heard["settled"]) == 2
    QTest.keyClick(panel.slider, Qt.Key.Key_A)
    assert len(heard["settled"]) == 2
    panel.number.setFocus()
    panel.number.selectAll()
    QTest.keyClicks(panel.number, "0.7351")
    QTest.keyClick(panel.number, Qt.Key.Key_Return)
    assert len(heard["settled"]) == 3


def test_refine_is_toggled_by_mouse_and_by_space(panel: SparsityPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    assert panel.refine.isChecked()
    panel.refine.click()
    panel.refine.setFocus()
    QTest.keyClick(panel.refine, Qt.Key.Key_Space)
    assert heard["refineToggled"] == [False, True]


def test_coefficients_have_a_slider_that_is_off_at_0(panel: SparsityPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    assert panel.number_h.text() == "off"
    slider = panel.slider_h
    start = slider.handle_position().toPoint()
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
    for x in (100, 200, slider.width() // 2):
        QTest.mouseMove(slider, QPoint(x, start.y()))
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() // 2, start.y()))
    assert len(heard["sparsityHChanged"]) == 3
    assert heard["sparsityHChanged"][-1] == pytest.approx(0.5, abs=0.01)
    assert panel.number_h.value() == heard["sparsityHChanged"][-1]
    assert heard["settled"] == [()]
    QTest.mouseDClick(slider, Qt.MouseButton.LeftButton, pos=start)
    assert heard["sparsityHChanged"][-1] == 0.0
    assert panel.number_h.text() == "off"
    assert heard["sparsityChanged"] == []


def test_a_basis_of_dust_offers_a_lower_target_to_a_click(panel: SparsityPanel) -> None:
    data = fakes.dataset()
    fair = fakes.shown(data, 10, target=0.85)
    dusty = replace(fair, sparsities=np.array([1.0] * 7 + [0.5, 0.6, 0.637]))
    panel.set_sparsity(0.85)
    panel.set_shown(fair)
    assert not panel.advice.isVisible()
    panel.set_shown(dusty)
    assert panel.advice.isVisible()
    assert panel.advice.text() == "Dust: try s = 0.57"
    assert panel.advice.toolTip().startswith("7 of 10 basis images have a single pixel or none")
    heard = Listener(panel, "sparsityChanged", "settled")
    QTest.mouseClick(panel.advice, Qt.MouseButton.LeftButton)
    assert heard["sparsityChanged"] == [0.57]
    assert len(heard["settled"]) == 1
    assert panel.number.value() == 0.57
    panel.set_shown(replace(fair, target=0.57))
    assert not panel.advice.isVisible()


DUST = np.array([1.0] * 7 + [0.5, 0.6, 0.637])


def test_the_tip_of_the_offer_is_that_of_the_basis_on_the_screen(panel: SparsityPanel) -> None:
    fair = fakes.shown(fakes.dataset(), 10, target=0.85)
    panel.set_shown(replace(fair, sparsities=DUST))
    assert "s = 0.85 is more" in panel.advice.toolTip()
    panel.set_shown(replace(fair, sparsities=DUST, target=0.9))
    assert panel.advice.text() == "Dust: try s = 0.57"
    assert "s = 0.90 is more" in panel.advice.toolTip()


def test_the_offer_names_what_the_data_are(panel: SparsityPanel) -> None:
    data = replace(fakes.dataset(1, 12, n=6), grid=(2, 3))
    panel.set_dataset(data)
    panel.set_shown(replace(fakes.shown(data, 10, target=0.85), sparsities=DUST))
    assert panel.advice.toolTip().startswith("7 of 10 basis spectra have a single band or none")


def test_nothing_is_offered_or_withdrawn_while_a_run_iterates(panel: SparsityPanel) -> None:
    fair = fakes.shown(fakes.dataset(), 10, target=0.85)
    dusty = replace(fair, sparsities=DUST)
    for phase in (Phase.RUNNING, Phase.PAUSED, Phase.CANCELLING):
        panel.set_phase(phase)
        panel.set_shown(dusty)
        assert not panel.advice.isVisible()
    panel.set_phase(Phase.IDLE)
    assert panel.advice.isVisible(), "judged when the run has ended"
    panel.set_phase(Phase.RUNNING)
    panel.set_shown(fair)
    assert panel.advice.isVisible()
    assert not panel.advice.isEnabled(), "what it offers was of the basis before"
    panel.set_phase(Phase.IDLE)
    assert not panel.advice.isVisible()
    panel.set_shown(dusty)
    assert panel.advice.isVisible()
    assert panel.advice.isEnabled()
    panel.set_shown(replace(fair, is_refining=True))
    assert not panel.advice.isEnabled()


def test_nothing_is_offered_while_the_slider_is_held(panel: SparsityPanel) -> None:
    dusty = replace(fakes.shown(fakes.dataset(), 10, target=0.85), sparsities=DUST)
    for slider in (panel.slider, panel.slider_h):
        panel.set_shown(replace(dusty, sparsities=np.full(10, 0.8)))
        assert not panel.advice.isVisible()
        start = slider.handle_position().toPoint()
        QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
        QTest.mouseMove(slider, start + QPoint(40, 0))
        panel.set_shown(dusty)
        assert not panel.advice.isVisible()
        QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=start + QPoint(40, 0))
        assert panel.advice.isVisible()


def test_a_dense_target_is_not_undercut(panel: SparsityPanel) -> None:
    shown = fakes.shown(fakes.dataset(), 4, target=0.3)
    panel.set_shown(replace(shown, sparsities=np.array([1.0, 1.0, 0.4, 0.5])))
    assert not panel.advice.isVisible()
