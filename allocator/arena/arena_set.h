// Arenas: reservations of address space that are handed out in runs of slices, committed lazily and
// decommitted after decay.
//
// A slice remembers how many of its pages are committed, always a prefix, and whether they may hold
// data ("dirty") or are known to be zero. A slice that is given back keeps its pages for a while,
// for the next one who needs some; after kDecayEpochs the purge decommits them, and an arena with
// nothing in it is released.
//
// Thread-safe. Locks: the set's own, which ranks below all locks of heaps.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arena/commit_peaks.h"
#include "arena/owner.h"
#include "arena/purge_policy.h"
#include "arena/slice_map.h"
#include "base/constants.h"
#include "base/thread_safety.h"
#include "os/lock.h"
#include "os/memory.h"

namespace strata::arena {

struct Arena;

class ArenaSet {
public:
    // `map` is nullptr for arenas whose addresses the slice map need not know (metadata).
    constexpr ArenaSet(os::Memory& memory, SliceMap* map) noexcept
        : memory_(memory),
          map_(map),
          lock_(map != nullptr ? os::LockRank::kArenas : os::LockRank::kMetadataArenas) {}

    // The arenas' records lie in BytesFor(arenas) at `reserved`, which nothing of is committed;
    // `arenas` as for SliceMap::Initialize. Call it once.
    static size_t BytesFor(size_t arenas) noexcept;
    void Initialize(char* reserved, size_t arenas) noexcept;

    // `slices` consecutive slices at a multiple of `alignment` slices: those of which most have
    // pages already, and of such the lowest; nothing of them need be committed. They will be
    // committed for `access`: executable memory never shares an arena with other memory. nullptr
    // when memory is short. REQUIRES: 0 < slices <= kMaxRunSlices; alignment a power of two <=
    // kMaxRunSlices.
    char* Allocate(size_t slices, size_t alignment, Owner owner,
                   os::Access access = os::Access::kReadWrite) noexcept STRATA_EXCLUDES(lock_);

    // The same where the slice behind them is free and has no page, if there is such a place; of
    // more slices than kRoomySlices, with as many pages.
    char* AllocateWithRoom(size_t slices, size_t alignment, Owner owner,
                           os::Access access = os::Access::kReadWrite) noexcept
        STRATA_EXCLUDES(lock_);

    // The same for somebody who will use few of their pages: slices that have none or few, if there
    // are such in any arena, so that those with many are left to others.
    char* AllocateSparse(size_t slices, Owner owner,
                         os::Access access = os::Access::kReadWrite) noexcept
        STRATA_EXCLUDES(lock_);

    // Gives slices back, any part of what was allocated. The slice map's entries are kNone already.
    void Free(char* base, size_t slices) noexcept STRATA_EXCLUDES(lock_);

    // Takes up to `most` slices behind the `slices` at `base`, as many as are free and have no
    // page: addresses for the caller to grow into. Returns how many.
    size_t ClaimSpare(char* base, size_t slices, size_t most, Owner owner) noexcept
        STRATA_EXCLUDES(lock_);

    // Takes the `extra` slices behind the `slices` at `base`; false when they are not free.
    bool Extend(char* base, size_t slices, size_t extra, Owner owner) noexcept
        STRATA_EXCLUDES(lock_);

    // Commits [from, to) of slices that the caller holds; everything between the start of the first
    // slice and `from` must be committed. False when memory is short, and nothing has changed.
    bool Commit(char* from, char* to) noexcept STRATA_EXCLUDES(lock_);

    // Commits all of the `slices` at `base`, which the caller holds and will soon want whole, and
    // some behind them that are free and have no page: those are free slices with pages then, as
    // others are. So that who takes slice after slice comes to the system less often;
    // kCommitAheadShare of what is committed at most, and only when hardly any free slice has
    // pages. False when it is not worth it or the system refuses: nothing has changed.
    bool CommitAhead(char* base, size_t slices) noexcept STRATA_EXCLUDES(lock_);

    // Decommits [from, to) of slices that the caller holds; nothing behind `to` may be committed. A
    // failed call leaves it committed. REQUIRES: page multiples. `missing` bytes of it are holes.
    bool Decommit(char* from, char* to, size_t missing = 0) noexcept;

