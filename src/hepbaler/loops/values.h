/* Values, ranks and places: features/ranks.py, HintScale of features/hints.py, bounds/ladder.py. */
#pragma once
#include "common.h"

typedef struct {
    const int64_t *base, *shift, *cumulative, *mass, *mass_levels; /* base (n - 1,), cumulative (n + 1,), others (n,) with the escape last */
    int64_t n, uniform;
} ranks_t;

/* The last of n ascending numbers that is not above another; the first if all are. Without branches: none can be foreseen. */
#define LAST_NOT_ABOVE(name, type)                             \
    INLINE int64_t name(const type *first, int64_t n, type of) \
    {                                                          \
        int64_t low = 0;                                       \
        while (n > 1) {                                        \
            const int64_t half = n >> 1;                       \
            low += first[low + half] <= of ? half : 0;         \
            n -= half;                                         \
        }                                                      \
        return low;                                            \
    }
LAST_NOT_ABOVE(symbol_of, int32_t)
LAST_NOT_ABOVE(bin_of, int64_t)

/* RankTable.centre. */
INLINE int64_t centre_of(const ranks_t *ranks, int64_t bin, int64_t offset)
{
    const int64_t shift = ranks->shift[bin], kept = shift < UNIT_BITS ? shift : UNIT_BITS, leading = offset >> (shift - kept);
    return (ranks->cumulative[bin] << UNIT_BITS) + (((ranks->mass[bin] * (2 * leading + 1)) << (UNIT_BITS - 1)) >> kept);
}

/* as_input of decoder.py. */
INLINE float seen_as(int64_t rank) { return (float)((rank >> (RANK_BITS - 12)) - 2048); }

/* Values from bins and offsets, how a network sees each, and how many lie in no bin. */
static Py_ssize_t finish_values(const ranks_t *ranks, const int64_t *bins, int64_t *values, float *seen, Py_ssize_t n_rows,
                                const int64_t *escaped, Py_ssize_t n_escaped)
{
    Py_ssize_t used = 0;
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const int64_t bin = bins[row];
        seen[row] = seen_as(centre_of(ranks, bin, values[row]));
        if (bin < ranks->n - 1) values[row] = (int64_t)((uint64_t)values[row] + (uint64_t)ranks->base[bin]);
        else {
            values[row] = used < n_escaped ? escaped[used] : 0;
            used++;
        }
    }
    return used;
}

/* RankTable.locate and centre, as a network sees them. */
INLINE float seen_of(const ranks_t *ranks, int64_t q)
{
    const int64_t n_bins = ranks->n - 1, bin = bin_of(ranks->base, n_bins, q);
    const uint64_t away = (uint64_t)q - (uint64_t)ranks->base[bin];
    const int inside = q >= ranks->base[bin] && away < (UINT64_C(1) << ranks->shift[bin]);
    return seen_as(inside ? centre_of(ranks, bin, (int64_t)away) : centre_of(ranks, n_bins, 0));
}

static void see(const ranks_t *ranks, const int64_t *q, float *seen, Py_ssize_t n_rows)
{
    const int64_t last = ranks->n - 2;
    const uint64_t first = (uint64_t)ranks->base[0];
    const uint64_t most = (uint64_t)n_rows / 2, up = (uint64_t)ranks->base[last] - first, width = UINT64_C(1) << ranks->shift[last];
    const uint64_t span = up < most && width < most ? up + width : most;
    /* Fewer values than rows: each is looked up once. The place behind them is that of all others. */
    float *of = span < most ? malloc((size_t)(span + 1) * sizeof(float)) : NULL;
    if (of) {
        for (uint64_t k = 0; k < span; k++) of[k] = seen_of(ranks, (int64_t)(first + k));
        of[span] = seen_as(centre_of(ranks, ranks->n - 1, 0));
        for (Py_ssize_t row = 0; row < n_rows; row++) {
            const uint64_t away = (uint64_t)q[row] - first;
            seen[row] = of[away < span ? away : span];
        }
        free(of);
        return;
    }
    for (Py_ssize_t row = 0; row < n_rows; row++) seen[row] = seen_of(ranks, q[row]);
}

/* HintScale.rank, and how a network sees it. Many rows are searched at a time: the steps of a search wait for each other, rows do not. */
FOR_EACH_PROCESSOR
static void place(const ranks_t *ranks, const double *edges, const double *values, int64_t *rank, float *seen, Py_ssize_t n_rows)
{
    const int64_t n_bins = ranks->n - 1, last = (INT64_C(1) << RANK_BITS) - 1;
    for (Py_ssize_t start = 0; start < n_rows; start += ROWS) {
        const Py_ssize_t m = n_rows - start < ROWS ? n_rows - start : ROWS;
        int64_t bins[ROWS];
        for (Py_ssize_t k = 0; k < m; k++) bins[k] = 0;
        for (int64_t n = n_bins; n > 1; n -= n >> 1)
            for (Py_ssize_t k = 0; k < m; k++) bins[k] += edges[bins[k] + (n >> 1)] <= values[start + k] ? n >> 1 : 0;
        for (Py_ssize_t k = 0; k < m; k++) {
            const int64_t bin = bins[k];
            const double low = edges[bin];
            double inside = values[start + k] - low;
            inside = inside / (edges[bin + 1] - low);
            inside = inside < 0.0 ? 0.0 : inside > 1.0 ? 1.0 : inside;
            const int64_t within = (int32_t)(inside * (double)(int32_t)(ranks->mass[bin] << UNIT_BITS));
            const int64_t at = (ranks->cumulative[bin] << UNIT_BITS) + within;
            rank[start + k] = at < last ? at : last;
            seen[start + k] = seen_as(rank[start + k]);
        }
    }
}

/* LogGrid and HybridGrid of bounds/grids.py: multiples of a step up to `levels`, then the ladder coarse[i] * fine[j]. */
FOR_EACH_PROCESSOR
static void climb(const int64_t *restrict q, double *restrict values, Py_ssize_t n_rows, double step, int64_t levels,
                  const double *coarse, int64_t n_coarse, const double *fine, int bits)
{
    const int64_t n_fine = INT64_C(1) << bits, last = n_coarse * n_fine - 1;
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const uint64_t size = q[row] < 0 ? -(uint64_t)q[row] : (uint64_t)q[row];
        const int64_t above = (int64_t)(size - (uint64_t)(levels + 1));
        const int64_t bin = above < 0 ? 0 : above > last ? last : above;
        const double on_ladder = coarse[bin >> bits] * fine[bin & (n_fine - 1)];
        values[row] = above < 0 ? (double)q[row] * step : q[row] < 0 ? -on_ladder : on_ladder;
    }
}
