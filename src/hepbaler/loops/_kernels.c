/* Compiled loops of the learned coder: the same bits as coding/decoder.py, coding/entropy.py, features/ranks.py,
 * features/hints.py, features/elementary.py and bounds/grids.py, many times faster.
 *
 * Nothing here defines the format. Each function does what its namesake in numpy does, number by number, and the tests hold them to
 * it; where this file could not be compiled the coder runs without. All loops run without the GIL, so clusters decode on several
 * cores. Whole numbers only, but for the network, whose sums are exact in float32 in any order (decoder.py says why), and for one
 * quotient, which is guessed in float64 and then corrected, and predicted values, which take float64 as IEEE
 * has it: the compiler must not fuse a product and a sum (-ffp-contract=off).
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

/* What runs inside a function that is compiled for each processor must become a part of it. */
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

#define PRECISION 24
#define SLOTS 0xFFFFFF
#define CDF_BITS 30
#define WIDE_LEVEL 20
#define LAST_LEVEL 30
#define NARROW_LOW 4
#define NARROW_HIGH 13
#define NARROW_STEPS 64
#define N_NARROW ((NARROW_HIGH - NARROW_LOW) * NARROW_STEPS)
#define INNER_LOW (-3)
#define INNER_HIGH 13
#define INNER_MARGIN 8
#define INNER_BITS 5
#define INNER_UNIFORM 7
#define RAW_BITS 16
#define RANK_BITS 28
#define UNIT_BITS 12
#define NONE 3
#define END 0x5AC3
#define MOST_SYMBOLS 256
#define ROWS 64
#define LANES 16

/* ---------------------------------------------------------------- the network */

typedef struct {
    const float *weight, *bias;
    Py_ssize_t n_in, n_out;
} layer_t;

#if defined(__GNUC__)
typedef float lanes_t __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t whole_t __attribute__((vector_size(4 * LANES), aligned(4)));
#define LOAD(at) (*(const lanes_t *)(at))
#define SPREAD(v) ((v) - (lanes_t){0})
#else
typedef float lanes_t;
#define LOAD(at) (*(at))
#define SPREAD(v) (v)
#endif

/* out = weight x + bias for ROWS rows, row major; the number of outputs is a multiple of four. */
INLINE void multiply(const layer_t *layer, const float *restrict x, float *restrict out)
{
    const Py_ssize_t step = sizeof(lanes_t) / sizeof(float);
    for (Py_ssize_t j = 0; j < layer->n_out; j += 4) {
        const float *w0 = layer->weight + j * layer->n_in, *w1 = w0 + layer->n_in, *w2 = w1 + layer->n_in, *w3 = w2 + layer->n_in;
        for (Py_ssize_t r = 0; r < ROWS; r += step) {
            lanes_t s0 = SPREAD(layer->bias[j]), s1 = SPREAD(layer->bias[j + 1]), s2 = SPREAD(layer->bias[j + 2]),
                    s3 = SPREAD(layer->bias[j + 3]);
            for (Py_ssize_t i = 0; i < layer->n_in; i++) {
                const lanes_t v = LOAD(x + i * ROWS + r);
                s0 += w0[i] * v;
                s1 += w1[i] * v;
                s2 += w2[i] * v;
                s3 += w3[i] * v;
            }
            float *to = out + j * ROWS + r;
            memcpy(to, &s0, sizeof s0);
            memcpy(to + ROWS, &s1, sizeof s1);
            memcpy(to + 2 * ROWS, &s2, sizeof s2);
            memcpy(to + 3 * ROWS, &s3, sizeof s3);
        }
    }
}

/* Clip to 0 ... 1023 and round down: after the clip, cutting is rounding down. */
INLINE void activate(float *restrict out, Py_ssize_t n)
{
#if defined(__GNUC__)
    const whole_t top = (whole_t)SPREAD(1023.0f);
    for (Py_ssize_t k = 0; k < n; k += LANES) {
        lanes_t v = LOAD(out + k);
        v = (lanes_t)((whole_t)v & (v > SPREAD(0.0f)));
        const whole_t below = v < SPREAD(1023.0f);
        v = (lanes_t)(((whole_t)v & below) | (top & ~below));
        v = __builtin_convertvector(__builtin_convertvector(v, whole_t), lanes_t);
        memcpy(out + k, &v, sizeof v);
    }
#else
    for (Py_ssize_t k = 0; k < n; k++) {
        float v = out[k];
        v = v > 0.0f ? v : 0.0f;
        v = v < 1023.0f ? v : 1023.0f;
        out[k] = (float)(int32_t)v;
    }
#endif
}

/* Round down and clip to 0 ... top. */
INLINE int64_t output(float v, int64_t top)
{
    if (!(v > 0.0f)) return 0;
    return v < (float)top ? (int64_t)v : top;
}

FOR_EACH_PROCESSOR
static void network(const float *const *columns, Py_ssize_t n_rows, const layer_t *layers, float *scratch,
                    int64_t *location, int64_t *level, int64_t *gate)
{
    float *x = scratch, *h1 = x + layers[0].n_in * ROWS, *h2 = h1 + layers[0].n_out * ROWS, *h3 = h2 + layers[1].n_out * ROWS;
    for (Py_ssize_t start = 0; start < n_rows; start += ROWS) {
        const Py_ssize_t m = n_rows - start < ROWS ? n_rows - start : ROWS;
        for (Py_ssize_t i = 0; i < layers[0].n_in; i++)
            /* A length that the compiler knows makes a few moves; the last rows take a call. */
            if (m == ROWS) memcpy(x + i * ROWS, columns[i] + start, ROWS * sizeof(float));
            else memcpy(x + i * ROWS, columns[i] + start, (size_t)m * sizeof(float));
        multiply(layers, x, h1);
        activate(h1, layers[0].n_out * ROWS);
        multiply(layers + 1, h1, h2);
        activate(h2, layers[1].n_out * ROWS);
        multiply(layers + 2, h2, h3);
        for (Py_ssize_t r = 0; r < m; r++) {
            location[start + r] = output(h3[r], 0xFFFF) << (RANK_BITS - 16);
            level[start + r] = output(h3[ROWS + r], LAST_LEVEL);
            gate[start + r] = output(h3[2 * ROWS + r], 64);
        }
    }
}

