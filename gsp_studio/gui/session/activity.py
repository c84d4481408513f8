"""What the app is doing besides a run, in words; told when it changes."""

from __future__ import annotations

from collections.abc import Callable

_COMPILING = "compiling the solvers, which is done once"


class Activity:
    """Holds a text and tells it; compilation, which takes longer than anything else, goes before."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._text = self._told = ""
        self._is_compiling = False

    def set(self, text: str) -> None:
        """Something else is being done, "" for nothing."""
        self._text = text
        self._update()

    def set_compiling(self, on: bool) -> None:
        """Whether solvers are being compiled."""
        self._is_compiling = on
        self._update()

    def _update(self) -> None:
        text = _COMPILING if self._is_compiling else self._text
        if text != self._told:
            self._told = text
            self._tell(text)
