"""Paths of the files that come with the program: in a wheel inside the package, in a checkout beside it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent

SAMPLES = ("faces", "swimmer")


def resource_path(name: str) -> Path:
    """The path of a file or folder under resources/, for example "icons/run.svg".

    Raises
    ------
    FileNotFoundError
        No such file, or an installation that is not complete.
    """
    return _find("resources", name)


def guide_path() -> Path:
    """The path of the guide, a Markdown file.

    Raises
    ------
    FileNotFoundError
        An installation that is not complete.
    """
    return _find("docs", "guide.md")


def sample_path(name: str) -> Path:
    """The path of a bundled data set: "faces" (2,000 of 19 x 19) or "swimmer" (256 of 32 x 32).

    Raises
    ------
    ValueError
        Another name.
    FileNotFoundError
        An installation that is not complete.
    """
    if name not in SAMPLES:
        raise ValueError(f'sample "{name}" is not known; accepted are {", ".join(SAMPLES)}')
    return _find("sample_data", f"{name}.npz")


def _find(folder: str, name: str) -> Path:
    for root in (_PACKAGE / f"_{folder}", _PACKAGE.parent / folder):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{folder}/{name} is missing from this installation of GSP Studio")
