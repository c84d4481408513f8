"""Error, export, palette, keys and about, with no session; and the menus that they list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fakes
import pytest
from handling import Listener, open_faces, settle, wait_until
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QMainWindow, QPushButton, QWidget

import gsp_studio
from gsp_studio.gui.dialogs import error
from gsp_studio.gui.dialogs.about import AboutDialog
from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.dialogs.export import ExportDialog
from gsp_studio.gui.dialogs.keys import KeysDialog
from gsp_studio.gui.dialogs.palette import PaletteDialog
from gsp_studio.gui.state import Phase
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.gui.window.menu_bar import MenuBar
from gsp_studio.io.annotations import Annotations
from gsp_studio.io.export.formats import EXTRAS
from gsp_studio.io.export.options import ExportOptions

Key = Qt.Key
LEFT = Qt.MouseButton.LeftButton


def told(widget: QWidget) -> str:
    return " | ".join(label.text() for label in widget.findChildren(QLabel))


class TestError:
    """One sentence, and details for a report."""

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [("the disk is full", "the disk is full."), ("Really?", "Really?"), (" so. ", "so.")],
    )
    def test_says_a_sentence(self, show: Callable[..., QWidget], text: str, sentence: str) -> None:
        assert sentence in told(show(ErrorDialog(text, ""))).split(" | ")

    def test_is_not_modal_and_not_in_the_way_of_a_run(self, show: Callable[..., QWidget]) -> None:
        assert not show(ErrorDialog("so", "")).isModal()

    def test_copies_details(self, show: Callable[..., QWidget]) -> None:
        dialog = show(ErrorDialog("the disk is full", "Traceback: here"))
        QTest.mouseClick(dialog.copy, LEFT)
        assert QGuiApplication.clipboard().text() == "the disk is full\n\nTraceback: here"
        assert dialog.copy.text() == "Copied"

    def test_opens_the_log_folder_where_there_is_one(
        self, show: Callable[..., QWidget], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert not show(ErrorDialog("so", "")).open_logs.isVisible()
        assert not show(ErrorDialog("so", "", logs=tmp_path / "none")).open_logs.isVisible()
        opened: list[str] = []
        monkeypatch.setattr(error.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
        dialog = show(ErrorDialog("so", "", logs=tmp_path))
        QTest.mouseClick(dialog.open_logs, LEFT)
        assert opened == [str(tmp_path)]

    def test_close_rejects_and_enter_too(self, show: Callable[..., QWidget]) -> None:
        for close in (lambda d: QTest.mouseClick(d.close_button, LEFT), lambda d: QTest.keyClick(d, Key.Key_Return)):
            dialog = show(ErrorDialog("so", ""))
            heard = Listener(dialog, "accepted", "rejected")
            close(dialog)
            assert (len(heard["accepted"]), len(heard["rejected"])) == (0, 1)

    def test_remedy_accepts(self, show: Callable[..., QWidget]) -> None:
        plain = show(ErrorDialog("so", ""))
        assert not plain.remedy.isVisible()
        dialog = show(ErrorDialog("so", "", "Read it in another way..."))
        assert dialog.remedy.isVisible()
        heard = Listener(dialog, "accepted", "rejected")
        QTest.mouseClick(dialog.remedy, LEFT)
        assert (len(heard["accepted"]), len(heard["rejected"])) == (1, 0)

    def test_angle_brackets_in_a_sentence_are_text(self, show: Callable[..., QWidget]) -> None:
        dialog = show(ErrorDialog("cannot read <b>x</b>.npy", ""))
        [label] = [label for label in dialog.findChildren(QLabel) if "cannot read" in label.text()]
        assert label.textFormat() is Qt.TextFormat.PlainText


class TestExport:
    """Where to and which parts."""

    @pytest.fixture
    def dialog(self, show: Callable[..., QWidget], tmp_path: Path) -> ExportDialog:
        return show(ExportDialog(fakes.run_entry(3, fakes.dataset()), tmp_path / "out"))

    def test_names_the_run(self, dialog: ExportDialog) -> None:
        assert "Run 3: PSNMF, rank 5, s = 0.500" in told(dialog)
        assert "run.json" in told(dialog)

    @pytest.mark.parametrize(
        ("name", "label", "headline"),
        [
            ("Refined basis of run 1", "PSNMF, rank 5, s = 0.890, from run 1", "PSNMF, rank 5, s = 0.890"),
            ("Refined basis of the fit", "PSNMF, rank 5, s = 0.890, refined", "PSNMF, rank 5, s = 0.890"),
            ("Refined basis of run 12", "PSNMF, rank 5, from run 1", "PSNMF, rank 5, from run 1"),
            ("Faces", "PSNMF, rank 5, from run 1", "PSNMF, rank 5, from run 1"),
        ],
    )
    def test_says_the_run_that_it_comes_from_once(
        self, show: Callable[..., QWidget], tmp_path: Path, name: str, label: str, headline: str
    ) -> None:
        entry = replace(fakes.run_entry(3, fakes.dataset()), label=label, remarks=Annotations(name=name))
        dialog = show(ExportDialog(entry, tmp_path / "out"))
        assert f"{name}: {headline}" in [line.text() for line in dialog.findChildren(QLabel)]

    def test_all_parts_by_default(self, dialog: ExportDialog, tmp_path: Path) -> None:
        heard = Listener(dialog, "exportRequested")
        QTest.mouseClick(dialog.export, LEFT)
        assert heard["exportRequested"] == [(str(tmp_path / "out"), ExportOptions())]

    @pytest.mark.parametrize("part", ["basis", "montage", "factors", "history"])
    def test_part_that_is_not_wanted(self, dialog: ExportDialog, part: str) -> None:
        heard = Listener(dialog, "exportRequested")
        dialog.parts[part].click()
        QTest.keyClick(dialog, Key.Key_Return)
        [(_, parts)] = heard["exportRequested"]
        left_out = [name for name in ExportOptions.__dataclass_fields__ if not getattr(parts, name)]
        assert left_out == [part, "zoom", "extras", "order", "palette", "coefficients"]

    @pytest.mark.parametrize("as_shown", [True, False])
    def test_png_as_in_the_window_or_grey_by_the_numbers(self, dialog: ExportDialog, as_shown: bool) -> None:
        heard = Listener(dialog, "exportRequested")
        dialog.set_look((4, 2, 0, 1, 3), "viridis", b"x" * 768)
        assert dialog.as_shown.text() == "As in the window: its order, viridis"
        if not as_shown:
            QTest.mouseClick(dialog.as_shown, LEFT, pos=QPoint(8, dialog.as_shown.height() // 2))
        QTest.mouseClick(dialog.export, LEFT)
        [(_, parts)] = heard["exportRequested"]
        expected = ((4, 2, 0, 1, 3), b"x" * 768) if as_shown else (None, b"")
        assert (parts.order, parts.palette) == expected

    def test_look_of_figures(self, dialog: ExportDialog) -> None:
        heard = Listener(dialog, "exportRequested")
        dialog.zoom.setValue(4)
        dialog.white.setCurrentIndex(1)
        dialog.export.click()
        [(_, parts)] = heard["exportRequested"]
        assert (parts.zoom, parts.scale) == (4, "shared")

    def test_folder_typed(self, dialog: ExportDialog) -> None:
        heard = Listener(dialog, "exportRequested")
        dialog.folder.selectAll()
        QTest.keyClicks(dialog.folder, " /somewhere/else ")
        dialog.export.click()
        assert heard["exportRequested"][0][0] == "/somewhere/else"

    def test_no_folder_no_export(self, dialog: ExportDialog) -> None:
        for text, can in (("", False), ("   ", False), ("x", True)):
            dialog.folder.setText(text)
            assert dialog.export.isEnabled() is can

    def test_folder_chosen(self, dialog: ExportDialog, monkeypatch: pytest.MonkeyPatch) -> None:
        [browse] = [button for button in dialog.findChildren(QPushButton) if button.text() == "Choose..."]
        for answer, expected in (("/chosen", "/chosen"), ("", "/chosen")):
            monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, answer=answer: answer)
            browse.click()
            assert dialog.folder.text() == expected

    def test_escape_exports_nothing(self, dialog: ExportDialog) -> None:
        heard = Listener(dialog, "exportRequested", "rejected")
        QTest.keyClick(dialog, Key.Key_Escape)
        assert heard["exportRequested"] == []
        assert len(heard["rejected"]) == 1


class TestPalette:
    """Every action by a few letters."""

    @pytest.fixture
    def triggered(self) -> list[str]:
        return []

    @pytest.fixture
    def dialog(self, show: Callable[..., QWidget], triggered: list[str]) -> PaletteDialog:
        names = ("Open a &folder of images...", "Open a f&ile...", "&Export...", "Reset layout")
        actions = [QAction(name) for name in names]
        actions[0].setShortcut("Ctrl+O")
        actions[2].setEnabled(False)
        for action in actions:
            action.triggered.connect(lambda _=False, action=action: triggered.append(action.text()))
        made = show(PaletteDialog(actions))
        made.kept = actions
        return made

    @staticmethod
    def listed(dialog: PaletteDialog) -> list[str]:
        return [dialog.list.item(row).text() for row in range(dialog.list.count())]

    def test_lists_all_without_marks_of_menus(self, dialog: PaletteDialog) -> None:
        names = ["Open a folder of images    Ctrl+O", "Open a file", "Export", "Reset layout"]
        assert self.listed(dialog) == names

    @pytest.mark.parametrize(
        ("text", "count"), [("open", 2), ("OPEN fold", 1), ("images open", 1), ("xyz", 0), ("   ", 4)]
    )
    def test_filters_by_all_words_in_any_order(self, dialog: PaletteDialog, text: str, count: int) -> None:
        QTest.keyClicks(dialog.filter, text)
        assert len(self.listed(dialog)) == count

    def test_enter_triggers_the_marked_one(self, dialog: PaletteDialog, triggered: list[str]) -> None:
        QTest.keyClicks(dialog.filter, "open")
        QTest.keyClick(dialog.filter, Key.Key_Down)
        QTest.keyClick(dialog.filter, Key.Key_Return)
        assert triggered == ["Open a f&ile..."]

    def test_first_one_is_marked_and_up_stays(self, dialog: PaletteDialog, triggered: list[str]) -> None:
        QTest.keyClick(dialog.filter, Key.Key_Up)
        QTest.keyClick(dialog.filter, Key.Key_Return)
        assert triggered == ["Open a &folder of images..."]

    def test_click_triggers(self, dialog: PaletteDialog, triggered: list[str]) -> None:
        place = dialog.list.visualItemRect(dialog.list.item(3)).center()
        QTest.mouseClick(dialog.list.viewport(), LEFT, pos=place)
        assert triggered == ["Reset layout"]

    def test_nothing_found_nothing_triggered(self, dialog: PaletteDialog, triggered: list[str]) -> None:
        QTest.keyClicks(dialog.filter, "xyz")
        QTest.keyClick(dialog.filter, Key.Key_Return)
        assert triggered == []
        assert dialog.isVisible()

    def test_disabled_action_is_not_triggered(self, dialog: PaletteDialog, triggered: list[str]) -> None:
        QTest.keyClicks(dialog.filter, "export")
        QTest.keyClick(dialog.filter, Key.Key_Return)
        assert triggered == []


class TestMenus:
    """Actions from one line each."""

    @pytest.fixture
    def menus(self, show: Callable[..., QWidget]) -> MenuBar:
        return MenuBar(show(QMainWindow()), ("&One", "&Two"))

    def test_action_calls_its_slot_without_arguments(self, menus: MenuBar) -> None:
        called = []
        action = menus.add("&One", "&Do it...", lambda: called.append("done"), "Ctrl+D", "run")
        action.trigger()
        assert called == ["done"]
        assert not action.icon().isNull()
        assert menus.keys() == [("Ctrl+D", "Do it")]
        assert menus.actions == [action]

    def test_checkable_action_tells_whether_it_is_on(self, menus: MenuBar) -> None:
        told: list[bool] = []
        action = menus.add("&One", "&Light", told.append, checkable=True)
        action.trigger()
        action.trigger()
        assert told == [True, False]

    def test_choices_exclude_each_other_and_tell_their_keys(self, menus: MenuBar) -> None:
        told: list[str] = []
        menus.choices("&Two", "&Theme", {"": "As the system", "dark": "Dark"}, "", told.append)
        first, second = menus.actions
        assert (first.isChecked(), second.isChecked()) == (True, False)
        second.trigger()
        assert told == ["dark"]
        assert (first.isChecked(), second.isChecked()) == (False, True)
        assert second.iconText() == "Theme: Dark"

    def test_icons_follow_the_theme(self, menus: MenuBar) -> None:
        action = menus.add("&One", "&Run", lambda: None, image="run")
        before = action.icon().cacheKey()
        menus.tint()
        assert action.icon().cacheKey() != before


def test_keys_are_listed(show: Callable[..., QWidget]) -> None:
    text = told(show(KeysDialog([("Ctrl+O", "Open"), ("Space", "Run"), ("?", "Keys")])))
    for part in ("Ctrl+O", "Open", "Space", "Run", "?", "Keys"):
        assert part in text.split(" | ")


def test_about_names_version_and_paper(show: Callable[..., QWidget]) -> None:
    dialog = show(AboutDialog())
    assert gsp_studio.__version__ in told(dialog)
    assert "Explicit Group Sparse Projection" in told(dialog)
    QTest.keyClick(dialog, Key.Key_Return)
    settle()


def test_more_exports_are_offered_and_remembered(
    make_window: Callable[[], MainWindow], tmp_path: Path, settings: QSettings
) -> None:
    window = make_window()
    open_faces(window.session, rank=4, max_iter=5)
    window.session.run()
    wait_until(lambda: window.session.phase is Phase.IDLE)
    settings.setValue("export", str(tmp_path))
    window.prompts.export()
    dialog = next(w for w in QApplication.topLevelWidgets() if isinstance(w, ExportDialog) and w.isVisible())
    assert list(dialog.extras) == [name for name in EXTRAS if name != "pictures"], "these images are no patches"
    dialog.extras["mat"].click()
    dialog.extras["report"].click()
    dialog.folder.setText(str(tmp_path / "out"))
    heard = Listener(window.session, "exports.exported")
    QTest.mouseClick(dialog.export, LEFT)
    wait_until(lambda: heard["exported"])
    assert (tmp_path / "out" / "factors.mat").exists()
    assert (tmp_path / "out" / "report.html").exists()
    window.prompts.export()
    again = next(w for w in QApplication.topLevelWidgets() if isinstance(w, ExportDialog) and w.isVisible())
    assert [name for name, box in again.extras.items() if box.isChecked()] == ["mat", "report"]
    again.close()
