/* Probability tables: coding/tables.py. */
#pragma once
#include "values.h"

typedef struct {
    int32_t logistic_32[1025]; /* filled from the array of int64 */
    const int64_t *wide_levels, *wide_offsets;   /* (31,), (22,) */
    const int64_t *narrow_inverse;               /* (9,) */
    const int64_t *inner_grids, *inner_first, *inner_inverse; /* (16,), (17,), (16,) */
} constants_t;

/* What lies below each symbol, to be searched in two looks at 16 numbers each: at every 16th, and at those from there on. */
#define BLOCK 16
typedef struct {
    int32_t every[BLOCK], all[MOST_SYMBOLS];
} slots_t;

/* The first begins at 0, so that both counts are at least 1; no slot reaches what is filled in behind the last. */
INLINE int64_t search_slots(const slots_t *slots, int32_t of)
{
    int32_t block = -1, inside = -1;
    for (int k = 0; k < BLOCK; k++) block += slots->every[k] <= of;
    const int32_t *start = slots->all + BLOCK * block;
    for (int k = 0; k < BLOCK; k++) inside += start[k] <= of;
    return BLOCK * (int64_t)block + inside;
}

typedef struct {
    int32_t below[MOST_SYMBOLS + 1], part[MOST_SYMBOLS];
    slots_t left;
} table_t;

INLINE int32_t cdf(int64_t far, const int32_t *logistic)
{
    const int64_t near = far < -CDF_FAR ? -CDF_FAR : far;
    const int32_t x = near > CDF_FAR - 1 ? CDF_FAR - 1 : (int32_t)near;
    const int32_t index = (x >> 5) + 512, low = logistic[index];
    return low + (((logistic[index + 1] - low) * (x & 31)) >> 5);
}

/* a / b rounded down, for numbers below 2^53: a quotient that is no whole number lies further from one than float64 rounds. */
INLINE int64_t floor_division(int64_t a, int64_t b)
{
    const double quotient = (double)a / (double)b;
    const int64_t cut = (int64_t)quotient;
    return cut - (quotient < (double)cut);
}

/* weight * scale / total, rounded down; the result stays below 2^24. */
INLINE int32_t share(uint32_t weight, uint32_t scale, uint32_t total, double ratio)
{
    const int32_t guess = (int32_t)((double)(int32_t)weight * ratio);
    const int64_t rest = (int64_t)((uint64_t)weight * scale) - (int64_t)((uint64_t)(uint32_t)guess * total);
    return guess - (rest < 0) + (rest >= (int64_t)total);
}

/* The rest to the first largest, one for each, and what lies below each symbol. */
INLINE void finish(table_t *t, int64_t n, int32_t free_parts)
{
    int32_t total = 0, most = 0;
    for (int64_t k = 0; k < n; k++) {
        total += t->part[k];
        most = t->part[k] > most ? t->part[k] : most;
    }
    int64_t best = 0;
    while (t->part[best] != most) best++;
    t->part[best] += free_parts - total;
    int32_t left = 0;
    for (int64_t k = 0; k < n; k++) {
        t->part[k] += 1;
        t->left.all[k] = left;
        left += t->part[k];
    }
}

/* The part of a wide table that follows the histogram. */
typedef struct {
    int32_t part[MOST_SYMBOLS];                                  /* of each symbol */
    int32_t left[MOST_SYMBOLS + 1];                              /* below it, where each has one more */
    int32_t most_before[MOST_SYMBOLS + 1], most_from[MOST_SYMBOLS + 1]; /* the largest before a symbol, and from it on; or -1 */
} flat_t;

static void fill_flat(flat_t *flat, const ranks_t *ranks)
{
    const int64_t n = ranks->n, free_parts = (1 << PRECISION) - n;
    flat->left[0] = 0;
    flat->most_before[0] = flat->most_from[n] = -1;
    for (int64_t k = 0; k < n; k++) {
        const int32_t part = (int32_t)((ranks->mass[k] * (free_parts >> ranks->uniform)) >> 16);
        flat->part[k] = part;
        flat->left[k + 1] = flat->left[k] + part + 1;
        flat->most_before[k + 1] = part > flat->most_before[k] ? part : flat->most_before[k];
    }
    for (int64_t k = n; k-- > 0;) flat->most_from[k] = flat->part[k] > flat->most_from[k + 1] ? flat->part[k] : flat->most_from[k + 1];
}

