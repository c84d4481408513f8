"""Colours, type and icons: read from resources/, applied to the whole application.

The canvas behind basis images is the same neutral dark in both themes; plots and panels follow the theme, which is the
system's unless told otherwise.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from functools import cache

from PySide6.QtCore import QByteArray, QEvent, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from gsp_studio.io.resources import resource_path


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, as "#rrggbb"; names as in resources/themes."""

    name: str
    scheme: str
    canvas: str
    canvas_text: str
    canvas_muted: str
    canvas_accent: str
    canvas_target: str
    canvas_frozen: str
    plot: str
    plot_text: str
    plot_muted: str
    plot_accent: str
    window: str
    panel: str
    field: str
    raised: str
    border: str
    separator: str
    text: str
    text_muted: str
    text_disabled: str
    accent: str
    accent_text: str
    amber: str
    red: str
    curve_error: str
    curve_sparsity: str
    curve_target: str
    curve_held_out: str
    spread: str


@cache
def load_theme(scheme: str) -> Theme:
    """The "dark" or the "light" theme."""
    return Theme(**json.loads(resource_path(f"themes/{scheme}.json").read_text(encoding="utf-8")))


def system_scheme() -> str:
    """ "dark" or "light", as the desktop is set; dark where it does not say."""
    return "light" if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Light else "dark"


def apply_theme(app: QApplication, theme: Theme) -> None:
    """Give the application the theme's palette and style sheet."""
    app.setStyle("Fusion")
    app.setFont(tabular_font(app.font()))
    app.setProperty("theme", theme.scheme)  # before the palette, whose change tells `Themed` widgets
    app.setPalette(_palette(theme))
    app.setStyleSheet(_style_sheet(theme))


def current_theme() -> Theme:
    """The theme in force."""
    app = QApplication.instance()
    scheme = app.property("theme") if app is not None else None
    return load_theme(scheme or "dark")


class Themed:
    """A base to stand before a widget's: `tint` is called again whenever the theme changes.

    For pens, brushes and icons, which hold colours; what is painted with `current_theme` is painted anew by Qt.
    """

    _tinted: Theme | None = None

    @abstractmethod
    def tint(self) -> None:
        """Take the colours of the theme in force."""

    def follow_theme(self) -> None:
        """Tint now, and whenever the theme changes: called once by the constructor when all parts are there."""
        self._tinted = current_theme()
        self.tint()

    def changeEvent(self, event: QEvent) -> None:
        """Tint where the palette of another theme has come."""
        super().changeEvent(event)  # type: ignore[misc]
        if event.type() == QEvent.Type.PaletteChange and self._tinted not in (None, current_theme()):
            self.follow_theme()


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for where, colour in (
        (role.Window, theme.window),
        (role.WindowText, theme.text),
        (role.Base, theme.field),
        (role.AlternateBase, theme.panel),
        (role.Text, theme.text),
        (role.Button, theme.raised),
        (role.ButtonText, theme.text),
        (role.BrightText, theme.red),
        (role.Highlight, theme.accent),
        (role.HighlightedText, theme.accent_text),
        (role.ToolTipBase, theme.raised),
        (role.ToolTipText, theme.text),
        (role.PlaceholderText, theme.text_muted),
        (role.Link, theme.accent),
        (role.Mid, theme.border),
        (role.Dark, theme.separator),
    ):
        palette.setColor(where, QColor(colour))
    for where in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, where, QColor(theme.text_disabled))
    return palette


