#include "heap/slab_blocks.h"

#include "cache/refill.h"
#include "heap/purge.h"
#include "heap/reclaim.h"
#include "heap/tail.h"
#include "os/fatal.h"
#include "store/exchange.h"
#include "store/quarantine.h"

namespace strata::heap {

using slab::Slab;
using store::PartGuard;

namespace {

SlabBlock AsSlabBlock(const Block& block, size_t requested, bool user) noexcept {
    return {static_cast<char*>(block.pointer), requested, block.usable, user};
}

// Finish with a user record, and in heaps with checks.
void* FinishWith(Heap& heap, const slab::FreeBlock& block, SizeClass size_class, size_t bytes,
                 const AllocateOptions& options) noexcept {
    const uint32_t usable = InfoOf(size_class).usable;
    if (heap.check_free && IsFreeDirty(LoadState(block.state))) {
        const size_t changed = FindChangedFill(block.block, usable);
        if (changed != usable) os::FatalWriteAfterFree(block.block, &heap, changed);
    }
    SlabBlocks::Finish(block, size_class, bytes, options.zero);
    if (options.user != nullptr) {
        StoreLiveUser(block.state, At<char>(block.block, usable), options.user->value,
                      options.user->flags, static_cast<uint32_t>(usable - bytes));
    }
    if (heap.check_tail) {
        FillTailOf(heap, {static_cast<char*>(block.block), bytes, usable, options.user != nullptr});
    }
    return block.block;
}

// A block of a heap whose blocks are looked at one by one. Under the lock from the slab to the
// tail: who looks at the heap sees all of it, or nothing.
void* TryAllocateChecked(Heap& heap, SizeClass size_class, size_t bytes,
                         const AllocateOptions& options) noexcept {
    slab::FreeBlock block;
    Store& store = heap.home();
    store::ClassStore& part = store.ClassAt(size_class);
    const PartGuard guard(store, part);
    if (store::TakeBlocksLocked(store, part, size_class, &block, 1) != 1) return nullptr;
    return FinishWith(heap, block, size_class, bytes, options);
}

STRATA_NOINLINE void* AllocateChecked(Heap& heap, SizeClass size_class, size_t bytes,
                                      const AllocateOptions& options) noexcept {
    PurgeTick(heap);
    void* const block = TryAllocateChecked(heap, size_class, bytes, options);
    if (block != nullptr || !ReclaimIfRefused(&heap)) return block;
    return TryAllocateChecked(heap, size_class, bytes, options);
}

STRATA_INLINE bool TryTakeBlock(Heap& heap, SizeClass size_class, slab::FreeBlock& block) noexcept {
    const cache::OwnBin own = cache::BinFor(heap, size_class);
    bool passed = false;
    if (own.bin != nullptr) {
        if (own.bin->Pop(block)) return true;
        passed = cache::IsTickDue(heap, own, size_class, cache::Sides::kAlloc) && PurgeTick(heap);
    }
    return cache::TakeBlock(heap, own, size_class, block, passed);
}

STRATA_COLD bool TakeBlockAfterReclaim(Heap& heap, SizeClass size_class,
                                       slab::FreeBlock& block) noexcept {
    return ReclaimIfRefused(&heap) && TryTakeBlock(heap, size_class, block);
}

// A block of a heap without checks, through the thread's magazines; false when memory is short.
STRATA_INLINE bool TakeBlock(Heap& heap, SizeClass size_class, slab::FreeBlock& block) noexcept {
    return STRATA_LIKELY(TryTakeBlock(heap, size_class, block)) ||
           TakeBlockAfterReclaim(heap, size_class, block);
}

}  // namespace

BlockInfo SlabBlocks::Describe(const Slab& slab, const void* pointer) noexcept {
    BlockInfo info;
    info.status = BlockStatus::kUnallocated;
    const uint32_t index = slab.IndexOf(pointer);
    if (index >= slab.blocks) return info;  // behind the last block
    // A slab that a heap left behind when it ended has no blocks.
    if (slab.heap->life.load(std::memory_order_relaxed) != Heap::Life::kAlive) {
        if (slab.BlockAt(index) == pointer) info.status = BlockStatus::kEnded;
        return info;
    }
    const uint8_t state = LoadState(slab.states + index);
    info.heap = slab.heap;
    info.block = slab.BlockAt(index);
    info.usable = slab.usable();
    info.status = info.block != pointer ? BlockStatus::kInterior
                  : IsLive(state)       ? BlockStatus::kLive
                                        : BlockStatus::kFreed;
    if (info.status == BlockStatus::kLive) {
        info.requested = info.usable - LoadSlack(state, slab.BlockAt(index) + info.usable);
    }
    return info;
}

bool SlabBlocks::ClassFor(Heap& heap, size_t needed, size_t alignment,
                          SizeClass& size_class) noexcept {
    if (alignment > kMinAlignment || needed > kMaxSlabBlock) {
        return AlignedClassOf(needed, alignment, size_class);
    }
    size_class = ClassOf(needed);
    if (heap.is_unchecked) size_class = heap.home().ClassToUse(size_class);
    return true;
}

void* SlabBlocks::Finish(const slab::FreeBlock& block, SizeClass size_class, size_t bytes,
                         bool zero) noexcept {
    const uint32_t usable = InfoOf(size_class).usable;
    if (zero && LoadState(block.state) != static_cast<uint8_t>(State::kFreeZero)) {
        std::memset(block.block, 0, bytes);
    }
    StoreLive(block.state, At<char>(block.block, usable), static_cast<uint32_t>(usable - bytes));
    return block.block;
}

void* SlabBlocks::AllocateUnchecked(Heap& heap, SizeClass size_class, size_t bytes,
                                    bool zero) noexcept {
    os::RequireStack(os::kStackForCall);
    slab::FreeBlock block;
    if (!TakeBlock(heap, size_class, block)) return nullptr;
    return Finish(block, size_class, bytes, zero);
}

void* SlabBlocks::AllocateOf(Heap& heap, SizeClass size_class, size_t bytes,
                             const AllocateOptions& options) noexcept {
    if (!heap.is_unchecked) return AllocateChecked(heap, size_class, bytes, options);
    slab::FreeBlock block;
    if (!TakeBlock(heap, size_class, block)) return nullptr;
    return FinishWith(heap, block, size_class, bytes, options);
}

// Under one lock, so that who looks at the heap sees a free block with its fill, or a live one.
void SlabBlocks::FreeChecked(Block block) noexcept {
    Heap& heap = *block.heap;
    Store& store = *block.slab().store;
    const SizeClass size_class = block.slab().size_class;
    PurgeTick(heap);
    store::ClassStore& part = store.ClassAt(size_class);
    const PartGuard guard(store, part);
    if (!IsLive(LoadState(block.state))) {
        os::FatalDoubleFree(os::Operation::kFree, block.pointer, &heap, block.usable);
    }
    if (heap.check_free) FillFree(block.pointer, block.usable);
    StoreState(block.state, static_cast<uint8_t>(State::kFreeDirty));
    void* leaving = block.pointer;
    Slab* slab = &block.slab();
    if (heap.hardened) {
        leaving = store::PutInQuarantine(store, size_class, leaving);
        if (leaving == nullptr) return;
        slab = slab::SlabOf(*arena::g_slice_map.EntryAt(AddressOf(leaving)));
    }
    part.slabs.Put(*slab, leaving);
}

void SlabBlocks::FreeUnchecked(Slab& slab, void* pointer, StateByte* state) noexcept {
    Heap& heap = *slab.heap;
    const SizeClass size_class = slab.size_class;
    StoreState(state, static_cast<uint8_t>(State::kFreeDirty));
    const cache::OwnBin own = cache::BinFor(heap, size_class);
    bool passed = false;
    if (own.bin != nullptr) {
        if (own.bin->Push(pointer, state)) return;
        passed = cache::IsTickDue(heap, own, size_class, cache::Sides::kFree) && PurgeTick(heap);
    }
    if (cache::PutBlock(heap, own, size_class, {pointer, state}, passed)) PurgeTick(heap);
}

bool SlabBlocks::ResizeInPlace(Block block, size_t bytes, const ResizeOptions& options) noexcept {
    if (block.heap->is_unchecked) return ResizeUnchecked(block, bytes, options);
    Store& store = *block.slab().store;
    const PartGuard guard(store, store.ClassAt(block.slab().size_class));
    if (!ResizeUnchecked(block, bytes, options)) return false;
    if (block.heap->check_tail) {
        const bool user = HasUserRecord(LoadState(block.state));
        FillTailOf(*block.heap, AsSlabBlock(block, bytes, user));
    }
    return true;
}

bool SlabBlocks::ShouldStay(Block block, size_t bytes, const ResizeOptions& options) noexcept {
    if (bytes > block.requested || !options.may_move_smaller) return true;
    const size_t needed = bytes + (block.usable - Room(block));
    return needed > kMaxSlabBlock || !SavesEnough(block.usable, needed);
}

bool SlabBlocks::HasIntactTail(Block block) noexcept {
    return IsTailIntactOf(*block.heap, AsSlabBlock(block, block.requested, block.user != nullptr));
}

bool SlabBlocks::AddUserRecord(Block& block) noexcept {
    const size_t kept = block.requested + block.heap->TailOf();
    if (block.usable - kept < sizeof(UserRecord)) return false;
    char* const end = At<char>(block.pointer, block.usable);
    StoreLiveUser(block.state, end, nullptr, 0,
                  static_cast<uint32_t>(block.usable - block.requested));
    if (block.heap->hardened) FillTailOf(*block.heap, AsSlabBlock(block, block.requested, true));
    block.user = reinterpret_cast<UserRecord*>(end - sizeof(UserRecord));
    return true;
}

}  // namespace strata::heap
