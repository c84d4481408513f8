"""The run panel with no session: texts and buttons of every phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import fakes
import pytest
from handling import Listener, change_theme
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget

from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.gui.panels.run import RunPanel
from gsp_studio.gui.state import Phase, Progress, RunSettings

HALF = Progress(n_iter=212, max_iter=500, each=0.0031, elapsed=62.4)


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> RunPanel:
    """The bar of an idle window."""
    made = RunPanel()
    made.set_phase(Phase.IDLE)
    show(made, 1000, 40)
    return made


def numbers(panel: RunPanel) -> str:
    [label] = panel.findChildren(QLabel)
    return label.text()


def test_set_methods_never_emit(panel: RunPanel) -> None:
    heard = Listener(panel, "runPressed", "cancelPressed")
    for phase in Phase:
        panel.set_phase(phase)
        panel.set_progress(HALF)
        panel.set_activity("opening faces.npz")
        panel.set_activity("")
    change_theme()
    assert heard.is_silent


@pytest.mark.parametrize(
    ("phase", "run", "can_run", "cancel", "can_cancel", "bar"),
    [
        (Phase.STARTING, "Run", False, "Cancel", False, False),
        (Phase.EMPTY, "Run", False, "Cancel", False, False),
        (Phase.IDLE, "Run", True, "Cancel", False, False),
        (Phase.RUNNING, "Pause", True, "Cancel", True, True),
        (Phase.PAUSED, "Resume", True, "Cancel", True, True),
        (Phase.CANCELLING, "Pause", False, "Cancelling...", False, True),
    ],
)
def test_buttons_of_each_phase(
    panel: RunPanel, phase: Phase, run: str, can_run: bool, cancel: str, can_cancel: bool, bar: bool
) -> None:
    panel.set_phase(phase)
    assert (panel.run.text(), panel.run.isEnabled()) == (run, can_run)
    assert (panel.cancel.text(), panel.cancel.isEnabled()) == (cancel, can_cancel)
    assert panel.bar.isVisible() is bar


def test_numbers_of_a_run(panel: RunPanel) -> None:
    assert numbers(panel) == "ready"
    panel.set_phase(Phase.RUNNING)
    panel.set_progress(Progress(0, 500))
    assert numbers(panel) == "running  ·  iteration 0/500"
    panel.set_progress(HALF)
    assert numbers(panel) == "212/500  ·  3.1 ms/it  ·  1:02 elapsed  ·  0:01 left"
    assert (panel.bar.value(), panel.bar.maximum()) == (212, 500)
    panel.set_phase(Phase.PAUSED)
    assert numbers(panel) == "212/500  ·  3.1 ms/it  ·  1:02 elapsed  ·  paused"
    panel.set_phase(Phase.CANCELLING)
    assert numbers(panel).endswith("cancelling...")


def test_activity_is_told_with_a_bar_without_an_end(panel: RunPanel) -> None:
    panel.set_activity("fitting 49 basis images for the slider")
    assert numbers(panel) == "fitting 49 basis images for the slider..."
    assert panel.bar.isVisible()
    assert panel.bar.maximum() == 0
    assert not panel.cancel.isEnabled()
    panel.set_activity("")
    assert numbers(panel) == "ready"
    assert not panel.bar.isVisible()


def test_before_there_are_data_the_middle_of_the_window_tells(panel: RunPanel) -> None:
    """One place at a time: the run bar moves, without the words."""
    panel.set_phase(Phase.STARTING)
    panel.set_activity("getting the solvers ready")
    assert (numbers(panel), panel.bar.isVisible()) == ("", True)
    panel.set_phase(Phase.EMPTY)
    panel.set_activity("compiling the solvers, which is done once")
    assert (numbers(panel), panel.bar.isVisible()) == ("", True)
    panel.set_phase(Phase.IDLE)
    assert numbers(panel) == "compiling the solvers, which is done once..."


def test_compiling_is_told_until_the_first_iteration(panel: RunPanel) -> None:
    panel.set_phase(Phase.RUNNING)
    panel.set_progress(Progress(0, 500))
    panel.set_activity("compiling the solvers, which is done once")
    assert numbers(panel) == "compiling the solvers, which is done once..."
    panel.set_progress(HALF)
    assert numbers(panel).startswith("212/500")


def test_opening_can_be_cancelled(panel: RunPanel) -> None:
    panel.set_phase(Phase.EMPTY)
    panel.set_activity("opening pictures: 20 of 60 images")
    assert panel.cancel.isEnabled()
    heard = Listener(panel, "cancelPressed")
    panel.cancel.click()
    assert len(heard["cancelPressed"]) == 1
    panel.set_activity("")
    assert not panel.cancel.isEnabled()


def test_buttons_emit(panel: RunPanel) -> None:
    heard = Listener(panel, "runPressed", "cancelPressed")
    QTest.mouseClick(panel.run, Qt.MouseButton.LeftButton)
    assert len(heard["runPressed"]) == 1
    QTest.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    assert heard["cancelPressed"] == [], "there is nothing to cancel"
    panel.set_phase(Phase.RUNNING)
    QTest.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    assert len(heard["cancelPressed"]) == 1


def test_a_hindrance_is_told_and_leaves_a_run_that_goes_on_alone(panel: RunPanel) -> None:
    panel.set_phase(Phase.IDLE)
    panel.set_hindrance("not here")
    assert not panel.run.isEnabled()
    assert panel.run.toolTip() == "not here"
    assert panel._numbers.text() == "not here"
    panel.set_phase(Phase.RUNNING)
    assert panel.run.isEnabled()
    panel.set_phase(Phase.IDLE)
    panel.set_hindrance("")
    assert panel.run.isEnabled()


def test_numbers_do_not_move_the_buttons(panel: RunPanel) -> None:
    panel.set_phase(Phase.RUNNING)
    panel.set_progress(Progress(1, 500, 0.0001, 0))
    before = [(part.x(), part.width()) for part in (panel.run, panel.cancel, panel.bar)]
    panel.set_progress(Progress(499, 500, 123.4, 35999))
    panel.set_phase(Phase.PAUSED)
    assert [(part.x(), part.width()) for part in (panel.run, panel.cancel, panel.bar)] == before


def test_the_button_has_the_same_icons_run_after_run(panel: RunPanel) -> None:
    def icons() -> list[int]:
        keys = []
        for phase in Phase:
            panel.set_phase(phase)
            keys.append(panel.run.icon().cacheKey())
        return keys

    first = icons()
    assert icons() == first
    change_theme()
    assert not {*icons()} & {*first}, "another theme's colours would not be taken"


def test_a_trial_is_told_while_it_goes_on(panel: RunPanel) -> None:
    panel.set_phase(Phase.RUNNING)
    panel.set_progress(replace(HALF, trial=2))
    assert numbers(panel) == "212/500  ·  trying start 2 of 3  ·  0:01 left"
    panel.set_progress(HALF)
    assert "trying" not in numbers(panel)


def test_one_click_holds_entries_out(panel: RunPanel) -> None:
    heard = Listener(panel, "heldOutChosen")
    box = panel.held_out
    assert (box.isChecked(), box.isEnabled(), box.text()) == (False, True, "Hold out 2 %")
    assert "times as long" in box.toolTip()
    QTest.mouseClick(box, Qt.MouseButton.LeftButton)
    assert heard["heldOutChosen"] == [0.02]
    panel.set_choice(RunSettings().with_params(held_out=0.05))
    assert (box.isChecked(), box.text()) == (True, "Hold out 5 %")
    assert heard["heldOutChosen"] == [0.02], "a value that is shown is no choice"
    QTest.mouseClick(box, Qt.MouseButton.LeftButton)
    assert heard["heldOutChosen"] == [0.02, 0.0]
    panel.set_phase(Phase.RUNNING)
    assert not box.isEnabled()


def test_what_is_not_in_memory_here_has_nothing_to_hold_out(panel: RunPanel) -> None:
    box, data = panel.held_out, fakes.dataset()
    panel.set_dataset(replace(data, X=BlockMatrix(data.X.shape, data.X.dtype, lambda start, stop, out: None)))
    assert not box.isEnabled()
    assert "stay in their file" in box.toolTip()
    panel.set_dataset(data)
    assert box.isEnabled()
    panel.set_scheduler("tcp://somewhere:1")
    assert not box.isEnabled()
    assert "cluster" in box.toolTip()
    panel.set_choice(RunSettings().with_params(held_out=0.02))
    assert box.isEnabled(), "it can be turned off"
    panel.set_scheduler("")
    assert box.isEnabled()
