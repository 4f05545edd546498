#include "heap/find_block.h"

namespace strata::heap {

using arena::SliceKind;

Block RequireBlockSlow(os::Operation operation, const void* pointer, Place place,
                       const Heap* expected) noexcept {
    Block block;
    if (place.FindGuarded(pointer, block) && (expected == nullptr || expected == block.heap)) {
        if (operation != os::Operation::kSize) GuardedBlocks::RequireIntact(operation, block);
        return block;
    }
    Heap* region_heap = const_cast<Heap*>(expected);
    if (region_heap == nullptr || region_heap->region == nullptr ||
        !region_heap->region->Contains(pointer)) {
        region_heap = RegionBlocks::HeapOf(pointer);
    }
    block = Block{};
    if (region_heap != nullptr && (expected == nullptr || expected == region_heap) &&
        RegionBlocks::Find(*region_heap, pointer, block)) {
        return block;
    }
    const BlockInfo info =
        region_heap != nullptr ? RegionBlocks::Describe(*region_heap, pointer) : Describe(pointer);
    // Only a slack in the block's own last bytes can be so wrong.
    if (info.status == BlockStatus::kLive && info.requested > info.usable) {
        os::FatalCorruptBlock(operation, pointer, info.heap, info.usable);
    }
    ReportBadPointer(operation, pointer, info, expected);
}

void RequireTailSlow(os::Operation operation, const void* pointer, Place place) noexcept {
    const Block block = RequireBlock(operation, pointer, place, nullptr);
    if (block.kind == BlockKind::kGuarded) return;
    if (IsIntact(block)) return;
    os::FatalTailOverrun(operation, block.pointer, block.heap, block.requested);
}

BlockInfo Describe(const void* pointer) noexcept {
    BlockInfo info;
    const Place place = Place::Of(pointer);
    if (!place.IsOwn() || place.Kind() == SliceKind::kRegion) {
        if (Heap* const heap = RegionBlocks::HeapOf(pointer)) {
            return RegionBlocks::Describe(*heap, pointer);
        }
        if (place.IsOwn()) info.status = BlockStatus::kUnallocated;
        return info;
    }
    switch (place.Kind()) {
        case SliceKind::kNone:
        case SliceKind::kRegion:
            info.status = arena::g_slice_map.WasBlock(AddressOf(pointer))
                              ? BlockStatus::kEnded
                              : BlockStatus::kUnallocated;
            return info;
        case SliceKind::kSlab:
            return SlabBlocks::Describe(*slab::SlabOf(place.entry()), pointer);
        case SliceKind::kRun:
        case SliceKind::kRunInterior:
            return RunBlocks::Describe(*slab::RunOf(place.entry()), pointer);
        case SliceKind::kGuarded:
        case SliceKind::kGuardBehind:
            return GuardedBlocks::Describe(*slab::GuardedOf(place.entry()), pointer);
    }
    return info;
}

void ReportBadPointer(os::Operation operation, const void* pointer, const BlockInfo& info,
                      const Heap* expected) noexcept {
    switch (info.status) {
        case BlockStatus::kFreed:
            os::FatalDoubleFree(operation, pointer, info.heap, info.usable);
        case BlockStatus::kInterior:
            os::FatalInteriorPointer(operation, pointer, info.block, info.heap, info.usable);
        case BlockStatus::kEnded:
            os::FatalEndedBlock(operation, pointer);
        case BlockStatus::kUnallocated:
            os::FatalUnallocatedPointer(operation, pointer);
        case BlockStatus::kForeign:
            os::FatalForeignPointer(operation, pointer);
        case BlockStatus::kLive:
            break;
    }
    os::FatalWrongHeap(operation, pointer, expected, info.heap, info.requested);
}

}  // namespace strata::heap
