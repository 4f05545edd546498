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
};

// Makes `best` a place in this arena if there is a better one.
void ArenaSet::FindPlace(Arena& arena, size_t slices, size_t alignment, Place& best) noexcept {
    const auto consider = [&](size_t first, size_t end) {
        first = (first + alignment - 1) & ~(alignment - 1);
        if (first + slices > end) return;
        const size_t warm = arena.warm == 0 ? 0 : arena.warm_slices.CountInRange(first, slices);
        if (best.arena == nullptr || warm > best.warm) best = {&arena, first, warm};
    };
    if (slices == 1 && alignment == 1 && arena.warm != 0) {
        best = {&arena, arena.warm_slices.FindSet(0), 1};
        return;
    }
    for (size_t start = arena.used.FindClear(0); start != arena.used.kNone;) {
        const size_t end = arena.used.FindSet(start);
        consider(start, end);
        const size_t warm = arena.warm == 0 ? end : arena.warm_slices.FindSet(start);
        if (warm < end) {
            consider(warm, end);
            if (warm + slices > end && end - start > slices) consider(end - slices, end);
        }
        if (best.arena == &arena && (arena.warm == 0 || best.warm == slices)) return;
        start = end == arena.used.kNone ? end : arena.used.FindClear(end);
    }
}

char* ArenaSet::Allocate(size_t slices, size_t alignment, Owner owner, os::Access access) noexcept {
    const os::LockGuard guard(lock_);
    Place best;
    for (Arena* arena = first_; arena != nullptr; arena = arena->next) {
        if (arena->access != access || arena->dedicated || arena->free < slices) continue;
        if (best.arena != nullptr && arena->warm <= best.warm) continue;
        FindPlace(*arena, slices, alignment, best);
        if (best.warm == slices) break;
    }
    if (best.arena == nullptr) best.arena = AddArena(access);
    if (best.arena == nullptr) return nullptr;
    MarkUsed(*best.arena, best.first, slices, owner);
    return best.arena->SliceAt(best.first);
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
