/* Compiled loops of the learned coder: the same bits as its numpy, many times faster.
 *
 * Nothing here defines the format. Each function does what its namesake in numpy does, number by number, and the tests hold them to
 * it; where this file could not be compiled the coder runs without. All loops run without the GIL, so clusters decode on several
 * cores. Whole numbers only, but for the network, whose sums are exact in float32 in any order (decoder.py says why), for one
 * quotient, which is guessed in float64 and then corrected, and for predicted values and four-vectors, which take float64 as IEEE
 * has it: the compiler must not fuse a product and a sum (-ffp-contract=off).
 *
 *     values.h   <-  tables.h  <-  streams.h        ranks and values; probabilities; the stream of a column
 *     network.h                                     what a network says of a row
 *     elementary.h  <-  kinematics.h                functions; hints and families
 *
 * This file is what Python sees of them.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "kinematics.h"
#include "network.h"
#include "streams.h"

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

/* As many columns as a tuple holds, each of `n_rows` items. */
typedef struct {
    Py_buffer *views;
    const void **at;
    Py_ssize_t n;
} columns_t;

static void release_columns(columns_t *columns)
{
    while (columns->n > 0) PyBuffer_Release(&columns->views[--columns->n]);
    free(columns->views);
    free(columns->at);
}

/* 0 with an exception. */
static int open_columns(columns_t *columns, PyObject *tuple, Py_ssize_t n_rows, Py_ssize_t size)
{
    const Py_ssize_t n = PyTuple_Size(tuple);
    columns->views = calloc((size_t)n + 1, sizeof *columns->views);
    columns->at = calloc((size_t)n + 1, sizeof *columns->at);
    if (!columns->views || !columns->at) {
        PyErr_NoMemory();
        return 0;
    }
    while (columns->n < n) {
        Py_buffer *view = &columns->views[columns->n];
        if (PyObject_GetBuffer(PyTuple_GetItem(tuple, columns->n), view, PyBUF_CONTIG_RO)) return 0;
        columns->at[columns->n++] = view->buf;
        if (view->len != n_rows * size || (uintptr_t)view->buf % (uintptr_t)size) {
            PyErr_Format(PyExc_ValueError, "column %zd has %zd bytes where %zd items of %zd bytes are needed", columns->n - 1,
                         view->len, n_rows, size);
            return 0;
        }
    }
    return 1;
}

static PyObject *run_net(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *tuple, *weights[6], *outputs[3];
    Py_ssize_t n_rows;
    if (!PyArg_ParseTuple(args, "O!n(OOOOOO)(OOO)", &PyTuple_Type, &tuple, &n_rows, weights, weights + 1, weights + 2, weights + 3,
                          weights + 4, weights + 5, outputs, outputs + 1, outputs + 2))
        return NULL;
    buffers_t buffers = {.n = 0};
    columns_t columns = {.n = 0};
    layer_t layers[3];
    const Py_ssize_t n_in = PyTuple_Size(tuple);
    float *scratch = NULL;
    PyObject *result = NULL;
    Py_ssize_t width = n_in;
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
    if (!open_columns(&columns, tuple, n_rows, sizeof(float))) goto done;
    scratch = calloc((size_t)(n_in + layers[0].n_out + layers[1].n_out + 4) * ROWS, sizeof(float));
    if (!scratch) {
        PyErr_NoMemory();
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    network((const float *const *)columns.at, n_rows, layers, scratch, out[0], out[1], out[2]);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
done:
    free(scratch);
    release_columns(&columns);
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

/* Terms as int64 (kind, then slots; -1 for none), their weights and the columns that slots count. */
static PyObject *predict_hint(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *kinds, *weights, *tuple, *out;
    Py_ssize_t n_terms, n_rows;
    double offset;
    if (!PyArg_ParseTuple(args, "nOOdO!nO", &n_terms, &kinds, &weights, &offset, &PyTuple_Type, &tuple, &n_rows, &out)) return NULL;
    static const int n_slots[] = {1, 2, 2, 3, 8};
    buffers_t buffers = {.n = 0};
    columns_t columns = {.n = 0};
    term_t *terms = NULL;
    PyObject *result = NULL;
    const int64_t *what = items(&buffers, kinds, n_terms * (1 + MOST_SLOTS), 8, 0);
    const double *weight = what ? items(&buffers, weights, n_terms, 8, 0) : NULL;
    double *predicted = weight ? items(&buffers, out, n_rows, 8, 1) : NULL;
    if (!predicted || !open_columns(&columns, tuple, n_rows, 8)) goto done;
    terms = calloc((size_t)n_terms + 1, sizeof *terms);
    if (!terms) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < n_terms; i++, what += 1 + MOST_SLOTS) {
        const int good = what[0] >= VALUE && what[0] <= DAUGHTER;
        terms[i].kind = (int)what[0];
        terms[i].weight = weight[i];
        for (int slot = 0; slot < (good ? n_slots[what[0]] : 1); slot++) {
            if (!good || what[1 + slot] < 0 || what[1 + slot] >= columns.n) {
                PyErr_SetString(PyExc_ValueError, "a term is of no known kind, or asks for a column that is not there");
                goto done;
            }
            terms[i].values[slot] = columns.at[what[1 + slot]];
        }
    }
    Py_BEGIN_ALLOW_THREADS
    hint(terms, n_terms, offset, predicted, n_rows);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
done:
    free(terms);
    release_columns(&columns);
    release(&buffers);
    return result;
}

/* Whether all of n numbers are at least `low` and below `high`; else an exception. */
static int within(const int64_t *numbers, Py_ssize_t n, int64_t low, int64_t high)
{
    int good = 1;
    for (Py_ssize_t k = 0; k < n; k++) good &= numbers[k] >= low && numbers[k] < high;
    if (!good) PyErr_SetString(PyExc_ValueError, "a row is asked for that is not there");
    return good;
}

static PyObject *gather(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *column, *place, *out;
    Py_ssize_t n_there, n_rows;
    if (!PyArg_ParseTuple(args, "OnOnO", &column, &n_there, &place, &n_rows, &out)) return NULL;
    buffers_t buffers = {.n = 0};
    PyObject *result = NULL;
    const int64_t *from = items(&buffers, column, n_there, 8, 0), *at = from ? items(&buffers, place, n_rows, 8, 0) : NULL;
    int64_t *to = at ? items(&buffers, out, n_rows, 8, 1) : NULL;
    if (to && within(at, n_rows, -1, n_there)) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t row = 0; row < n_rows; row++) to[row] = at[row] < 0 ? MISSING : from[at[row]];
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release(&buffers);
    return result;
}

