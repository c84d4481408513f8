"""What can be done about a data set that cannot be opened."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from gsp_studio.io.dataset import LoadOptions
from gsp_studio.io.steps import REMEDY, Resize

#: Proposed for images of many sizes.
_ONE_SIZE = (128, 128)
#: Words of the sentences about single files of a folder that cannot be read.
_DAMAGED = (" is damaged", " is named like an image but is none")


class Remedy(NamedTuple):
    """Another way to read a source.

    Attributes
    ----------
    words : str
        Of its button; "" where there is none.
    options : LoadOptions or None
        As the reader proposes where None.
    opens : bool
        Whether the source is opened so, without a look at it before.
    """

    words: str
    options: LoadOptions | None = None
    opens: bool = False


def remedy_for(path: Path, sentence: str, tried: LoadOptions | None) -> Remedy:
    """Find another way to read a source.

    Parameters
    ----------
    path : Path
    sentence : str
        Why it cannot be read.
    tried : LoadOptions or None
        How it was to be read.

    Returns
    -------
    Remedy
    """
    if any(words in sentence for words in _DAMAGED) and _has_others(path):
        return Remedy("Leave out damaged files", replace(tried or LoadOptions(), nonfinite="drop"), True)
    if REMEDY in sentence:
        return Remedy("Bring them to one size...", LoadOptions(steps=(Resize(*_ONE_SIZE),)))
    has_layout = path.suffix.lower() in layout_suffixes() and path.is_file()
    return Remedy("Read it in another way..." if has_layout else "")


def _has_others(path: Path) -> bool:
    """Whether it is a folder of more than one file."""
    return path.is_dir() and len(list(islice(path.iterdir(), 2))) > 1


def layout_suffixes() -> tuple[str, ...]:
    """Usual ends of the names of files that can be read in several ways."""
    from gsp_studio.io.formats.plugins import plugin_formats
    from gsp_studio.io.formats.registry import FORMATS

    forms = (*FORMATS.values(), *plugin_formats()[0].values())

    return (*(suffix for form in forms for suffix in form.suffixes), ".gif", ".zip", ".tar", ".tgz")
