"""The centre of the window: one tab a view of the factorization, and the sparsity panel under all of them."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QTabBar, QVBoxLayout, QWidget


class ViewTabs(QWidget):
    """Views with a tab each; the one in front is the only one that is visible, so the others draw nothing."""

    changed = Signal(str)  # the title of the view that came to the front

    def __init__(self, views: dict[str, QWidget], below: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._views, self._titles = list(views.values()), list(views)
        self.bar = QTabBar()
        self.bar.setDrawBase(False)
        self.bar.setExpanding(False)
        self.bar.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.bar.setAccessibleName("Views")
        self._stack = QStackedWidget()
        for number, (title, view) in enumerate(views.items(), 1):
            self.bar.addTab(title)
            self.bar.setTabToolTip(number - 1, f"{title} (key {number})")
            self._stack.addWidget(view)
        self.bar.currentChanged.connect(self._turn)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self.bar)
        box.addWidget(self._stack, 1)
        box.addWidget(below)

    @property
    def titles(self) -> list[str]:
        """The views, from left to right."""
        return list(self._titles)

    @property
    def current(self) -> str:
        """The view in front."""
        return self._titles[self.bar.currentIndex()]

    def show_view(self, title: str) -> None:
        """Bring a view to the front, with the keyboard's focus where it takes any."""
        index = self._titles.index(title)
        self.bar.setCurrentIndex(index)
        view = self._views[index]
        if view.focusPolicy() != Qt.FocusPolicy.NoFocus:
            view.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _turn(self, index: int) -> None:
        self._stack.setCurrentIndex(index)
        self.changed.emit(self._titles[index])