/* ---------------------------------------------------------------- probability tables */

typedef struct {
    int32_t logistic_32[1025]; /* filled from the array of int64 */
    const int64_t *wide_levels, *wide_offsets;   /* (31,), (22,) */
    const int64_t *narrow_inverse;               /* (9,) */
    const int64_t *inner_grids, *inner_first, *inner_inverse; /* (16,), (17,), (16,) */
} constants_t;

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
LAST_NOT_ABOVE(edge_of, double)

/* What lies below each symbol, to be searched in two looks at 16 numbers each: at every 16th, and at those from there on. */
#define BLOCK 16
typedef struct {
    int32_t every[BLOCK], all[MOST_SYMBOLS];
} slots_t;

INLINE void fill_slots(slots_t *slots, int64_t n)
{
    for (int64_t k = n; k < MOST_SYMBOLS; k++) slots->all[k] = INT32_MAX;
    for (int64_t k = 0; k < BLOCK; k++) slots->every[k] = slots->all[k * BLOCK];
}

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
    const int64_t near = far < -(512 << 5) ? -(512 << 5) : far;
    const int32_t x = near > (512 << 5) - 1 ? (512 << 5) - 1 : (int32_t)near;
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

FOR_EACH_PROCESSOR
static void wide_table(table_t *t, int64_t level, int64_t half_steps, const ranks_t *ranks, const int32_t *flat, const constants_t *c)
{
    const int64_t n = ranks->n;
    const int32_t shift = (int32_t)(half_steps << 9), *logistic = c->logistic_32;
    /* A whole number below 2^38 times 2^-16: float64 has room for all of it. */
    const double inverse = (double)c->wide_levels[level] / 65536.0;
    int32_t *below = t->below;
    for (int64_t k = 0; k <= n; k++) below[k] = cdf((int32_t)((double)(int32_t)ranks->cumulative[k] * inverse) - shift, logistic);
    const int32_t span = below[n] - below[0];
    const uint32_t total = (uint32_t)(span > 1 ? span : 1);
    const int32_t free_parts = (int32_t)((1 << PRECISION) - n);
    const uint32_t scale = (uint32_t)(free_parts - (free_parts >> ranks->uniform));
    const double ratio = (double)scale / (double)total;
    int32_t *restrict part = t->part;
    for (int64_t k = 0; k < n; k++) part[k] = share((uint32_t)(below[k + 1] - below[k]), scale, total, ratio) + flat[k];
    finish(t, n, free_parts);
    fill_slots(&t->left, n);
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

/* ---------------------------------------------------------------- which table serves each row */

typedef struct {
    int64_t *wide, *wide_index, *narrow, *narrow_index, *centre, *inner, *inner_index, *rest, *order, *starts;
    Py_ssize_t n_wide, n_narrow, n_inner;
    int32_t flat[MOST_SYMBOLS];
    table_t table;
} routes_t;

static void close_routes(routes_t *routes)
{
    free(routes->wide);
    free(routes->starts);
}

/* One block for all arrays over rows; 0 where memory is short. */
static int open_routes(routes_t *routes, Py_ssize_t n_rows, const ranks_t *ranks, const constants_t *c)
{
    const size_t n = (size_t)(n_rows > 0 ? n_rows : 1);
    const int64_t n_wide = c->wide_offsets[WIDE_LEVEL + 1], n_inner = c->inner_first[INNER_HIGH - INNER_LOW] << 3;
    const int64_t most = n_wide > n_inner ? n_wide : n_inner;
    routes->wide = malloc(9 * n * sizeof(int64_t));
    routes->starts = malloc((size_t)((most > N_NARROW ? most : N_NARROW) + 1) * sizeof(int64_t));
    if (!routes->wide || !routes->starts) {
        close_routes(routes);
        return 0;
    }
    int64_t **next[] = {&routes->wide_index, &routes->narrow, &routes->narrow_index, &routes->centre,
                        &routes->inner, &routes->inner_index, &routes->rest, &routes->order};
    for (size_t k = 0; k < 8; k++) *next[k] = routes->wide + (k + 1) * n;
    const int64_t free_parts = (1 << PRECISION) - ranks->n;
    for (int64_t k = 0; k < ranks->n; k++) routes->flat[k] = (int32_t)((ranks->mass[k] * (free_parts >> ranks->uniform)) >> 16);
    return 1;
}

/* Rows by table, in their own order inside a table. */
static void order_rows(routes_t *routes, const int64_t *rows, const int64_t *index, Py_ssize_t n, int64_t n_tables)
{
    int64_t *starts = routes->starts;
    memset(starts, 0, (size_t)(n_tables + 1) * sizeof(int64_t));
    for (Py_ssize_t k = 0; k < n; k++) starts[index[k] + 1]++;
    for (int64_t table = 0; table < n_tables; table++) starts[table + 1] += starts[table];
    for (Py_ssize_t k = 0; k < n; k++) routes->order[starts[index[k]]++] = rows[k];
    /* Each start has moved to the next one's place. */
    memmove(starts + 1, starts, (size_t)n_tables * sizeof(int64_t));
    starts[0] = 0;
}

/* 0, or -1 where a location or level is none. */
static int place_rows(routes_t *routes, const int64_t *location, const int64_t *level, Py_ssize_t n_rows, const ranks_t *ranks,
                      const constants_t *c)
{
    routes->n_wide = routes->n_narrow = 0;
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const int64_t at = location[row];
        int64_t lv = level[row];
        if (at < 0 || at >> RANK_BITS || lv < 0 || lv > LAST_LEVEL) return -1;
        if (lv > WIDE_LEVEL) {
            const int64_t centre = bin_of(ranks->cumulative, ranks->n, at >> UNIT_BITS), relative = lv - ranks->mass_levels[centre];
            if (relative >= NARROW_LOW) {
                const int64_t away = at - (ranks->cumulative[centre] << UNIT_BITS);
                int64_t step = (away * NARROW_STEPS) / (ranks->mass[centre] << UNIT_BITS);
                if (step > NARROW_STEPS - 1) step = NARROW_STEPS - 1;
                routes->narrow[routes->n_narrow] = row;
                routes->narrow_index[routes->n_narrow++] =
                    ((relative < NARROW_HIGH - 1 ? relative : NARROW_HIGH - 1) - NARROW_LOW) * NARROW_STEPS + step;
                routes->centre[row] = centre;
                continue;
            }
            lv = WIDE_LEVEL;
        }
        routes->wide[routes->n_wide] = row;
        routes->wide_index[routes->n_wide++] = c->wide_offsets[lv] + ((2 * at * c->wide_levels[lv] + (INT64_C(1) << 37)) >> 38);
    }
    return 0;
}

