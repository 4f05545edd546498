// The purge: which free slices give their pages back, and when.
//
// Decommitting costs 6 us and 0.55 us a page, recommitting and touching a page 3 us more, so a
// slice is left alone for kDecayEpochs epochs after it became free, and the first kRetainedSlices
// for good. The system calls are made outside the lock, on slices that count as used meanwhile.
#include "arena/arena.h"
#include "arena/arena_set.h"
#include "arena/purge_policy.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "os/process.h"

namespace strata::arena {

constinit PurgePolicy g_purge_policy;

namespace {
constexpr auto kRelaxed = std::memory_order_relaxed;
}

std::atomic<size_t>& ArenaSet::WarmOf(const Arena& arena) noexcept {
    return arena.access == os::Access::kReadWrite ? warm_slices_ : warm_executable_;
}

// How many warm slices of arenas like this one are more than is to be retained.
size_t ArenaSet::WarmSurplus(const Arena& arena) noexcept {
    const size_t warm = WarmOf(arena).load(kRelaxed);
    if (arena.access != os::Access::kReadWrite) return warm;
    return warm > Retained() ? warm - Retained() : 0;
}

void ArenaSet::Purge(uint64_t now, bool everything) noexcept {
    const uint64_t epoch = now / kEpochMilliseconds;
    // Says who purges, nothing else: what he looks at is read under the lock.
    if (last_epoch_.exchange(epoch, kRelaxed) == epoch && !everything) return;
    os::RequireStack(os::kStackForArenas);
    lock_.Acquire();
    for (Arena* arena = first_; arena != nullptr; arena = arena->next) {
        // Each round unlocks; the slices it holds keep the arena from being released meanwhile.
        while (arena->warm != 0 && !arena->dedicated && (everything || WarmSurplus(*arena) != 0)) {
            if (!PurgeArena(*arena, static_cast<uint8_t>(epoch), everything)) break;
        }
    }
    ReleaseEmptyArenas();
    lock_.Release();
}

// Decommits one range of neighbouring slices that are due. False when none is.
bool ArenaSet::PurgeArena(Arena& arena, uint8_t epoch, bool everything) noexcept {
    constexpr size_t kNone = Bitmap<kSlicesPerArena>::kNone;
    const auto due = [&](size_t slice) {
        return everything || static_cast<uint8_t>(epoch - arena.freed_epoch[slice]) >=
                                 g_purge_policy.decay_epochs;
    };
    size_t first = arena.warm_slices.FindSet(0);
    while (first != kNone && !due(first)) first = arena.warm_slices.FindSet(first + 1);
    if (first == kNone) return false;
    const size_t surplus = everything ? kSlicesPerArena : WarmSurplus(arena);
    size_t end = first;
    while (end < kSlicesPerArena && end - first < surplus && arena.warm_slices.Test(end) &&
           due(end)) {
        ++end;
    }
    return DecommitFree(arena, first, end, epoch);
}

// Decommits [first, end) of free, warm slices.
bool ArenaSet::DecommitFree(Arena& arena, size_t first, size_t end, uint8_t epoch) noexcept {
    size_t bytes = 0;
    size_t span_end = 0;
    for (size_t i = first; i < end; ++i) {
        const size_t pages = arena.pages[i].load(kRelaxed);
        bytes += pages * kPageSize;
        span_end = i * kSliceSize + pages * kPageSize;
    }
    const size_t slices = end - first;
    MarkUsed(arena, first, slices, kNobody);
    lock_.Release();
    char* const base = arena.SliceAt(first);
    const bool done = memory_.Decommit(base, span_end - first * kSliceSize, bytes);
    lock_.Acquire();
    if (done) committed_.fetch_sub(bytes, kRelaxed);
    for (size_t i = first; i < end; ++i) {
        if (done) {
            arena.pages[i].store(0, kRelaxed);
            arena.dirty[i].store(0, kRelaxed);
        } else {
            // Still committed: wait another decay before the next try.
            arena.freed_epoch[i] = epoch;
            arena.warm_slices.SetRange(i, 1);
            ++arena.warm;
            WarmOf(arena).fetch_add(1, kRelaxed);
        }
    }
    arena.used.ClearRange(first, slices);
    arena.free += static_cast<uint32_t>(slices);
    return done;
}

size_t ArenaSet::Excess(size_t more) const noexcept {
    const size_t unused = idle();
    if (STRATA_LIKELY(unused <= kFreeCommitFloor)) return 0;
    const size_t used = InUse() + more;
    size_t peak = peaks_.Highest(os::Milliseconds() / kEpochMilliseconds);
    if (peak < used) peak = used;
    const size_t most = peak + peak / kFreeCommitShare + kFreeCommitFloor;
    return used + unused > most ? used + unused - most : 0;
}

// Memory is about to be committed although much of what is free is committed, too, but not where it
// is needed: as much of that goes back first. So what is committed never grows far beyond what is
// used.
void ArenaSet::PurgeExcess(size_t fresh, os::Access access) noexcept {
    if (access != os::Access::kReadWrite) return;
    const size_t excess = Excess(fresh);
    if (STRATA_LIKELY(excess == 0)) return;
    size_t slices = DivideUp(fresh < excess ? fresh : excess, kSliceSize);
    const os::LockGuard guard(lock_);
    while (slices != 0) {
        Arena* last = nullptr;
        for (Arena* arena = first_; arena != nullptr; arena = arena->next) {
            if (arena->warm != 0 && !arena->dedicated && arena->access == access) last = arena;
        }
        if (last == nullptr) return;
        const uint32_t before = last->warm;
        if (!PurgeFromEnd(*last, slices)) return;
        const size_t done = before > last->warm ? before - last->warm : 1;
        slices -= done < slices ? done : slices;
    }
}

// Decommits up to `slices` neighbouring free slices, those with the highest addresses. REQUIRES:
// there is one.
bool ArenaSet::PurgeFromEnd(Arena& arena, size_t slices) noexcept {
    size_t end = kSlicesPerArena;
    while (!arena.warm_slices.Test(end - 1)) --end;
    size_t first = end - 1;
    while (first > 0 && end - first < slices && arena.warm_slices.Test(first - 1)) --first;
    return DecommitFree(arena, first, end, arena.freed_epoch[first]);
}

// Releases arenas with nothing in them, except one, which the next slab would reserve again; and
// what FreeDedicated could not release.
void ArenaSet::ReleaseEmptyArenas() noexcept {
    const auto empty = [](const Arena& arena) {
        return !arena.dedicated && arena.free == kSlicesPerArena && arena.warm == 0;
    };
    Arena* next = nullptr;
    bool kept = false;
    for (Arena* arena = first_; arena != nullptr; arena = next) {
        next = arena->next;
        const bool unreleased = arena->unreleased;
        if (!empty(*arena) && !unreleased) continue;
        if (!kept && !unreleased && arena->access == os::Access::kReadWrite) {
            kept = true;
            continue;
        }
        char* const base = arena->base;
        const size_t bytes = arena->reserved;
        if (map_ != nullptr) map_->Remove(AddressOf(base), bytes);
        if (memory_.Release(base, bytes, arena->still_committed)) {
            Unlink(arena);
        } else if (map_ != nullptr) {
            map_->Add(memory_, AddressOf(base), bytes);  // cannot fail: it was added before
        }
    }
}

}  // namespace strata::arena
