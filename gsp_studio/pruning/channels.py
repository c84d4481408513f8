"""Channels of a network that do nothing, removed exactly: the outputs stay the same to rounding.

A network is a list of steps between values, whatever file it came from. The channels of values that have to agree, as
those of two values that are added, are one space. A channel can go where each reader of its space either has only zeros
for it, or gets a constant that its bias can take over. A constant at the border of a padded convolution is none: there
the padding's zeros take its place, so only a constant of zero goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from gsp_studio.arrays import Array

Kind = Literal["weights", "depthwise", "norm", "affine", "map", "flatten", "add", "opaque"]


@dataclass(frozen=True)
class Step:
    """One step of a network.

    Attributes
    ----------
    kind : str
        "weights" (each output of all inputs), "depthwise" (of its own channel), "norm", "affine" (times `scale`, plus
        `bias`, by channel), "map" (of single entries, or a mean or maximum over places), "flatten", "add", "opaque".
    reads : tuple of str
        Values.
    writes : str
        A value.
    weight, bias, scale, mean, variance : str
        Names of arrays, "" where there is none. A bias that is not there yet may be made under `new_bias`.
    output_axis, input_axis : int
        Of the weight.
    is_padded : bool
        Whether inputs are filled up with zeros at the border, or outputs see less of them there.
    apply : callable, optional
        Of a "map": what it makes of constants.
    epsilon : float
        Of a "norm".
    reason : str
        Why the channels around an "opaque" step stay.
    """

    kind: Kind
    reads: tuple[str, ...]
    writes: str
    weight: str = ""
    bias: str = ""
    new_bias: str = ""
    scale: str = ""
    mean: str = ""
    variance: str = ""
    output_axis: int = 0
    input_axis: int = 1
    is_padded: bool = False
    apply: Callable[[Array], Array] | None = None
    epsilon: float = 0.0
    reason: str = "an operation that is not known here"

    def arrays(self) -> list[str]:
        """Names of its arrays."""
        return [name for name in (self.weight, self.bias, self.scale, self.mean, self.variance) if name]


@dataclass(frozen=True, eq=False)
class Compacted:
    """A network without channels that do nothing.

    Attributes
    ----------
    arrays : dict of str to ndarray
    removed : dict of str to int
        Outputs that are gone, by the names of weights.
    left : dict of str to (int, str)
        Empty filters or rows that are still there, and why.
    narrowed : frozenset of str
        Values of the network that have lost channels.
    """

    arrays: dict[str, Array]
    removed: dict[str, int] = field(default_factory=dict)
    left: dict[str, tuple[int, str]] = field(default_factory=dict)
    narrowed: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """Outputs that are gone."""
        return sum(self.removed.values())


def without_idle_channels(steps: Sequence[Step], arrays: dict[str, Array], inputs: Iterable[str]) -> Compacted:
    """Remove the channels that do nothing, until none is left that can go.

    Parameters
    ----------
    steps : sequence of Step
        In the order of computing.
    arrays : dict of str to ndarray
        Those that the steps name, and others, which stay as they are.
    inputs : iterable of str
        Values that come from outside; a value that no step reads is an output.
    """
    made = dict(arrays)
    before = {step.weight: made[step.weight].shape[step.output_axis] for step in steps if step.kind == "weights"}
    narrowed: set[str] = set()
    while True:
        flow = _Flow(steps, made, inputs)
        if not flow.remove():
            break
        narrowed |= flow.narrowed
    removed = {
        step.weight: before[step.weight] - made[step.weight].shape[step.output_axis]
        for step in steps
        if step.kind == "weights"
    }
    return Compacted(made, {name: count for name, count in removed.items() if count}, flow.left(), frozenset(narrowed))


@dataclass(eq=False)
class _Space:
    """Channels that go or stay together."""

    count: int
    pinned: str = ""
    makers: list[Step] = field(default_factory=list)
    readers: list[Step] = field(default_factory=list)
    reason: str = ""


class _Flow:
    """Constants followed forward through a network, and the spaces that its values lie in."""

    def __init__(self, steps: Sequence[Step], arrays: dict[str, Array], inputs: Iterable[str]) -> None:
        self._steps, self._arrays = steps, arrays
        self._spaces: dict[str, _Space] = {}
        self._constants: dict[str, Array] = {}
        self._shared = {name for name, uses in Counter(n for s in steps for n in s.arrays()).items() if uses > 1}
        self._read = Counter(name for step in steps for name in step.reads)
        self._behind = {step.reads[0]: step for step in steps if step.reads}
        self.narrowed: set[str] = set()
        self._early: set[str] = set()  # values that were read before they were made
        for name in inputs:
            self._place(name, _Space(-1, "the inputs of the network stay"), np.empty(0))
        for step in steps:
            self._follow(step)
        for name, space in self._spaces.items():
            if not self._read[name]:
                space.pinned = space.pinned or "the outputs of the network stay"

    def _place(self, name: str, space: _Space, constants: Array) -> None:
        self._spaces[name], self._constants[name] = space, constants
        if name in self._early:
            space.pinned = "its values are read before they are made"

    def _follow(self, step: Step) -> None:
        known = [name for name in step.reads if name in self._spaces]
        self._early.update(name for name in step.reads if name not in self._spaces)
        fits = len(known) == len(step.reads) and step.kind != "opaque"
        if step.kind == "weights":
            weight = self._arrays[step.weight]
            outputs = weight.shape[step.output_axis]
            constants = np.full(outputs, np.nan)
            empty = ~_rows(weight, step).any(axis=(1, 2))
            constants[empty] = self._bias(step, outputs)[empty]
            space = _Space(outputs, makers=[step])
            fits = fits and self._repeats(step) > 0
            if fits:
                self._spaces[step.reads[0]].readers.append(step)
            self._place(step.writes, space, constants)
        elif fits:
            space = self._spaces[step.reads[0]]
            found = self._constants_of(step)
            if found is None:
                fits = False
            else:
                for name in step.reads[1:]:
                    space = self._join(space, self._spaces[name])
                space.makers.append(step)
                self._place(step.writes, space, found)
        if not fits:
            for name in known:
                self._spaces[name].pinned = self._spaces[name].pinned or step.reason
            if step.kind != "weights":
                self._place(step.writes, _Space(-1, step.reason), np.empty(0))
        if self._shared.intersection(step.arrays()):
            for name in (*known, step.writes):
                self._spaces[name].pinned = "weights that are used twice"

    def _join(self, one: _Space, other: _Space) -> _Space:
        if one is other:
            return one
        joined = _Space(one.count, one.pinned or other.pinned, one.makers + other.makers, one.readers + other.readers)
        for name, space in self._spaces.items():
            if space is one or space is other:
                self._spaces[name] = joined
        return joined

    def _repeats(self, step: Step) -> int:
        """Inputs of the weights for each channel of the value that they read; 0 where they do not fit."""
        count = self._spaces[step.reads[0]].count
        inputs = self._arrays[step.weight].shape[step.input_axis]
        if count < 0:
            return 1  # nothing is removed from it
        return inputs // count if count and inputs % count == 0 else 0

    def _bias_of(self, step: Step) -> str:
        """Name of the bias of a step, one that was made included; "" for none."""
        return step.bias or (step.new_bias if step.new_bias in self._arrays else "")

    def _bias(self, step: Step, count: int) -> Array:
        name = self._bias_of(step)
        return self._arrays[name].reshape(-1).astype(np.float64) if name else np.zeros(count)

    def _constants_of(self, step: Step) -> Array | None:
        """The constants of an output that has the channels of its input; None where it cannot have these."""
        given = [self._constants[name] for name in step.reads]
        counts = {self._spaces[name].count for name in step.reads}
        if len(counts) != 1 or counts == {-1}:
            return given[0] if counts == {-1} and len(given) == 1 and not step.arrays() else None
        first = given[0]
        if any(self._entries(name, step) != len(first) for name in step.arrays()):
            return None
        with np.errstate(all="ignore"):
            if step.kind == "add":
                return np.asarray(np.sum(given, axis=0))
            if step.kind == "norm":
                return self._normed(step, first)
            if step.kind == "affine":
                times = self._arrays[step.scale].reshape(-1) if step.scale else 1.0
                return np.asarray(first * times + self._bias(step, len(first)))
            if step.kind == "depthwise":
                weight = self._arrays[step.weight].astype(np.float64).reshape(len(first), -1)
                found = np.where(first == 0, 0.0, np.nan if step.is_padded else first * weight.sum(axis=1))
                found[~weight.any(axis=1)] = 0.0
                return np.asarray(found + self._bias(step, len(first)))
            return first if step.apply is None else np.asarray(step.apply(first))

    def _entries(self, name: str, step: Step) -> int:
        return len(self._arrays[name]) if name == step.weight else self._arrays[name].size

    def _normed(self, step: Step, given: Array) -> Array:
        names = (step.scale, step.bias, step.mean, step.variance)
        scale, bias, mean, variance = (self._arrays[name].astype(np.float64) for name in names)
        found = (given - mean) / np.sqrt(variance + step.epsilon) * scale + bias
        return np.where(scale == 0, bias, found)

    # Removal

    def remove(self) -> bool:
        """Remove all channels that can go now; whether there were any."""
        changed = False
        for space in list(dict.fromkeys(self._spaces.values())):
            if space.pinned or not space.readers or space.count < 2:
                continue
            gone: Array = np.logical_and.reduce([self._idle(step, space) for step in space.readers])
            if gone.all():
                gone[0] = False  # a layer keeps an output
            if gone.any():
                for step in space.readers:
                    self._take_over(step, gone)
                self._cut(space, gone)
                self.narrowed.update(name for name, each in self._spaces.items() if each is space)
                changed = True
        return changed

    def _idle(self, step: Step, space: _Space) -> Array:
        """The channels that a reader can do without."""
        read = np.asarray(_columns(self._arrays[step.weight], step, space.count).any(axis=(1, 2)))
        constant = self._constants[step.reads[0]]
        is_exact = np.isfinite(constant) if not step.is_padded and self._sink(step)[0] else constant == 0
        stuck = read & np.isfinite(constant) & ~is_exact
        if stuck.any():
            space.reason = (
                "their constant outputs differ at the border, which the next convolution pads with zeros"
                if step.is_padded
                else "nothing can take over their constant outputs"
            )
        return np.asarray(~read | is_exact)

    def _sink(self, step: Step) -> tuple[str, int]:
        """The array that constants of a step's inputs can go into, and with which sign; "" for none.

        Its bias, the mean that is subtracted from its outputs next or the bias added to them, or a bias to be made.
        """
        name, sign = self._bias_of(step), 1
        behind = self._behind.get(step.writes)
        if not name and behind is not None and self._read[step.writes] == 1:
            if behind.kind == "norm":
                name, sign = behind.mean, -1
            elif behind.kind == "affine" and not behind.scale:
                name = behind.bias
        return ("", 0) if name in self._shared else (name or step.new_bias, sign)

    def _take_over(self, step: Step, gone: Array) -> None:
        weight = self._arrays[step.weight]
        constant = np.where(gone & np.isfinite(self._constants[step.reads[0]]), self._constants[step.reads[0]], 0.0)
        if not constant.any():
            return
        columns = _columns(weight, step, len(gone)).astype(np.float64).sum(axis=2)
        moved = constant @ columns
        if not moved.any():
            return
        name, sign = self._sink(step)
        before = self._arrays.get(name, np.zeros(len(moved), weight.dtype))
        self._arrays[name] = (before + sign * moved.reshape(before.shape)).astype(before.dtype)

    def _cut(self, space: _Space, gone: Array) -> None:
        for step in space.makers:
            for name in step.arrays():
                values = self._arrays[name]
                axis = step.output_axis if name == step.weight and step.kind == "weights" else 0
                if name != step.weight and values.ndim > 1:
                    axis = int(np.argmax(np.array(values.shape) == len(gone)))
                self._arrays[name] = np.ascontiguousarray(np.compress(~gone, values, axis=axis))
            if step.new_bias and not step.bias and step.new_bias in self._arrays:
                self._arrays[step.new_bias] = self._arrays[step.new_bias][~gone]
        for step in space.readers:
            weight = self._arrays[step.weight]
            each = weight.shape[step.input_axis] // len(gone)
            kept = np.repeat(~gone, each)
            self._arrays[step.weight] = np.ascontiguousarray(np.compress(kept, weight, axis=step.input_axis))

    def left(self) -> dict[str, tuple[int, str]]:
        """Empty filters or rows, and why they stay, by the names of weights."""
        found = {}
        for step in self._steps:
            if step.kind == "weights":
                space = self._spaces[step.writes]
                empty = int((~_rows(self._arrays[step.weight], step).any(axis=(1, 2))).sum())
                is_added = any(maker.kind == "add" for maker in space.makers)
                added = "they are added to channels that are in use" if is_added else "a layer keeps one"
                reason = space.pinned or space.reason or added
                if empty and space.pinned != "the outputs of the network stay":
                    found[step.weight] = (empty, reason)
        return found


def _rows(weight: Array, step: Step) -> Array:
    """Weights as (outputs, inputs, places)."""
    moved = np.moveaxis(weight, (step.output_axis, step.input_axis), (0, 1))
    return moved.reshape(*moved.shape[:2], -1)


def _columns(weight: Array, step: Step, count: int) -> Array:
    """Weights as (channels, outputs, places): all that is read of each channel."""
    rows = _rows(weight, step)
    split = rows.reshape(len(rows), count, -1)
    return split.transpose(1, 0, 2)
