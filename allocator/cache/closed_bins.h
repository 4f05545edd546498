// Closed bins: how a thread that does little still comes by a slow path now and then, at no cost to
// those that do much.
//
// A bin's two sides can be closed: the one that allocation pops from looks empty, the other full.
// The next use then takes the slow path, which looks at the clock. If the thread was on a slow path
// just before, and this is not the first use of the side, it is busy, and the side stays open; else
// it is closed again. A thread on a slow path closes all its bins (idle_bins.h), but not more often
// than every kPassMilliseconds. So, after a burst of frees, the next few allocations are slow ones,
// however rare they are.
//
// Other threads can take what is in a closed bin, since the owner takes the cache's lock before it
// opens one: so a thread that fell asleep keeps only what it used last.
#pragma once

#include <cstdint>

#include "cache/thread_cache.h"

namespace strata::cache {

// The sides of a bin that are closed.
enum class Sides : uint8_t { kNone = 0, kAlloc = 1, kFree = 2, kBoth = 3 };
constexpr bool Has(Sides sides, Sides one) noexcept {
    return (static_cast<uint8_t>(sides) & static_cast<uint8_t>(one)) != 0;
}
STRATA_INLINE Sides ClosedSides(const ThreadCache& cache, SizeClass size_class) noexcept {
    const size_t word = Index(size_class) / 64;
    const size_t shift = Index(size_class) % 64;
    return static_cast<Sides>((cache.closed.alloc[word] >> shift & 1) |
                              (cache.closed.free[word] >> shift & 1) << 1);
}
STRATA_INLINE bool IsClosed(const ThreadCache& cache, SizeClass size_class) noexcept {
    const size_t word = Index(size_class) / 64;
    const uint64_t closed = cache.closed.alloc[word] | cache.closed.free[word];
    return (closed >> (Index(size_class) % 64) & 1) != 0;
}

// All by the owner. Closes these sides too; no more than they are. REQUIRES: CanClose.
void CloseLocked(ThreadCache& cache, SizeClass size_class, Sides sides) noexcept
    STRATA_REQUIRES(cache.closed.lock);
inline void Close(ThreadCache& cache, SizeClass size_class, Sides sides) noexcept {
    const os::LockGuard guard(cache.closed.lock);
    CloseLocked(cache, size_class, sides);
}
// Opens what is closed.
void OpenLocked(ThreadCache& cache, SizeClass size_class) noexcept
    STRATA_REQUIRES(cache.closed.lock);
inline void Open(ThreadCache& cache, SizeClass size_class) noexcept {
    const os::LockGuard guard(cache.closed.lock);
    OpenLocked(cache, size_class);
}
void OpenAll(ThreadCache& cache) noexcept;
// False when memory is short.
bool CanClose(ThreadCache& cache) noexcept;

// Counts a use of a closed bin on one side; true when that is used a lot.
bool CountClosedUse(ThreadCache& cache, SizeClass size_class, Sides side) noexcept;

// A slow path's hold on a bin: opens it, if it is closed, and closes it afterwards on the side that
// was not needed; and on the other, too, if the thread does not come here often. No tick in
// between: that closes all bins. The caller ticks before and after.
class OpenBin {
public:
    // `is_process_heap`: false for bins of private heaps, which are never closed. `side`: what it
    // is needed for. `passed`: all bins were closed just now, and this one is to be afterwards,
    // also if it had nothing to close.
    STRATA_INLINE OpenBin(ThreadCache& cache, bool is_process_heap, SizeClass size_class,
                          Sides side, bool passed) noexcept
        : cache_(cache), size_class_(size_class), close_(passed ? Sides::kBoth : Sides::kNone) {
        if (STRATA_LIKELY(!is_process_heap || !IsClosed(cache, size_class))) return;
        close_ = OpenFor(cache, size_class, side);
        was_closed_ = true;
    }
    STRATA_INLINE ~OpenBin() {
        if (STRATA_UNLIKELY(close_ != Sides::kNone)) Close(cache_, size_class_, close_);
    }
    bool was_closed() const noexcept { return was_closed_; }
    OpenBin(const OpenBin&) = delete;
    OpenBin& operator=(const OpenBin&) = delete;

private:
    // Returns the sides that are to be closed again.
    STRATA_COLD static Sides OpenFor(ThreadCache& cache, SizeClass size_class, Sides side) noexcept;

    ThreadCache& cache_;
    SizeClass size_class_;
    Sides close_;
    bool was_closed_ = false;
};

// The blocks of one magazine in a closed bin of another thread, one that closed its bins in epoch
// `before` or earlier. False when there are none, or somebody is in the way.
struct Taken {
    FreeBlock blocks[kMaxMagazineEntries];
    uint32_t count;
    SizeClass size_class;
};
bool TakeFromSleeper(const ThreadCache* own, uint32_t before, Taken& taken) noexcept;

}  // namespace strata::cache
