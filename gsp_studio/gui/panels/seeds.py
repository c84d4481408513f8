"""Seeds of the next run: a list with their pictures, how they are found, and how long each is held."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QListView,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.core.seeds import HOLDS
from gsp_studio.gui.widgets.controls import Button, ComboBox, label
from gsp_studio.gui.widgets.picture import thumbnail
from gsp_studio.gui.widgets.worded import word_label, word_tip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gsp_studio.core.seeds import Seed
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.state import DisplayedBasis
    from gsp_studio.io.dataset import Dataset

_EMPTY = "Without seeds a run begins as its start says. Seeds become the first basis images of the next run."
_SIDE = 40
#: Narrowest column and lowest line of seeds, and what is free between two lines, in pixels.
_NARROW, _LOW, _BETWEEN = 176, 32, 4
#: Words for the keys of `HOLDS`.
HOLD_WORDS = {"free": "free", "first": "held at first", "always": "held for good"}
_METHODS = {"vca": "VCA", "nfindr": "N-FINDR"}


class _SeedTable(QListWidget):
    """Seeds beside each other, in as many columns as there is room for: docks are low and wide.

    A name that has no room is shortened; the tool tip has it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setItemDelegate(_SeedCell(self))
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)


class _SeedCell(QStyledItemDelegate):
    """A seed in its share of the width of its list."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Return the size of all cells, whatever they hold."""
        table = self.parent()
        assert isinstance(table, QListWidget)
        width = table.viewport().width() - _BETWEEN  # a line that is full to the last pixel is broken
        return QSize(width // max(1, width // _NARROW), max(_LOW, 2 * table.fontMetrics().height() + _BETWEEN))


class SeedsPanel(QWidget):
    """Shows `SeedList`, and changes it as the user asks."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._dataset: Dataset | None = None
        self._shown: DisplayedBasis | None = None
        self._seeds: tuple[Seed, ...] = ()
        self.list = _SeedTable()
        self.list.setIconSize(QSize(_SIDE, _SIDE))
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setAccessibleName("Seeds of the next run")
        self.methods = {key: Button(title) for key, title in _METHODS.items()}
        self.add, self.remove, self.hold = Button("Add"), Button("Remove"), ComboBox()
        self.menu = QMenu(self)
        self._hint = word_label(label(muted=True, wrap=True), _EMPTY)
        self._lay_out()
        self._wire()
        self._offer()

    def _lay_out(self) -> None:
        for key, title in HOLD_WORDS.items():
            self.hold.addItem(title, key)
            self.hold.setItemData(self.hold.count() - 1, HOLDS[key], Qt.ItemDataRole.ToolTipRole)
        self.hold.setAccessibleName("How long seeds are held")
        self.hold.setToolTip("How long the selected seeds are held, all where none is selected")
        self.add.setMenu(self.menu)
        for key, button in self.methods.items():
            word_tip(
                button, f"Find the purest samples by {_METHODS[key]}: as many as there are basis images without one"
            )
        self.list.setMinimumHeight(_SIDE)
        row = QHBoxLayout()
        for button in (*self.methods.values(), self.add):
            row.addWidget(button)
        row.addStretch()
        row.addWidget(self.hold)
        row.addWidget(self.remove)
        box = QVBoxLayout(self)
        box.setContentsMargins(12, 8, 12, 8)
        box.addLayout(row)
        box.addWidget(self._hint)
        box.addWidget(self.list, 1)
        box.addStretch()

    def _wire(self) -> None:
        for key, button in self.methods.items():
            button.clicked.connect(lambda _=False, key=key: self._find_by(key))
        self.remove.clicked.connect(lambda _=False: self._remove())
        self.hold.activated.connect(lambda _: self._hold())
        self.list.itemSelectionChanged.connect(self._offer)
        self.menu.aboutToShow.connect(self._fill_menu)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        self._session = session
        session.datasetChanged.connect(self.set_dataset)
        session.seeds.changed.connect(self.set_seeds)
        session.display.shownChanged.connect(self.set_shown)

    # What is shown

    def set_dataset(self, dataset: Dataset) -> None:
        """Offer seeds of this data set."""
        self._dataset = dataset
        self.set_seeds(())

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Offer basis images of this basis."""
        self._shown = shown

    def set_seeds(self, seeds: tuple[Seed, ...]) -> None:
        """List these."""
        chosen = self._places()
        self._seeds = seeds
        self.list.clear()
        for k, seed in enumerate(seeds):
            item = QListWidgetItem(f"{seed.name}\n{HOLD_WORDS[seed.hold]}")
            item.setToolTip(f"Column {k + 1} of W: {seed.name}, {HOLDS[seed.hold]}")
            if self._dataset is not None:
                picture = self._dataset.pictures(seed.values[:, None])[0]
                item.setIcon(QIcon(QPixmap.fromImage(thumbnail(picture))))
            self.list.addItem(item)
            item.setSelected(k in chosen)
        self._offer()

    def _places(self) -> list[int]:
        return sorted(index.row() for index in self.list.selectedIndexes())

    def _offer(self) -> None:
        there, chosen = bool(self._seeds), self._places()
        self._hint.setVisible(not there)
        self.list.setVisible(there)
        self.hold.setEnabled(there)
        self.remove.setEnabled(bool(chosen))
        for button in (*self.methods.values(), self.add):
            button.setEnabled(self._dataset is not None)
        first = next((self._seeds[k] for k in chosen), self._seeds[0] if there else None)
        if first is not None:
            self.hold.setCurrentIndex(self.hold.findData(first.hold))

    # The user's hand

    def _find_by(self, method: str) -> None:
        session = self._session
        if session is None:
            return
        params = session.settings.params
        count = max(1, params.rank - len(self._seeds))

        def find(dataset: Dataset) -> Sequence[Seed]:
            from gsp_studio.io.seed_sources import endmember_seeds

            return endmember_seeds(dataset, method, count, params.seed)

        session.seeds.find(find, f"finding seeds by {_METHODS[method]}")

    def _find_in(self, text: str) -> None:
        def find(dataset: Dataset) -> Sequence[Seed]:
            from gsp_studio.io.seed_sources import seeds_of_file

            return seeds_of_file(text, dataset)

        if self._session is not None:
            self._session.seeds.find(find, "reading seeds")

    def _ask_file(self) -> None:
        folder = "" if self._dataset is None else str(Path(self._dataset.source).parent)
        title = "Spectra or images as seeds"
        chosen, _ = QFileDialog.getOpenFileName(self, title, folder, "All files (*)")
        if chosen:
            self._find_in(chosen)

    def _add_basis(self, bases: Sequence[int]) -> None:
        from gsp_studio.core.seeds import Seed

        shown = self._shown
        if shown is not None and self._session is not None:
            made = [Seed(f"{shown.origin}, basis {k + 1}", shown.W[:, k].astype(np.float64)) for k in bases]
            self._session.seeds.add([seed for seed in made if seed.values.any()])

    def _ask_region(self) -> None:
        from gsp_studio.gui.dialogs.region import RegionDialog

        session, dataset = self._session, self._dataset
        if session is not None and dataset is not None:
            dialog = RegionDialog(dataset, self._shown, self)
            dialog.seedMade.connect(lambda seed: session.seeds.add([seed]))
            dialog.failed.connect(session.failed)
            dialog.open()

    def _remove(self) -> None:
        if self._session is not None and self._places():
            self._session.seeds.remove(self._places())

    def _hold(self) -> None:
        if self._session is not None:
            self._session.seeds.hold(self._places() or list(range(len(self._seeds))), self.hold.currentData())

    def _fill_menu(self) -> None:
        menu, dataset, session = self.menu, self._dataset, self._session
        menu.clear()
        if dataset is None or session is None:
            return
        menu.addAction("From a &file...", self._ask_file)
        for key in arrays_like(dataset):
            menu.addAction(f"&{key} of {Path(dataset.source).name}", partial(self._find_in, f":{key}"))
        marked = session.display.marked if self._shown is not None else ()
        chosen = menu.addAction(dataset.nouns.of("The &selected basis images"), partial(self._add_basis, marked))
        chosen.setEnabled(bool(marked))
        menu.addSeparator()
        menu.addAction(dataset.nouns.of("A &region, an image or a residual..."), self._ask_region)


def arrays_like(dataset: Dataset) -> list[str]:
    """Names of the arrays in a data set's file that have the length of a column of X; none where it cannot be read."""
    from gsp_studio.io.formats.registry import FORMATS, list_arrays
    from gsp_studio.io.readers import kind_of

    path = Path(dataset.source)
    if not dataset.source or not path.is_file():
        return []
    try:
        kind = kind_of(path)
        entries: list[Any] = list_arrays(path, kind) if kind in FORMATS else []
    except (OSError, ValueError):
        return []
    m, chosen = dataset.X.shape[0], dataset.options.key
    return [
        entry.key for entry in entries if entry.key and entry.key != chosen and entry.is_usable and m in entry.shape
    ]
