"""State of the Networks view, as frozen data: the choices, the layers at a target, curves as they grow."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gsp_studio.arrays import Array

Mode = Literal["layer", "own", "network"]

#: How layers share a target, in the order of the switch: each at s, each at its own, all in one group.
MODES: tuple[Mode, ...] = ("layer", "own", "network")
Method = Literal["gsp", "magnitude", "lamp"]
#: Ways to choose the weights that go: their names on the switch.
METHODS: dict[Method, str] = {"gsp": "GSP", "magnitude": "Magnitude", "lamp": "LAMP"}
Values = Literal["kept", "shrunken"]
_SHARED = {"layer": "each layer", "own": "separate s", "network": "whole network"}


#: Of files that are networks and nothing else: wherever they are opened, they come here.
SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".onnx")
#: Where images with labels come from: what `sourceRequested` brings, and its words.
SOURCES = {
    "last": "",  # the file of the last time, named by `set_last`
    "open": "The images that are open in the app",
    "folder": "A folder with a folder for each class...",
    "files": "A file of images with labels...",
    "digits": "The 1797 digits of scikit-learn",
}


@dataclass(frozen=True)
class NetworkSettings:
    """Settings of a pruning.

    Attributes
    ----------
    sparsity : float
        The target that layers share: s, or the share of zeros where the method has no s.
    mode : "layer" | "own" | "network"
        Every layer at s; every layer at a target of its own; all layers as one group.
    own : tuple of (layer, sparsity)
        The targets of layers in the mode "own"; one that is not named has s.
    without_first, without_last : bool
        Whether the first and the last layer are left as they are.
    method : "gsp" | "magnitude" | "lamp"
    values : "kept" | "shrunken"
        Of GSP: the weights' own on its support, or those of the projection.
    """

    sparsity: float = 0.0
    mode: Mode = "layer"
    own: tuple[tuple[str, float], ...] = ()
    without_first: bool = False
    without_last: bool = False
    method: Method = "gsp"
    values: Values = "kept"

    @property
    def is_by_zeros(self) -> bool:
        """Whether the target is a share of zeros."""
        return self.method != "gsp"

    @property
    def groups(self) -> tuple[Any, ...]:
        """Everything that weights have to be sorted anew for."""
        return self.scope, self.exclude, self.method, self.values

    @property
    def words(self) -> str:
        """The method and how layers share the target, for a reader."""
        shrunken = ", shrunken values" if self.method == "gsp" and self.values == "shrunken" else ""
        ends = [name for name, out in (("first", self.without_first), ("last", self.without_last)) if out]
        without = f", without the {' and '.join(ends)} layer" if ends else ""
        return f"{METHODS[self.method]}, {_SHARED[self.mode]}{without}{shrunken}"

    def consistent(self) -> NetworkSettings:
        """The same where the method allows it: only GSP has targets of layers' own."""
        return replace(self, mode="layer") if self.is_by_zeros and self.mode == "own" else self

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, for a session file."""
        return {**asdict(self), "own": [list(pair) for pair in self.own]}

    @property
    def scope(self) -> Literal["layer", "network"]:
        """Scope of groups."""
        return "network" if self.mode == "network" else "layer"

    @property
    def exclude(self) -> tuple[str, ...]:
        """The layers that are left as they are, as groupings name them."""
        return ("first",) * self.without_first + ("last",) * self.without_last

    def target_of(self, layer: str) -> float:
        """Return the slider's value while this layer is selected."""
        return dict(self.own).get(layer, self.sparsity) if self.mode == "own" else self.sparsity

    def at(self, layer: str, sparsity: float) -> NetworkSettings:
        """The same with the slider somewhere else."""
        if self.mode != "own":
            return replace(self, sparsity=sparsity)
        return replace(self, own=tuple({**dict(self.own), layer: sparsity}.items()))


@dataclass(frozen=True)
class KeptNetwork:
    """A network in a session file: where it is, how it is pruned, and the selected layer."""

    path: Path
    choice: NetworkSettings
    layer: str


@dataclass(frozen=True, eq=False)
class DisplayedNetwork:
    """The layers of a network at their targets; arrays are in the order of the layers.

    Attributes
    ----------
    choice : NetworkSettings
    weights : dict of str to ndarray
        By the names of the layers that are projected; of a preview the selected one alone.
    sparsities, zeros : ndarray (layers,)
        Average Hoyer sparsity and fraction of zeros.
    is_pruned : ndarray (layers,), bool
        Which layers take part.
    sparsity, total : float
        Averages over the filters and over the weights of these.
    is_preview : bool
        Whether only the selected layer is up to date.
    """

    choice: NetworkSettings
    weights: dict[str, Array]
    sparsities: Array
    zeros: Array
    is_pruned: Array
    sparsity: float
    total: float
    is_preview: bool = False


@dataclass(frozen=True, eq=False)
class ZerosCurve:
    """Sparsities and zeros against s, as far as they are computed.

    Attributes
    ----------
    s : ndarray (k,)
        Rising.
    sparsities, zeros : ndarray (k, layers)
    totals : ndarray (k,)
        The fraction of zeros of all layers that take part.
    is_whole : bool
    """

    s: Array
    sparsities: Array
    zeros: Array
    totals: Array
    is_whole: bool

    def shares(self, s: float) -> Array | None:
        """About the sparsity of every layer at a target, between two that are computed; None outside of these."""
        if len(self.s) < 2 or not self.s[0] <= s <= self.s[-1]:
            return None
        above = int(np.clip(np.searchsorted(self.s, s), 1, len(self.s) - 1))
        low, high = self.s[above - 1], self.s[above]
        part = (s - low) / (high - low)
        shares: Array = (1 - part) * self.sparsities[above - 1] + part * self.sparsities[above]
        return shares


CurveState = Literal["going", "done", "cancelled", "failed", "former"]


@dataclass(frozen=True, eq=False)
class AccuracyCurve:
    """Accuracy against s, as far as it is computed.

    Attributes
    ----------
    images : str
        Images measured on, in words: how many, and how they are normalized.
    about : str
        The pruning that it is of, in words.
    caution : str
        Why it is not the accuracy of the checkpoint, "" where nothing is known against it.
    s, accuracies : ndarray (k,)
        Rising in s; fractions of images that are classified right.
    dense : float
        Of the network as it is in its file; NaN while that is not known.
    done, planned : int
        Points, and what are wanted.
    state : "going" | "done" | "cancelled" | "failed" | "former"
        Former: of another pruning than the one on the screen, whose own is not measured yet.
    problem : str
        Why it failed, in a sentence.
    """

    images: str
    s: Array
    accuracies: Array
    dense: float
    done: int
    planned: int
    state: CurveState = "going"
    problem: str = ""
    about: str = ""
    caution: str = ""


@dataclass(frozen=True, eq=False)
class NetworkSizes:
    """Sizes of the network as it is shown.

    Attributes
    ----------
    parameters, nonzeros : int
    bytes, csr_bytes : int
        Of the layers, dense and as sparse rows.
    gzipped : int or None
        Of the layers, dense; None where that takes too long.
    emptied, single, filters : int
        Filters or rows without a weight, with a single one, and all.
    macs, effective_macs : int or None
        Multiply-adds for an image; None where they are not known.
    """

    parameters: int
    nonzeros: int
    bytes: int
    csr_bytes: int
    gzipped: int | None
    emptied: int
    single: int
    filters: int
    macs: int | None
    effective_macs: int | None
