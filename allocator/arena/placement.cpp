// Where in its arenas a set takes slices from.
#include "arena/arena.h"
#include "arena/arena_set.h"

namespace strata::arena {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

void ArenaSet::MarkUsed(Arena& arena, size_t first, size_t slices, Owner owner) noexcept {
    arena.used.SetRange(first, slices);
    arena.free -= static_cast<uint32_t>(slices);
    for (size_t i = first; i < first + slices; ++i) {
        arena.owner[i].store(owner, kRelaxed);
        if (arena.warm_slices.Test(i)) {
            --arena.warm;
            WarmOf(arena).fetch_sub(1, kRelaxed);
        }
    }
    arena.warm_slices.ClearRange(first, slices);
}

// Where slices could be taken, and how many of them have pages.
struct ArenaSet::Place {
    Arena* arena = nullptr;
    size_t first = 0;
    size_t warm = 0;

    bool IsBeatenBy(size_t warm_there) const noexcept {
        return arena == nullptr || warm_there > warm;
    }
};

// What is wanted, and the best places found so far: any, and one with a free slice behind it that
// has no page.
struct ArenaSet::Search {
    size_t slices;
    size_t alignment;
    bool wants_room;
    Place tight;
    Place roomy;

    void Consider(Arena& arena, size_t first, size_t end) noexcept {
        first = (first + alignment - 1) & ~(alignment - 1);
        if (first + slices > end) return;
        const size_t warm = arena.warm == 0 ? 0 : arena.warm_slices.CountInRange(first, slices);
        if (tight.IsBeatenBy(warm)) tight = {&arena, first, warm};
        const bool has_room = !wants_room || (first + slices < end &&
                                              arena.pages[first + slices].load(kRelaxed) == 0);
        if (has_room && roomy.IsBeatenBy(warm)) roomy = {&arena, first, warm};
    }
    // To short runs room is worth more than pages that are there already.
    Place best() const noexcept {
        if (roomy.arena == nullptr) return tight;
        return tight.warm > roomy.warm && slices > kRoomySlices ? tight : roomy;
    }
};

// One past the slices with pages that lie side by side from `first` on.
size_t ArenaSet::EndOfWarm(const Arena& arena, size_t first, size_t end) noexcept {
    while (first < end && arena.warm_slices.Test(first)) ++first;
    return first;
}

// Looks for better places in this arena.
void ArenaSet::FindPlace(Arena& arena, Search& search) noexcept {
    const bool single = search.slices == 1 && search.alignment == 1 && !search.wants_room;
    if (single && arena.warm != 0) {
        search.tight = search.roomy = {&arena, arena.warm_slices.FindSet(0), 1};
        return;
    }
    for (size_t start = arena.used.FindClear(0); start != arena.used.kNone;) {
        const size_t end = arena.used.FindSet(start);
        search.Consider(arena, start, end);
        const size_t warm = arena.warm == 0 ? end : arena.warm_slices.FindSet(start);
        if (warm < end) {
            search.Consider(arena, warm, end);
            // Where the last of the pages are, as there is not enough behind the first.
            const size_t last = search.wants_room ? EndOfWarm(arena, warm, end) : end;
            if (last - start > search.slices &&
                (warm + search.slices > last || search.wants_room)) {
                search.Consider(arena, last - search.slices, end);
            }
        }
        const Place& found = search.roomy;
        if (found.arena == &arena && (arena.warm == 0 || found.warm == search.slices)) return;
        start = end == arena.used.kNone ? end : arena.used.FindClear(end);
    }
}

char* ArenaSet::AllocateLocked(Search& search, Owner owner, os::Access access) noexcept {
    for (Arena* arena = first_; arena != nullptr; arena = arena->next) {
        if (arena->access != access || arena->dedicated || arena->free < search.slices) continue;
        if (!search.tight.IsBeatenBy(arena->warm) && !search.roomy.IsBeatenBy(arena->warm))
            continue;
        FindPlace(*arena, search);
        if (search.roomy.warm == search.slices) break;
    }
    Place place = search.best();
    if (place.arena == nullptr) place.arena = AddArena(access);
    if (place.arena == nullptr) return nullptr;
    MarkUsed(*place.arena, place.first, search.slices, owner);
    return place.arena->SliceAt(place.first);
}

char* ArenaSet::Allocate(size_t slices, size_t alignment, Owner owner, os::Access access) noexcept {
    Search search{slices, alignment, false, {}, {}};
    const os::LockGuard guard(lock_);
    return AllocateLocked(search, owner, access);
}

char* ArenaSet::AllocateWithRoom(size_t slices, size_t alignment, Owner owner,
                                 os::Access access) noexcept {
    Search search{slices, alignment, true, {}, {}};
    const os::LockGuard guard(lock_);
    return AllocateLocked(search, owner, access);
}

// The first of `slices` free slices with few pages or none; kNone when there are none.
size_t ArenaSet::FindSparse(const Arena& arena, size_t slices) noexcept {
    size_t found = 0;
    for (size_t i = arena.used.FindClear(0); i != arena.used.kNone && i < kSlicesPerArena; ++i) {
        const bool sparse = !arena.used.Test(i) && arena.pages[i].load(kRelaxed) <= kSparsePages;
        found = sparse ? found + 1 : 0;
        if (found == slices) return i + 1 - slices;
    }
    return arena.used.kNone;
}

char* ArenaSet::AllocateSparse(size_t slices, Owner owner, os::Access access) noexcept {
    {
        const os::LockGuard guard(lock_);
        for (Arena* arena = first_; arena != nullptr; arena = arena->next) {
            if (arena->access != access || arena->dedicated || arena->free < slices) continue;
            const size_t first = FindSparse(*arena, slices);
            if (first == arena->used.kNone) continue;
            MarkUsed(*arena, first, slices, owner);
            return arena->SliceAt(first);
        }
    }
    return Allocate(slices, 1, owner, access);
}

}  // namespace strata::arena
