"""Opening data sets, and previews of how they would be read, each in a thread of its own.

Two threads, so that the layout dialog's previews do not wait for a data set that is being read.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject

from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.io.dataset import Dataset, LoadOptions
    from gsp_studio.io.readers import Peek


class OpenRequest:
    """A source to open, and how far that is; `options` None: as the reader proposes, if that is no guess."""

    def __init__(self, path: Path, options: LoadOptions | None) -> None:
        self.path = path
        self.options = options
        self.cancelled = threading.Event()
        self.done, self.total = 0, 0

    @property
    def activity(self) -> str:
        """Current activity, in words."""
        counted = f": {self.done} of {self.total} images" if self.total else ""
        return f"opening {self.path.name}{counted}"


class OpenJob(Job[OpenRequest, "Dataset | Peek"]):
    """Opens a source: a Dataset, or a Peek where its layout is a guess or patches are proposed."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(self._open, "gsp-load", parent)

    def _open(self, asked: OpenRequest) -> Dataset | Peek:
        from gsp_studio.io import readers

        options = asked.options
        if options is None:
            found = readers.peek(asked.path)
            if found.is_one:
                return readers.peek(asked.path, found.in_patches)
            if found.is_guess:
                return found
            options = found.options

        def progress(done: int, total: int) -> None:
            asked.done, asked.total = done, total
            self.report()

        return readers.load_dataset(asked.path, options, progress=progress, cancelled=asked.cancelled.is_set)


class PreviewRequest(NamedTuple):
    """A source that is to be looked at with these options; None: as the reader proposes."""

    path: Path
    options: LoadOptions | None


@dataclass(frozen=True)
class Preview:
    """Preview of a source: a Peek, some images (k, height, width) and their smallest value, or the error sentence."""

    found: Peek | None
    images: Array | None
    error: str = ""
    lowest: float = 0.0


class PreviewJob(Job[PreviewRequest, Preview]):
    """Looks at a source."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(_preview, "gsp-preview", parent)


def _preview(asked: PreviewRequest) -> Preview:
    from gsp_studio.io import readers

    found = readers.peek(*asked)
    images, lowest = readers.look_at(found)
    return Preview(found, images, lowest=lowest)
