"""Window state in a session file, checked value by value: odd values are dropped and told, never used."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from gsp_studio.backends import available_backends
from gsp_studio.core.initialization import STARTS
from gsp_studio.core.methods import METHODS
from gsp_studio.core.params import PARAMETERS, Params, Range
from gsp_studio.core.unit_spectra import UNITS
from gsp_studio.gui.network.state import METHODS as NETWORK_METHODS
from gsp_studio.gui.network.state import MODES, KeptNetwork, NetworkSettings
from gsp_studio.gui.state import RunSettings, View
from gsp_studio.io.annotations import Annotations

#: Whether a value can be used, and which ones can, in words.
Check = tuple[Callable[[Any], bool], str]
Checked = TypeVar("Checked", Params, View, NetworkSettings)

_LONGEST = 40
#: Name of the order of the tiles in files of before, which had one for a refined basis alone.
_FORMER_ORDER = "refined_order"


def _whole(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high, f"a whole number from {low} to {high}"


def _within(accepted: Range) -> Check:
    if accepted.is_whole:
        return _whole(int(accepted.low), int(accepted.most))
    return lambda value: type(value) in (int, float, type(None)) and accepted.holds(value), accepted.words


def _one_of(names: Container[str], words: str) -> Check:
    return lambda value: isinstance(value, str) and value in names, words


_SWITCH: Check = (lambda value: isinstance(value, bool), "true or false")
_TEXT: Check = (lambda value: isinstance(value, str), "a text")
_TEXTS: Check = (
    lambda value: isinstance(value, list) and all(isinstance(text, str) for text in value),
    "a list of texts",
)
_NUMBERS: Check = (
    lambda value: isinstance(value, list) and all(type(number) is int for number in value),
    "a list of whole numbers",
)
_PARAMS: dict[str, Check] = {
    "method": _one_of(METHODS, "the name of a method"),
    "init": _one_of(STARTS, f"one of {', '.join(STARTS)}"),
    **{name: _SWITCH for name in PARAMETERS if isinstance(getattr(Params, name, None), bool)},
    **{name: _within(parameter.range) for name, parameter in PARAMETERS.items() if parameter.range is not None},
}
_BACKEND = _one_of(("auto", *available_backends()), "the name of a backend")
_VIEW: dict[str, Check] = {
    "contrast": _one_of(("tile", "shared", "percentile"), "tile, shared or percentile"),
    "colours": _one_of(("grey", "magma", "viridis", "cividis"), "grey, magma, viridis or cividis"),
    "labels": _SWITCH,
    "spread": _SWITCH,
    "bars": _SWITCH,
    "spectra": _one_of(UNITS, ", ".join(UNITS)),
}
_NETWORK: dict[str, Check] = {
    "sparsity": (lambda value: type(value) in (int, float) and 0 <= value <= 1, "a number from 0 to 1"),
    "mode": _one_of(MODES, ", ".join(MODES)),
    "without_first": _SWITCH,
    "without_last": _SWITCH,
    "method": _one_of(NETWORK_METHODS, ", ".join(NETWORK_METHODS)),
    "values": _one_of(("kept", "shrunken"), "kept or shrunken"),
}
_REMARKS: dict[str, Check] = {
    "name": _TEXT,
    "note": _TEXT,
    "tags": _TEXTS,
    "accepted": _NUMBERS,
    "rejected": _NUMBERS,
}


@dataclass(frozen=True)
class WindowState:
    """State of the window.

    Attributes
    ----------
    choice : RunSettings
    view : View
    marked : tuple of int
        The selected basis images.
    shown_run : int
        Number of the run on the screen, 0 for none.
    refined_run : int
        Number of the run that made the refined basis on the screen and was in no list, 0 for none.
    order : tuple of int
        Order of the tiles, () where it is not known.
    locked : dict of int to float
        Basis images that the slider does not move, and their sparsities.
    remarks : dict of str to dict
        Remarks on runs, by their numbers; checked by `read_remarks`.
    docks : bytes
        As `QMainWindow.saveState` gives it, b"" where it is not known.
    front : str
        Title of the view in front, "" where it is not known.
    collapsed : tuple of str
        Titles of the docks that are collapsed to these.
    network : KeptNetwork or None
        The network that was open.
    """

    choice: RunSettings = field(default_factory=RunSettings)
    view: View = field(default_factory=View)
    marked: tuple[int, ...] = ()
    shown_run: int = 0
    refined_run: int = 0
    order: tuple[int, ...] = ()
    locked: dict[int, float] = field(default_factory=dict)
    remarks: dict[str, Any] = field(default_factory=dict)
    docks: bytes = b""
    front: str = ""
    collapsed: tuple[str, ...] = ()
    network: KeptNetwork | None = None


def read_state(content: object, most: int, problems: list[str]) -> WindowState:
    """Check the window's part of a session file.

    Parameters
    ----------
    content : object
        Plain JSON of any kind.
    most : int
        The largest rank that the data can have.
    problems : list of str
        Gets a sentence for each value that is dropped.
    """
    about = "what the window showed"
    content = _mapping(content, about, problems)
    look = _mapping(content.get("window", {}), "the place of the docks", problems)
    docks = b""
    try:
        docks = base64.b64decode(_usable(look, "docks", "", _TEXT, about, problems), validate=True)
    except (binascii.Error, ValueError):
        problems.append("the place of the docks is damaged")
    return WindowState(
        _read_settings(most, content.get("choice", {}), about, problems),
        _read_fields(content.get("view", {}), View(), _VIEW, about, problems),
        tuple(_usable(content, "marked", [], _NUMBERS, about, problems)),
        _usable(content, "shown_run", 0, _whole(0, 2**31 - 1), about, problems),
        _usable(content, "refined_run", 0, _whole(0, 2**31 - 1), about, problems),
        tuple(_usable(content, "order" if "order" in content else _FORMER_ORDER, [], _NUMBERS, about, problems)),
        _read_locked(content.get("locked", {}), problems),
        _mapping(content.get("remarks", {}), "what was written beside the runs", problems),
        docks,
        _usable(look, "front", "", _TEXT, about, problems),
        tuple(_usable(look, "collapsed", [], _TEXTS, about, problems)),
        _read_network(look.get("network", {}), problems),
    )


def _read_network(content: object, problems: list[str]) -> KeptNetwork | None:
    """Check the network that was open, and how it was pruned; None where there was none."""
    about = "the network"
    content = _mapping(content, about, problems)
    path = _usable(content, "path", "", _TEXT, about, problems)
    if not path or "\0" in path:
        return None
    chosen = _mapping(content.get("choice", {}), about, problems)
    choice = _read_fields(chosen, NetworkSettings(), _NETWORK, about, problems)
    pairs = chosen.get("own", [])
    own = [pair for pair in pairs if _is_target(pair)] if isinstance(pairs, list) else []
    if not isinstance(pairs, list) or len(own) < len(pairs):
        problems.append(f"{about}: targets of layers are not used; accepted are pairs of a name and a number")
    choice = replace(choice, own=tuple((name, float(target)) for name, target in own)).consistent()
    return KeptNetwork(Path(path), choice, _usable(content, "layer", "", _TEXT, about, problems))


def _is_target(pair: object) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and type(pair[1]) in (int, float)
        and 0 <= pair[1] <= 1
    )


def _read_locked(content: object, problems: list[str]) -> dict[int, float]:
    """Check which basis images are locked, and at which sparsities."""
    about = "which sparsities are locked"
    content = _mapping(content, about, problems)
    found = {
        int(basis): float(s)
        for basis, s in content.items()
        if basis.isascii() and basis.isdecimal() and len(basis) < _LONGEST
        if type(s) in (int, float) and 0.0 <= s <= 1.0
    }
    if len(found) < len(content):
        problems.append(f"{about}: not all of it is used; accepted are basis images and numbers from 0 to 1")
    return found


def _read_settings(most: int, content: object, about: str, problems: list[str]) -> RunSettings:
    """Check the settings of the next run; odd and missing values are the defaults, the rank is at most `most`."""
    content, usual = _mapping(content, about, problems), RunSettings()
    usual = usual.with_params(rank=min(usual.params.rank, most))
    params = _read_fields(content, usual.params, {**_PARAMS, "rank": _whole(1, most)}, about, problems)
    backend = _usable(content, "backend", usual.backend, _BACKEND, about, problems)
    return RunSettings.of_run(replace(params, sparsity_h=params.sparsity_h or None), backend)


def read_remarks(content: object, rank: int, about: str, problems: list[str]) -> Annotations:
    """Check what was written beside a run of this rank, among other things."""
    content = _mapping(content, about, problems)
    usable = {
        name: _usable(content, name, None, check, about, problems)
        for name, check in _REMARKS.items()
        if name in content
    }
    return Annotations.from_json({name: value for name, value in usable.items() if value is not None}, rank)


def read_origin(content: object, about: str, problems: list[str]) -> tuple[int, int]:
    """Check of which run another one is a branch, and how many iterations they share; (0, 0) for none."""
    pair = _usable({"origin": content}, "origin", [0, 0], _NUMBERS, about, problems)
    if len(pair) != 2 or min(pair) < 0 or max(pair) >= 2**31:
        problems.append(f"{about}: its origin {_short(content)} is not used; accepted are a run and an iteration")
        return 0, 0
    return pair[0], pair[1]


def read_texts(content: object, about: str, problems: list[str]) -> list[str]:
    """Check the words for what was changed in a run."""
    return list(_usable({"texts": content}, "texts", [], _TEXTS, about, problems))


def _read_fields(
    content: object, otherwise: Checked, checks: dict[str, Check], about: str, problems: list[str]
) -> Checked:
    content = _mapping(content, about, problems)
    return replace(
        otherwise,
        **{
            name: _usable(content, name, getattr(otherwise, name), check, about, problems)
            for name, check in checks.items()
        },
    )


def _mapping(content: object, about: str, problems: list[str]) -> dict[str, Any]:
    if isinstance(content, dict):
        return content
    problems.append(f"{about} is not used: {_short(content)} is not a set of named values")
    return {}


def _usable(content: dict[str, Any], name: str, otherwise: Any, check: Check, about: str, problems: list[str]) -> Any:
    value = content.get(name, otherwise)
    is_usable, words = check
    if name not in content or is_usable(value):
        return value
    problems.append(f"{about}: {name} {_short(value)} is not used; accepted is {words}")
    return otherwise


def _short(value: object) -> str:
    """A value of any size in a few letters."""
    if isinstance(value, int) and abs(value) > 10**_LONGEST:
        return "with more than 40 digits"
    if isinstance(value, (list, dict)):
        return f"{'a list' if isinstance(value, list) else 'named values'} of {len(value)}"
    text = repr(value[: 2 * _LONGEST] if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
