"""Names of images: their natural order, and those that are made on access, as there may be millions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import overload


def natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key that puts "image 2" before "image 10"; no two texts have the same."""
    parts = re.split(r"([0-9]+)", text)  # every second one is a number
    numbers = [part.lstrip("0") for part in parts]  # as text: a name can have more digits than numbers may
    return [(0, len(numbers[i]), numbers[i]) if i % 2 else (1, 0, part.lower()) for i, part in enumerate(parts)], text


class NumberedNames(Sequence[str]):
    """Names made on access: "image 1", "image 2", ... of millions of images.

    Parameters
    ----------
    pattern : str
        With a place for the number, ``"image {}"``.
    of : range
        Of the images, counted from 0.
    """

    def __init__(self, pattern: str, of: range) -> None:
        self._pattern, self._of = pattern, of

    def __len__(self) -> int:
        return len(self._of)

    @overload
    def __getitem__(self, k: int) -> str: ...
    @overload
    def __getitem__(self, k: slice) -> NumberedNames: ...
    def __getitem__(self, k: int | slice) -> str | NumberedNames:
        if isinstance(k, slice):
            return NumberedNames(self._pattern, self._of[k])
        return self._pattern.format(self._of[k] + 1)


class Places(Sequence[str]):
    """Names of the pixels of a picture: "row 1, column 1", in the order in which a column of it is filled.

    Parameters
    ----------
    shape : (height, width)
    order : "C" | "F"
    """

    def __init__(self, shape: tuple[int, int], order: str) -> None:
        self._height, self._width = shape
        self._is_by_rows = order == "C"

    def __len__(self) -> int:
        return self._height * self._width

    @overload
    def __getitem__(self, k: int) -> str: ...
    @overload
    def __getitem__(self, k: slice) -> list[str]: ...
    def __getitem__(self, k: int | slice) -> str | list[str]:
        if isinstance(k, slice):
            return [self[j] for j in range(len(self))[k]]
        k = range(len(self))[k]
        row, column = divmod(k, self._width) if self._is_by_rows else divmod(k, self._height)[::-1]
        return f"row {row + 1}, column {column + 1}"
