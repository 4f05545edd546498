#include "arena/arena_set.h"

#include "arena/arena.h"
#include "os/process.h"

namespace strata::arena {

namespace {

size_t IndexOf(uintptr_t address) noexcept { return (address >> kArenaShift) & (kMapArenas - 1); }

uint8_t EpochOf(uint64_t milliseconds) noexcept {
    return static_cast<uint8_t>(milliseconds / kEpochMilliseconds);
}

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

size_t ArenaSet::BytesFor(size_t arenas) noexcept { return arenas * kArenaRecordBytes; }

void ArenaSet::Initialize(char* reserved, size_t arenas) noexcept {
    records_ = reserved;
    record_count_ = arenas;
}

Arena* ArenaSet::RecordOf(uintptr_t address) const noexcept {
    return reinterpret_cast<Arena*>(records_ + IndexOf(address) * kArenaRecordBytes);
}

bool ArenaSet::CommitRecord(Arena* record) noexcept {
    const size_t index =
        static_cast<size_t>(reinterpret_cast<char*>(record) - records_) / kArenaRecordBytes;
    uint64_t& word = record_committed_[index / 64];
    const uint64_t bit = uint64_t{1} << (index % 64);
    if ((word & bit) != 0) return true;
    if (!memory_.Commit(record, kArenaRecordBytes, kArenaRecordBytes)) return false;
    word |= bit;
    return true;
}

// Reserves `bytes` where this set and the slice map have room for them: beside the map's window,
// where blocks are found fastest; else at the system's choice; should that collide, a walk upward
// from there.
char* ArenaSet::ReserveFor(size_t bytes, size_t alignment, os::Access access) noexcept {
    constexpr int kTries = 256;
    os::ReserveRequest request;
    request.bytes = bytes;
    request.alignment = alignment;
    request.node = os::PreferredNumaNode();
    request.access = access;
    if (char* const base = ReserveBesideWindow(request)) return base;
    request.address = nullptr;
    char* base = static_cast<char*>(memory_.Reserve(request));
    if (base == nullptr) return nullptr;
    const auto fits = [&](uintptr_t address) STRATA_REQUIRES(lock_) {
        if (map_ != nullptr) return map_->HasRoomFor(address, bytes);
        const size_t index = IndexOf(address);
        if (index >= record_count_) return false;
        const bool known = (record_committed_[index / 64] >> (index % 64) & 1) != 0;
        return !known || RecordOf(address)->base == nullptr;
    };
    if (fits(AddressOf(base))) return base;
    memory_.Release(base, bytes, 0);
    uintptr_t address = AddressOf(base);
    for (int i = 0; i < kTries; ++i) {
        address += alignment;
        if (!fits(address)) continue;
        request.address = reinterpret_cast<void*>(address);
        base = static_cast<char*>(memory_.Reserve(request));
        if (base != nullptr) return base;
    }
    return nullptr;
}

// In the slice map's window, where an arena was before; at its end, or before its start; nullptr
// when nothing of that is free. The entries of a place that is used again have memory already, and
// keep it for good.
char* ArenaSet::ReserveBesideWindow(os::ReserveRequest& request) noexcept {
    if (map_ == nullptr || map_->window_bytes() == 0) return nullptr;
    constexpr int kTries = 4;  // from each end: somebody else's memory may lie in the window, too
    const uintptr_t mask = ~(uintptr_t{request.alignment} - 1);
    const auto reserve_at = [&](uintptr_t address) {
        request.address = reinterpret_cast<void*>(address);
        return static_cast<char*>(memory_.Reserve(request));
    };
    const uintptr_t first = (map_->window_start() + ~mask) & mask;
    const uintptr_t last = (map_->window_end() - request.bytes) & mask;
    const auto search = [&](uintptr_t from, uintptr_t step) -> char* {
        int tries = 0;
        for (uintptr_t place = from; place - first <= last - first && tries < kTries;
             place += step) {
            if (!map_->HasRoomFor(place, request.bytes)) continue;
            if (char* const base = reserve_at(place)) return base;
            ++tries;
        }
        return nullptr;
    };
    if (first <= last && last < map_->window_end()) {
        if (char* const base = search(first, request.alignment)) return base;
        // Where others are in the way at the bottom, the latest places are at the top: without
        // these the window would grow with each arena that comes and goes.
        if (char* const base = search(last, 0 - request.alignment)) return base;
    }
    const uintptr_t above = (map_->window_end() + ~mask) & mask;
    const uintptr_t below = (map_->window_start() - request.bytes) & mask;
    for (const uintptr_t address : {above, below}) {
        // Low addresses are left to others, unless the window lies there.
        if (address < os::kLowAddressEnd && map_->window_start() >= os::kLowAddressEnd) continue;
        if (address == 0 || !map_->HasRoomFor(address, request.bytes)) continue;
        if (char* const base = reserve_at(address)) return base;
    }
    return nullptr;
}

void ArenaSet::Insert(Arena* arena) noexcept {
    Arena** link = &first_;
    while (*link != nullptr && (*link)->base < arena->base) link = &(*link)->next;
    arena->next = *link;
    *link = arena;
    arena_count_.fetch_add(1, kRelaxed);
}

void ArenaSet::Unlink(Arena* arena) noexcept {
    Arena** link = &first_;
    while (*link != arena) link = &(*link)->next;
    *link = arena->next;
    arena->base = nullptr;
    arena_count_.fetch_sub(1, kRelaxed);
}

Arena* ArenaSet::AddArena(os::Access access) noexcept {
    char* base = ReserveFor(kArenaSize, kArenaSize, access);
    if (base == nullptr) return nullptr;
    Arena* arena = RecordOf(AddressOf(base));
    if (!CommitRecord(arena) ||
        (map_ != nullptr && !map_->Add(memory_, AddressOf(base), kArenaSize))) {
        memory_.Release(base, kArenaSize, 0);
        return nullptr;
    }
    arena->base = base;
    arena->reserved = kArenaSize;
    arena->free = kSlicesPerArena;
    arena->warm = 0;
    arena->access = access;
    arena->dedicated = false;
    arena->unreleased = false;
    arena->still_committed = 0;
    Insert(arena);
    return arena;
}

void ArenaSet::FreeLocked(Arena& arena, size_t first, size_t slices, bool dirty) noexcept {
    const uint8_t epoch = EpochOf(os::Milliseconds());
    for (size_t i = first; i < first + slices; ++i) {
        arena.owner[i].store(kNobody, kRelaxed);
        if (arena.pages[i].load(kRelaxed) == 0) continue;
        if (dirty) arena.dirty[i].store(1, kRelaxed);
        arena.freed_epoch[i] = epoch;
        arena.warm_slices.SetRange(i, 1);
        ++arena.warm;
        WarmOf(arena).fetch_add(1, kRelaxed);
    }
    arena.used.ClearRange(first, slices);
    arena.free += static_cast<uint32_t>(slices);
}

void ArenaSet::Free(char* base, size_t slices) noexcept {
    const os::LockGuard guard(lock_);
    Arena& arena = *RecordOf(AddressOf(base));
    FreeLocked(arena, arena.SliceOf(AddressOf(base)), slices, true);
}

size_t ArenaSet::ClaimSpare(char* base, size_t slices, size_t most, Owner owner) noexcept {
    const os::LockGuard guard(lock_);
    Arena& arena = *RecordOf(AddressOf(base));
    const size_t first = arena.SliceOf(AddressOf(base)) + slices;
    const size_t spare = ColdBehind(arena, first, most);
    if (spare != 0) MarkUsed(arena, first, spare, owner);
    return spare;
}

bool ArenaSet::Extend(char* base, size_t slices, size_t extra, Owner owner) noexcept {
    const os::LockGuard guard(lock_);
    Arena& arena = *RecordOf(AddressOf(base));
    const size_t first = arena.SliceOf(AddressOf(base)) + slices;
    if (arena.dedicated || first + extra > kSlicesPerArena) return false;
    if (arena.used.AnyInRange(first, extra)) return false;
    MarkUsed(arena, first, extra, owner);
    return true;
}

bool ArenaSet::Commit(char* from, char* to) noexcept {
    Arena& arena = *RecordOf(AddressOf(from));
    const size_t first = arena.SliceOf(AddressOf(from));
    const size_t last = arena.SliceOf(AddressOf(to) - 1);
    char* const end = reinterpret_cast<char*>(RoundUp(AddressOf(to), kPageSize));
    char* start = nullptr;
    size_t fresh = 0;
    const auto wanted = [&](size_t slice) {
        const size_t bytes = static_cast<size_t>(end - arena.SliceAt(slice));
        return bytes < kSliceSize ? bytes / kPageSize : kPagesPerSlice;
    };
    for (size_t i = first; i <= last; ++i) {
        const size_t have = arena.pages[i].load(kRelaxed);
        if (have >= wanted(i)) continue;
        if (start == nullptr) start = arena.SliceAt(i) + have * kPageSize;
        fresh += (wanted(i) - have) * kPageSize;
    }
    if (start == nullptr) return true;
    PurgeExcess(fresh, arena.access);
    const auto bytes = static_cast<size_t>(end - start);
    if (!memory_.Commit(start, bytes, fresh, arena.access)) return false;
    committed_.fetch_add(fresh, kRelaxed);
    for (size_t i = first; i <= last; ++i) {
        if (arena.pages[i].load(kRelaxed) < wanted(i)) {
            arena.pages[i].store(static_cast<uint8_t>(wanted(i)), kRelaxed);
        }
    }
    return true;
}

// Free slices from `first` on that have no page, up to `most`.
size_t ArenaSet::ColdBehind(const Arena& arena, size_t first, size_t most) const noexcept {
    size_t slices = 0;
    while (slices < most && first + slices < kSlicesPerArena && !arena.used.Test(first + slices) &&
           arena.pages[first + slices].load(kRelaxed) == 0) {
        ++slices;
    }
    return slices;
}

bool ArenaSet::CommitAhead(char* base, size_t slices) noexcept {
    size_t most = slice_committed() / kCommitAheadShare / kSliceSize;
    if (most > kCommitAheadSlices) most = kCommitAheadSlices;
    if (most == 0 || warm_slices() > kRetainedSlices) return false;
    Arena& arena = *RecordOf(AddressOf(base));
    if (arena.access != os::Access::kReadWrite) return false;  // hardly anybody could use them
    const size_t behind = arena.SliceOf(AddressOf(base)) + slices;
    {
        const os::LockGuard guard(lock_);
        most = ColdBehind(arena, behind, most);
        if (most != 0) MarkUsed(arena, behind, most, kNobody);  // nobody else's meanwhile
    }
    if (most == 0) return false;
    const bool done = Commit(base, base + (slices + most) * kSliceSize);
    const os::LockGuard guard(lock_);
    FreeLocked(arena, behind, most, false);
    return done;
}

bool ArenaSet::Decommit(char* from, char* to, size_t missing) noexcept {
    Arena& arena = *RecordOf(AddressOf(from));
    const size_t first = arena.SliceOf(AddressOf(from));
    const size_t last = arena.SliceOf(AddressOf(to) - 1);
    const auto kept = [&](size_t slice) {  // pages
        return slice == first ? static_cast<size_t>(from - arena.SliceAt(first)) / kPageSize : 0;
    };
    size_t pages = 0;
    for (size_t i = first; i <= last; ++i) {
        const size_t have = arena.pages[i].load(kRelaxed);
        if (have > kept(i)) pages += have - kept(i);
    }
    if (pages == 0) return true;
    const size_t bytes = pages * kPageSize - missing;
    if (!memory_.Decommit(from, static_cast<size_t>(to - from), bytes)) return false;
    committed_.fetch_sub(bytes, kRelaxed);
    for (size_t i = first; i <= last; ++i) {
        if (arena.pages[i].load(kRelaxed) > kept(i)) {
            arena.pages[i].store(static_cast<uint8_t>(kept(i)), kRelaxed);
        }
        if (kept(i) == 0) arena.dirty[i].store(0, kRelaxed);
    }
    return true;
}

bool ArenaSet::DecommitHole(char* from, size_t bytes) noexcept {
    if (!memory_.Decommit(from, bytes, bytes)) return false;
    committed_.fetch_sub(bytes, kRelaxed);
    return true;
}

bool ArenaSet::FillHoles(char* base, size_t end, size_t missing) noexcept {
    if (!memory_.Commit(base, end, missing, RecordOf(AddressOf(base))->access)) return false;
    committed_.fetch_add(missing, kRelaxed);
    return true;
}

size_t ArenaSet::CommittedPrefix(const char* base, size_t slices) const noexcept {
    const Arena& arena = *RecordOf(AddressOf(base));
    const size_t first = arena.SliceOf(AddressOf(base));
    size_t bytes = 0;
    for (size_t i = first; i < first + slices; ++i) {
        const size_t pages = arena.pages[i].load(kRelaxed);
        bytes += pages * kPageSize;
        if (pages < kPagesPerSlice) break;
    }
    return bytes;
}

bool ArenaSet::IsDirty(const char* base, size_t slices) const noexcept {
    const Arena& arena = *RecordOf(AddressOf(base));
    const size_t first = arena.SliceOf(AddressOf(base));
    for (size_t i = first; i < first + slices; ++i) {
        if (arena.dirty[i].load(kRelaxed) != 0) return true;
    }
    return false;
}

void ArenaSet::SetOwner(char* base, size_t slices, Owner owner) noexcept {
    Arena& arena = *RecordOf(AddressOf(base));
    const size_t first = arena.SliceOf(AddressOf(base));
    if (arena.dedicated) slices = 1;
    for (size_t i = first; i < first + slices; ++i) arena.owner[i].store(owner, kRelaxed);
}

char* ArenaSet::AllocateDedicated(size_t bytes, size_t alignment, Owner owner,
                                  os::Access access) noexcept {
    const size_t reserved = RoundUp(bytes, kArenaSize);
    if (reserved < bytes || reserved > kMapArenas * kArenaSize) return nullptr;
    const os::LockGuard guard(lock_);
    char* base = ReserveFor(reserved, alignment < kArenaSize ? kArenaSize : alignment, access);
    if (base == nullptr) return nullptr;
    Arena* arena = RecordOf(AddressOf(base));
    if (!CommitRecord(arena) || !map_->Add(memory_, AddressOf(base), reserved)) {
        memory_.Release(base, reserved, 0);
        return nullptr;
    }
    arena->base = base;
    arena->reserved = reserved;
    arena->free = 0;
    arena->warm = 0;
    arena->access = access;
    arena->dedicated = true;
    arena->unreleased = false;
    arena->still_committed = 0;
    arena->owner[0].store(owner, kRelaxed);
    Insert(arena);
    return base;
}

void ArenaSet::FreeDedicated(char* base, size_t committed) noexcept {
    const os::LockGuard guard(lock_);
    Arena* arena = RecordOf(AddressOf(base));
    const size_t reserved = arena->reserved;
    arena->owner[0].store(kNobody, kRelaxed);
    map_->Remove(AddressOf(base), reserved);
    // Without the release the addresses are lost, but not the commit charge. Without both, the next
    // purge tries again.
    if (memory_.Release(base, reserved, committed) || memory_.Decommit(base, reserved, committed)) {
        Unlink(arena);
        return;
    }
    map_->Add(memory_, AddressOf(base), reserved);  // cannot fail: it was added before
    arena->unreleased = true;
    arena->still_committed = committed;
}

size_t ArenaSet::DedicatedBytes(const char* base) const noexcept {
    return RecordOf(AddressOf(base))->reserved;
}

os::Access ArenaSet::AccessOf(const void* address) const noexcept {
    return RecordOf(AddressOf(address))->access;
}

Owner ArenaSet::OwnerOf(uintptr_t address) const noexcept {
    const Arena& arena = *RecordOf(address);
    return arena.owner[(address >> kSliceShift) & (kSlicesPerArena - 1)].load(kRelaxed);
}

char* ArenaSet::NextOwned(uintptr_t address, Owner owner) noexcept {
    const os::LockGuard guard(lock_);
    for (Arena* arena = first_; arena != nullptr; arena = arena->next) {
        const uintptr_t base = AddressOf(arena->base);
        if (address >= base + arena->reserved) continue;
        if (arena->dedicated) {
            if (address <= base && arena->owner[0].load(kRelaxed) == owner) return arena->base;
            continue;
        }
        const size_t from = address <= base ? 0 : DivideUp(address - base, kSliceSize);
        for (size_t i = arena->used.FindSet(from); i != arena->used.kNone;
             i = arena->used.FindSet(i + 1)) {
            if (arena->owner[i].load(kRelaxed) == owner) return arena->SliceAt(i);
        }
    }
    return nullptr;
}

}  // namespace strata::arena
