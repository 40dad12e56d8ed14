"""The first time at which a sum of exponentials reaches zero from below."""

from __future__ import annotations

import math


def first_crossing(c0: float, c: tuple, rates: tuple, start: float, end: float) -> float:
    """Earliest t in [start, end] with f(t) >= 0, for f(t) = c0 + sum_k c_k exp(-rates_k t); inf if there is none.

    Walks from the left with steps that cannot pass a root: on [a, b] the second derivative is at most
    M = sum_k max(c_k exp(-r_k a), c_k exp(-r_k b)) r_k^2 (each term is monotone), so f stays below the parabola
    f(a) + f'(a) s + M s^2 / 2 and its first root comes after the parabola's. Near a simple root the walk converges
    quadratically; an excursion above zero that returns before `end` cannot be stepped over.

    Parameters
    ----------
    c0 : float
    c, rates : tuple of float
        Coefficients and decay rates (1/s, >= 0).
    start, end : float
        Interval (s); `end` must be finite.

    Returns
    -------
    float
    """
    n = len(c)
    a = start
    span = end - start
    scale = abs(c0)
    most = c0
    for k in range(n):
        scale += abs(c[k])
        most += max(0.0, c[k])
    if most < 0.0 <= start:
        # No term is ever larger than now: most questions end here.
        return math.inf
    tiny = 4e-16 * scale
    while True:
        f = c0
        slope = 0.0
        for k in range(n):
            x = c[k] * math.exp(-rates[k] * a)
            f += x
            slope -= x * rates[k]
        if f >= 0.0:
            return a
        if a >= end:
            return math.inf
        b = min(a + span, end)
        bend = 0.0
        for k in range(n):
            x = c[k] * math.exp(-rates[k] * (a if c[k] > 0.0 else b))
            bend += x * rates[k] * rates[k]
        # First root of f + slope s + bend s^2 / 2, in the form that does not cancel; f < 0.
        disc = slope * slope - 2.0 * bend * f
        step = math.inf
        if disc >= 0.0:
            root = math.sqrt(disc)
            if slope + root > 0.0:
                step = -2.0 * f / (slope + root)
        if step > b - a:
            a = b
            span = 2.0 * span
        else:
            # Rounding decides below this size: the root is here as well as it can be said.
            if step <= 4e-16 * max(abs(a), abs(end)) or (-f <= tiny and slope > 0.0):
                return a + step
            a += step
            span = min(span, 4.0 * step)
