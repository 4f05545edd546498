#include "cache/closed_bins.h"

#include <bit>
#include <cstring>

#include "arena/process_arenas.h"

namespace strata::cache {

namespace {

uint64_t BitOf(size_t index) noexcept { return uint64_t{1} << (index % 64); }

bool TakeAll(Magazine* magazine, size_t index, Taken& taken) noexcept {
    if (magazine == nullptr || magazine->count == 0) return false;
    taken.count = magazine->count;
    taken.size_class = static_cast<SizeClass>(index);
    std::memcpy(taken.blocks, magazine->blocks, taken.count * sizeof(FreeBlock));
    magazine->count = 0;
    return true;
}

// Out of the first magazine in the closed bins that has any. REQUIRES: the cache's lock.
bool TakeOne(ThreadCache& cache, Taken& taken) noexcept {
    if (!cache.closed.has_blocks) return false;
    for (size_t word = 0; word < kClassWords; ++word) {
        const uint64_t alloc = cache.closed.alloc[word];
        const uint64_t free = cache.closed.free[word];
        for (uint64_t left = alloc | free; left != 0; left &= left - 1) {
            const auto shift = static_cast<size_t>(std::countr_zero(left));
            const size_t index = word * 64 + shift;
            const Bin& bin = cache.bins[index];
            if ((alloc >> shift & 1) != 0 && TakeAll(bin.alloc_magazine(), index, taken))
                return true;
            if ((free >> shift & 1) != 0 && TakeAll(bin.free_magazine(), index, taken)) return true;
        }
    }
    cache.closed.has_blocks = false;
    return false;
}

}  // namespace

bool CanClose(ThreadCache& cache) noexcept {
    if (cache.closed.uses != nullptr) return true;
    void* const uses = arena::g_metadata.Allocate(sizeof(BinUses));
    if (uses == nullptr) return false;
    cache.closed.uses = new (uses) BinUses{};
    return true;
}

void CloseLocked(ThreadCache& cache, SizeClass size_class, Sides sides) noexcept {
    const size_t index = Index(size_class);
    const Sides already = ClosedSides(cache, size_class);
    if (Has(sides, Sides::kAlloc) && !Has(already, Sides::kAlloc)) {
        cache.bins[index].CloseAlloc();
        cache.closed.alloc[index / 64] |= BitOf(index);
    }
    if (Has(sides, Sides::kFree) && !Has(already, Sides::kFree)) {
        cache.bins[index].CloseFree();
        cache.closed.free[index / 64] |= BitOf(index);
    }
    cache.closed.has_blocks = true;
}

void OpenLocked(ThreadCache& cache, SizeClass size_class) noexcept {
    const size_t index = Index(size_class);
    const Sides sides = ClosedSides(cache, size_class);
    if (Has(sides, Sides::kAlloc)) cache.bins[index].OpenAlloc();
    if (Has(sides, Sides::kFree)) cache.bins[index].OpenFree();
    cache.closed.alloc[index / 64] &= ~BitOf(index);
    cache.closed.free[index / 64] &= ~BitOf(index);
}

void OpenAll(ThreadCache& cache) noexcept {
    const os::LockGuard guard(cache.closed.lock);
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const auto size_class = static_cast<SizeClass>(i);
        if (IsClosed(cache, size_class)) OpenLocked(cache, size_class);
    }
}

// closed_uses has four bits for each side.
bool CountClosedUse(ThreadCache& cache, SizeClass size_class, Sides side) noexcept {
    static_assert(kClosedUses < 16);
    uint8_t& uses = cache.closed.uses->closed_uses[Index(size_class)];
    const unsigned shift = side == Sides::kFree ? 4 : 0;
    if ((uses >> shift & 15u) >= kClosedUses) return true;
    uses = static_cast<uint8_t>(uses + (1u << shift));
    return false;
}

Sides OpenBin::OpenFor(ThreadCache& cache, SizeClass size_class, Sides side) noexcept {
    const Sides closed = ClosedSides(cache, size_class);
    Open(cache, size_class);
    const bool busy = CountClosedUse(cache, size_class, side) && cache.slow_paths.are_often;
    const auto kept = static_cast<uint8_t>(busy ? 3 & ~static_cast<uint8_t>(side) : 3);
    return static_cast<Sides>(static_cast<uint8_t>(closed) & kept);
}

bool TakeFromSleeper(const ThreadCache* own, uint32_t before, Taken& taken) noexcept {
    // Never waits: whoever is in the way will do, or another time.
    if (!g_caches_lock.TryAcquire()) return false;
    bool found = false;
    for (ThreadCache* cache = g_first_cache; cache != nullptr && !found; cache = cache->next) {
        const uint32_t passed = cache->slow_paths.pass_epoch.load(std::memory_order_relaxed);
        if (cache == own || static_cast<int32_t>(before - passed) < 0) continue;
        if (!cache->closed.lock.TryAcquire()) continue;
        found = TakeOne(*cache, taken);
        cache->closed.lock.Release();
    }
    g_caches_lock.Release();
    return found;
}

}  // namespace strata::cache
