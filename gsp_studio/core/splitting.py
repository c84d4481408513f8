"""Two basis images for one: the images that use it in two ways get one each.

Passes over the images are made where they are (`core.distributed.shards`), in four rounds: the largest coefficients,
the images that have them, their versions of the basis image, and the choice of each user between two ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.summation import Node
from gsp_studio.core.distributed.matrix import each, made
from gsp_studio.core.distributed.shards import Images, total_of

#: The strongest users, whose versions of a basis image are looked at together.
_STRONGEST = 256
#: An image uses a basis image when its coefficient is more than this fraction of the largest.
_LEAST_USE = 1e-6
#: Rounds of 2-means, at most.
_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class _Sides:
    """Sorting of users into two groups: by the nearer centre; without centres, that of its coefficient's size.

    `middle` is the median of their squares; the images `smallest` and `largest` take different ways in any case.
    """

    centres: Array | None
    middle: float = 0.0
    smallest: int = -1
    largest: int = -1


def can_split(Xt: Any, V: Array, H: Any, k: int) -> bool:
    """Whether there are two images that use row k."""
    if not V[k].any():
        return False
    tops = np.sort(np.concatenate(each(Xt, None, _tops, k, of=H)))[::-1]
    return len(tops) > 1 and bool(tops[1] > _LEAST_USE * tops[0])


def split(Xt: Any, V: Array, H: Any, k: int) -> tuple[Array, Any]:
    """Two basis images for one, by 2-means of the versions of it that the images want.

    An image j that uses basis image k wants it to be ``(x_j - sum of the others) / h_kj`` where it is not zero. These
    versions fall into two groups, each image counted by ``h_kj^2``; the means of the groups, negative entries set to
    0, are the best basis images for their images alone, so the error does not rise. Where all versions are alike, the
    images with the larger half of the coefficients form a group.

    Parameters
    ----------
    Xt : ndarray (n, m), or Rows, or DistributedRows
    V, H : ndarray (r, m), (r, n); with DistributedRows H is Coefficients
    k : int
        A basis image that is not zero, used by at least two images.

    Returns
    -------
    V, H : ndarray (r + 1, m), (r + 1, n)
        New arrays; image j uses row k or the last row, not both.

    Notes
    -----
    The start of 2-means is the version farthest from the mean and the one farthest from that: no random numbers.
    """
    support = np.flatnonzero(V[k])
    least = _LEAST_USE * max(tops.max() for tops in each(Xt, None, _tops, k, of=H))
    found = each(Xt, None, _strongest, k, least, of=H)
    weight, numbers = (np.concatenate([one[i] for one in found]) for i in range(2))
    strongest = np.sort(np.argsort(-weight, kind="stable")[:_STRONGEST])
    versions = np.concatenate(each(Xt, None, _wanted, V, k, numbers[strongest], of=H))
    sides = _Sides(_two_means(versions, weight[strongest]))
    both = np.vstack([V, V[k]])
    shares, new_H = made(Xt, None, _divide, V, k, least, sides, of=H, basis=both)
    counts, totals, sums = total_of(shares)
    if not counts.all():
        used = np.square(H[k], dtype=np.float64)
        users = np.flatnonzero(H[k] > least)
        smallest, largest = (int(users[pick(used[users])]) for pick in (np.argmin, np.argmax))
        sides = _Sides(None, float(np.median(used[users])), smallest, largest)
        shares, new_H = made(Xt, None, _divide, V, k, least, sides, of=H, basis=both)
        _, totals, sums = total_of(shares)
    new_V = both.copy()
    for row, side in ((k, 0), (len(V), 1)):
        new_V[row] = 0.0
        new_V[row, support] = np.maximum(sums[side] / totals[side], 0.0)
    return new_V, new_H


def _tops(images: Images, H: Array, k: int) -> tuple[Array, None]:
    """The two largest coefficients of a basis image."""
    return np.sort(H[k])[-2:], None


def _strongest(images: Images, H: Array, k: int, least: Any) -> tuple[tuple[Array, Array], None]:
    """Weights of the users with the largest coefficients, and their numbers among all images, in this order."""
    users = np.flatnonzero(H[k] > least)
    weight = np.square(H[k, users], dtype=np.float64)
    first = np.sort(np.argsort(-weight, kind="stable")[:_STRONGEST])
    return (weight[first], users[first] + images.first), None


def _wanted(images: Images, H: Array, V: Array, k: int, numbers: Array) -> tuple[Array, None]:
    """The versions that those of these images want that are here."""
    users, support = numbers - images.first, np.flatnonzero(V[k])
    blocks = (users[(users >= some.start) & (users < some.stop)] for _, some in images.blocks())
    found = [_versions(images.Xt, V, H, k, some, support) for some in blocks if len(some)]
    return np.concatenate(found) if found else np.empty((0, len(support))), None


def _divide(images: Images, H: Array, V: Array, k: int, least: Any, sides: _Sides) -> tuple[list[Node], Array]:
    """Of each way: how many take it, their weights' sum, the weighted sum of what they want; and the new H."""
    support = np.flatnonzero(V[k])
    new = np.vstack([H, np.zeros_like(H[k])])

    def of_block(some: slice) -> tuple[Array, Array, Array]:
        users = some.start + np.flatnonzero(H[k, some] > least)
        weight = np.square(H[k, users], dtype=np.float64)
        versions = _versions(images.Xt, V, H, k, users, support)
        if sides.centres is not None:
            second = _nearer_to_second(versions, sides.centres)
        else:
            second = weight > sides.middle
            second[users + images.first == sides.smallest] = False
            second[users + images.first == sides.largest] = True
        new[k, users[second]] = 0.0
        new[-1, users[second]] = H[k, users[second]]
        ways = [~second, second]
        return (
            np.array([way.sum() for way in ways]),
            np.array([weight[way].sum() for way in ways]),
            np.array([weight[way] @ versions[way] for way in ways]),
        )

    return images.sums(of_block), new


def _versions(Xt: Any, V: Array, H: Array, k: int, users: Array, support: Array) -> Array:
    """The versions of basis image k on its support that the users of one block want.

    A block's users alone in one product: its bits may depend on how many rows it has.
    """
    parts, of_users = V[:, support], np.ascontiguousarray(H[:, users].T)
    left = Xt[users][:, support] - of_users @ parts + np.outer(H[k, users], parts[k])
    found: Array = left.astype(np.float64) / H[k, users, None]
    return found


def _two_means(points: Array, weight: Array) -> Array:
    mean = weight @ points / weight.sum()
    first = int(np.argmax(np.square(points - mean).sum(axis=1)))
    second = int(np.argmax(np.square(points - points[first]).sum(axis=1)))
    centres = points[[first, second]].copy()
    before = np.zeros(0, bool)
    for _ in range(_ROUNDS):
        side = _nearer_to_second(points, centres)
        if np.array_equal(side, before) or side.all() or not side.any():
            break
        before = side
        for row, chosen in enumerate((~side, side)):
            centres[row] = weight[chosen] @ points[chosen] / weight[chosen].sum()
    return centres


def _nearer_to_second(points: Array, centres: Array) -> Array:
    nearer: Array = np.square(points - centres[1]).sum(axis=1) < np.square(points - centres[0]).sum(axis=1)
    return nearer
