/* What all loops share: sizes of the format, and how functions are compiled. */
#pragma once

#include <math.h>
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
#define CDF_FAR (512 << 5)
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
#define MISSING (-(INT64_C(1) << 62))
#define ROWS 64
#define LANES 16