static PyObject *learn(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *rows, *values[4], *momentum;
    Py_ssize_t n, n_all;
    if (!PyArg_ParseTuple(args, "On(OOOO)On", &rows, &n, values, values + 1, values + 2, values + 3, &momentum, &n_all)) return NULL;
    buffers_t buffers = {.n = 0};
    PyObject *result = NULL;
    const int64_t *some = items(&buffers, rows, n, 8, 0);
    double *vectors = some ? items(&buffers, momentum, 4 * n_all, 8, 1) : NULL;
    const double *parts[4];
    int good = vectors && within(some, n, 0, n_all);
    for (int k = 0; good && k < 4; k++) good = (parts[k] = items(&buffers, values[k], n, 8, 0)) != NULL;
    if (good) {
        Py_BEGIN_ALLOW_THREADS
        learn_vectors(some, n, parts[0], parts[1], parts[2], parts[3], vectors, n_all);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release(&buffers);
    return result;
}

static PyObject *what_is_left(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *rows, *mother, *before, *siblings, *momentum, *rest, *out;
    Py_ssize_t n, n_all;
    if (!PyArg_ParseTuple(args, "On(OOO)OOnO", &rows, &n, &mother, &before, &siblings, &momentum, &rest, &n_all, &out)) return NULL;
    buffers_t buffers = {.n = 0};
    PyObject *result = NULL, *numbers[3] = {mother, before, siblings};
    const int64_t *some = items(&buffers, rows, n, 8, 0), *of[3];
    int good = some && within(some, n, 0, n_all);
    for (int k = 0; good && k < 3; k++) good = (of[k] = items(&buffers, numbers[k], n_all, 8, 0)) != NULL;
    /* Those of other rows are not looked at: a family is asked once for each of its generations. */
    for (Py_ssize_t k = 0; good && k < n; k++) good = within(of[0] + some[k], 1, -1, n_all) && within(of[1] + some[k], 1, -1, n_all);
    const double *vectors = good ? items(&buffers, momentum, 4 * n_all, 8, 0) : NULL;
    double *left = vectors ? items(&buffers, rest, 4 * n_all, 8, 1) : NULL;
    int64_t *to = left ? items(&buffers, out, 4 * n, 8, 1) : NULL;
    if (to) {
        Py_BEGIN_ALLOW_THREADS
        remainder_of(some, n, of[0], of[1], of[2], vectors, left, n_all, to);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release(&buffers);
    return result;
}

static PyMethodDef methods[] = {
    {"run_net", run_net, METH_VARARGS, "run_net(columns, n_rows, weights, outputs): location, level and gate of each row."},
    {"decode_symbols", decode_symbols, METH_VARARGS, "Decode a column's stream; (status, values outside the bins)."},
    {"encode_symbols", encode_symbols, METH_VARARGS, "The stream of a column."},
    {"clean", clean, METH_VARARGS, "Values with what is not finite as 0 and the rest within 1e100."},
    {"hyperbolic_cosine", hyperbolic_cosine, METH_VARARGS, "cosh of each value."},
    {"cosine_and_sine", cosine_and_sine, METH_VARARGS, "cos and sin of each angle."},
    {"climb_ladder", climb_ladder, METH_VARARGS, "Values of a column on a ladder's grid."},
    {"gather", gather, METH_VARARGS, "A column at some rows; MISSING where a row is -1."},
    {"learn", learn, METH_VARARGS, "Four-vectors of some rows."},
    {"predict_hint", predict_hint, METH_VARARGS, "A hint's predicted values."},
    {"what_is_left", what_is_left, METH_VARARGS, "What the mothers of some rows have left."},
    {"see_ranks", see_ranks, METH_VARARGS, "How a network sees the values of a column."},
    {"place_values", place_values, METH_VARARGS, "Where predicted values lie in a column's rank space."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "hepbaler.loops._kernels", .m_doc = "Compiled loops of the learned coder.", .m_size = 0, .m_methods = methods,
};

PyMODINIT_FUNC PyInit__kernels(void) { return PyModuleDef_Init(&module); }
