"""Elementary functions as fixed recipes of ``+ - * /`` and ``sqrt``, the same bits on every IEEE machine.

numpy's own are as accurate, but differ in the last place between machines and versions. What a decoder computes must not.
All take and give float64 arrays of finite values; every operation is an array operation of its own, so nothing is fused. The compiled
loops do the same operations in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hepbaler.loops import elementwise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ("arc_tangent", "cosine_and_sine", "hyperbolic_arc_sine", "hyperbolic_cosine", "hyperbolic_sine")


def __dir__() -> tuple[str, ...]:
    return __all__


_LARGEST_ANGLE = 8.0
_LN2 = 0.6931471805599453
_HALF_PI = 1.5707963267948966
_PI = 3.141592653589793


def hyperbolic_cosine(x: FloatArray) -> FloatArray:
    """cosh(x) for |x| up to 16, accurate to about 1e-13.

    cosh(2y) = 2 cosh(y)^2 - 1 is applied four times to the Taylor series of cosh(x / 16).
    """
    compiled = elementwise("hyperbolic_cosine", x)
    if compiled is not None:
        return compiled[0]
    y = np.minimum(np.abs(x), 16.0) / 16.0
    square = y * y
    series = np.ones_like(square)
    for n in range(10, 0, -1):
        series = series * square
        series = series / np.float64((2 * n - 1) * (2 * n))
        series = series + 1.0
    for _ in range(4):
        series = series * series
        series = series * 2.0
        series = series - 1.0
    return series


def hyperbolic_sine(x: FloatArray) -> FloatArray:
    """sinh(x) for |x| up to 16, as sign(x) sqrt((cosh x - 1) (cosh x + 1)).

    Near 0 the absolute error is about 1e-7, which is far below what a detector tells of an angle.
    """
    cosine = hyperbolic_cosine(x)
    below = np.maximum(cosine - 1.0, 0.0)
    above = cosine + 1.0
    product = below * above
    return np.copysign(np.sqrt(product), x)


def cosine_and_sine(angle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cosine and sine of angles up to 8 rad in size (larger ones count as 8), accurate to about 1e-13.

    The Taylor series of both at a sixteenth of the angle, then four times cos(2y) = 1 - 2 sin(y)^2, sin(2y) = 2 sin(y) cos(y).
    """
    compiled = elementwise("cosine_and_sine", angle, 2)
    if compiled is not None:
        return compiled[0], compiled[1]
    y = np.clip(angle, -_LARGEST_ANGLE, _LARGEST_ANGLE) / 16.0
    square = y * y
    cosine, sine = np.ones_like(y), np.ones_like(y)
    for n in range(9, 0, -1):
        cosine = cosine * square
        cosine = cosine / np.float64((2 * n - 1) * (2 * n))
        cosine = 1.0 - cosine
        sine = sine * square
        sine = sine / np.float64(2 * n * (2 * n + 1))
        sine = 1.0 - sine
    sine = sine * y
    for _ in range(4):
        doubled = sine * cosine
        squared = sine * sine
        cosine = 1.0 - 2.0 * squared
        sine = 2.0 * doubled
    return cosine, sine


def arc_tangent(y: FloatArray, x: FloatArray) -> FloatArray:
    """The angle of the point (x, y), -pi to pi; 0 at the origin; accurate to about 1e-15.

    atan(t) = 2 atan(t / (1 + sqrt(1 + t^2))) three times, then the Taylor series.
    """
    longer, shorter = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    t = shorter / np.where(longer > 0, longer, 1.0)
    for _ in range(3):
        square = t * t
        root = np.sqrt(1.0 + square)
        t = t / (1.0 + root)
    square = t * t
    series = np.full_like(t, 1.0 / 21.0)
    for n in range(19, 0, -2):
        series = series * square
        series = 1.0 / np.float64(n) - series
    angle = series * t
    angle = angle * 8.0
    angle = np.where(np.abs(y) > np.abs(x), _HALF_PI - angle, angle)
    angle = np.where(x < 0, _PI - angle, angle)
    return np.copysign(angle, y)


def hyperbolic_arc_sine(x: FloatArray) -> FloatArray:
    """asinh(x) for |x| up to 1e100 (larger ones count as that), accurate to about 1e-15 of 1 + the result.

    ln(|x| + sqrt(x^2 + 1)), with the logarithm of the mantissa m (1/2 to 1) from the series of artanh((m - a) / (m + a)), a = 0.75.
    """
    size = np.minimum(np.abs(x), 1e100)
    square = size * size
    root = np.sqrt(square + 1.0)
    mantissa, exponent = np.frexp(size + root)
    t = (mantissa - 0.75) / (mantissa + 0.75)
    square = t * t
    series = np.full_like(t, 1.0 / 25.0)
    for n in range(23, 0, -2):
        series = series * square
        series = series + 1.0 / np.float64(n)
    logarithm = series * t
    logarithm = logarithm * 2.0
    logarithm = logarithm - 0.2876820724517809  # ln 0.75
    whole = exponent.astype(np.float64) * _LN2
    result: FloatArray = np.copysign(logarithm + whole, x)
    return result
