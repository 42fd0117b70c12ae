/* What rows of four-vectors tell: the terms of features/hints.py, and what a mother has left in lineage.py. */
#pragma once
#include "elementary.h"

#define MOST_SLOTS 8
#define VALUE 0
#define PRODUCT 1
#define MOMENTUM 2
#define ENERGY 3
#define DAUGHTER 4

typedef struct {
    int kind;
    double weight;
    const double *values[MOST_SLOTS];
} term_t;

INLINE double energy_of(double momentum, double mass) { return sqrt(cleaned_of(momentum * momentum) + cleaned_of(mass * mass)); }

/* _daughter of hints.py. */
INLINE double daughter_of(double number, double left_pt, double left_eta, double left_phi, double left_mass, double eta, double phi,
                          double mass)
{
    const double left_height = cosh_of(left_eta), height = cosh_of(eta);
    const double energy = energy_of(cleaned_of(left_pt * left_height), left_mass);
    double left_cosine, left_sine, cosine, sine;
    cos_sin_of(left_phi, &left_cosine, &left_sine);
    cos_sin_of(phi, &cosine, &sine);
    double along = left_cosine * cosine;
    along = along + left_sine * sine;
    along = along + sinh_of(left_eta, left_height) * sinh_of(eta, height);
    along = cleaned_of(along * left_pt);
    const double squared_mass = cleaned_of(mass * mass), k = (cleaned_of(left_mass * left_mass) + squared_mass) * 0.5;
    const double tall = cleaned_of(energy * height), a = cleaned_of(tall * tall) - cleaned_of(along * along);
    const double steep = cleaned_of(k * height), below = cleaned_of(steep * steep) - cleaned_of(a * squared_mass);
    const double root = sqrt(below > 0.0 ? below : 0.0), sum = cleaned_of(along * k) + cleaned_of(energy * root);
    const double x = cleaned_of(sum / (a > 0.0 ? a : 1.0));
    return number > 0.0 ? left_pt : a > 0.0 && x > 0.0 ? x : 0.0;
}

/* LinearHint.predict: the terms added up from left to right, block by block. */
FOR_EACH_PROCESSOR
static void hint(const term_t *terms, Py_ssize_t n_terms, double offset, double *restrict out, Py_ssize_t n_rows)
{
    for (Py_ssize_t start = 0; start < n_rows; start += ROWS) {
        const Py_ssize_t m = n_rows - start < ROWS ? n_rows - start : ROWS;
        double total[ROWS];
        for (Py_ssize_t k = 0; k < m; k++) total[k] = offset;
        for (Py_ssize_t i = 0; i < n_terms; i++) {
            const term_t *term = terms + i;
            const double weight = term->weight, *v[MOST_SLOTS];
            for (int slot = 0; slot < MOST_SLOTS; slot++) v[slot] = term->values[slot] ? term->values[slot] + start : NULL;
            switch (term->kind) {
            case VALUE:
                for (Py_ssize_t k = 0; k < m; k++) total[k] += v[0][k] * weight;
                break;
            case PRODUCT:
                for (Py_ssize_t k = 0; k < m; k++) total[k] += cleaned_of(v[0][k] * v[1][k]) * weight;
                break;
            case MOMENTUM:
                for (Py_ssize_t k = 0; k < m; k++) total[k] += cleaned_of(v[0][k] * cosh_of(v[1][k])) * weight;
                break;
            case ENERGY:
                for (Py_ssize_t k = 0; k < m; k++)
                    total[k] += energy_of(cleaned_of(v[0][k] * cosh_of(v[1][k])), v[2][k]) * weight;
                break;
            default:
                for (Py_ssize_t k = 0; k < m; k++)
                    total[k] += daughter_of(v[0][k], v[1][k], v[2][k], v[3][k], v[4][k], v[5][k], v[6][k], v[7][k]) * weight;
            }
        }
        for (Py_ssize_t k = 0; k < m; k++) out[start + k] = cleaned_of(total[k]);
    }
}