def _style_sheet(theme: Theme) -> str:
    return f"""
    QToolTip {{ color: {theme.text}; background: {theme.raised}; border: 1px solid {theme.border}; padding: 4px; }}
    QMainWindow::separator {{ background: {theme.separator}; width: 1px; height: 1px; }}
    QDockWidget {{ color: {theme.text_muted}; border: 1px solid {theme.border}; }}
    QDockWidget::title {{ background: {theme.window}; padding: 6px 8px; text-align: left; }}
    QToolBar {{ background: {theme.window}; border: none; border-bottom: 1px solid {theme.separator};
                spacing: 8px; padding: 4px 8px; }}
    QStatusBar {{ background: {theme.window}; color: {theme.text_muted}; border-top: 1px solid {theme.separator}; }}
    QLabel[muted="true"] {{ color: {theme.text_muted}; }}
    QLabel[caution="true"] {{ color: {theme.amber}; }}
    QLabel[heading="true"] {{ color: {theme.text_muted}; font-weight: 600; }}
    QToolButton, QPushButton {{ background: {theme.raised}; border: 1px solid transparent; border-radius: 4px;
                               padding: 5px 10px; }}
    QToolButton[dock="true"] {{ background: transparent; color: {theme.text_muted}; padding: 0; }}
    QToolButton:hover, QPushButton:hover {{ border-color: {theme.border}; }}
    QToolButton:focus, QPushButton:focus {{ border: 1px solid {theme.accent}; }}
    QPushButton:checked {{ background: {theme.field}; border-bottom: 2px solid {theme.accent}; padding-bottom: 4px; }}
    QPushButton[segment="true"] {{ color: {theme.text_muted}; background: {theme.panel}; }}
    QPushButton[segment="true"]:checked {{ color: {theme.text}; background: {theme.raised};
                               border-bottom: 2px solid {theme.accent}; }}
    QFileDialog QToolButton, QTabBar QToolButton, QToolButton#qt_toolbar_ext_button {{ padding: 2px; }}
    QCheckBox::indicator, QAbstractItemView::indicator {{ width: 13px; height: 13px; border: 1px solid {theme.border};
                               border-radius: 3px; background: {theme.field}; }}
    QFileDialog QToolButton#toParentButton {{ qproperty-icon: url("{_picture(theme, "up")}"); }}
    QFileDialog QToolButton#backButton {{ qproperty-icon: url("{_picture(theme, "back")}"); }}
    QFileDialog QToolButton#forwardButton {{ qproperty-icon: url("{_picture(theme, "forward")}"); }}
    QCheckBox::indicator:hover, QCheckBox::indicator:focus {{ border-color: {theme.accent}; }}
    QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {{ background: {theme.accent};
                               border-color: {theme.accent}; image: url("{_picture(theme, "check")}"); }}
    QCheckBox::indicator:disabled {{ border-color: {theme.text_disabled}; background: {theme.panel}; }}
    QCheckBox::indicator:checked:disabled {{ border-color: {theme.text_disabled}; background: {theme.text_disabled}; }}
    QToolButton::menu-indicator, QPushButton::menu-indicator {{ image: none; width: 0; }}
    QToolButton:disabled, QPushButton:disabled {{ color: {theme.text_disabled}; background: {theme.panel}; }}
    QPushButton[primary="true"], QToolButton[primary="true"] {{ background: {theme.accent};
                               color: {theme.accent_text}; font-weight: 600; }}
    QPushButton[primary="true"]:disabled, QToolButton[primary="true"]:disabled
        {{ background: {theme.panel}; color: {theme.text_disabled}; }}
    QProgressBar {{ background: {theme.field}; border: 1px solid {theme.separator}; border-radius: 4px;
                    min-height: 8px; max-height: 8px; }}
    QProgressBar::chunk {{ background: {theme.accent}; border-radius: 3px; }}
    QTableView {{ background: {theme.panel}; border: none; gridline-color: {theme.separator}; }}
    QHeaderView::section {{ background: {theme.window}; color: {theme.text_muted}; border: none; padding: 4px 8px; }}
    QListWidget::item {{ min-height: 24px; padding: 0 4px; }}
    QPlainTextEdit, QListWidget {{ background: {theme.panel}; border: none; }}
    QMenuBar {{ background: {theme.window}; }}
    QTabBar::tab {{ padding: 5px 12px; color: {theme.text_muted}; background: {theme.window}; border: none; }}
    QTabBar::tab:selected {{ color: {theme.text}; border-bottom: 2px solid {theme.accent}; }}
    QFrame#canvas QScrollBar:horizontal {{ background: {theme.canvas}; height: 12px; margin: 0; border: none; }}
    QFrame#canvas QScrollBar::handle:horizontal {{ background: {theme.canvas_muted}; min-width: 32px; margin: 3px 8px;
                               border-radius: 3px; }}
    QFrame#canvas QScrollBar::handle:horizontal:hover {{ background: {theme.canvas_text}; }}
    QFrame#canvas QScrollBar::add-line, QFrame#canvas QScrollBar::sub-line {{ width: 0; }}
    QFrame#canvas QScrollBar::add-page, QFrame#canvas QScrollBar::sub-page {{ background: none; }}
    QFrame#tour {{ background: {theme.raised}; border: 1px solid {theme.accent}; border-radius: 6px; }}
    QFrame#plot {{ background: {theme.plot}; }}
    QFrame#plot QLabel {{ color: {theme.plot_text}; }}
    QFrame#plot QLabel[muted="true"] {{ color: {theme.plot_muted}; }}
    QFrame#plot QScrollBar:horizontal {{ background: {theme.plot}; height: 12px; margin: 0; border: none; }}
    QFrame#plot QScrollBar::handle:horizontal {{ background: {theme.plot_muted}; min-width: 32px; margin: 3px 8px;
                               border-radius: 3px; }}
    QFrame#plot QScrollBar::handle:horizontal:hover {{ background: {theme.plot_text}; }}
    QFrame#plot QScrollBar::add-line, QFrame#plot QScrollBar::sub-line {{ width: 0; }}
    QFrame#plot QScrollBar::add-page, QFrame#plot QScrollBar::sub-page {{ background: none; }}
    QFrame#canvas {{ background: {theme.canvas}; }}
    QFrame#canvas QLabel {{ color: {theme.canvas_text}; }}
    QFrame#canvas QLabel[muted="true"] {{ color: {theme.canvas_muted}; }}
    """


def _picture(theme: Theme, name: str) -> str:
    """The path of a picture of the theme as style sheets write it: they take no colours for icons."""
    return resource_path(f"themes/{theme.scheme}-{name}.svg").as_posix()


def tabular_font(base: QFont) -> QFont:
    """The font for numbers that change: figures of one width, so that nothing jitters."""
    font = QFont(base)
    if hasattr(QFont, "Tag"):
        font.setFeature(QFont.Tag("tnum"), 1)
    return font


def icon(name: str, colour: str | None = None) -> QIcon:
    """An icon of resources/icons in the theme's text colour, crisp at every scale; greyed when disabled."""
    theme = current_theme()
    result = QIcon()
    for mode, tint in ((QIcon.Mode.Normal, colour or theme.text), (QIcon.Mode.Disabled, theme.text_disabled)):
        renderer = _renderer(name, tint)
        for size in (16, 24, 32, 48, 64):
            result.addPixmap(_render(renderer, size), mode)
    return result


def pixmap(name: str, colour: str, size: int, ratio: float = 1.0) -> QPixmap:
    """An icon as a pixmap of size x size logical pixels."""
    image = _render(_renderer(name, colour), round(size * ratio))
    image.setDevicePixelRatio(ratio)
    return image


def _renderer(name: str, colour: str) -> QSvgRenderer:
    source = resource_path(f"icons/{name}.svg").read_text(encoding="utf-8").replace("currentColor", colour)
    return QSvgRenderer(QByteArray(source.encode()))


def _render(renderer: QSvgRenderer, size: int) -> QPixmap:
    image = QPixmap(size, size)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return image
