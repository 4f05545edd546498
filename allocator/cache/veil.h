// Veils: how a thread that does little still comes by a slow path now and then, at no cost to those
// that do much.
//
// A bin's two sides can be veiled: the one that allocation pops from looks empty, the other full. Whoever
// uses it then takes the slow path, and that looks at the clock. If the thread was on a slow path just before,
// and this is not the first use of the side, it is busy, and the side stays open; else the veil stays. A thread on a slow path veils all its
// bins, but not more often than every kPassMilliseconds. So, after a burst of frees, the next few
// allocations are slow ones, however rare they are. A bin that was not used for kIdleEpochs gives its blocks
// back.
//
// What is under a veil can also be taken by other threads, since the owner takes the cache's lock before
// he lifts it: so a thread that fell asleep keeps only what it used last.
#pragma once

#include <cstdint>

#include "base/size_classes.h"
#include "cache/thread_cache.h"

namespace strata::cache {

// The sides of a bin that are veiled.
enum class Sides : uint8_t { kNone = 0, kAlloc = 1, kFree = 2, kBoth = 3 };
constexpr bool Has(Sides sides, Sides one) noexcept {
    return (static_cast<uint8_t>(sides) & static_cast<uint8_t>(one)) != 0;
}
STRATA_INLINE Sides VeiledSides(const ThreadCache& cache, SizeClass size_class) noexcept {
    const size_t word = Index(size_class) / 64;
    const size_t shift = Index(size_class) % 64;
    return static_cast<Sides>((cache.alloc_veils[word] >> shift & 1) |
                              (cache.free_veils[word] >> shift & 1) << 1);
}
STRATA_INLINE bool IsVeiled(const ThreadCache& cache, SizeClass size_class) noexcept {
    const size_t word = Index(size_class) / 64;
    const uint64_t veils = cache.alloc_veils[word] | cache.free_veils[word];
    return (veils >> (Index(size_class) % 64) & 1) != 0;
}

// Freed blocks that come back to the thread's allocations, whole magazines of them, before one such exchange
// looks at the clock.
inline constexpr uint32_t kBlocksPerTick = kSwapsPerTick * 32;

// Both by the owner. Veils these sides too; no more than they are.
void PutVeil(ThreadCache& cache, SizeClass size_class, Sides sides) noexcept;
// Lifts what veil there is.
void LiftVeil(ThreadCache& cache, SizeClass size_class) noexcept;

void LiftAllVeils(ThreadCache& cache) noexcept;

// How the owner used a bin since he last veiled it.
enum class BinUse : uint8_t { kEmpty, kInUse, kIdle };
BinUse NoteUse(ThreadCache& cache, SizeClass size_class, uint64_t epoch) noexcept;

// Counts a use of a veiled bin on one side; true when that is used a lot.
bool CountVeiledUse(ThreadCache& cache, SizeClass size_class, Sides side) noexcept;

// False when memory is short: then nothing is veiled.
bool PrepareVeils(ThreadCache& cache) noexcept;

// The blocks of one veiled magazine of another thread, one that veiled its bins in epoch `before` or earlier.
// False when there are none, or somebody is in the way.
struct Taken {
    FreeBlock blocks[kMaxMagazineEntries];
    uint32_t count;
    SizeClass size_class;
};
bool TakeFromIdle(const ThreadCache* own, uint32_t before, Taken& taken) noexcept;

}  // namespace strata::cache
