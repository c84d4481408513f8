"""Opening data sets in a worker: the newest request wins, an older one is cancelled and its answer dropped.

Two workers, so that the layout dialog's previews do not wait for a data set that is being read.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsp_studio.engine.latest import LatestOnly

if TYPE_CHECKING:
    from gsp_studio.io.dataset import LoadOptions
    from gsp_studio.io.load import Peek


class Opening:
    """One request to open `path`; `options` None: as the reader proposes, if that is no guess."""

    def __init__(self, path: Path, options: LoadOptions | None) -> None:
        self.path = path
        self.options = options
        self.cancelled = threading.Event()
        self.done, self.total = 0, 0

    def progress(self, done: int, total: int) -> None:
        """Called by the reader; two numbers that the window may read at any time."""
        self.done, self.total = done, total

    @property
    def activity(self) -> str:
        """What is being done, in words."""
        counted = f": {self.done} of {self.total} images" if self.total else ""
        return f"opening {self.path.name}{counted}"


@dataclass(frozen=True)
class Opened:
    """The answer to an `Opening`: a Dataset, an error, or a Peek: its layout is a guess, or it proposes patches."""

    opening: Opening
    value: Any
    error: Exception | None

    @property
    def was_cancelled(self) -> bool:
        """Whether the user gave it up."""
        return self.opening.cancelled.is_set()


@dataclass(frozen=True)
class Preview:
    """What a source would look like: a Peek and some images (k, height, width), or the error sentence."""

    found: Peek | None
    images: Any
    error: str = ""


class Loading:
    """Opens data sets and previews layouts with the functions of `work`, in two threads of its own."""

    def __init__(self, work: Any) -> None:
        self._work = work
        self._loader: LatestOnly[Opening, Any] = LatestOnly(self._load, name="gsp-load")
        self._previewer: LatestOnly[tuple[Path, LoadOptions | None], Preview] = LatestOnly(
            self._preview, name="gsp-preview"
        )
        self._opening: Opening | None = None
        self._newest_preview = 0

    @property
    def opening(self) -> Opening | None:
        """The request under way."""
        return self._opening

    def open(self, path: Path, options: LoadOptions | None) -> None:
        """Ask for a data set; what was being opened is given up."""
        self.cancel()
        self._opening = Opening(path, options)
        self._loader.submit(self._opening)

    def cancel(self) -> None:
        """Give up the request under way, at its next image."""
        if self._opening is not None:
            self._opening.cancelled.set()

    def preview(self, path: Path, options: LoadOptions | None) -> None:
        """Ask what a layout would look like."""
        self._newest_preview = self._previewer.submit((path, options))

    def poll(self) -> Opened | None:
        """The answer to the newest request, once."""
        answer = self._loader.poll()
        if answer is None or answer.request is not self._opening:
            return None
        self._opening = None
        return Opened(answer.request, answer.value, answer.error)

    def poll_preview(self) -> Preview | None:
        """The newest preview, once."""
        answer = self._previewer.poll()
        if answer is None or answer.generation != self._newest_preview:
            return None
        return answer.value if answer.error is None else Preview(None, None, str(answer.error))

    def close(self, timeout: float | None = None) -> bool:
        """Cancel and end both threads; True when they have ended."""
        self.cancel()
        return all([self._loader.close(timeout), self._previewer.close(timeout)])

    def _load(self, opening: Opening) -> Any:
        options = opening.options
        if options is None:
            found = self._work.peek(opening.path)
            if found.is_one:
                return self._work.peek(opening.path, found.in_patches)
            if found.is_guess:
                return found
            options = found.options
        return self._work.load_dataset(
            opening.path, options, progress=opening.progress, cancelled=opening.cancelled.is_set
        )

    def _preview(self, request: tuple[Path, LoadOptions | None]) -> Preview:
        path, options = request
        found = self._work.peek(path, options)
        return Preview(found, self._work.thumbnails(found))
