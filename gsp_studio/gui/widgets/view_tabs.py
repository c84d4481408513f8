"""The centre of the window: one tab a view of the factorization, and the sparsity panel under all of them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)


class _Room(QScrollArea):
    """A widget that is scrolled where a small screen has less room than its minimum, rather than cut or overlapping.

    `is_strip`: as high as the widget, so that it scrolls to the sides alone.
    """

    def __init__(self, widget: QWidget, is_strip: bool = False, parent: QWidget | None = None) -> None:
        self._shown, self._is_strip = widget, is_strip  # first: Qt filters events while it constructs
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # its keys are the widget's
        self.setWidgetResizable(True)
        if is_strip:
            self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(widget)
        widget.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A strip that is hidden takes no room."""
        if self._is_strip and watched is self._shown:
            if event.type() == QEvent.Type.HideToParent:
                self.hide()
            elif event.type() == QEvent.Type.ShowToParent:
                self.show()
        return super().eventFilter(watched, event)

    def _height(self) -> int:
        widget = self._shown
        is_narrow = self.width() < widget.minimumSizeHint().width()
        bar = self.horizontalScrollBar().sizeHint().height() if is_narrow else 0
        return max(widget.sizeHint().height(), widget.minimumSizeHint().height()) + bar

    def sizeHint(self) -> QSize:
        """Return the widget's size."""
        return QSize(self._shown.sizeHint().width(), self._height())

    def minimumSizeHint(self) -> QSize:
        """Small enough for a screen of 800 x 500 with docks on both sides."""
        return QSize(240, self._height() if self._is_strip else 96)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Make room for the scroll bar, or take it away."""
        super().resizeEvent(event)
        if self._is_strip and (event.size().width() != event.oldSize().width()):
            self.updateGeometry()


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
        self._rooms = [_Room(view, parent=self._stack) for view in self._views]
        for number, title in enumerate(views, 1):
            self.bar.addTab(title)
            self.bar.setTabToolTip(number - 1, f"{title} (key {number})")
            self._stack.addWidget(self._rooms[number - 1])
        self.bar.currentChanged.connect(self._turn)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self.bar)
        box.addWidget(self._stack, 1)
        strip = _Room(below, is_strip=True, parent=self)
        strip.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        box.addWidget(strip)

    def replace(self, title: str, view: QWidget) -> None:
        """Put another widget into the place of a view's."""
        index = self._titles.index(title)
        is_front = index == self.bar.currentIndex()
        former, room = self._rooms[index], _Room(view, parent=self._stack)  # else it would be a window for a moment
        self._views[index], self._rooms[index] = view, room
        self._stack.insertWidget(index, room)
        self._stack.removeWidget(former)
        former.deleteLater()
        if is_front:
            self._stack.setCurrentIndex(index)

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
        self.bar.setCurrentIndex(self._titles.index(title))
        self._give_focus()

    @property
    def keyboard(self) -> QWidget | None:
        """The widget of the view in front that takes the keys; None where it has none now."""
        view = self._views[self.bar.currentIndex()]
        taker = view.focusProxy() or view
        takes = taker.focusPolicy() != Qt.FocusPolicy.NoFocus and taker.isVisibleTo(self)
        return taker if takes else None

    def _give_focus(self) -> None:
        """Give the view in front the keys; where it takes none they are the window's."""
        taker, now = self.keyboard, QApplication.focusWidget()
        if taker is not None:
            taker.setFocus(Qt.FocusReason.ShortcutFocusReason)
        elif now is not None and self._stack.isAncestorOf(now):
            now.clearFocus()

    def _turn(self, index: int) -> None:
        now = QApplication.focusWidget()
        is_here = now is None or self._stack.isAncestorOf(now)
        self._stack.setCurrentIndex(index)
        self.changed.emit(self._titles[index])
        if is_here:  # else Qt would give it to whatever stands next: a field, which takes the next key for a number
            self._give_focus()
