#include "heap/guarded_blocks.h"

#include "cache/sampling.h"
#include "heap/purge.h"
#include "os/fatal.h"
#include "store/heap_lock.h"
#include "store/modes.h"

namespace strata::heap {

using slab::GuardedBlock;
using store::PartGuard;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

void Link(GuardedBlock& guarded) noexcept {
    Store& store = *guarded.store;
    const PartGuard guard(store, store.runs_lock);
    guarded.previous = nullptr;
    guarded.next = store.guarded;
    if (guarded.next != nullptr) guarded.next->previous = &guarded;
    store.guarded = &guarded;
    slab::SetGuardedOwner(guarded, store.heap->owner);
}

void Unlink(GuardedBlock& guarded) noexcept {
    Store& store = *guarded.store;
    const PartGuard guard(store, store.runs_lock);
    (guarded.previous != nullptr ? guarded.previous->next : store.guarded) = guarded.next;
    if (guarded.next != nullptr) guarded.next->previous = guarded.previous;
    slab::SetGuardedOwner(guarded, slab::kRunOwner);
}

void SetUser(GuardedBlock& guarded, const UserRecord& record) noexcept {
    guarded.user = record;
    guarded.has_user.store(true, kRelaxed);
}

}  // namespace

bool GuardedBlocks::Wants(const Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    if (options.alignment > kSliceSize) return false;
    if (heap.page_heap) return true;
    if (heap.hardened) return bytes > kMaxSlabBlock - kTailBytes;
    return heap.is_unchecked && cache::IsSampleDue();
}

bool GuardedBlocks::Find(const arena::SliceEntry& entry, const void* pointer,
                         Block& block) noexcept {
    GuardedBlock& guarded = *slab::GuardedOf(entry);
    if (guarded.block != pointer || !guarded.live.load(kRelaxed)) return false;
    block.kind = kKind;
    block.pointer = guarded.block;
    block.record = &guarded;
    block.heap = guarded.heap;
    block.requested = guarded.requested.load(kRelaxed);
    block.usable = guarded.room();
    if (guarded.has_user.load(kRelaxed)) block.user = &guarded.user;
    return true;
}

BlockInfo GuardedBlocks::Describe(const GuardedBlock& guarded, const void* pointer) noexcept {
    BlockInfo info;
    info.status = BlockStatus::kUnallocated;
    const size_t requested = guarded.requested.load(kRelaxed);
    const size_t offset = AddressOf(pointer) - AddressOf(guarded.block);
    if (offset != 0 && offset >= requested) return info;  // in a guard
    info.heap = guarded.heap;
    info.block = guarded.block;
    info.requested = requested;
    info.usable = requested;
    info.status = offset != 0                   ? BlockStatus::kInterior
                  : guarded.live.load(kRelaxed) ? BlockStatus::kLive
                                                : BlockStatus::kFreed;
    return info;
}

void GuardedBlocks::RequireIntact(os::Operation operation, const Block& block) noexcept {
    switch (slab::FindOverwritten(block.guarded())) {
        case slab::Overwritten::kNothing:
            return;
        case slab::Overwritten::kBefore:
            os::FatalUnderrun(operation, block.pointer, block.heap, block.requested);
        case slab::Overwritten::kBehind:
            os::FatalTailOverrun(operation, block.pointer, block.heap, block.requested);
    }
}

void* GuardedBlocks::Allocate(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    PurgeTick(heap);
    GuardedBlock* const guarded = slab::AllocateGuarded({
        .bytes = bytes,
        .alignment = options.alignment < kMinAlignment ? kMinAlignment : options.alignment,
        .at_front = store::g_modes.guard_before,
        .access = heap.access,
        .heap = &heap,
        .store = &heap.home(),
    });
    if (guarded == nullptr) return nullptr;
    os::CaptureStack(guarded->allocated);
    if (options.user != nullptr) SetUser(*guarded, *options.user);
    Link(*guarded);
    return guarded->block;
}

void GuardedBlocks::Free(Block block) noexcept {
    GuardedBlock& guarded = block.guarded();
    os::StackTrace stack;
    os::CaptureStack(stack);
    if (!slab::MarkFree(guarded)) {
        os::FatalDoubleFree(os::Operation::kFree, block.pointer, block.heap, block.requested);
    }
    guarded.freed = stack;
    PurgeTick(*block.heap);
    Unlink(guarded);
    slab::RetireGuarded(&guarded);
}

bool GuardedBlocks::ResizeInPlace(Block block, size_t bytes,
                                  const ResizeOptions& options) noexcept {
    // Those who walk the heap see the block before or after, never in between.
    GuardedBlock& guarded = block.guarded();
    const PartGuard guard(*guarded.store, guarded.store->runs_lock);
    if (!slab::ResizeGuarded(guarded, bytes, options.zero)) return false;
    if (!options.user) return true;
    if (!guarded.has_user.load(kRelaxed)) guarded.user = UserRecord{};
    guarded.has_user.store(true, kRelaxed);
    ChangeFlags(guarded.user, block, bytes, options);
    return true;
}

// A page heap's blocks stand against their guards; others only where they are larger.
bool GuardedBlocks::ShouldStay(Block block, size_t bytes, const ResizeOptions&) noexcept {
    if (!block.heap->page_heap && bytes <= block.requested) return true;
    const size_t room = block.usable;
    if (bytes > room) return false;
    // As large a block as this one may stay where it is while it is half full: moving is dear.
    if (!block.heap->page_heap && bytes > kMaxSlabBlock) return bytes * 2 >= room;
    return room - bytes < kMinAlignment;
}

bool GuardedBlocks::IsIntact(Block block) noexcept {
    return slab::FindOverwritten(block.guarded()) == slab::Overwritten::kNothing;
}

bool GuardedBlocks::AddUserRecord(Block& block) noexcept {
    SetUser(block.guarded(), UserRecord{});
    block.user = &block.guarded().user;
    return true;
}

// Nobody else has the heap.
void GuardedBlocks::DestroyAll(Store& store) noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    while (GuardedBlock* const guarded = store.guarded) {
        store.guarded = guarded->next;
        slab::SetGuardedOwner(*guarded, slab::kRunOwner);
        if (slab::MarkFree(*guarded)) slab::RetireGuarded(guarded);
    }
}

}  // namespace strata::heap
