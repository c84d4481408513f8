"""Independent oracle of the projection: the plain definition in 140-digit decimals, and bisection. Slow on purpose."""

from decimal import Decimal, localcontext

import numpy as np

DIGITS = 140


def decimals(values):
    return [Decimal(float(v)) for v in values]


class Group:
    """Absolute values, weights and constants of the vectors, as decimals."""

    def __init__(self, vectors, weights=None):
        self.c = [decimals(np.abs(np.asarray(v, dtype=np.float64))) for v in vectors]
        weights = [np.ones(len(v)) for v in vectors] if weights is None else weights
        self.w = [decimals(w) for w in weights]
        self.norm = [sum(x * x for x in w).sqrt() for w in self.w]
        self.beta = [1 / (n - min(w)) for n, w in zip(self.norm, self.w, strict=True)]

    def direction(self, i, mu):
        """``x_i(mu)``."""
        y = [c - mu * self.beta[i] * w for c, w in zip(self.c[i], self.w[i], strict=True)]
        z = [max(v, Decimal(0)) for v in y]
        length = sum(v * v for v in z).sqrt()
        if length > 0:
            return [v / length for v in z]
        best = min(range(len(y)), key=lambda j: (-y[j], self.w[i][j], j))
        return [Decimal(int(j == best)) for j in range(len(y))]

    def sparsity(self, i, x):
        if not any(self.c[i]):
            return Decimal(1)
        return self.beta[i] * (self.norm[i] - sum(a * b for a, b in zip(self.w[i], x, strict=True)))

    def average(self, mu):
        return sum(self.sparsity(i, self.direction(i, mu)) for i in range(len(self.c))) / len(self.c)

    def values(self, mu):
        """``alpha_i x_i`` as float64 vectors."""
        found = []
        for i, c in enumerate(self.c):
            x = self.direction(i, mu)
            alpha = sum(a * b for a, b in zip(c, x, strict=True))
            found.append(np.array([float(alpha * v) for v in x]))
        return found


def project(vectors, s, weights=None):
    """Absolute projected vectors, the multiplier, and the average sparsity just below and at it.

    The two averages differ where the target lies inside a jump.
    """
    with localcontext() as context:
        context.prec = DIGITS
        # What decimals lose is allowed for: one entry alone has a sparsity of 1 but for the last of its digits.
        group, target = Group(vectors, weights), Decimal(float(s)) - Decimal(10) ** (20 - DIGITS)
        if group.average(Decimal(0)) >= target - Decimal(10) ** -20:
            values = [np.abs(np.asarray(v, dtype=np.float64)) for v in vectors]
            average = float(group.average(Decimal(0)))
            return values, 0.0, average, average
        high = max(max(c) / b for c, b in zip(group.c, group.beta, strict=True))
        low = high * Decimal(10) ** -700
        while group.average(high) < target:
            high *= 2
        # What is left of an entry of weight 0 may be 1e-60 of the largest: its vector turns within 1e-60 of mu.
        while high - low > high * Decimal(10) ** -100:
            # Halve the power of ten first: the vectors' sizes may be hundreds of them apart.
            middle = (low * high).sqrt() if high > 4 * low else (low + high) / 2
            if group.average(middle) >= target:
                high = middle
            else:
                low = middle
        return group.values(high), float(high), float(group.average(low)), float(group.average(high))


def hoyer(v, w=None):
    """``sp_w(v)``."""
    with localcontext() as context:
        context.prec = DIGITS
        group = Group([v], None if w is None else [w])
        length = sum(x * x for x in group.c[0]).sqrt()
        return float(group.sparsity(0, [x / length for x in group.c[0]])) if length else 1.0