/* Rows with leading bits under an inner table, their tables, and how many bits of each row stay raw. */
static void place_inner(routes_t *routes, const int64_t *bins, const int64_t *location, const int64_t *level, Py_ssize_t n_rows,
                        const ranks_t *ranks, const constants_t *c)
{
    routes->n_inner = 0;
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const int64_t bin = bins[row], relative = level[row] - ranks->mass_levels[bin];
        int64_t bits = ranks->shift[bin];
        if (bits > 0 && relative >= INNER_LOW) {
            const int64_t leading = bits < INNER_BITS ? bits : INNER_BITS;
            const int64_t r = (relative < INNER_HIGH - 1 ? relative : INNER_HIGH - 1) - INNER_LOW, grid = c->inner_grids[r];
            const int64_t away = location[row] - (ranks->cumulative[bin] << UNIT_BITS);
            int64_t place = floor_division(away * (INT64_C(1) << grid), ranks->mass[bin] << UNIT_BITS);
            const int64_t last = (INT64_C(1) << grid) + INNER_MARGIN - 1;
            place = place < -INNER_MARGIN ? -INNER_MARGIN : place > last ? last : place;
            routes->inner[routes->n_inner] = row;
            routes->inner_index[routes->n_inner++] = ((c->inner_first[r] + place + INNER_MARGIN) << 3) | leading;
            bits -= leading;
        }
        routes->rest[row] = bits;
    }
}

/* How many rows take 1 ... 16 raw bits in this round; the result says whether any does. */
static int count_raw(const int64_t *rest, Py_ssize_t n_rows, Py_ssize_t *counts)
{
    memset(counts, 0, (RAW_BITS + 1) * sizeof(Py_ssize_t));
    for (Py_ssize_t row = 0; row < n_rows; row++) counts[rest[row] < RAW_BITS ? rest[row] : RAW_BITS]++;
    return counts[0] < n_rows;
}

static void drop_raw(int64_t *rest, Py_ssize_t n_rows)
{
    for (Py_ssize_t row = 0; row < n_rows; row++) rest[row] -= rest[row] < RAW_BITS ? rest[row] : RAW_BITS;
}

/* ---------------------------------------------------------------- the stack */

typedef struct {
    uint64_t state;
    const uint32_t *words;
    Py_ssize_t at;
} reader_t;

INLINE void refill(reader_t *reader)
{
    if (reader->state < (UINT64_C(1) << 32) && reader->at > 0) reader->state = (reader->state << 32) | reader->words[--reader->at];
}

INLINE int32_t slot_of(const reader_t *reader) { return (int32_t)(reader->state & SLOTS); }

INLINE void take(reader_t *reader, int64_t left, int64_t part)
{
    const uint64_t slot = reader->state & SLOTS;
    reader->state = (reader->state >> PRECISION) * (uint64_t)part + (slot - (uint64_t)left);
    refill(reader);
}

/* Bins and offsets of a column. 0; 1 where a bin is none of the column's; 2 where the stream does not end as it must; -1 where a
   location or level is none. */
