/* The network of a column: coding/decoder.py. */
#pragma once
#include "common.h"

/* Every sum here is exact in float32, in any order and with products fused into sums or not: so they may be. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#endif

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

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
