"""Texts of tables that people open in a spreadsheet."""

from __future__ import annotations

import re

#: Beginnings that spreadsheets take for a formula, signs of full width as well.
_FORMULA = re.compile(r"[\t\r\n]|[\s\x00-\x1f\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def plain_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula: some look for one behind spaces, tabs and line ends."""
    return f"'{text}" if _FORMULA.match(text) else text