FOR_EACH_PROCESSOR
static int decode(routes_t *routes, reader_t reader, const int64_t *location, const int64_t *level, Py_ssize_t n_rows,
                  const ranks_t *ranks, const constants_t *c, int64_t *bins, int64_t *offset)
{
    table_t *t = &routes->table;
    const int64_t *starts = routes->starts, *order = routes->order;
    refill(&reader);
    refill(&reader);
    if (place_rows(routes, location, level, n_rows, ranks, c)) return -1;
    order_rows(routes, routes->wide, routes->wide_index, routes->n_wide, c->wide_offsets[WIDE_LEVEL + 1]);
    for (int64_t lv = 0; lv <= WIDE_LEVEL; lv++)
        for (int64_t table = c->wide_offsets[lv]; table < c->wide_offsets[lv + 1]; table++) {
            if (starts[table] == starts[table + 1]) continue;
            wide_table(t, lv, table - c->wide_offsets[lv], ranks, routes->flat, c);
            for (int64_t k = starts[table]; k < starts[table + 1]; k++) {
                const int64_t symbol = search_slots(&t->left, slot_of(&reader));
                bins[order[k]] = symbol;
                take(&reader, t->left.all[symbol], t->part[symbol]);
            }
        }
    order_rows(routes, routes->narrow, routes->narrow_index, routes->n_narrow, N_NARROW);
    for (int64_t table = 0; table < N_NARROW; table++) {
        if (starts[table] == starts[table + 1]) continue;
        narrow_table(t, table, ranks->uniform, c);
        for (int64_t k = starts[table]; k < starts[table + 1]; k++) {
            const int64_t symbol = symbol_of(t->left.all, 4, slot_of(&reader));
            bins[order[k]] = symbol == NONE ? -2 : routes->centre[order[k]] + symbol - 1;
            take(&reader, t->left.all[symbol], t->part[symbol]);
        }
    }
    for (Py_ssize_t k = 0; k < routes->n_narrow; k++)
        if (bins[routes->narrow[k]] == -2) {
            const int64_t symbol = bin_of(ranks->cumulative, ranks->n, slot_of(&reader) >> (PRECISION - 16));
            bins[routes->narrow[k]] = symbol;
            take(&reader, ranks->cumulative[symbol] << (PRECISION - 16), ranks->mass[symbol] << (PRECISION - 16));
        }
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        if (bins[row] < 0 || bins[row] >= ranks->n) return 1;
        offset[row] = 0;
    }
    place_inner(routes, bins, location, level, n_rows, ranks, c);
    const int64_t n_inner = c->inner_first[INNER_HIGH - INNER_LOW] << 3;
    order_rows(routes, routes->inner, routes->inner_index, routes->n_inner, n_inner);
    for (int64_t table = 0; table < n_inner; table++) {
        if (starts[table] == starts[table + 1]) continue;
        const int64_t n = inner_table(t, table, c);
        for (int64_t k = starts[table]; k < starts[table + 1]; k++) {
            const int64_t symbol = symbol_of(t->left.all, n, slot_of(&reader));
            offset[order[k]] = symbol;
            take(&reader, t->left.all[symbol], t->part[symbol]);
        }
    }
    Py_ssize_t counts[RAW_BITS + 1];
    int64_t *rest = routes->rest;
    while (count_raw(rest, n_rows, counts)) {
        for (int64_t bits = 1; bits <= RAW_BITS; bits++) {
            if (counts[bits] == 0) continue;
            const int64_t drop = PRECISION - bits;
            for (Py_ssize_t row = 0; row < n_rows; row++)
                if ((rest[row] < RAW_BITS ? rest[row] : RAW_BITS) == bits) {
                    const int64_t symbol = slot_of(&reader) >> drop;
                    offset[row] = (int64_t)((uint64_t)offset[row] << bits) | symbol;
                    take(&reader, symbol << drop, INT64_C(1) << drop);
                }
        }
        drop_raw(rest, n_rows);
    }
    if (n_rows > 0) {
        if (slot_of(&reader) >> (PRECISION - RAW_BITS) != END) return 2;
        take(&reader, (int64_t)END << (PRECISION - RAW_BITS), INT64_C(1) << (PRECISION - RAW_BITS));
    }
    return reader.state == 0 && reader.at == 0 ? 0 : 2;
}

typedef struct {
    uint32_t left, part;
} step_t;

typedef struct {
    step_t *steps;
    size_t n, capacity;
} steps_t;

INLINE void put(steps_t *steps, int64_t left, int64_t part)
{
    steps->steps[steps->n].left = (uint32_t)left;
    steps->steps[steps->n++].part = (uint32_t)part;
}

/* Steps of a column in decoding order; 0, -1 where a location or level is none, -2 where memory is short. */
static int collect(routes_t *routes, steps_t *steps, const int64_t *location, const int64_t *level, Py_ssize_t n_rows,
                   const ranks_t *ranks, const constants_t *c, const int64_t *bins, const int64_t *offset)
{
    table_t *t = &routes->table;
    const int64_t *starts = routes->starts, *order = routes->order;
    int64_t *rest = routes->rest;
    if (place_rows(routes, location, level, n_rows, ranks, c)) return -1;
    place_inner(routes, bins, location, level, n_rows, ranks, c);
    size_t n_steps = (size_t)n_rows + (size_t)routes->n_narrow + (size_t)routes->n_inner + 1;
    for (Py_ssize_t row = 0; row < n_rows; row++) n_steps += (size_t)(rest[row] + RAW_BITS - 1) / RAW_BITS;
    steps->steps = malloc(n_steps * sizeof(step_t));
    if (!steps->steps) return -2;
    order_rows(routes, routes->wide, routes->wide_index, routes->n_wide, c->wide_offsets[WIDE_LEVEL + 1]);
    for (int64_t lv = 0; lv <= WIDE_LEVEL; lv++)
        for (int64_t table = c->wide_offsets[lv]; table < c->wide_offsets[lv + 1]; table++) {
            if (starts[table] == starts[table + 1]) continue;
            wide_table(t, lv, table - c->wide_offsets[lv], ranks, routes->flat, c);
            for (int64_t k = starts[table]; k < starts[table + 1]; k++) put(steps, t->left.all[bins[order[k]]], t->part[bins[order[k]]]);
        }
    order_rows(routes, routes->narrow, routes->narrow_index, routes->n_narrow, N_NARROW);
    for (int64_t table = 0; table < N_NARROW; table++) {
        if (starts[table] == starts[table + 1]) continue;
        narrow_table(t, table, ranks->uniform, c);
        for (int64_t k = starts[table]; k < starts[table + 1]; k++) {
            int64_t symbol = bins[order[k]] - routes->centre[order[k]] + 1;
            if (symbol < 0 || symbol > NONE) symbol = NONE;
            put(steps, t->left.all[symbol], t->part[symbol]);
        }
    }
    for (Py_ssize_t k = 0; k < routes->n_narrow; k++) {
        const int64_t symbol = bins[routes->narrow[k]], away = symbol - routes->centre[routes->narrow[k]];
        if (away < -1 || away > 1)
            put(steps, ranks->cumulative[symbol] << (PRECISION - 16), ranks->mass[symbol] << (PRECISION - 16));
    }
    const int64_t n_inner = c->inner_first[INNER_HIGH - INNER_LOW] << 3;
    order_rows(routes, routes->inner, routes->inner_index, routes->n_inner, n_inner);
    for (int64_t table = 0; table < n_inner; table++) {
        if (starts[table] == starts[table + 1]) continue;
        inner_table(t, table, c);
        for (int64_t k = starts[table]; k < starts[table + 1]; k++) {
            const int64_t symbol = offset[order[k]] >> rest[order[k]];
            put(steps, t->left.all[symbol], t->part[symbol]);
        }
    }
    Py_ssize_t counts[RAW_BITS + 1];
    while (count_raw(rest, n_rows, counts)) {
        for (int64_t bits = 1; bits <= RAW_BITS; bits++) {
            if (counts[bits] == 0) continue;
            const int64_t drop = PRECISION - bits;
            for (Py_ssize_t row = 0; row < n_rows; row++)
                if ((rest[row] < RAW_BITS ? rest[row] : RAW_BITS) == bits)
                    put(steps, ((offset[row] >> (rest[row] - bits)) & ((INT64_C(1) << bits) - 1)) << drop, INT64_C(1) << drop);
        }
        drop_raw(rest, n_rows);
    }
    if (n_rows > 0) put(steps, (int64_t)END << (PRECISION - RAW_BITS), INT64_C(1) << (PRECISION - RAW_BITS));
    return 0;
}

