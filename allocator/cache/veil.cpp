#include "cache/veil.h"

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

// Out of the first magazine in the veiled bins that has any. REQUIRES: the cache's lock.
bool TakeOne(ThreadCache& cache, Taken& taken) noexcept {
    if (!cache.has_veiled_blocks) return false;
    for (size_t word = 0; word < kVeilWords; ++word) {
        const uint64_t alloc = cache.alloc_veils[word];
        const uint64_t free = cache.free_veils[word];
        for (uint64_t left = alloc | free; left != 0; left &= left - 1) {
            const auto shift = static_cast<size_t>(std::countr_zero(left));
            const size_t index = word * 64 + shift;
            const Bin& bin = cache.bins[index];
            if ((alloc >> shift & 1) != 0 && TakeAll(bin.alloc_magazine(), index, taken))
                return true;
            if ((free >> shift & 1) != 0 && TakeAll(bin.free_magazine(), index, taken)) return true;
        }
    }
    cache.has_veiled_blocks = false;
    return false;
}

}  // namespace

bool PrepareVeils(ThreadCache& cache) noexcept {
    if (cache.veil_books != nullptr) return true;
    void* const books = arena::g_metadata.Allocate(sizeof(VeilBooks));
    if (books == nullptr) return false;
    cache.veil_books = new (books) VeilBooks{};
    return true;
}

void PutVeil(ThreadCache& cache, SizeClass size_class, Sides sides) noexcept {
    const size_t index = Index(size_class);
    const Sides already = VeiledSides(cache, size_class);
    const os::LockGuard guard(cache.veil_lock);
    if (Has(sides, Sides::kAlloc) && !Has(already, Sides::kAlloc)) {
        cache.bins[index].VeilAlloc();
        cache.alloc_veils[index / 64] |= BitOf(index);
    }
    if (Has(sides, Sides::kFree) && !Has(already, Sides::kFree)) {
        cache.bins[index].VeilFree();
        cache.free_veils[index / 64] |= BitOf(index);
    }
    cache.has_veiled_blocks = true;
}

void LiftVeil(ThreadCache& cache, SizeClass size_class) noexcept {
    const size_t index = Index(size_class);
    const Sides sides = VeiledSides(cache, size_class);
    const os::LockGuard guard(cache.veil_lock);
    if (Has(sides, Sides::kAlloc)) cache.bins[index].UnveilAlloc();
    if (Has(sides, Sides::kFree)) cache.bins[index].UnveilFree();
    cache.alloc_veils[index / 64] &= ~BitOf(index);
    cache.free_veils[index / 64] &= ~BitOf(index);
}

void LiftAllVeils(ThreadCache& cache) noexcept {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        if (IsVeiled(cache, static_cast<SizeClass>(i))) LiftVeil(cache, static_cast<SizeClass>(i));
    }
}

BinUse NoteUse(ThreadCache& cache, SizeClass size_class, uint64_t epoch) noexcept {
    const size_t index = Index(size_class);
    const Bin& bin = cache.bins[index];
    uint8_t& last = cache.veil_books->last_epoch[index];
    if (!bin.HasMagazine()) return BinUse::kEmpty;
    const auto now = static_cast<uint8_t>(epoch);
    uint8_t& uses = cache.veil_books->uses[index];
    if (VeiledSides(cache, size_class) != Sides::kBoth || uses != 0) last = now;
    uses = 0;
    return static_cast<uint8_t>(now - last) >= kIdleEpochs ? BinUse::kIdle : BinUse::kInUse;
}

// The books have four bits for each side.
bool CountVeiledUse(ThreadCache& cache, SizeClass size_class, Sides side) noexcept {
    static_assert(kVeiledUses < 16);
    uint8_t& uses = cache.veil_books->uses[Index(size_class)];
    const unsigned shift = side == Sides::kFree ? 4 : 0;
    if ((uses >> shift & 15u) >= kVeiledUses) return true;
    uses = static_cast<uint8_t>(uses + (1u << shift));
    return false;
}

bool TakeFromIdle(const ThreadCache* own, uint32_t before, Taken& taken) noexcept {
    // Never waits: whoever is in the way will do, or another time.
    if (!g_caches_lock.TryAcquire()) return false;
    bool found = false;
    for (ThreadCache* cache = g_first_cache; cache != nullptr && !found; cache = cache->next) {
        const uint32_t passed = cache->pass_epoch.load(std::memory_order_relaxed);
        if (cache == own || static_cast<int32_t>(before - passed) < 0) continue;
        if (!cache->veil_lock.TryAcquire()) continue;
        found = TakeOne(*cache, taken);
        cache->veil_lock.Release();
    }
    g_caches_lock.Release();
    return found;
}

}  // namespace strata::cache
