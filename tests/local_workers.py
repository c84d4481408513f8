"""Parts of a matrix in this process, in the place of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.core.distributed.shards import Order, Part


class LocalWorkers:
    """Parts in this process, for orders that need no other machine.

    Parameters
    ----------
    X : BlockMatrix
    spans : sequence of slice
    backend : str
    """

    def __init__(self, X: Any, spans: Sequence[slice], backend: str = "auto") -> None:
        self.spans, self._X = spans, X
        self._parts = [Part(X.part(some.start, some.stop), some.start, X.shape[1], backend) for some in spans]
        self.device = f"{len(spans)} parts here"

    def call(self, orders: Mapping[int, Order], is_unwanted: Callable[[], bool] | None) -> dict[int, Any]:
        """As `Workers`."""
        return {i: self._parts[i].do(order) for i, order in orders.items()}

    def replace(self, lost: Sequence[int], is_unwanted: Callable[[], bool] | None) -> None:
        """As `Workers`: no part is ever lost."""

    def part(self, i: int) -> BlockMatrix:
        """As `Workers`."""
        some: BlockMatrix = self._X.part(self.spans[i].start, self.spans[i].stop)
        return some
