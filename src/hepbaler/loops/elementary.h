/* Elementary functions: features/elementary.py, and `clean` of features/hints.py. */
#pragma once
#include "common.h"

/* Each operation rounds by itself, as IEEE has it, whatever the processor could fuse: one row at a time here, many in what calls
 * these, whose loops the compiler turns into vectors. */
INLINE double cleaned_of(double x)
{
    /* What is not finite gives no zero when it is subtracted from itself. */
    const double finite = x - x == 0.0 ? x : 0.0;
    return finite < -1e100 ? -1e100 : finite > 1e100 ? 1e100 : finite;
}

INLINE double cosh_of(double x)
{
    const double size = x < 0.0 ? -x : x, y = (size < 16.0 ? size : 16.0) / 16.0, square = y * y;
    double series = 1.0;
    for (int i = 10; i > 0; i--) series = series * square / (double)((2 * i - 1) * (2 * i)) + 1.0;
    for (int i = 0; i < 4; i++) series = series * series * 2.0 - 1.0;
    return series;
}

/* sinh(x) from cosh(x). */
INLINE double sinh_of(double x, double cosine)
{
    const double below = cosine - 1.0;
    return copysign(sqrt((below > 0.0 ? below : 0.0) * (cosine + 1.0)), x);
}

INLINE void cos_sin_of(double angle, double *cosine_out, double *sine_out)
{
    const double near = angle < -8.0 ? -8.0 : angle > 8.0 ? 8.0 : angle, y = near / 16.0, square = y * y;
    double cosine = 1.0, sine = 1.0;
    for (int i = 9; i > 0; i--) {
        cosine = 1.0 - cosine * square / (double)((2 * i - 1) * (2 * i));
        sine = 1.0 - sine * square / (double)(2 * i * (2 * i + 1));
    }
    sine = sine * y;
    for (int i = 0; i < 4; i++) {
        const double doubled = sine * cosine;
        cosine = 1.0 - 2.0 * (sine * sine);
        sine = 2.0 * doubled;
    }
    *cosine_out = cosine;
    *sine_out = sine;
}

INLINE double atan_of(double y, double x)
{
    const double wide = x < 0.0 ? -x : x, high = y < 0.0 ? -y : y, longer = wide > high ? wide : high, shorter = wide > high ? high : wide;
    double t = shorter / (longer > 0.0 ? longer : 1.0);
    for (int i = 0; i < 3; i++) t = t / (1.0 + sqrt(1.0 + t * t));
    const double square = t * t;
    double series = 1.0 / 21.0;
    for (int n = 19; n > 0; n -= 2) series = 1.0 / (double)n - series * square;
    double angle = series * t * 8.0;
    angle = high > wide ? 1.5707963267948966 - angle : angle;
    angle = x < 0.0 ? 3.141592653589793 - angle : angle;
    return copysign(angle, y);
}

INLINE double asinh_of(double x)
{
    const double whole = x < 0.0 ? -x : x, size = whole < 1e100 ? whole : 1e100, sum = size + sqrt(size * size + 1.0);
    /* The sum is at least 1, so that its exponent and mantissa stand in its bits as they are. */
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    const double exponent = (double)((int32_t)(bits >> 52) - 1022);
    bits = (bits & 0x000FFFFFFFFFFFFF) | 0x3FE0000000000000;
    double mantissa;
    memcpy(&mantissa, &bits, sizeof mantissa);
    const double t = (mantissa - 0.75) / (mantissa + 0.75), square = t * t;
    double series = 1.0 / 25.0;
    for (int n = 23; n > 0; n -= 2) series = series * square + 1.0 / (double)n;
    return copysign((series * t * 2.0 - 0.2876820724517809) + exponent * 0.6931471805599453, x);
}

FOR_EACH_PROCESSOR
static void hyperbolic_cosines(const double *restrict x, double *restrict out, Py_ssize_t n)
{
    for (Py_ssize_t k = 0; k < n; k++) out[k] = cosh_of(x[k]);
}

FOR_EACH_PROCESSOR
static void cosines_and_sines(const double *restrict angle, double *restrict cosines, double *restrict sines, Py_ssize_t n)
{
    for (Py_ssize_t k = 0; k < n; k++) cos_sin_of(angle[k], &cosines[k], &sines[k]);
}

FOR_EACH_PROCESSOR
static void cleaned(const double *restrict x, double *restrict out, Py_ssize_t n)
{
    for (Py_ssize_t k = 0; k < n; k++) out[k] = cleaned_of(x[k]);
}
