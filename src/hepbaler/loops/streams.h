/* The stream of a column, its rows by table: coding/entropy.py. */
#pragma once
#include "tables.h"

typedef struct {
    int64_t *wide, *wide_index, *narrow, *narrow_index, *centre, *inner, *inner_index, *rest, *order, *starts;
    Py_ssize_t n_wide, n_narrow, n_inner;
    flat_t flat;
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
    fill_flat(&routes->flat, ranks);
    for (int64_t k = ranks->n; k < MOST_SYMBOLS; k++) routes->table.left.all[k] = INT32_MAX;
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

/* Rows by how many raw bits they take in this round, 0 to 16; the result says whether any takes one. */
static int order_raw(routes_t *routes, Py_ssize_t n_rows)
{
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        routes->wide[row] = row;
        routes->wide_index[row] = routes->rest[row] < RAW_BITS ? routes->rest[row] : RAW_BITS;
    }
    order_rows(routes, routes->wide, routes->wide_index, n_rows, RAW_BITS + 1);
    return routes->starts[1] < n_rows;
}

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
            wide_table(t, lv, table - c->wide_offsets[lv], ranks, &routes->flat, c);
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
    while (order_raw(routes, n_rows))
        for (int64_t bits = 1; bits <= RAW_BITS; bits++) {
            const int64_t drop = PRECISION - bits;
            for (int64_t k = starts[bits]; k < starts[bits + 1]; k++) {
                const int64_t row = order[k], symbol = slot_of(&reader) >> drop;
                offset[row] = (int64_t)((uint64_t)offset[row] << bits) | symbol;
                routes->rest[row] -= bits;
                take(&reader, symbol << drop, INT64_C(1) << drop);
            }
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
            wide_table(t, lv, table - c->wide_offsets[lv], ranks, &routes->flat, c);
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
    while (order_raw(routes, n_rows))
        for (int64_t bits = 1; bits <= RAW_BITS; bits++) {
            const int64_t drop = PRECISION - bits;
            for (int64_t k = starts[bits]; k < starts[bits + 1]; k++) {
                const int64_t row = order[k];
                rest[row] -= bits;
                put(steps, ((offset[row] >> rest[row]) & ((INT64_C(1) << bits) - 1)) << drop, INT64_C(1) << drop);
            }
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
