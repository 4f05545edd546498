// Questions about pointers of which nothing is known, also against other threads' frees: answered
// with the lock held that guards the block's record, if it is one of the heap that is asked about.
#include "heap/block.h"
#include "heap/guarded.h"
#include "heap/heap.h"
#include "heap/parts.h"
#include "heap/registry.h"
#include "heap/tail.h"

namespace strata::heap {

namespace {

using arena::SliceEntry;
using arena::SliceKind;

constexpr auto kRelaxed = std::memory_order_relaxed;

// VisitLiveBlock for a guarded block.
template <typename Visit>
STRATA_NOINLINE bool VisitGuardedBlock(Heap& heap, const void* pointer, Visit visit) noexcept {
    const PartGuard guard(heap, heap.runs_lock);
    const uintptr_t address = AddressOf(pointer);
    const SliceEntry& entry = *arena::g_slice_map.EntryAt(address);
    // With the lock held, the records of this heap cannot vanish; those of others are not touched.
    if (entry.kind.load(kRelaxed) != SliceKind::kGuarded ||
        arena::g_arenas.OwnerOf(address) != heap.owner) {
        return false;
    }
    Block block;
    return FindGuarded(pointer, block) && visit(block);
}

// Calls visit(Block&) for the live block of `heap` that starts at `pointer`, and returns its answer;
// false when there is no such block.
template <typename Visit>
bool VisitLiveBlock(Heap& heap, const void* pointer, Visit visit) noexcept {
    Block block;
    if (heap.region != nullptr) {
        const PartGuard guard(heap, heap.runs_lock);
        return FindRegionBlock(heap, pointer, block) && visit(block);
    }
    const uintptr_t address = AddressOf(pointer);
    const SliceEntry* entry = arena::g_slice_map.Find(address);
    if (entry == nullptr) return false;
    const SliceKind kind = entry->kind.load(std::memory_order_acquire);
    if (kind != SliceKind::kSlab && kind != SliceKind::kRun) {
        return kind == SliceKind::kGuarded && VisitGuardedBlock(heap, pointer, visit);
    }
    // With the lock that guards them held, the records of this heap cannot vanish; those of other
    // heaps are not touched.
    const auto size_class = static_cast<SizeClass>(entry->size_class.load(kRelaxed));
    os::Lock& lock =
        kind == SliceKind::kSlab ? heap.classes[Index(size_class)].depot.lock : heap.runs_lock;
    const PartGuard guard(heap, lock);
    if (entry->kind.load(kRelaxed) != kind) return false;
    if (kind == SliceKind::kSlab && entry->size_class.load(kRelaxed) != Index(size_class)) {
        return false;  // another slab by now, under another lock
    }
    if (arena::g_arenas.OwnerOf(address) != heap.owner) return false;
    if (!FindBlock(pointer, block) || block.heap != &heap || block.requested > block.usable) {
        return false;
    }
    return visit(block);
}

// Makes a user record beside a block that has none. False when there is no room for it.
bool AddUserRecord(Block& block, void* pointer) noexcept {
    if (block.run != nullptr) {
        block.run->user = UserRecord{};
        block.run->has_user.store(true, std::memory_order_relaxed);
        block.user = &block.run->user;
        return true;
    }
    if (block.guarded != nullptr) {
        block.guarded->user = UserRecord{};
        block.guarded->has_user.store(true, std::memory_order_relaxed);
        block.user = &block.guarded->user;
        return true;
    }
    const size_t kept = block.requested + block.heap->TailOf();
    if (block.slab == nullptr || block.usable - kept < sizeof(UserRecord)) return false;
    char* const end = static_cast<char*>(pointer) + block.usable;
    StoreLiveUser(block.state, end, nullptr, 0,
                  static_cast<uint32_t>(block.usable - block.requested));
    if (block.heap->hardened) {
        FillTailOf(*block.heap, {static_cast<char*>(pointer), block.requested, block.usable, true});
    }
    block.user = reinterpret_cast<UserRecord*>(end - sizeof(UserRecord));
    return true;
}

}  // namespace

bool IsLiveBlock(Heap& heap, const void* pointer, size_t* requested) noexcept {
    return VisitLiveBlock(heap, pointer, [&](const Block& block) noexcept {
        if (requested != nullptr) *requested = block.requested;
        return true;
    });
}

bool IsIntactBlock(Heap& heap, const void* pointer) noexcept {
    return VisitLiveBlock(
        heap, pointer, [&](const Block& block) noexcept { return HasIntactTail(block, pointer); });
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
        if (block.user == nullptr && !AddUserRecord(block, pointer)) return false;
        block.user->flags = (block.user->flags & ~reset) | set;
        return true;
    });
}

Heap* HeapOfLiveBlock(const void* pointer) noexcept {
    const SliceEntry* const entry = arena::g_slice_map.Find(AddressOf(pointer));
    const SliceKind kind = entry == nullptr ? SliceKind::kNone : entry->kind.load(kRelaxed);
    // Slices have an owner to ask for where a slab is, or a run begins.
    const bool owned =
        kind == SliceKind::kSlab || kind == SliceKind::kRun || kind == SliceKind::kGuarded;
    Heap* const heap =
        owned ? PinOwner(arena::g_arenas.OwnerOf(AddressOf(pointer))) : PinRegionHeap(pointer);
    if (heap == nullptr) return nullptr;
    const bool live = IsLiveBlock(*heap, pointer, nullptr);
    Unpin(*heap);
    return live ? heap : nullptr;
}

}  // namespace strata::heap
