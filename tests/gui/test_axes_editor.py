"""Axes in the Layout dialog: one at a time, as the user types them."""

from collections.abc import Callable

import pytest
from handling import Listener
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.widgets.axes_editor import AxesEditor
from gsp_studio.io.axes import Axis

AXES = (Axis("x", unit="um", scale=0.5, offset=2), Axis("band", "Wavelength", "nm", values=(400, 410.5, 431)))


class TestEditor:
    """Shows axes, and tells those that the user gives."""

    @pytest.fixture
    def editor(self, show: Callable[..., QWidget]) -> AxesEditor:
        return show(AxesEditor())

    @pytest.fixture
    def heard(self, editor: AxesEditor) -> Listener:
        editor.dimension.setCurrentIndex(0)
        editor.set_axes(AXES, ())
        return Listener(editor, "changed", "refused")

    def _choose(self, editor: AxesEditor, dimension: str) -> None:
        editor.dimension.setCurrentIndex(editor.dimension.findData(dimension))
        editor.dimension.activated.emit(editor.dimension.currentIndex())

    def _texts(self, editor: AxesEditor) -> list[str]:
        return [field.text() for field in (editor.name, editor.unit, editor.offset, editor.scale)]

    def test_a_long_number_begins_in_view(self, editor: AxesEditor) -> None:
        editor.set_axes((Axis("x", unit="um", scale=1 / 3.1), Axis("y", unit="um", scale=1 / 3.1)), ())
        self._choose(editor, "x")
        assert editor.scale.text() == "0.3225806452"
        assert editor.scale.cursorPosition() == 0
        assert editor.scale.cursorRect().left() < editor.scale.width() / 2

    def test_shows_each_axis(self, editor: AxesEditor, heard: Listener) -> None:
        assert self._texts(editor) == ["", "µm", "2", "0.5"]
        self._choose(editor, "y")
        assert self._texts(editor) == [""] * 4
        self._choose(editor, "band")
        assert self._texts(editor) == ["Wavelength", "nm", "", ""]
        assert editor.scale.toolTip() == "3 coordinates are listed in the file"
        assert heard.is_silent

    def test_tells_what_is_typed(self, editor: AxesEditor, heard: Listener) -> None:
        editor.scale.setText("0,25")
        editor.scale.editingFinished.emit()
        assert heard["changed"] == [(Axis("x", unit="um", scale=0.25, offset=2),)]
        self._choose(editor, "band")
        editor.unit.setText("eV")
        editor.unit.editingFinished.emit()
        listed = Axis("band", "Wavelength", "eV", values=(400, 410.5, 431))
        assert heard["changed"][-1] == (Axis("x", unit="um", scale=0.25, offset=2), listed)

    def test_a_step_replaces_listed_coordinates(self, editor: AxesEditor, heard: Listener) -> None:
        self._choose(editor, "band")
        editor.scale.setText("5")
        editor.scale.editingFinished.emit()
        assert heard["changed"] == [(Axis("band", "Wavelength", "nm", scale=5),)]

    @pytest.mark.parametrize("text", ["0", "-1", "two", "1e40"])
    def test_refuses_what_cannot_be(self, editor: AxesEditor, heard: Listener, text: str) -> None:
        editor.scale.setText(text)
        editor.scale.editingFinished.emit()
        assert "scale is" in heard["refused"][0]
        assert not heard["changed"]
