#include "slab/large_run.h"

#include <cstring>
#include <new>

#include "arena/process_arenas.h"
#include "base/bits.h"
#include "os/process.h"
#include "slab/run_cache.h"

namespace strata::slab {

namespace {

using arena::g_arenas;
using arena::g_memory;
using arena::g_metadata;
using arena::g_slice_map;

size_t PagesUp(size_t bytes) noexcept { return RoundUp(bytes == 0 ? 1 : bytes, kPageSize); }

void SetCommitted(LargeRun& run, size_t bytes) noexcept {
    run.committed.store(bytes, std::memory_order_relaxed);
}

// Commits up to `end` bytes from the base.
bool CommitTo(LargeRun& run, size_t end) noexcept {
    const size_t have = run.Committed();
    if (end <= have) return true;
    if (run.direct) {
        const size_t fresh = end - have;
        if (!g_memory.Commit(run.base + have, fresh, fresh, run.access)) return false;
        CountDirectCommitted(fresh, 0);
    } else if (!g_arenas.Commit(run.base, run.base + end)) {
        return false;
    }
    SetCommitted(run, end);
    return true;
}

// How far it is committed: where it lies on slices that had pages, perhaps further than it knows.
size_t CommittedEnd(const LargeRun& run) noexcept {
    return run.direct ? run.Committed() : g_arenas.CommittedPrefix(run.base, run.slices);
}

// Gives back what is committed behind `end`, which is below CommittedEnd.
void DecommitBehind(LargeRun& run, size_t end) noexcept {
    const size_t tail = CommittedEnd(run) - end;
    if (run.direct) {
        if (!g_memory.Decommit(run.base + end, tail, tail)) return;
        CountDirectCommitted(0, tail);
    } else if (!g_arenas.Decommit(run.base + end, run.base + end + tail)) {
        return;
    }
    SetCommitted(run, end);
    if (run.touched > end) run.touched = end;
}

// From the cache: whole, committed, its slice map entries in place.
LargeRun* TakeCached(const RunRequest& request, size_t placed) noexcept {
    LargeRun* run = g_run_cache.Take(DivideUp(placed, kSliceSize), request.alignment);
    if (run == nullptr) return nullptr;
    if (CommitTo(*run, PagesUp(placed))) return run;
    ReleaseRun(run);
    return nullptr;
}

// Addresses to grow into, in bytes, for a run of so many.
size_t SpareFor(size_t bytes, bool grows) noexcept {
    if (!grows) return kSpareSlices * kSliceSize;
    const size_t spare = bytes / kGrowthDenominator * kGrowthNumerator + kSpareSlices * kSliceSize;
    return spare < kMostSpareBytes ? spare : kMostSpareBytes;
}

bool PlaceShared(LargeRun& run, size_t bytes, const RunRequest& request) noexcept {
    const size_t slices = DivideUp(bytes, kSliceSize);
    const size_t step = request.alignment <= kSliceSize ? 1 : request.alignment / kSliceSize;
    run.base = g_arenas.AllocateWithRoom(slices, step, kRunOwner, run.access);
    if (run.base == nullptr) return false;
    run.slices = slices;
    SetCommitted(run, g_arenas.CommittedPrefix(run.base, slices));
    run.touched = g_arenas.IsDirty(run.base, slices) ? slices * kSliceSize : 0;
    if (!CommitTo(run, PagesUp(bytes))) {
        g_arenas.Free(run.base, slices);
        return false;
    }
    const size_t most = SpareFor(bytes, request.grows) / kSliceSize;
    const size_t room = kMaxRunSlices - slices;
    run.spare = g_arenas.ClaimSpare(run.base, slices, most < room ? most : room, kRunOwner);
    return true;
}

bool PlaceDirect(LargeRun& run, size_t bytes, const RunRequest& request) noexcept {
    const size_t alignment = request.alignment;
    const size_t roomy = bytes + (request.grows ? SpareFor(bytes, true) : 0);
    run.base = g_arenas.AllocateDedicated(roomy, alignment, kRunOwner, run.access);
    if (run.base == nullptr && roomy != bytes) {
        run.base = g_arenas.AllocateDedicated(bytes, alignment, kRunOwner, run.access);
    }
    if (run.base == nullptr) return false;
    run.direct = true;
    run.slices = g_arenas.DedicatedBytes(run.base) / kSliceSize;
    if (CommitTo(run, PagesUp(bytes))) return true;
    g_arenas.FreeDedicated(run.base, run.Committed());
    return false;
}

}  // namespace

void ZeroAndTouch(LargeRun& run, size_t from, size_t to, bool zero) noexcept {
    const size_t dirty_end = run.touched < to ? run.touched : to;
    if (zero && from < dirty_end) std::memset(run.base + from, 0, dirty_end - from);
    const size_t end = PagesUp(to + run.tail);
    if (end > run.touched) run.touched = end;
}

size_t DirectCommitted() noexcept { return g_arenas.outside(); }
void CountDirectCommitted(size_t added, size_t removed) noexcept {
    g_arenas.CountOutside(added, removed);
}

LargeRun* AllocateRun(const RunRequest& request) noexcept {
    if (request.bytes > kMaxRequest - kArenaSize || request.alignment > kMapArenas * kArenaSize) {
        return nullptr;
    }
    const size_t extent = request.bytes + request.tail;
    const size_t placed = extent == 0 ? 1 : extent;
    const bool shared =
        placed <= kMaxRunSlices * kSliceSize && request.alignment <= kMaxRunSlices * kSliceSize;
    const bool cacheable = shared && request.access == os::Access::kReadWrite;
    LargeRun* run = cacheable ? TakeCached(request, placed) : nullptr;
    const bool cached = run != nullptr;
    if (!cached) {
        // None of the cached runs is what is wanted; put together, their pages may be.
        if (cacheable) ReleaseRunsToArenas(DivideUp(placed, kSliceSize));
        run = static_cast<LargeRun*>(g_metadata.Allocate(sizeof(LargeRun)));
        if (run == nullptr) return nullptr;
        new (run) LargeRun{};
        run->access = request.access;
        const bool ok =
            shared ? PlaceShared(*run, placed, request) : PlaceDirect(*run, placed, request);
        if (!ok) {
            g_metadata.Free(run, sizeof(LargeRun));
            return nullptr;
        }
    }
    run->heap = request.heap;
    run->store = request.store;
    run->has_user.store(false, std::memory_order_relaxed);
    run->tail = request.tail;
    ZeroAndTouch(*run, 0, request.bytes, request.zero);
    run->requested.store(request.bytes, std::memory_order_relaxed);
    run->seen = ~size_t{0};
    // Pairs with MarkFree and PurgeRunTail: whoever changes the state from live next sees the record
    // whole.
    run->state.store(RunState::kLive, std::memory_order_release);
    if (!cached) g_slice_map.SetRun(AddressOf(run->base), run->direct ? 1 : run->slices, run);
    return run;
}

void FreeRun(LargeRun* run) noexcept {
    const bool cacheable = !run->direct && run->access == os::Access::kReadWrite;
    if (cacheable && g_run_cache.Put(run)) return;
    g_arenas.NoteUse(os::Milliseconds());
    ReleaseRun(run);
}

void PurgeRunTail(LargeRun& run, bool at_once) noexcept {
    const size_t before = run.requested.load(std::memory_order_relaxed);
    if (!at_once && run.seen != before) {
        run.seen = before;
        return;
    }
    if (PagesUp(before + run.tail) >= CommittedEnd(run)) return;
    RunState live = RunState::kLive;
    if (!run.state.compare_exchange_strong(live, RunState::kPurging, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
        return;
    }
    // It may have been freed and taken again in between.
    const size_t end = PagesUp(run.requested.load(std::memory_order_relaxed) + run.tail);
    if (end < CommittedEnd(run)) {
        g_arenas.NoteUse(os::Milliseconds());
        DecommitBehind(run, end);
    }
    // Pairs with MarkFree: who frees the run sees where its pages end now.
    run.state.store(RunState::kLive, std::memory_order_release);
}

namespace {

// Makes the run as many slices long, out of what it has to spare and of free ones behind that;
// committed to `extent` bytes.
bool Lengthen(LargeRun& run, size_t slices, size_t extent) noexcept {
    if (run.direct || slices > kMaxRunSlices) return false;
    const size_t owned = run.slices + run.spare;
    const size_t more = slices > owned ? slices - owned : 0;
    if (more != 0 && !g_arenas.Extend(run.base, owned, more, kRunOwner)) return false;
    char* const behind = run.base + owned * kSliceSize;
    const bool dirty = more != 0 && g_arenas.IsDirty(behind, more);
    if (!CommitTo(run, PagesUp(extent))) {
        if (more != 0) g_arenas.Free(behind, more);
        return false;
    }
    if (dirty) run.touched = slices * kSliceSize;
    run.slices = slices;
    run.spare = owned + more - slices;
    g_slice_map.SetRun(AddressOf(run.base), slices, &run);
    return true;
}

// Gives back the slices behind the first `slices`, with what it had to spare.
void Shorten(LargeRun& run, size_t slices) noexcept {
    char* const behind = run.base + slices * kSliceSize;
    const size_t fewer = run.slices - slices;
    g_slice_map.Clear(AddressOf(behind), fewer);
    g_arenas.Free(behind, fewer + run.spare);
    run.slices = slices;
    run.spare = 0;
    if (run.Committed() > run.capacity()) SetCommitted(run, run.capacity());
    if (run.touched > run.capacity()) run.touched = run.capacity();
}

// Decommits what is behind `extent`, if that is half of it or more, and worth a system call: it may
// grow again. (The rest is for PurgeRunTail.)
void GiveBackSurplus(LargeRun& run, size_t extent) noexcept {
    const size_t end = PagesUp(extent);
    const size_t committed = run.Committed();
    if (end <= committed / 2 && committed - end >= kLeastSaving) DecommitBehind(run, end);
}

}  // namespace

bool ResizeRun(LargeRun& run, size_t bytes, bool zero) noexcept {
    const size_t old = run.requested.load(std::memory_order_relaxed);
    if (bytes > kMaxRequest - kArenaSize) return false;
    const size_t extent = bytes + run.tail;
    const size_t slices = DivideUp(extent == 0 ? 1 : extent, kSliceSize);
    if (slices > run.slices) {
        if (!Lengthen(run, slices, extent)) return false;
    } else if (slices < run.slices && !run.direct) {
        Shorten(run, slices);
        GiveBackSurplus(run, extent);
    } else if (!CommitTo(run, PagesUp(extent))) {
        return false;
    } else {
        GiveBackSurplus(run, extent);
    }
    if (extent > old) ZeroAndTouch(run, old, bytes, zero);
    run.requested.store(bytes, std::memory_order_relaxed);
    return true;
}

}  // namespace strata::slab