    // Decommits pages in the middle of slices that the caller holds. The books still have them:
    // before he gives the slices back, or grows them, he calls FillHoles for [base, base + end), of
    // which `missing` bytes were so decommitted. Both: false when the system refuses, and nothing
    // has changed. REQUIRES: page multiples.
    bool DecommitHole(char* from, size_t bytes) noexcept;
    bool FillHoles(char* base, size_t end, size_t missing) noexcept;

    // How many bytes from `base` on are committed without a gap, at most `slices` slices.
    size_t CommittedPrefix(const char* base, size_t slices) const noexcept;

    // True when the committed pages of any of these slices may hold data.
    bool IsDirty(const char* base, size_t slices) const noexcept;

    // Changes the owner of slices the caller holds.
    void SetOwner(char* base, size_t slices, Owner owner) noexcept;

    // A reservation of its own, for what no arena can hold: `bytes` at a multiple of `alignment`
    // (powers of two, at least kArenaSize), known to the slice map. Nothing is committed.
    // nullptr when memory is short.
    char* AllocateDedicated(size_t bytes, size_t alignment, Owner owner,
                            os::Access access = os::Access::kReadWrite) noexcept
        STRATA_EXCLUDES(lock_);
    // `committed` bytes of it are committed.
    void FreeDedicated(char* base, size_t committed) noexcept STRATA_EXCLUDES(lock_);
    // Bytes reserved by AllocateDedicated at `base`.
    size_t DedicatedBytes(const char* base) const noexcept;
    // What the memory at `address` is committed for. REQUIRES: in an arena of this set.
    os::Access AccessOf(const void* address) const noexcept;
    os::Memory& memory() noexcept { return memory_; }

    // Decommits free slices whose pages have decayed, and releases empty arenas. At most once per
    // epoch unless `everything`, which does not wait for decay. `now` in milliseconds.
    void Purge(uint64_t now, bool everything) noexcept STRATA_EXCLUDES(lock_);
    // True when Purge has something to do, cheaply.
    bool WantsPurge(uint64_t now) const noexcept {
        return now / kEpochMilliseconds != last_epoch_.load(std::memory_order_relaxed) &&
               (warm_slices_.load(std::memory_order_relaxed) > Retained() ||
                warm_executable_.load(std::memory_order_relaxed) != 0);
    }

    // The first slice in use by `owner` at or above `address`, be it the start of something or the
    // middle; nullptr when there is none. A dedicated reservation counts as one slice, at its
    // start. Serves heap walks: the caller keeps the owner's slices from changing.
    char* NextOwned(uintptr_t address, Owner owner) noexcept STRATA_EXCLUDES(lock_);
    // The owner of the slice at `address`. REQUIRES: in an arena of this set; of a dedicated
    // reservation, in its first slice.
    Owner OwnerOf(uintptr_t address) const noexcept;

    size_t arenas() const noexcept { return arena_count_.load(std::memory_order_relaxed); }
    // Committed bytes of slices, in use or not; without records and dedicated reservations.
    size_t slice_committed() const noexcept { return committed_.load(std::memory_order_relaxed); }

    // Free slices that have pages.
    size_t warm_slices() const noexcept { return warm_slices_.load(std::memory_order_relaxed); }

    // How many bytes of freed blocks depots, magazines and the cache of runs may hold.
    size_t AllowedIdle() const noexcept {
        return kFreeCommitFloor + slice_committed() / kFreeCommitShare;
    }

    // What else is committed for blocks, in reservations of their own; and what of all that is
    // committed is freed and cached, for whoever counts it here.
    void CountOutside(size_t added, size_t removed) noexcept {
        outside_.fetch_add(added - removed, std::memory_order_relaxed);
    }
    size_t outside() const noexcept { return outside_.load(std::memory_order_relaxed); }
    void CountCached(size_t added, size_t removed) noexcept {
        cached_.fetch_add(added - removed, std::memory_order_relaxed);
    }

    // How many bytes would be too many if `more` were committed now. As much may be committed as
    // was in use at most within the last kDecayEpochs epochs, or will be now, and kFreeCommitShare
    // of that and kFreeCommitFloor; so a program that soon needs again what it freed keeps its
    // pages.
    size_t Excess(size_t more) const noexcept;

