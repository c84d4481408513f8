"""The carrier of orders to the parts of a matrix, and the messages between them.

Written against this protocol, `matrix` knows no cluster: parts in one process are enough for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.backends.summation import images_of_block
from gsp_studio.core.distributed.shards import Order, Unknown

#: Multiples of blocks that the smallest part has at least, where there are so many.
_BLOCKS_OF_PART = 16


class ClusterError(RuntimeError):
    """Machines that cannot be reached or do not keep up; one sentence."""


class Lost(Unknown):
    """Instead of an answer: the part is gone, with the coefficients that it held."""


class Workers(Protocol):
    """Carries orders to parts."""

    #: The images of each part, in order.
    spans: Sequence[slice]
    #: What computes, in words.
    device: str

    def call(self, orders: Mapping[int, Order], is_unwanted: Callable[[], bool] | None) -> dict[int, Any]:
        """The parts' answers, or `Lost` for some; `Interrupted` when it is not wanted any more."""

    def replace(self, lost: Sequence[int], is_unwanted: Callable[[], bool] | None) -> None:
        """Make these parts again somewhere, without coefficients; `ClusterError` where there is no place."""

    def part(self, i: int) -> BlockMatrix:
        """The images of a part, to be read in this process."""


def spans_of(m: int, n: int, dtype: npt.DTypeLike, shares: Sequence[float]) -> list[slice]:
    """Images (m, n) cut into one part for each share, on the edges of blocks, so that cutting changes no sum.

    Each part is told by the nodes of the tree of sums that it consists of. So that these are few, cuts are at multiples
    of some blocks where there are many: a part is off its share by 3 % at most. Shares that would get no image get
    none: the list may be shorter.
    """
    step = images_of_block(m, dtype)
    smallest = n / step * min(shares) / sum(shares)
    while smallest >= 2 * _BLOCKS_OF_PART:
        step, smallest = 2 * step, smallest / 2
    ends = np.round(np.cumsum(shares) / np.sum(shares) * (n / step)).astype(int) * step
    ends[-1] = n
    edges = np.minimum(np.concatenate([[0], ends]), n)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges) if b > a]


def align(sent: Any) -> Any:
    """A message with its arrays at multiples of 16 bytes, where NumPy puts its own.

    In a message they begin at any byte. NumPy then multiplies copies of them, ``V @ V.T`` by another routine than
    usual, and some dot products take other entries together: the last bits would differ.
    """
    if isinstance(sent, np.ndarray):
        return sent.copy(order="K") if sent.__array_interface__["data"][0] % 16 else sent
    if isinstance(sent, tuple | list):
        return type(sent)(map(align, sent))
    if is_dataclass(sent) and not isinstance(sent, type):
        return replace(sent, **{field.name: align(getattr(sent, field.name)) for field in fields(sent)})
    return sent


@dataclass
class Traffic:
    """Counts of the messages to the parts and back.

    Attributes
    ----------
    rounds : int
        Times that parts were asked and waited for.
    messages : int
        Orders, each with its answer.
    sent, received : int
        Bytes of the numbers in them.
    recoveries : int
        Parts that were made again after they were lost.
    """

    rounds: int = 0
    messages: int = 0
    sent: int = 0
    received: int = 0
    recoveries: int = 0
