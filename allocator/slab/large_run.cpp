#include "slab/large_run.h"

#include <cstring>
#include <new>

#include "arena/process_arenas.h"
#include "base/bits.h"
#include "slab/run_cache.h"

namespace strata::slab {

namespace {

using arena::g_arenas;
using arena::g_memory;
using arena::g_metadata;
using arena::g_slice_map;

constinit std::atomic<size_t> g_direct_committed{0};

size_t PagesUp(size_t bytes) noexcept { return RoundUp(bytes == 0 ? 1 : bytes, kPageSize); }

// Commits up to `end` bytes from the base.
bool CommitTo(LargeRun& run, size_t end) noexcept {
    if (end <= run.committed) return true;
    if (run.direct) {
        const size_t fresh = end - run.committed;
        if (!g_memory.Commit(run.base + run.committed, fresh, fresh)) return false;
        g_direct_committed.fetch_add(fresh, std::memory_order_relaxed);
    } else if (!g_arenas.Commit(run.base, run.base + end)) {
        return false;
    }
    run.committed = end;
    return true;
}

// Gives back what a direct block has behind `end`. In a shared arena, whole slices go back instead.
void DecommitTail(LargeRun& run, size_t end) noexcept {
    const size_t tail = run.committed - end;
    if (!g_memory.Decommit(run.base + end, tail, tail)) return;
    g_direct_committed.fetch_sub(tail, std::memory_order_relaxed);
    run.committed = end;
    if (run.touched > end) run.touched = end;
}

// Zeroes [from, to) where it may hold data, and notes that the caller may now write up to `to`.
void ZeroAndTouch(LargeRun& run, size_t from, size_t to, bool zero) noexcept {
    const size_t dirty_end = run.touched < to ? run.touched : to;
    if (zero && from < dirty_end) std::memset(run.base + from, 0, dirty_end - from);
    const size_t end = PagesUp(to);
    if (end > run.touched) run.touched = end;
}

// From the cache: whole, committed, its slice map entries in place.
LargeRun* TakeCached(size_t bytes, size_t alignment, bool zero, void* heap) noexcept {
    LargeRun* run = g_run_cache.Take(DivideUp(bytes, kSliceSize), alignment);
    if (run == nullptr) return nullptr;
    if (!CommitTo(*run, PagesUp(bytes))) {
        ReleaseRun(run);
        return nullptr;
    }
    run->heap = heap;
    ZeroAndTouch(*run, 0, bytes, zero);
    run->requested.store(bytes, std::memory_order_relaxed);
    run->state.store(RunState::kLive, std::memory_order_release);
    return run;
}

bool PlaceShared(LargeRun& run, size_t bytes, size_t alignment) noexcept {
    const size_t slices = DivideUp(bytes, kSliceSize);
    const size_t step = alignment <= kSliceSize ? 1 : alignment / kSliceSize;
    run.base = g_arenas.Allocate(slices, step, kRunOwner);
    if (run.base == nullptr) return false;
    run.slices = slices;
    run.committed = g_arenas.CommittedPrefix(run.base, slices);
    run.touched = g_arenas.IsDirty(run.base, slices) ? slices * kSliceSize : 0;
    if (CommitTo(run, PagesUp(bytes))) return true;
    g_arenas.Free(run.base, slices);
    return false;
}

bool PlaceDirect(LargeRun& run, size_t bytes, size_t alignment) noexcept {
    run.base = g_arenas.AllocateDedicated(bytes, alignment, kRunOwner);
    if (run.base == nullptr) return false;
    run.direct = true;
    run.slices = g_arenas.DedicatedBytes(run.base) / kSliceSize;
    if (CommitTo(run, PagesUp(bytes))) return true;
    g_arenas.FreeDedicated(run.base, run.committed);
    return false;
}

}  // namespace

size_t DirectCommitted() noexcept { return g_direct_committed.load(std::memory_order_relaxed); }

void ReleaseRun(LargeRun* run) noexcept {
    g_slice_map.Clear(AddressOf(run->base), run->direct ? 1 : run->slices);
    if (run->direct) {
        g_direct_committed.fetch_sub(run->committed, std::memory_order_relaxed);
        g_arenas.FreeDedicated(run->base, run->committed);
    } else {
        g_arenas.Free(run->base, run->slices);
    }
    g_metadata.Free(run, sizeof(LargeRun));
}

LargeRun* AllocateRun(size_t bytes, size_t alignment, bool zero, void* heap) noexcept {
    if (bytes > kMaxRequest - kArenaSize || alignment > kMapArenas * kArenaSize) return nullptr;
    const size_t placed = bytes == 0 ? 1 : bytes;
    const bool shared =
        placed <= kMaxRunSlices * kSliceSize && alignment <= kMaxRunSlices * kSliceSize;
    if (shared) {
        if (LargeRun* run = TakeCached(bytes, alignment, zero, heap)) return run;
    }
    auto* run = static_cast<LargeRun*>(g_metadata.Allocate(sizeof(LargeRun)));
    if (run == nullptr) return nullptr;
    new (run) LargeRun{};
    const bool ok =
        shared ? PlaceShared(*run, placed, alignment) : PlaceDirect(*run, placed, alignment);
    if (!ok) {
        g_metadata.Free(run, sizeof(LargeRun));
        return nullptr;
    }
    run->heap = heap;
    ZeroAndTouch(*run, 0, bytes, zero);
    run->requested.store(bytes, std::memory_order_relaxed);
    g_slice_map.SetRun(AddressOf(run->base), run->direct ? 1 : run->slices, run);
    return run;
}

bool MarkFree(LargeRun& run) noexcept {
    return run.state.exchange(RunState::kCached, std::memory_order_acq_rel) == RunState::kLive;
}

void FreeRun(LargeRun* run) noexcept {
    if (run->direct || !g_run_cache.Put(run)) ReleaseRun(run);
}

bool ResizeRun(LargeRun& run, size_t bytes, bool zero) noexcept {
    const size_t old = run.requested.load(std::memory_order_relaxed);
    const size_t slices = DivideUp(bytes == 0 ? 1 : bytes, kSliceSize);
    if (bytes > kMaxRequest - kArenaSize) return false;
    if (slices > run.slices) {
        const size_t extra = slices - run.slices;
        if (run.direct || slices > kMaxRunSlices) return false;
        if (!g_arenas.Extend(run.base, run.slices, extra, kRunOwner)) return false;
        const bool dirty = g_arenas.IsDirty(run.base + run.capacity(), extra);
        if (!CommitTo(run, PagesUp(bytes))) {
            g_arenas.Free(run.base + run.capacity(), extra);
            return false;
        }
        if (dirty) run.touched = slices * kSliceSize;
        run.slices = slices;
        g_slice_map.SetRun(AddressOf(run.base), slices, &run);
    } else if (slices < run.slices && !run.direct) {
        char* const tail = run.base + slices * kSliceSize;
        g_slice_map.Clear(AddressOf(tail), run.slices - slices);
        g_arenas.Free(tail, run.slices - slices);
        run.slices = slices;
        if (run.committed > run.capacity()) run.committed = run.capacity();
        if (run.touched > run.capacity()) run.touched = run.capacity();
    } else if (!CommitTo(run, PagesUp(bytes))) {
        return false;
    } else if (run.direct && PagesUp(bytes) <= run.committed / 2) {
        DecommitTail(run, PagesUp(bytes));  // not for less: it may grow again
    }
    if (bytes > old) ZeroAndTouch(run, old, bytes, zero);
    run.requested.store(bytes, std::memory_order_relaxed);
    return true;
}

}  // namespace strata::slab
