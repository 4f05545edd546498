#include "heap/guarded.h"

#include <cstring>

#include "heap/bins.h"
#include "heap/modes.h"
#include "heap/parts.h"
#include "heap/sampling.h"
#include "heap/tick.h"

namespace strata::heap {

namespace {

using slab::GuardedBlock;

constexpr auto kRelaxed = std::memory_order_relaxed;

void Link(Heap& heap, GuardedBlock& guarded) noexcept {
    const PartGuard guard(heap, heap.runs_lock);
    guarded.previous = nullptr;
    guarded.next = heap.guarded;
    if (guarded.next != nullptr) guarded.next->previous = &guarded;
    heap.guarded = &guarded;
    slab::SetGuardedOwner(guarded, heap.owner);
}

void Unlink(Heap& heap, GuardedBlock& guarded) noexcept {
    const PartGuard guard(heap, heap.runs_lock);
    (guarded.previous != nullptr ? guarded.previous->next : heap.guarded) = guarded.next;
    if (guarded.next != nullptr) guarded.next->previous = guarded.previous;
    slab::SetGuardedOwner(guarded, slab::kRunOwner);
}

// Of each kind of heap: which blocks are guarded ones.
bool Wants(const Heap& heap, size_t bytes) noexcept {
    if (heap.page_heap) return true;
    if (heap.hardened) return bytes > kMaxSlabBlock - kTailBytes;
    return heap.is_plain && IsSampleDue();
}

}  // namespace

STRATA_NOINLINE void* AllocateGuarded(Heap& heap, size_t bytes,
                                      const AllocateOptions& options) noexcept {
    if (options.alignment > kSliceSize || !Wants(heap, bytes)) return nullptr;
    PurgeTick(heap);
    slab::GuardedRequest request;
    request.bytes = bytes;
    request.alignment = options.alignment < kMinAlignment ? kMinAlignment : options.alignment;
    request.at_front = g_modes.guard_before;
    request.access = heap.access;
    request.heap = &heap;
    GuardedBlock* const guarded = slab::AllocateGuarded(request);
    if (guarded == nullptr) return nullptr;
    os::CaptureStack(guarded->allocated);
    if (options.user != nullptr) {
        guarded->user = *options.user;
        guarded->has_user.store(true, kRelaxed);
    }
    Link(heap, *guarded);
    return guarded->block;
}

bool FindGuarded(const void* pointer, Block& block) noexcept {
    const arena::SliceEntry* const entry = arena::g_slice_map.Find(AddressOf(pointer));
    if (entry == nullptr || entry->kind.load(kRelaxed) != arena::SliceKind::kGuarded) return false;
    auto* const guarded = static_cast<GuardedBlock*>(entry->record.load(kRelaxed));
    if (guarded->block != pointer || !guarded->live.load(kRelaxed)) return false;
    block = Block{};
    block.guarded = guarded;
    block.heap = static_cast<Heap*>(guarded->heap);
    block.requested = guarded->requested.load(kRelaxed);
    block.usable = guarded->room();
    if (guarded->has_user.load(kRelaxed)) block.user = &guarded->user;
    return true;
}

BlockInfo DescribeGuarded(const GuardedBlock& guarded, const void* pointer) noexcept {
    BlockInfo info;
    info.status = BlockStatus::kUnallocated;
    const size_t requested = guarded.requested.load(kRelaxed);
    const size_t offset = AddressOf(pointer) - AddressOf(guarded.block);
    if (offset != 0 && offset >= requested) return info;  // in a guard
    info.heap = static_cast<Heap*>(guarded.heap);
    info.block = guarded.block;
    info.requested = requested;
    info.usable = requested;
    info.status = offset != 0                   ? BlockStatus::kInterior
                  : guarded.live.load(kRelaxed) ? BlockStatus::kLive
                                                : BlockStatus::kFreed;
    return info;
}

void FreeGuarded(const Block& block, void* pointer) noexcept {
    Heap& heap = *block.heap;
    GuardedBlock& guarded = *block.guarded;
    os::StackTrace stack;
    os::CaptureStack(stack);
    if (!slab::MarkFree(guarded)) {
        os::FatalDoubleFree(os::Operation::kFree, pointer, &heap, block.requested);
    }
    guarded.freed = stack;
    PurgeTick(heap);
    Unlink(heap, guarded);
    slab::RetireGuarded(&guarded);
}

bool ResizeGuarded(Block& block, size_t bytes, const ResizeOptions& options) noexcept {
    // Those who walk the heap see the block before or after, never in between.
    const PartGuard guard(*block.heap, block.heap->runs_lock);
    GuardedBlock& guarded = *block.guarded;
    if (!slab::ResizeGuarded(guarded, bytes, options.zero)) return false;
    if (!options.user) return true;
    if (!guarded.has_user.load(kRelaxed)) guarded.user = UserRecord{};
    guarded.has_user.store(true, kRelaxed);
    const bool sets = bytes > block.requested || block.user == nullptr;
    if (sets && options.user_flags != 0) guarded.user.flags = options.user_flags;
    return true;
}

bool IsWellPlaced(const Block& block, size_t bytes) noexcept {
    const size_t room = block.guarded->room();
    if (bytes > room) return false;
    // As large a block as this one may stay where it is while it is half full: moving is dear.
    if (!block.heap->page_heap && bytes > kMaxSlabBlock) return bytes * 2 >= room;
    return room - bytes < kMinAlignment;
}

void RetireAllGuarded(Heap& heap) noexcept {
    while (GuardedBlock* const guarded = heap.guarded) {
        heap.guarded = guarded->next;
        slab::SetGuardedOwner(*guarded, slab::kRunOwner);
        if (slab::MarkFree(*guarded)) slab::RetireGuarded(guarded);
    }
}

}  // namespace strata::heap
