"""Actions of the View menu for drawing basis images, with checks on those in force."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gsp_studio.gui.widgets.tile_buffer import Contrast
from gsp_studio.gui.widgets.tile_view import COLOUR_MAPS

if TYPE_CHECKING:
    from gsp_studio.gui.panels.basis_montage import MontagePanel
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.state import View
    from gsp_studio.gui.window.menu_bar import MenuBar


class ViewMenu:
    """The first actions of the View menu."""

    def __init__(self, menus: MenuBar, session: Session, montage: MontagePanel) -> None:
        self._session = session
        menus.add("&View", "&Fit all basis images", montage.reset_view, "F", "grid")
        self.shared = menus.add("&View", "&One white for all basis images", self._set_shared, "S", checkable=True)
        self.labels = menus.add(
            "&View", "&Numbers on the basis images", lambda on: self._change(labels=on), "N", checkable=True
        )
        self.spread = menus.add(
            "&View", "&Uncertainty over seeds", lambda on: self._change(spread=on), "U", checkable=True
        )
        self.bars = menus.add(
            "&View", "&Bars of sparsity under the basis images", lambda on: self._change(bars=on), checkable=True
        )
        contrasts = {contrast.name.lower(): f"White = {contrast.value}" for contrast in Contrast}
        names = {name: name.capitalize() for name in COLOUR_MAPS}
        self.contrasts = menus.choices("&View", "Contra&st", contrasts, "tile", lambda c: self._change(contrast=c))
        self.colours = menus.choices("&View", "&Colours", names, "grey", lambda name: self._change(colours=name))
        self.set_view(session.display.view)

    def _set_shared(self, on: bool) -> None:
        self._change(contrast="shared" if on else "tile")

    def _change(self, **changes: Any) -> None:
        self._session.display.set_view(replace(self._session.display.view, **changes))

    def set_view(self, view: View) -> None:
        """Check what is on."""
        self.shared.setChecked(view.contrast == "shared")
        self.labels.setChecked(view.labels)
        self.spread.setChecked(view.spread)
        self.bars.setChecked(view.bars)
        self.contrasts[view.contrast].setChecked(True)
        self.colours[view.colours].setChecked(True)