/* Push symbols, the last first; each gives at most one word, and the state two more. */
static size_t push(const steps_t *steps, unsigned char *out)
{
    size_t n = 0;
    uint64_t state = 0;
#define WORD(word)                                                                       \
    do {                                                                                 \
        for (int byte = 0; byte < 4; byte++) out[n++] = (unsigned char)((word) >> (8 * byte)); \
    } while (0)
    for (size_t k = steps->n; k-- > 0;) {
        const uint64_t part = steps->steps[k].part;
        if ((state >> (64 - PRECISION)) >= part) {
            WORD((uint32_t)state);
            state >>= 32;
        }
        state = ((state / part) << PRECISION) | (steps->steps[k].left + state % part);
    }
    while (state) {
        WORD((uint32_t)state);
        state >>= 32;
    }
#undef WORD
    return n;
}

/* ---------------------------------------------------------------- Python */

typedef struct {
    Py_buffer views[24];
    int n;
} buffers_t;

static void release(buffers_t *buffers)
{
    while (buffers->n > 0) PyBuffer_Release(&buffers->views[--buffers->n]);
}

/* Contiguous memory of exactly `n` items of `size` bytes, or NULL with an exception. */
static void *items(buffers_t *buffers, PyObject *object, Py_ssize_t n, Py_ssize_t size, int writable)
{
    Py_buffer *view = &buffers->views[buffers->n];
    if (PyObject_GetBuffer(object, view, writable ? PyBUF_CONTIG : PyBUF_CONTIG_RO)) return NULL;
    buffers->n++;
    if (view->len != n * size || (uintptr_t)view->buf % (uintptr_t)size) {
        PyErr_Format(PyExc_ValueError, "array has %zd bytes where %zd items of %zd bytes are needed", view->len, n, size);
        return NULL;
    }
    return view->buf;
}

static Py_ssize_t bytes_of(PyObject *object)
{
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_CONTIG_RO)) return -1;
    const Py_ssize_t n = view.len;
    PyBuffer_Release(&view);
    return n;
}

static PyObject *run_net(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *columns, *weights[6], *outputs[3];
    Py_ssize_t n_rows;
    if (!PyArg_ParseTuple(args, "O!n(OOOOOO)(OOO)", &PyTuple_Type, &columns, &n_rows, weights, weights + 1, weights + 2, weights + 3,
                          weights + 4, weights + 5, outputs, outputs + 1, outputs + 2))
        return NULL;
    buffers_t buffers = {.n = 0};
    layer_t layers[3];
    const Py_ssize_t n_in = PyTuple_Size(columns);
    Py_buffer *views = NULL;
    const float **column = NULL;
    float *scratch = NULL;
    PyObject *result = NULL;
    Py_ssize_t n_views = 0, width = n_in;
    for (int k = 0; k < 3; k++) {
        const Py_ssize_t n_out = bytes_of(weights[2 * k + 1]) / (Py_ssize_t)sizeof(float);
        if (PyErr_Occurred()) goto done;
        layers[k] = (layer_t){.n_in = width, .n_out = n_out};
        layers[k].weight = items(&buffers, weights[2 * k], n_out * width, sizeof(float), 0);
        if (!layers[k].weight) goto done;
        layers[k].bias = items(&buffers, weights[2 * k + 1], n_out, sizeof(float), 0);
        if (!layers[k].bias) goto done;
        if (n_out % 4 || (k == 2 && n_out != 4)) {
            PyErr_SetString(PyExc_ValueError, "a layer has a multiple of four outputs, the last one four");
            goto done;
        }
        width = n_out;
    }
    int64_t *out[3];
    for (int k = 0; k < 3; k++)
        if (!(out[k] = items(&buffers, outputs[k], n_rows, sizeof(int64_t), 1))) goto done;
    views = calloc((size_t)n_in + 1, sizeof(Py_buffer));
    column = calloc((size_t)n_in + 1, sizeof(float *));
    scratch = calloc((size_t)(n_in + layers[0].n_out + layers[1].n_out + 4) * ROWS, sizeof(float));
    if (!views || !column || !scratch) {
        PyErr_NoMemory();
        goto done;
    }
    for (; n_views < n_in; n_views++) {
        if (PyObject_GetBuffer(PyTuple_GetItem(columns, n_views), &views[n_views], PyBUF_CONTIG_RO)) goto done;
        column[n_views] = views[n_views].buf;
        if (views[n_views].len != n_rows * (Py_ssize_t)sizeof(float)) {
            PyErr_Format(PyExc_ValueError, "input %zd has %zd bytes, not %zd float32", n_views, views[n_views].len, n_rows);
            n_views++;
            goto done;
        }
    }
    Py_BEGIN_ALLOW_THREADS
    network(column, n_rows, layers, scratch, out[0], out[1], out[2]);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
done:
    while (n_views > 0) PyBuffer_Release(&views[--n_views]);
    free(views);
    free(column);
    free(scratch);
    release(&buffers);
    return result;
}

