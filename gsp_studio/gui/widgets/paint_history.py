"""History of painting, edit by edit: undo and redo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.weighting import Box

#: Most bytes of all edits together; the oldest go first. Strokes hold the box that they have touched, presets an image.
_BYTES = 128 << 20


@dataclass(frozen=True, eq=False)
class Edit:
    """A box of an image before and after."""

    box: Box
    before: Array
    after: Array

    @property
    def nbytes(self) -> int:
        """Memory that it holds."""
        return int(self.before.nbytes + self.after.nbytes)


def edit_between(box: Box, before: Array, after: Array) -> Edit | None:
    """Return the edit from one content of a box to another; None if they are equal."""
    return None if np.array_equal(before, after) else Edit(box, before.copy(), after.copy())


class PaintHistory:
    """Edits that can be undone, and those that can be done again."""

    def __init__(self) -> None:
        self._done: list[Edit] = []
        self._undone: list[Edit] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is one that was taken back."""
        return bool(self._undone)

    def add(self, edit: Edit) -> None:
        """Something new was done: what was undone before is gone."""
        self._undone.clear()
        self._done.append(edit)
        while len(self._done) > 1 and sum(e.nbytes for e in self._done) > _BYTES:
            del self._done[0]

    def undo(self) -> tuple[Box, Array] | None:
        """The box and its content before the last edit; None where there is none."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1].box, self._undone[-1].before

    def redo(self) -> tuple[Box, Array] | None:
        """The box and its content after the edit that was undone last; None where there is none."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1].box, self._done[-1].after

    def follow(self, now: Array, then: Array) -> bool:
        """Take one step back or on, where that is what makes `then` of the image `now`; whether it is one."""
        if self._done and _is_change(self._done[-1].box, self._done[-1].before, now, then):
            self.undo()
            return True
        if self._undone and _is_change(self._undone[-1].box, self._undone[-1].after, now, then):
            self.redo()
            return True
        return False

    def clear(self) -> None:
        """Another image: nothing to go back to."""
        self._done.clear()
        self._undone.clear()


def _is_change(box: Box, content: Array, now: Array, then: Array) -> bool:
    """Whether an image becomes another one by this content of a box."""
    changed = now.copy()
    changed[box] = content
    return np.allclose(changed, then, rtol=0.0, atol=1e-9)  # of images in colour it is a mean
