// What differs between GCC, clang and MSVC, in one place.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define STRATA_LIKELY(x) __builtin_expect(!!(x), 1)
#define STRATA_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define STRATA_NOINLINE __attribute__((noinline))
// A slow path: kept out of line and away from the fast path's cache lines.
#define STRATA_COLD __attribute__((noinline, cold))
#define STRATA_INLINE inline __attribute__((always_inline))
#define STRATA_UNREACHABLE() __builtin_unreachable()
#else
#define STRATA_LIKELY(x) (x)
#define STRATA_UNLIKELY(x) (x)
#define STRATA_NOINLINE __declspec(noinline)
#define STRATA_COLD __declspec(noinline)
#define STRATA_INLINE __forceinline
#define STRATA_UNREACHABLE() __assume(0)
#endif