/* A rank table: base, shift, cumulative, mass as int64 arrays, escape last; 0 with an exception. */
static int open_ranks(buffers_t *buffers, PyObject *table, ranks_t *ranks)
{
    PyObject *t[4];
    if (!PyArg_ParseTuple(table, "OOOO", t, t + 1, t + 2, t + 3)) return 0;
    const Py_ssize_t n_bytes = bytes_of(t[3]), n = n_bytes / 8;
    if (n_bytes < 0) return 0;
    if (n < 2 || n > MOST_SYMBOLS) {
        PyErr_SetString(PyExc_ValueError, "a rank table has 1 to 255 bins");
        return 0;
    }
    ranks->n = n;
    return (ranks->base = items(buffers, t[0], n - 1, 8, 0)) && (ranks->shift = items(buffers, t[1], n, 8, 0)) &&
           (ranks->cumulative = items(buffers, t[2], n + 1, 8, 0)) && (ranks->mass = items(buffers, t[3], n, 8, 0));
}

/* The column's table and its levels, and the constants, as int64 arrays. */
static int prepare(buffers_t *buffers, PyObject *table, PyObject *levels, PyObject *numbers, long uniform, ranks_t *ranks,
                   constants_t *c)
{
    PyObject *v[7];
    if (!open_ranks(buffers, table, ranks) ||
        !PyArg_ParseTuple(numbers, "OOOOOOO", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6))
        return 0;
    if (uniform < 1 || uniform > 16) {
        PyErr_SetString(PyExc_ValueError, "a share of 2^-1 to 2^-16 follows the histogram");
        return 0;
    }
    ranks->uniform = uniform;
    const int n_inner = INNER_HIGH - INNER_LOW;
    const int64_t *logistic = NULL;
    const int good = (ranks->mass_levels = items(buffers, levels, ranks->n, 8, 0)) && (logistic = items(buffers, v[0], 1025, 8, 0)) &&
           (c->wide_levels = items(buffers, v[1], LAST_LEVEL + 1, 8, 0)) &&
           (c->wide_offsets = items(buffers, v[2], WIDE_LEVEL + 2, 8, 0)) &&
           (c->narrow_inverse = items(buffers, v[3], NARROW_HIGH - NARROW_LOW, 8, 0)) &&
           (c->inner_grids = items(buffers, v[4], n_inner, 8, 0)) && (c->inner_first = items(buffers, v[5], n_inner + 1, 8, 0)) &&
           (c->inner_inverse = items(buffers, v[6], n_inner, 8, 0));
    for (int k = 0; good && k < 1025; k++) c->logistic_32[k] = (int32_t)logistic[k];
    return good;
}

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
static void see(const ranks_t *ranks, const int64_t *q, float *seen, Py_ssize_t n_rows)
{
    const int64_t n_bins = ranks->n - 1;
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const int64_t bin = bin_of(ranks->base, n_bins, q[row]);
        const uint64_t away = (uint64_t)q[row] - (uint64_t)ranks->base[bin];
        const int inside = q[row] >= ranks->base[bin] && away < (UINT64_C(1) << ranks->shift[bin]);
        seen[row] = seen_as(inside ? centre_of(ranks, bin, (int64_t)away) : centre_of(ranks, n_bins, 0));
    }
}

/* HintScale.rank, and how a network sees it. */
static void place(const ranks_t *ranks, const double *edges, const double *values, int64_t *rank, float *seen, Py_ssize_t n_rows)
{
    const int64_t n_bins = ranks->n - 1;
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const int64_t bin = edge_of(edges, n_bins, values[row]);
        const double low = edges[bin];
        double inside = values[row] - low;
        inside = inside / (edges[bin + 1] - low);
        inside = inside < 0.0 ? 0.0 : inside > 1.0 ? 1.0 : inside;
        const int64_t within = (int64_t)(inside * (double)(ranks->mass[bin] << UNIT_BITS));
        const int64_t at = (ranks->cumulative[bin] << UNIT_BITS) + within, last = (INT64_C(1) << RANK_BITS) - 1;
        rank[row] = at < last ? at : last;
        seen[row] = seen_as(rank[row]);
    }
}