/* Far from the location the logistic function is flat, so that only the histogram is left: only from `low` to `high` there is more. */
FOR_EACH_PROCESSOR
static void wide_table(table_t *t, int64_t level, int64_t half_steps, const ranks_t *ranks, const flat_t *flat, const constants_t *c)
{
    const int64_t n = ranks->n;
    const int32_t shift = (int32_t)(half_steps << 9), *logistic = c->logistic_32;
    /* A whole number below 2^38 times 2^-16: float64 has room for all of it. */
    const double inverse = (double)c->wide_levels[level] / 65536.0;
#define FAR(k) ((int32_t)((double)(int32_t)ranks->cumulative[k] * inverse) - shift)
    int64_t low = bin_of(ranks->cumulative, n + 1, (int64_t)((shift - CDF_FAR) / inverse));
    int64_t high = bin_of(ranks->cumulative, n + 1, (int64_t)((shift + CDF_FAR) / inverse)) + 2;
    if (FAR(low) > -CDF_FAR) low = 0;
    if (high > n || FAR(high) < CDF_FAR - 1) high = n;
    int32_t *below = t->below, *restrict part = t->part;
    for (int64_t k = low; k <= high; k++) below[k] = cdf(FAR(k), logistic);
#undef FAR
    const int32_t span = below[high] - below[low];
    const uint32_t total = (uint32_t)(span > 1 ? span : 1);
    const int32_t free_parts = (int32_t)((1 << PRECISION) - n);
    const uint32_t scale = (uint32_t)(free_parts - (free_parts >> ranks->uniform));
    const double ratio = (double)scale / (double)total;
    /* What lies outside has its flat parts and one each. */
    int32_t given = flat->left[n] - (flat->left[high] - flat->left[low]) - (int32_t)(n - (high - low)), most = -1;
    for (int64_t k = low; k < high; k++) {
        part[k] = share((uint32_t)(below[k + 1] - below[k]), scale, total, ratio) + flat->part[k];
        given += part[k];
        most = part[k] > most ? part[k] : most;
    }
    for (int64_t k = 0; k < low; k++) part[k] = flat->part[k] + 1;
    for (int64_t k = high; k < n; k++) part[k] = flat->part[k] + 1;
    for (int64_t k = low; k < high; k++) part[k] += 1;
    int64_t best = low;
    if (flat->most_before[low] >= most) {
        most = flat->most_before[low];
        best = 0;
    }
    if (flat->most_from[high] > most) {
        most = flat->most_from[high];
        best = high;
    }
    while (part[best] != most + 1) best++;
    part[best] += free_parts - given;
    /* Where the largest lies outside, all that follows it moves. */
    const int64_t from = best < low ? best : low, to = best >= high ? best + 1 : high;
    int32_t *restrict left = t->left.all;
    for (int64_t k = 0; k < from; k++) left[k] = flat->left[k];
    int32_t sum = flat->left[from];
    for (int64_t k = from; k < to; k++) {
        left[k] = sum;
        sum += part[k];
    }
    const int32_t moved = sum - flat->left[to];
    for (int64_t k = to; k < n; k++) left[k] = flat->left[k] + moved;
    for (int64_t k = 0; k < BLOCK; k++) t->left.every[k] = left[k * BLOCK];
}

static void narrow_table(table_t *t, int64_t index, int64_t uniform, const constants_t *c)
{
    const int64_t inverse = c->narrow_inverse[index / NARROW_STEPS], step = index % NARROW_STEPS;
    const int64_t low = cdf(floor_division(-(2 * step + 1) * inverse, 2 * NARROW_STEPS), c->logistic_32);
    const int64_t high = cdf(floor_division((2 * NARROW_STEPS - 2 * step - 1) * inverse, 2 * NARROW_STEPS), c->logistic_32);
    const int32_t free_parts = (1 << PRECISION) - 4, flat = free_parts >> uniform;
    const int64_t scale = free_parts - flat;
    t->part[0] = (int32_t)((low * scale) >> CDF_BITS);
    t->part[1] = (int32_t)(((high - low) * scale) >> CDF_BITS);
    t->part[2] = (int32_t)((((INT64_C(1) << CDF_BITS) - high) * scale) >> CDF_BITS);
    t->part[3] = flat;
    finish(t, 4, free_parts);
}

static int64_t inner_row(int64_t table, const constants_t *c)
{
    int64_t row = 0;
    while (row + 1 < INNER_HIGH - INNER_LOW && c->inner_first[row + 1] <= table) row++;
    return row;
}

static int64_t inner_table(table_t *t, int64_t index, const constants_t *c)
{
    const int64_t bits = index & 7, table = index >> 3, row = inner_row(table, c);
    const int64_t grid = c->inner_grids[row], inverse = c->inner_inverse[row], n = INT64_C(1) << bits;
    const int64_t doubled = 2 * (table - c->inner_first[row] - INNER_MARGIN) + 1;
    for (int64_t k = 0; k <= n; k++) {
        const int64_t edge = k * (INT64_C(1) << (grid + 1)) - doubled * (INT64_C(1) << bits);
        t->below[k] = cdf((edge * inverse) >> (grid + 1 + bits), c->logistic_32);
    }
    const int32_t span = t->below[n] - t->below[0];
    const uint32_t total = (uint32_t)(span > 1 ? span : 1);
    const int32_t free_parts = (int32_t)((1 << PRECISION) - n), flat = free_parts >> INNER_UNIFORM;
    const uint32_t scale = (uint32_t)(free_parts - flat);
    const double ratio = (double)scale / (double)total;
    for (int64_t k = 0; k < n; k++)
        t->part[k] = share((uint32_t)(t->below[k + 1] - t->below[k]), scale, total, ratio) + (flat >> bits);
    finish(t, n, free_parts);
    return n;
}
