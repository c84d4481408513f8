"""The dialog of an export, filled in for what is on the screen."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.dialogs.export import ExportDialog
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import RunEntry
from gsp_studio.io.dataset import Dataset

#: What is said beside an export of a run while another basis is on the screen.
_PROJECTED = "On the screen is a projection of {} to s = {:.4f}, which is no run; refined, it can be exported."
_NO_RUN = "On the screen is the basis of no run; this is the last run of the list."


def export_dialog(
    session: Session, entry: RunEntry, dataset: Dataset, settings: QSettings, parent: QWidget
) -> ExportDialog:
    """Make the dialog for a run, or for the refined basis on the screen, with what was chosen the last time."""
    shown = session.display.shown
    listed = next((run for run in session.runs.entries if run.number == entry.number), None)
    folder = Path(str(settings.value("export", str(Path.home())))) / _folder_name(dataset, entry, listed is not None)
    chosen = str(settings.value(*extras_key(dataset))).split()
    dialog = ExportDialog(entry, folder, parent, session.exports.extras, chosen)
    is_alike = shown is not None and len(shown.order) == len(entry.shown.order)
    order = shown.order if is_alike and shown is not None else entry.shown.order
    view = session.display.view
    spectra = "none" if dataset.grid is None else view.spectra
    dialog.set_look(tuple(order.tolist()), view.colours, _palette(view.colours), spectra)
    if listed is not None and shown is not None and shown is not listed.shown and session.runs.index >= 0:
        dialog.set_note(_PROJECTED.format(listed.name, shown.target))
    elif listed is not None and session.runs.index < 0:
        dialog.set_note(_NO_RUN)
    return dialog


def extras_key(dataset: Dataset) -> tuple[str, str]:
    """Where the extras of the last export are kept, and those of the first: of spectra their maps and curves."""
    return ("exportExtras", "") if dataset.grid is None else ("exportExtrasOfSpectra", "maps spectra")


def _folder_name(dataset: Dataset, entry: RunEntry, is_listed: bool) -> str:
    """Name of the folder that an export of a run, or of a refined basis, is proposed to go into."""
    name = f"run{entry.number}" if is_listed else f"run{entry.origin[0]}-s{entry.choice.params.sparsity:.4f}"
    return f"{Path(dataset.name).stem}-{name}"


def _palette(colours: str) -> bytes:
    """Red, green and blue of the colours of the tiles; b"" for greys."""
    if colours == "grey":
        return b""
    from gsp_studio.gui.widgets.tile_view import colour_table

    palette = colour_table(colours)
    palette[-1] = palette[-2]  # on the screen the last one lies between tiles
    return palette.tobytes()