static PyObject *decode_symbols(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *stream, *escaped, *location, *level, *table, *levels, *numbers, *values, *seen;
    Py_ssize_t n_rows, n_escaped;
    long uniform;
    if (!PyArg_ParseTuple(args, "OOnOOnO!OlO!OO", &stream, &escaped, &n_escaped, &location, &level, &n_rows, &PyTuple_Type, &table,
                          &levels, &uniform, &PyTuple_Type, &numbers, &values, &seen))
        return NULL;
    buffers_t buffers = {.n = 0};
    ranks_t ranks;
    constants_t c;
    reader_t reader = {.state = 0};
    routes_t *routes = NULL;
    int64_t *bins = NULL;
    PyObject *result = NULL;
    const Py_ssize_t n_bytes = bytes_of(stream);
    if (n_bytes < 0 || !prepare(&buffers, table, levels, numbers, uniform, &ranks, &c)) goto done;
    reader.at = n_bytes / 4;
    reader.words = items(&buffers, stream, reader.at, 4, 0);
    if (!reader.words) goto done;
    const int64_t *where = items(&buffers, location, n_rows, 8, 0), *how_sure = where ? items(&buffers, level, n_rows, 8, 0) : NULL;
    const int64_t *outside = how_sure ? items(&buffers, escaped, n_escaped, 8, 0) : NULL;
    int64_t *out = outside ? items(&buffers, values, n_rows, 8, 1) : NULL;
    float *feature = out ? items(&buffers, seen, n_rows, 4, 1) : NULL;
    if (!feature) goto done;
    routes = malloc(sizeof *routes);
    bins = malloc((size_t)(n_rows > 0 ? n_rows : 1) * sizeof(int64_t));
    if (!routes || !bins || !open_routes(routes, n_rows, &ranks, &c)) {
        PyErr_NoMemory();
        goto done;
    }
    int status;
    Py_ssize_t used = 0;
    Py_BEGIN_ALLOW_THREADS
    status = decode(routes, reader, where, how_sure, n_rows, &ranks, &c, bins, out);
    if (status == 0) used = finish_values(&ranks, bins, out, feature, n_rows, outside, n_escaped);
    Py_END_ALLOW_THREADS
    close_routes(routes);
    if (status < 0) PyErr_SetString(PyExc_ValueError, "a location or level is out of range");
    else result = Py_BuildValue("in", status, used);
done:
    free(routes);
    free(bins);
    release(&buffers);
    return result;
}

static PyObject *encode_symbols(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *location, *level, *table, *levels, *numbers, *bins, *offset;
    Py_ssize_t n_rows;
    long uniform;
    if (!PyArg_ParseTuple(args, "OOnO!OlO!OO", &location, &level, &n_rows, &PyTuple_Type, &table, &levels, &uniform, &PyTuple_Type, &numbers,
                          &bins, &offset))
        return NULL;
    buffers_t buffers = {.n = 0};
    ranks_t ranks;
    constants_t c;
    routes_t *routes = NULL;
    steps_t steps = {.steps = NULL};
    unsigned char *words = NULL;
    size_t n_bytes = 0;
    PyObject *result = NULL;
    if (!prepare(&buffers, table, levels, numbers, uniform, &ranks, &c)) goto done;
    const int64_t *where = items(&buffers, location, n_rows, 8, 0), *how_sure = where ? items(&buffers, level, n_rows, 8, 0) : NULL;
    const int64_t *located = how_sure ? items(&buffers, bins, n_rows, 8, 0) : NULL;
    const int64_t *inside = located ? items(&buffers, offset, n_rows, 8, 0) : NULL;
    if (!inside) goto done;
    for (Py_ssize_t row = 0; row < n_rows; row++)
        if (located[row] < 0 || located[row] >= ranks.n || inside[row] < 0 || inside[row] >> ranks.shift[located[row]]) {
            PyErr_SetString(PyExc_ValueError, "a value lies in no bin of the table");
            goto done;
        }
    routes = malloc(sizeof *routes);
    if (!routes || !open_routes(routes, n_rows, &ranks, &c)) {
        PyErr_NoMemory();
        goto done;
    }
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = collect(routes, &steps, where, how_sure, n_rows, &ranks, &c, located, inside);
    if (status == 0) {
        words = malloc((steps.n + 2) * 4);
        if (!words) status = -2;
        else n_bytes = push(&steps, words);
    }
    Py_END_ALLOW_THREADS
    close_routes(routes);
    if (status == -1) PyErr_SetString(PyExc_ValueError, "a location or level is out of range");
    else if (status == -2) PyErr_NoMemory();
    else result = PyBytes_FromStringAndSize((const char *)words, (Py_ssize_t)n_bytes);
done:
    free(words);
    free(steps.steps);
    free(routes);
    release(&buffers);
    return result;
}

static PyObject *see_ranks(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *q, *table, *seen;
    Py_ssize_t n_rows;
    if (!PyArg_ParseTuple(args, "OnO!O", &q, &n_rows, &PyTuple_Type, &table, &seen)) return NULL;
    buffers_t buffers = {.n = 0};
    ranks_t ranks;
    PyObject *result = NULL;
    if (open_ranks(&buffers, table, &ranks)) {
        const int64_t *values = items(&buffers, q, n_rows, 8, 0);
        float *out = values ? items(&buffers, seen, n_rows, 4, 1) : NULL;
        if (out) {
            Py_BEGIN_ALLOW_THREADS
            see(&ranks, values, out, n_rows);
            Py_END_ALLOW_THREADS
            result = Py_NewRef(Py_None);
        }
    }
    release(&buffers);
    return result;
}

