"""Guard of the methods that Qt calls back: on Python 3.11 an exception in one of them could end the process.

There, an exception that C code has raised (``1 / 0``, an index that NumPy refuses) is not whole until a handler has
handled it, and PySide reads it before that: a native crash in place of a report.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from PySide6.QtCore import QObject

#: Virtual methods of Qt besides the handlers of events, whose names end with "Event".
_VIRTUAL = frozenset(
    (
        *("boundingRect", "columnCount", "data", "event", "eventFilter", "filterAcceptsRow", "fixup", "flags"),
        *("headerData", "heightForWidth", "initStyleOption", "itemChange", "minimumSizeHint", "paint", "redo"),
        *("reject", "rowCount", "setData", "shape", "sizeHint", "stepBy", "stepEnabled", "textFromValue", "undo"),
        *("validate", "valueFromText"),
    )
)


def guard_overrides() -> None:
    """Guard those of all classes of Qt that are defined from now on."""
    wrapped: Any = QObject.__base__  # of all classes of Qt, those that are no QObject too
    if sys.version_info < (3, 12) and "__init_subclass__" not in vars(wrapped):
        wrapped.__init_subclass__ = classmethod(_guard)


def _guard(made: type, /, **options: Any) -> None:
    super(QObject.__base__, made).__init_subclass__(**options)  # type: ignore[arg-type]
    for base in made.__mro__:
        if base.__module__.startswith("PySide6"):
            return  # what stands before it, mixed in or its own, is what Qt calls
        for name, method in list(vars(base).items()):
            is_virtual = name in _VIRTUAL or name.endswith("Event")
            if is_virtual and isinstance(method, FunctionType) and getattr(made, name) is method:
                setattr(made, name, _completing(method))


def _completing(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def complete(*arguments: Any, **named: Any) -> Any:
        try:
            return method(*arguments, **named)
        finally:
            pass  # a handler, which makes an exception whole and hands it on, see above

    return complete