    // What is committed and idle: free slices that have pages, and what is cached.
    size_t idle() const noexcept {
        return warm_slices() * kSliceSize + cached_.load(std::memory_order_relaxed);
    }

    // Call it before something in use becomes idle, or is given back to the system. `now` in
    // milliseconds. What nobody notes (runs that shrink) is decommitted sooner, which costs system
    // calls and nothing else.
    void NoteUse(uint64_t now) noexcept { peaks_.Note(now / kEpochMilliseconds, InUse()); }

    // For fork in the POSIX build: the set's lock.
    os::Lock& lock() noexcept STRATA_RETURN_CAPABILITY(lock_) { return lock_; }

private:
    Arena* RecordOf(uintptr_t address) const noexcept;
    // Counters that others change meanwhile: never less than nothing.
    size_t InUse() const noexcept {
        const size_t all = slice_committed() + outside();
        const size_t unused = idle();
        return all > unused ? all - unused : 0;
    }
    // Free slices that keep their pages for good. None of metadata: its chunks come and go within
    // slices.
    size_t Retained() const noexcept {
        return map_ != nullptr ? g_purge_policy.retained_slices : 0;
    }
    std::atomic<size_t>& WarmOf(const Arena& arena) noexcept;
    size_t WarmSurplus(const Arena& arena) noexcept;
    bool CommitRecord(Arena* record) noexcept STRATA_REQUIRES(lock_);
    char* ReserveBesideWindow(os::ReserveRequest& request) noexcept STRATA_REQUIRES(lock_);
    char* ReserveFor(size_t bytes, size_t alignment, os::Access access) noexcept
        STRATA_REQUIRES(lock_);
    Arena* AddArena(os::Access access) noexcept STRATA_REQUIRES(lock_);
    void Insert(Arena* arena) noexcept STRATA_REQUIRES(lock_);
    void Unlink(Arena* arena) noexcept STRATA_REQUIRES(lock_);
    size_t ColdBehind(const Arena& arena, size_t first, size_t most) const noexcept
        STRATA_REQUIRES(lock_);
    void FreeLocked(Arena& arena, size_t first, size_t slices, bool dirty) noexcept
        STRATA_REQUIRES(lock_);
    struct Place;
    struct Search;
    static size_t EndOfWarm(const Arena& arena, size_t first, size_t end) noexcept;
    static void FindPlace(Arena& arena, Search& search) noexcept;
    char* AllocateLocked(Search& search, Owner owner, os::Access access) noexcept
        STRATA_REQUIRES(lock_);
    static size_t FindSparse(const Arena& arena, size_t slices) noexcept;
    void PurgeExcess(size_t fresh, os::Access access) noexcept STRATA_EXCLUDES(lock_);
    bool PurgeFromEnd(Arena& arena, size_t slices) noexcept STRATA_REQUIRES(lock_);
    // This one and those that call it give the lock up for the system call, and take it again.
    bool DecommitFree(Arena& arena, size_t first, size_t end, uint8_t epoch) noexcept
        STRATA_REQUIRES(lock_);
    void MarkUsed(Arena& arena, size_t first, size_t slices, Owner owner) noexcept
        STRATA_REQUIRES(lock_);
    bool PurgeArena(Arena& arena, uint8_t epoch, bool everything) noexcept STRATA_REQUIRES(lock_);
    void ReleaseEmptyArenas() noexcept STRATA_REQUIRES(lock_);

    os::Memory& memory_;
    SliceMap* map_;
    os::Lock lock_;
    char* records_ = nullptr;
    size_t record_count_ = 0;
    Arena* first_ STRATA_GUARDED_BY(lock_) = nullptr;  // by address
    uint64_t record_committed_[kMapArenas / 64] STRATA_GUARDED_BY(lock_) = {};
    std::atomic<uint64_t> last_epoch_{0};
    std::atomic<size_t> warm_slices_{0};  // free slices that still have pages
    // The same in executable arenas: few can use them, so none are retained for good.
    std::atomic<size_t> warm_executable_{0};
    std::atomic<size_t> arena_count_{0};
    std::atomic<size_t> committed_{0};
    std::atomic<size_t> outside_{0};
    std::atomic<size_t> cached_{0};
    CommitPeaks peaks_;
};

}  // namespace strata::arena
