#include "heap/region_blocks.h"

#include <cstring>

#include "base/fill.h"
#include "heap/purge.h"
#include "heap/reclaim.h"
#include "os/fatal.h"
#include "store/registry.h"

namespace strata::heap {

using slab::RegionBlock;

namespace {

BlockStatus StatusOf(RegionBlock::Status status) noexcept {
    switch (status) {
        case RegionBlock::Status::kLive:
            return BlockStatus::kLive;
        case RegionBlock::Status::kFree:
            return BlockStatus::kFreed;
        case RegionBlock::Status::kInterior:
            return BlockStatus::kInterior;
        case RegionBlock::Status::kNone:
            break;
    }
    return BlockStatus::kUnallocated;
}

void* TryAllocate(Heap& heap, const slab::RegionBlockRequest& request,
                  const AllocateOptions& options) noexcept {
    const store::RegionGuard guard(heap);
    void* const block = slab::AllocateInRegion(*heap.region, request, options.zero);
    if (block == nullptr) return nullptr;
    if (options.user != nullptr) {
        *slab::FindInRegion(*heap.region, block, heap.TailOf()).user = *options.user;
    }
    if (heap.check_tail) FillTail(At<char>(block, request.bytes));
    return block;
}

}  // namespace

bool RegionBlocks::FindLocked(Heap& heap, const void* pointer, Block& block) noexcept {
    const RegionBlock found = slab::FindInRegion(*heap.region, pointer, heap.TailOf());
    if (found.status != RegionBlock::Status::kLive) return false;
    block.kind = kKind;
    block.heap = &heap;
    block.pointer = const_cast<void*>(pointer);
    block.record = heap.region;
    block.user = found.user;
    block.requested = found.requested;
    block.usable = found.usable;
    return true;
}

BlockInfo RegionBlocks::Describe(Heap& heap, const void* pointer) noexcept {
    const store::RegionGuard guard(heap);
    const RegionBlock found = slab::FindInRegion(*heap.region, pointer, heap.TailOf());
    return {StatusOf(found.status), &heap, found.block, found.requested, found.usable};
}

Heap* RegionBlocks::HeapOf(const void* pointer) noexcept {
    Heap* const heap = store::PinRegionHeap(pointer);
    if (heap != nullptr) store::Unpin(*heap);
    return heap;
}

void* RegionBlocks::Allocate(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    const slab::RegionBlockRequest request = {
        .bytes = bytes,
        .alignment = options.alignment,
        .tail = heap.TailOf(),
        .user = options.user != nullptr,
    };
    PurgeTick(heap);
    void* const block = TryAllocate(heap, request, options);
    if (block != nullptr || !ReclaimIfRefused(&heap)) return block;
    return TryAllocate(heap, request, options);
}

void RegionBlocks::Free(Block block) noexcept {
    Heap& heap = *block.heap;
    PurgeTick(heap);
    const store::RegionGuard guard(heap);
    Block now;
    if (!FindLocked(heap, block.pointer, now)) {
        os::FatalDoubleFree(os::Operation::kFree, block.pointer, &heap, block.usable);
    }
    slab::FreeInRegion(*heap.region, block.pointer);
}

bool RegionBlocks::ResizeInPlace(Block block, size_t bytes, const ResizeOptions& options) noexcept {
    // It needs another block, unless it becomes smaller: then it stays as it is.
    if (options.user && block.user == nullptr && bytes >= block.requested) return false;
    Heap& heap = *block.heap;
    const store::RegionGuard guard(heap);
    if (!slab::ResizeInRegion(*heap.region, block.pointer, bytes, heap.TailOf(), options.zero)) {
        return false;
    }
    if (heap.check_tail) FillTail(At<char>(block.pointer, bytes));
    Block now;
    if (options.user && FindLocked(heap, block.pointer, now) && now.user != nullptr) {
        ChangeFlags(*now.user, block, bytes, options);
    }
    return true;
}

bool RegionBlocks::ShouldStay(Block, size_t, const ResizeOptions&) noexcept { return true; }

bool RegionBlocks::AddUserRecord(Block&) noexcept { return false; }

}  // namespace strata::heap