static PyObject *place_values(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *values, *edges, *table, *rank, *seen;
    Py_ssize_t n_rows;
    if (!PyArg_ParseTuple(args, "OnOO!OO", &values, &n_rows, &edges, &PyTuple_Type, &table, &rank, &seen)) return NULL;
    buffers_t buffers = {.n = 0};
    ranks_t ranks;
    PyObject *result = NULL;
    if (open_ranks(&buffers, table, &ranks)) {
        const double *predicted = items(&buffers, values, n_rows, 8, 0);
        const double *borders = predicted ? items(&buffers, edges, ranks.n, 8, 0) : NULL;
        int64_t *at = borders ? items(&buffers, rank, n_rows, 8, 1) : NULL;
        float *out = at ? items(&buffers, seen, n_rows, 4, 1) : NULL;
        if (out) {
            Py_BEGIN_ALLOW_THREADS
            place(&ranks, borders, predicted, at, out, n_rows);
            Py_END_ALLOW_THREADS
            result = Py_NewRef(Py_None);
        }
    }
    release(&buffers);
    return result;
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

static PyObject *climb_ladder(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *q, *values, *coarse, *fine;
    Py_ssize_t n_rows;
    double step;
    long long levels;
    int bits;
    if (!PyArg_ParseTuple(args, "OnOdLOOi", &q, &n_rows, &values, &step, &levels, &coarse, &fine, &bits)) return NULL;
    buffers_t buffers = {.n = 0};
    PyObject *result = NULL;
    const Py_ssize_t n_coarse = bytes_of(coarse) / 8;
    if (PyErr_Occurred()) return NULL;
    if (bits < 0 || bits > 20 || n_coarse < 1 || levels < 0) {
        PyErr_SetString(PyExc_ValueError, "a ladder has up to 2^20 fine steps, at least one coarse one, and no negative level");
        return NULL;
    }
    const int64_t *integers = items(&buffers, q, n_rows, 8, 0);
    double *out = integers ? items(&buffers, values, n_rows, 8, 1) : NULL;
    const double *long_steps = out ? items(&buffers, coarse, n_coarse, 8, 0) : NULL;
    const double *short_steps = long_steps ? items(&buffers, fine, (Py_ssize_t)1 << bits, 8, 0) : NULL;
    if (short_steps) {
        Py_BEGIN_ALLOW_THREADS
        climb(integers, out, n_rows, step, levels, long_steps, n_coarse, short_steps, bits);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release(&buffers);
    return result;
}

/* elementary.py and `clean` of hints.py: each operation rounds by itself, as IEEE has it, whatever the processor could fuse. */
FOR_EACH_PROCESSOR
static void hyperbolic_cosines(const double *restrict x, double *restrict out, Py_ssize_t n)
{
    for (Py_ssize_t k = 0; k < n; k++) {
        const double size = x[k] < 0.0 ? -x[k] : x[k], y = (size < 16.0 ? size : 16.0) / 16.0, square = y * y;
        double series = 1.0;
        for (int i = 10; i > 0; i--) series = series * square / (double)((2 * i - 1) * (2 * i)) + 1.0;
        for (int i = 0; i < 4; i++) series = series * series * 2.0 - 1.0;
        out[k] = series;
    }
}

FOR_EACH_PROCESSOR
static void cosines_and_sines(const double *restrict angle, double *restrict cosines, double *restrict sines, Py_ssize_t n)
{
    for (Py_ssize_t k = 0; k < n; k++) {
        const double near = angle[k] < -8.0 ? -8.0 : angle[k] > 8.0 ? 8.0 : angle[k], y = near / 16.0, square = y * y;
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
        cosines[k] = cosine;
        sines[k] = sine;
    }
}

FOR_EACH_PROCESSOR
static void cleaned(const double *restrict x, double *restrict out, Py_ssize_t n)
{
    for (Py_ssize_t k = 0; k < n; k++) {
        /* What is not finite gives no zero when it is subtracted from itself. */
        const double finite = x[k] - x[k] == 0.0 ? x[k] : 0.0;
        out[k] = finite < -1e100 ? -1e100 : finite > 1e100 ? 1e100 : finite;
    }
}

static PyObject *of_each(PyObject *args, int two, void (*one_out)(const double *, double *, Py_ssize_t))
{
    PyObject *x, *first, *second = NULL;
    Py_ssize_t n;
    if (!PyArg_ParseTuple(args, two ? "OnOO" : "OnO", &x, &n, &first, &second)) return NULL;
    buffers_t buffers = {.n = 0};
    PyObject *result = NULL;
    const double *in = items(&buffers, x, n, 8, 0);
    double *out = in ? items(&buffers, first, n, 8, 1) : NULL;
    double *other = out && two ? items(&buffers, second, n, 8, 1) : NULL;
    if (two ? other != NULL : out != NULL) {
        Py_BEGIN_ALLOW_THREADS
        if (two) cosines_and_sines(in, out, other, n);
        else one_out(in, out, n);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release(&buffers);
    return result;
}

static PyObject *hyperbolic_cosine(PyObject *self, PyObject *args)
{
    (void)self;
    return of_each(args, 0, hyperbolic_cosines);
}

static PyObject *clean(PyObject *self, PyObject *args)
{
    (void)self;
    return of_each(args, 0, cleaned);
}

static PyObject *cosine_and_sine(PyObject *self, PyObject *args)
{
    (void)self;
    return of_each(args, 1, NULL);
}

static PyMethodDef methods[] = {
    {"run_net", run_net, METH_VARARGS, "run_net(columns, n_rows, weights, outputs): location, level and gate of each row."},
    {"decode_symbols", decode_symbols, METH_VARARGS, "Decode a column's stream; (status, values outside the bins)."},
    {"encode_symbols", encode_symbols, METH_VARARGS, "The stream of a column."},
    {"clean", clean, METH_VARARGS, "Values with what is not finite as 0 and the rest within 1e100."},
    {"hyperbolic_cosine", hyperbolic_cosine, METH_VARARGS, "cosh of each value."},
    {"cosine_and_sine", cosine_and_sine, METH_VARARGS, "cos and sin of each angle."},
    {"climb_ladder", climb_ladder, METH_VARARGS, "Values of a column on a ladder's grid."},
    {"see_ranks", see_ranks, METH_VARARGS, "How a network sees the values of a column."},
    {"place_values", place_values, METH_VARARGS, "Where predicted values lie in a column's rank space."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "hepbaler.loops._kernels", .m_doc = "Compiled loops of the learned coder.", .m_size = 0, .m_methods = methods,
};

PyMODINIT_FUNC PyInit__kernels(void) { return PyModuleDef_Init(&module); }
