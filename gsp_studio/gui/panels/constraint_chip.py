"""The constraint, always in view: what was asked for, what is attained, whether it is enough, and how it was found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.backends.backend import gives_same_bits
from gsp_studio.gui.state import TOLERANCE, BasisPreview, Capabilities, DisplayedBasis, RunEntry
from gsp_studio.gui.texts import (
    EXCEEDED,
    REFINING,
    about_stability,
    error_name,
    error_words,
    is_on_its_way,
    plain_sparsity,
    target_words,
)
from gsp_studio.gui.theme import current_theme, pixmap
from gsp_studio.nouns import IMAGES, Nouns

if TYPE_CHECKING:
    from gsp_studio.core.diagnosis import Caution
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

_WIDEST = "target s 0.8888   attained 0.8888   exceeded"
_STAYS = "sparser than the target: the slider makes a basis sparser, never denser"
_ICON = 16
_PADDING = 12
_TEACH = (
    "min W: the smallest entry of the basis, which may not be negative.\n"
    "KKT: how far a projected gradient step of both factors would change the fit at most, relative to the data;\n"
    "0: nothing can be gained. Basis images have length 1 there, so the scales of the factors do not count.\n"
    "It is that of a run's result, so it is not known while the slider moves.\n"
    "bit for bit: repeated on a processor of this type, a run gives the same factors to the last bit, whatever the\n"
    "threads, in memory or from the disk, here or on workers.\n"
    "to rounding: sums of workers with GPUs depend on how the images are cut; lost coefficients are fitted anew."
)


class ConstraintChip(QWidget):
    """Target, attained sparsity, and whether that is reached: by colour, icon and word.

    A second line says how it was found, or what speaks against it: a tick stands for a basis without such a caution.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = self._second = self._here = self._backend = ""
        self._least = math.nan
        self._nouns = IMAGES
        self._shown: DisplayedBasis | None = None
        #: The run whose KKT residual is known, and that.
        self._residual: tuple[RunEntry | None, float] = (None, math.nan)
        self._cautions: tuple[Caution, ...] = ()
        self._better: tuple[Caution, ...] = ()
        self._rivals: tuple[Caution, ...] = ()
        self._met, self._is_afar = True, False
        self._icon: tuple[object, QPixmap] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_shown(None)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        session.known.connect(self.set_known)
        session.datasetChanged.connect(self.set_dataset)
        session.display.shownChanged.connect(self.set_shown)
        session.display.glimpseChanged.connect(self.set_glimpse)
        session.runs.changed.connect(self.set_runs)
        session.runs.stabilityChanged.connect(self.set_stability)
        session.analyses.residualFound.connect(self.set_residual)

    def set_known(self, known: Capabilities) -> None:
        """Name what computes here."""
        self._here = self._backend = known.backend
        self._tell_second()

    def set_dataset(self, dataset: Dataset) -> None:
        """Tell about bases of these data from now on."""
        self._nouns = dataset.nouns

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Tell about this basis."""
        if shown is None:
            self._met, text = True, ""
            self.setToolTip("")
        else:
            text = target_words(shown)
            self._met = math.isnan(shown.target) or shown.meets_target or is_on_its_way(shown)
        self._least = math.nan if shown is None else float(shown.W.min(initial=0.0))
        self._is_afar = shown is not None and not shown.has_coefficients
        self._shown = shown
        self._cautions = () if shown is None else _cautions_about(shown, self._nouns)
        self._tell(text)
        if shown is not None:
            lines = [text, f"the least sparse {self._nouns.basis} has {float(shown.sparsities.min()):.4f}"]
            if text.endswith(EXCEEDED):
                lines.append(_STAYS)
            lines.append(error_words(shown))
            if shown.is_weighted:
                lines.append(f"weighted by {self._nouns.entry}; plain average sparsity {plain_sparsity(shown.W):.4f}")
            if not math.isnan(shown.target_h):
                lines.append(f"coefficients: target {shown.target_h:.4f}, attained {shown.sparsity_h:.4f}")
            lines += [caution.sentence for caution in (*self._cautions, *self._better)]
            self.setToolTip("\n".join([*lines, "", self._nouns.of(_TEACH)]))

    def set_glimpse(self, glimpse: BasisPreview) -> None:
        """Tell about a basis that is still to be computed in full."""
        self._met = not glimpse.attained < glimpse.target - TOLERANCE
        self._shown, self._cautions = None, ()
        self._tell(target_words(glimpse))

    def set_residual(self, entry: RunEntry, residual: float) -> None:
        """Tell how far a run's result is from standing still, while that is on the screen."""
        self._residual = entry, residual
        self._tell_second()

    def set_runs(self, runs: tuple[RunEntry, ...], index: int) -> None:
        """Know which result is on the screen, and what computed it; -1: none is."""
        result = runs[index].outcome.result if index >= 0 else None
        self._backend = self._here if result is None else result.backend
        self._rivals = _better_than(runs, index)
        self.set_stability(runs[index] if index >= 0 else None)

    def set_stability(self, entry: RunEntry | None) -> None:
        """Know which basis images of the run on the screen other seeds do not find; None: unknown."""
        self._better = (*_unstable_in(entry, self._nouns), *self._rivals)
        self.update()  # the icon may be another one
        self._tell_second()

    def _tell(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.setAccessibleName(text or "No basis yet")
            self.update()
        self._tell_second()

    def _tell_second(self) -> None:
        entry, residual = self._residual
        is_of_shown = entry is not None and self._shown is not None and entry.shown.W is self._shown.W
        kkt = "–" if not is_of_shown or math.isnan(residual) else f"{residual:.1e}"
        least = "–" if math.isnan(self._least) else f"{self._least:.3g}"
        backend = self._backend
        if self._is_afar and gives_same_bits(backend):  # a run that goes on: its result has not named its workers yet
            device, bits = "cluster", "–"
        else:
            device = backend.partition(",")[0].partition(": ")[0]
            bits = "bit for bit" if gives_same_bits(backend) else "to rounding"
        second = f"min W {least}  ·  KKT {kkt}  ·  {device}  ·  {bits}" if self._text else ""
        if self._is_cautious:
            second = "  ·  ".join(caution.short for caution in (*self._cautions, *self._better))
        if second != self._second:
            self._second = second
            self.setAccessibleDescription(second)
            self.update()

    @property
    def _is_cautious(self) -> bool:
        return bool(self._text and (self._cautions or self._better))

    @property
    def icon_name(self) -> str:
        """A tick where the target is reached and nothing speaks against the basis; "" for a sparser or moving one."""
        if not self._met or self._is_cautious:
            return "warning"
        return "" if self._text.endswith((EXCEEDED, REFINING)) else "check"

    def text(self) -> str:
        """Return text."""
        return self._text

    def _small(self) -> QFont:
        font = QFont(self.font())
        font.setPointSizeF(max(6.0, font.pointSizeF() * 0.85))
        return font

    def sizeHint(self) -> QSize:
        """Room for the longest text, so that the bar beside it never moves."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(_WIDEST) + _ICON + 3 * _PADDING, 2 * metrics.height() + 8)

    def _image(self, name: str, colour: str) -> QPixmap:
        """The icon, drawn anew only when it is another one: while the slider moves this is painted at every step."""
        wanted = (name, colour, self.devicePixelRatioF())
        if self._icon is None or self._icon[0] != wanted:
            self._icon = (wanted, pixmap(name, colour, _ICON, self.devicePixelRatioF()))
        return self._icon[1]

    def paintEvent(self, event: QPaintEvent) -> None:
        """A box with two lines."""
        if not self._text:
            return
        theme = current_theme()
        colour = theme.text if self._met else theme.amber
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(1, 1, self.width() - 2, self.height() - 2)
        painter.setPen(QPen(QColor(theme.separator if self._met else theme.amber), 1))
        painter.setBrush(QColor(theme.panel))
        painter.drawRoundedRect(box, 6, 6)
        name = self.icon_name
        if name:
            image = self._image(name, theme.amber if name == "warning" else colour)
            painter.drawPixmap(int(box.left() + _PADDING), int((self.height() - _ICON) / 2), image)
        words = box.adjusted(_PADDING + _ICON + _PADDING / 2, 2, 0, -2)
        upper, lower = QRectF(words), QRectF(words)
        upper.setHeight(words.height() / 2)
        lower.setTop(upper.bottom())
        where = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.setPen(QColor(colour))
        painter.drawText(upper, where, self._text)
        painter.setPen(QColor(theme.amber if self._is_cautious else theme.text_muted))
        painter.setFont(self._small())
        second = painter.fontMetrics().elidedText(self._second, Qt.TextElideMode.ElideRight, int(lower.width()))
        painter.drawText(lower, where, second)


def _cautions_about(shown: DisplayedBasis, nouns: Nouns) -> tuple[Caution, ...]:
    from gsp_studio.core.diagnosis import cautions

    return cautions(shown.sparsities, shown.energies, nouns)


def _better_than(runs: tuple[RunEntry, ...], index: int) -> tuple[Caution, ...]:
    """The run of the list that is sparser than that of this index, of the same rank, and has a lower error."""
    if index < 0:
        return ()
    from gsp_studio.core.diagnosis import sparser_and_better

    here = runs[index]
    others = [(e.name, e.shown.attained, e.shown.error) for e in runs if _are_comparable(e, here)]
    return sparser_and_better(here.shown.attained, here.shown.error, others)


def _are_comparable(one: RunEntry, other: RunEntry) -> bool:
    """Whether two runs have the same rank, errors of the same measure and entries, and sparsities of one kind."""
    return (
        len(one.shown.order) == len(other.shown.order)
        and error_name(one.shown) == error_name(other.shown)
        and one.choice.params.held_out == other.choice.params.held_out
        and one.shown.is_weighted is other.shown.is_weighted
    )


def _unstable_in(entry: RunEntry | None, nouns: Nouns) -> tuple[Caution, ...]:
    """Say how many basis images of a run other seeds do not find, where that is known."""
    if entry is None or entry.stability is None or not len(entry.stability.unstable):
        return ()
    from gsp_studio.core.diagnosis import Caution

    short = f"{len(entry.stability.unstable)} of {len(entry.stability.cosine)} unstable"
    return (Caution(short, about_stability(entry, nouns)),)
