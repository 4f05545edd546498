#include "heap/query.h"

#include "heap/find_block.h"
#include "store/registry.h"

namespace strata::heap {

using arena::SliceKind;
using store::PartGuard;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// The lock that guards the record of a slice of this kind in `store`.
os::Lock& LockOf(Store& store, SliceKind kind, SizeClass size_class) noexcept {
    return kind == SliceKind::kSlab ? store.ClassAt(size_class).depot.lock : store.runs_lock;
}

// Finds the live block of `heap` that starts at `pointer`. With the lock that guards them held, the
// records of this heap cannot vanish; those of others are not touched. REQUIRES: the lock, which
// was chosen when the slice was of this kind and class.
STRATA_INLINE bool FindLocked(const Heap& heap, const void* pointer, Place place, SliceKind kind,
                              SizeClass size_class, Block& block) noexcept {
    if (place.Kind() != kind) return false;
    if (kind == SliceKind::kSlab && place.entry().size_class.load(kRelaxed) != Index(size_class)) {
        return false;  // another slab by now, under another lock
    }
    if (arena::g_arenas.OwnerOf(AddressOf(pointer)) != heap.owner) return false;
    if (kind == SliceKind::kGuarded) return place.FindGuarded(pointer, block);
    return place.FindBlock(pointer, block) && block.heap == &heap &&
           block.requested <= block.usable;
}

// Calls visit(Block&) for the live block of `heap` that starts at `pointer`, and returns its
// answer; false when there is no such block.
template <typename Visit>
bool VisitLiveBlock(Heap& heap, const void* pointer, Visit visit) noexcept {
    Block block;
    if (heap.region != nullptr) {
        const store::RegionGuard guard(heap);
        return RegionBlocks::FindLocked(heap, pointer, block) && visit(block);
    }
    const Place place = Place::Of(pointer);
    if (!place.IsOwn()) return false;
    const SliceKind kind = place.entry().kind.load(std::memory_order_acquire);
    if (kind != SliceKind::kSlab && kind != SliceKind::kRun && kind != SliceKind::kGuarded) {
        return false;
    }
    const auto size_class = static_cast<SizeClass>(place.entry().size_class.load(kRelaxed));
    for (Store& store : heap.stores()) {
        const PartGuard guard(store, LockOf(store, kind, size_class));
        if (FindLocked(heap, pointer, place, kind, size_class, block)) return visit(block);
    }
    return false;
}

}  // namespace

size_t RequestedSize(const void* pointer) noexcept {
    return RequireBlock(os::Operation::kSize, pointer, Place::Of(pointer), nullptr).requested;
}

size_t UsableSize(const void* pointer) noexcept {
    const Block block = RequireBlock(os::Operation::kSize, pointer, Place::Of(pointer), nullptr);
    return UsableOf(block);
}

bool IsLiveBlock(Heap& heap, const void* pointer, size_t* requested) noexcept {
    return VisitLiveBlock(heap, pointer, [&](const Block& block) noexcept {
        if (requested != nullptr) *requested = block.requested;
        return true;
    });
}

bool IsIntactBlock(Heap& heap, const void* pointer) noexcept {
    return VisitLiveBlock(heap, pointer,
                          [](const Block& block) noexcept { return IsIntact(block); });
}

bool GetUserRecord(Heap& heap, const void* pointer, UserRecord& record, bool* found) noexcept {
    return VisitLiveBlock(heap, pointer, [&](const Block& block) noexcept {
        if (found != nullptr) *found = block.user != nullptr;
        record = block.user != nullptr ? *block.user : UserRecord{};
        return true;
    });
}

bool SetUserValue(Heap& heap, void* pointer, void* value) noexcept {
    return VisitLiveBlock(heap, pointer, [&](const Block& block) noexcept {
        if (block.user == nullptr) return false;
        block.user->value = value;
        return true;
    });
}

bool SetUserFlags(Heap& heap, void* pointer, uint32_t reset, uint32_t set) noexcept {
    return VisitLiveBlock(heap, pointer, [&](Block& block) noexcept {
        if (block.user == nullptr && set == 0) return true;  // none is set
        if (block.user == nullptr &&
            !ByKind(block, [&](auto kind) noexcept { return kind.AddUserRecord(block); })) {
            return false;
        }
        block.user->flags = (block.user->flags & ~reset) | set;
        return true;
    });
}

Heap* HeapOfLiveBlock(const void* pointer) noexcept {
    const SliceKind kind = Place::Of(pointer).Kind();
    // Slices have an owner to ask for where a slab is, or a run begins.
    const bool owned =
        kind == SliceKind::kSlab || kind == SliceKind::kRun || kind == SliceKind::kGuarded;
    Heap* const heap = owned ? store::PinOwner(arena::g_arenas.OwnerOf(AddressOf(pointer)))
                             : store::PinRegionHeap(pointer);
    if (heap == nullptr) return nullptr;
    const bool live = IsLiveBlock(*heap, pointer, nullptr);
    store::Unpin(*heap);
    return live ? heap : nullptr;
}

}  // namespace strata::heap