/* Family.learn of lineage.py: four-vectors (x, y, z, E) of some rows, each part in a run of n_all. */
FOR_EACH_PROCESSOR
static void learn_vectors(const int64_t *rows, Py_ssize_t n, const double *pt, const double *eta, const double *phi, const double *mass,
                          double *momentum, Py_ssize_t n_all)
{
    for (Py_ssize_t start = 0; start < n; start += ROWS) {
        const Py_ssize_t m = n - start < ROWS ? n - start : ROWS;
        double x[ROWS], y[ROWS], z[ROWS], energy[ROWS];
        for (Py_ssize_t k = 0; k < m; k++) {
            const double across = cleaned_of(pt[start + k]), slope = cleaned_of(eta[start + k]), height = cosh_of(slope);
            double cosine, sine;
            cos_sin_of(cleaned_of(phi[start + k]), &cosine, &sine);
            x[k] = cleaned_of(across * cosine);
            y[k] = cleaned_of(across * sine);
            z[k] = cleaned_of(across * sinh_of(slope, height));
            energy[k] = energy_of(cleaned_of(across * height), cleaned_of(mass[start + k]));
        }
        for (Py_ssize_t k = 0; k < m; k++) {
            double *to = momentum + rows[start + k];
            to[0] = x[k];
            to[n_all] = y[k];
            to[2 * n_all] = z[k];
            to[3 * n_all] = energy[k];
        }
    }
}

/* In parts of 2^-16. */
INLINE int64_t told(double part)
{
    const double scaled = part * 65536.0, top = 1125899906842624.0;
    return (int64_t)floor(scaled < -top ? -top : scaled > top ? top : scaled);
}

/* Family._remainder of lineage.py: pt, eta, phi, mass of what the mothers of some rows have left, each part in a run of n. */
FOR_EACH_PROCESSOR
static void remainder_of(const int64_t *rows, Py_ssize_t n, const int64_t *mother, const int64_t *before, const int64_t *siblings,
                         const double *momentum, double *rest, Py_ssize_t n_all, int64_t *out)
{
    for (Py_ssize_t start = 0; start < n; start += ROWS) {
        const Py_ssize_t m = n - start < ROWS ? n - start : ROWS;
        double now[4][ROWS];
        int64_t missing[ROWS];
        for (Py_ssize_t k = 0; k < m; k++) {
            const int64_t row = rows[start + k], above = mother[row], sister = before[row];
            for (int part = 0; part < 4; part++) {
                const double *p = momentum + part * n_all;
                double *left = rest + part * n_all;
                now[part][k] = sister >= 0 ? left[sister] - p[sister] : above >= 0 ? p[above] : 0.0;
            }
            missing[k] = sister < 0 && (above < 0 || siblings[row] > 0);
        }
        for (Py_ssize_t k = 0; k < m; k++)
            for (int part = 0; part < 4; part++) rest[part * n_all + rows[start + k]] = now[part][k];
        for (Py_ssize_t k = 0; k < m; k++) {
            const double x = now[0][k], y = now[1][k], z = now[2][k], energy = now[3][k];
            const double across = sqrt(cleaned_of(x * x) + cleaned_of(y * y)), slope = asinh_of(z / (across > 0.0 ? across : 1.0));
            const double squared = cleaned_of(energy * energy) - cleaned_of(across * across) - cleaned_of(z * z);
            int64_t *to = out + start + k;
            to[0] = missing[k] ? MISSING : told(across);
            to[n] = missing[k] ? MISSING : told(across > 0.0 ? slope : 0.0);
            to[2 * n] = missing[k] ? MISSING : told(atan_of(y, x));
            to[3 * n] = missing[k] ? MISSING : told(sqrt(squared > 0.0 ? squared : 0.0));
        }
    }
}
