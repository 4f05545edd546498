#include "heap/block.h"

#include "heap/guarded.h"
#include "heap/parts.h"
#include "heap/registry.h"
#include "heap/tail.h"

namespace strata::heap {

namespace {

using arena::SliceEntry;
using arena::SliceKind;
using slab::LargeRun;
using slab::RegionBlock;
using slab::Slab;

constexpr auto kRelaxed = std::memory_order_relaxed;

Slab* SlabOf(const SliceEntry& entry) noexcept {
    return static_cast<Slab*>(entry.record.load(kRelaxed));
}
LargeRun* RunOf(const SliceEntry& entry) noexcept {
    return static_cast<LargeRun*>(entry.record.load(kRelaxed));
}

// The heap that cannot grow in whose region `pointer` lies, or nullptr. It is in the caller's use,
// as it has a pointer to a block in it; or the process is about to end.
Heap* RegionHeapOf(const void* pointer) noexcept {
    Heap* const heap = PinRegionHeap(pointer);
    if (heap != nullptr) Unpin(*heap);
    return heap;
}

BlockInfo DescribeInSlab(const Slab& slab, const void* pointer) noexcept {
    BlockInfo info;
    info.status = BlockStatus::kUnallocated;
    const uint32_t index = slab.IndexOf(pointer);
    if (index >= slab.blocks) return info;  // behind the last block
    // A slab that a heap left behind when it ended has no blocks.
    const auto* const heap = static_cast<const Heap*>(slab.heap);
    if (heap->life.load(kRelaxed) != Heap::Life::kAlive) {
        if (slab.BlockAt(index) == pointer) info.status = BlockStatus::kEnded;
        return info;
    }
    const uint8_t state = LoadState(slab.states + index);
    info.heap = static_cast<Heap*>(slab.heap);
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

BlockInfo DescribeRun(const LargeRun& run, const void* pointer) noexcept {
    BlockInfo info;
    info.heap = static_cast<Heap*>(run.heap);
    info.block = run.base;
    info.usable = run.usable();
    info.requested = run.requested.load(kRelaxed);
    info.status = !run.IsLive()         ? BlockStatus::kFreed
                  : run.base != pointer ? BlockStatus::kInterior
                                        : BlockStatus::kLive;
    return info;
}

BlockInfo DescribeInRegion(Heap& heap, const void* pointer) noexcept {
    BlockInfo info;
    const PartGuard guard(heap, heap.runs_lock);
    const RegionBlock found = slab::FindInRegion(*heap.region, pointer, heap.TailOf());
    info.heap = &heap;
    info.block = found.block;
    info.requested = found.requested;
    info.usable = found.usable;
    switch (found.status) {
        case RegionBlock::Status::kLive:
            info.status = BlockStatus::kLive;
            break;
        case RegionBlock::Status::kFree:
            info.status = BlockStatus::kFreed;
            break;
        case RegionBlock::Status::kInterior:
            info.status = BlockStatus::kInterior;
            break;
        case RegionBlock::Status::kNone:
            info.status = BlockStatus::kUnallocated;
            break;
    }
    return info;
}

void RequireNothingOverwritten(os::Operation operation, const Block& block) noexcept {
    const slab::GuardedBlock& guarded = *block.guarded;
    switch (slab::FindOverwritten(guarded)) {
        case slab::Overwritten::kNothing:
            return;
        case slab::Overwritten::kBefore:
            os::FatalUnderrun(operation, guarded.block, block.heap, block.requested);
        case slab::Overwritten::kBehind:
            os::FatalTailOverrun(operation, guarded.block, block.heap, block.requested);
    }
}

}  // namespace

bool FindRegionBlock(Heap& heap, const void* pointer, Block& block) noexcept {
    const RegionBlock found = slab::FindInRegion(*heap.region, pointer, heap.TailOf());
    if (found.status != RegionBlock::Status::kLive) return false;
    block.heap = &heap;
    block.region = heap.region;
    block.user = found.user;
    block.requested = found.requested;
    block.usable = found.usable;
    return true;
}

Block RequireBlockSlow(os::Operation operation, const void* pointer,
                       const Heap* expected) noexcept {
    Block block;
    if (FindGuarded(pointer, block) && (expected == nullptr || expected == block.heap)) {
        if (operation != os::Operation::kSize) RequireNothingOverwritten(operation, block);
        return block;
    }
    Heap* region_heap = const_cast<Heap*>(expected);
    if (region_heap == nullptr || region_heap->region == nullptr ||
        !region_heap->region->Contains(pointer)) {
        region_heap = RegionHeapOf(pointer);
    }
    block = Block{};
    if (region_heap != nullptr) {
        const PartGuard guard(*region_heap, region_heap->runs_lock);
        if (FindRegionBlock(*region_heap, pointer, block) &&
            (expected == nullptr || expected == region_heap)) {
            return block;
        }
    }
    const BlockInfo info =
        region_heap != nullptr ? DescribeInRegion(*region_heap, pointer) : Describe(pointer);
    // Only a slack in the block's own last bytes can be so wrong.
    if (info.status == BlockStatus::kLive && info.requested > info.usable) {
        os::FatalCorruptBlock(operation, pointer, info.heap, info.usable);
    }
    ReportBadPointer(operation, pointer, info, expected);
}

BlockInfo Describe(const void* pointer) noexcept {
    BlockInfo info;
    const SliceEntry* entry = arena::g_slice_map.Find(AddressOf(pointer));
    if (entry == nullptr || entry->kind.load(kRelaxed) == SliceKind::kRegion) {
        if (Heap* const heap = RegionHeapOf(pointer)) return DescribeInRegion(*heap, pointer);
        if (entry != nullptr) info.status = BlockStatus::kUnallocated;
        return info;
    }
    switch (entry->kind.load(kRelaxed)) {
        case SliceKind::kNone:
        case SliceKind::kRegion:
            info.status = arena::g_slice_map.WasBlock(AddressOf(pointer))
                              ? BlockStatus::kEnded
                              : BlockStatus::kUnallocated;
            return info;
        case SliceKind::kSlab:
            return DescribeInSlab(*SlabOf(*entry), pointer);
        case SliceKind::kRun:
        case SliceKind::kRunInterior:
            return DescribeRun(*RunOf(*entry), pointer);
        case SliceKind::kGuarded:
        case SliceKind::kGuardBehind:
            return DescribeGuarded(*static_cast<slab::GuardedBlock*>(entry->record.load(kRelaxed)),
                                   pointer);
    }
    return info;
}

bool HasIntactTail(const Block& block, const void* pointer) noexcept {
    if (block.guarded != nullptr) {
        return slab::FindOverwritten(*block.guarded) == slab::Overwritten::kNothing;
    }
    if (!block.heap->check_tail) return true;
    char* const bytes = static_cast<char*>(const_cast<void*>(pointer));
    if (block.slab == nullptr) return IsTailIntact(bytes + block.requested);
    return IsTailIntactOf(*block.heap,
                          {bytes, block.requested, block.usable, block.user != nullptr});
}

void RequireTailSlow(os::Operation operation, const void* pointer) noexcept {
    const Block block = RequireBlock(operation, pointer, nullptr);
    if (block.guarded == nullptr && !HasIntactTail(block, pointer)) {
        os::FatalTailOverrun(operation, pointer, block.heap, block.requested);
    }
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
