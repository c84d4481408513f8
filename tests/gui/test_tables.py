"""A row is all that a panel or an action needs in the window."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from gsp_studio.gui.panels import Requests
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.window import actions, layout
from gsp_studio.gui.window.actions import Action
from gsp_studio.gui.window.layout import PanelRow, Place
from gsp_studio.gui.window.main_window import MainWindow


class CountPanel(QLabel):
    """Counts the runs of a session."""

    def attach(self, session: Session, _: Requests) -> None:
        session.runs.changed.connect(lambda entries, _: self.setText(f"{len(entries)} runs"))


def test_a_panel_needs_its_file_and_a_row(
    monkeypatch: pytest.MonkeyPatch, make_window: Callable[[], MainWindow]
) -> None:
    monkeypatch.setattr(layout, "PANELS", (*layout.PANELS, PanelRow("count", "Count", CountPanel, Place.LEFT)))
    window = make_window()
    assert window.docks["Count"].widget() is window.arrangement.panel(CountPanel)
    assert "Show or hide Count" in [action.iconText() for action in window.menus.actions]
    window.session.runs.changed.emit((), -1)
    assert window.arrangement.panel(CountPanel).text() == "0 runs"


def test_an_action_needs_a_row(monkeypatch: pytest.MonkeyPatch, make_window: Callable[[], MainWindow]) -> None:
    called: list[MainWindow] = []
    row = Action("ring", "&Help", "&Ring", called.append, "F9", offered=lambda w: not w.session.runs.entries)
    monkeypatch.setattr(actions, "ACTIONS", (*actions.ACTIONS, row))
    window = make_window()
    window.activateWindow()
    QTest.keyClick(window, Qt.Key.Key_F9)
    assert called == [window]
    keys = window.menus.keys()
    assert ("F9", "Ring") in keys


def test_no_letter_opens_two_entries_of_a_menu(window: MainWindow) -> None:
    for menu in (action.menu() for action in window.menuBar().actions()):
        texts = [action.text() for action in menu.actions() if "&" in action.text().replace("&&", "")]
        letters = [text[text.index("&") + 1].lower() for text in texts]
        twice = {text for text, letter in zip(texts, letters, strict=True) if letters.count(letter) > 1}
        assert not twice, f"{menu.title()}: {sorted(twice)}"
