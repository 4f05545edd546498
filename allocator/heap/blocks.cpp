// From a pointer to its block: free, resize, sizes, and what to say of a pointer that is none.
#include <cstring>

#include "heap/bins.h"
#include "heap/fast_path.h"
#include "heap/heap.h"
#include "heap/registry.h"
#include "heap/runs.h"
#include "os/process.h"

namespace strata::heap {

namespace {

using arena::SliceEntry;
using arena::SliceKind;
using slab::LargeRun;
using slab::Slab;

constexpr auto kRelaxed = std::memory_order_relaxed;

// A live block as found by its pointer.
struct Block {
    Heap* heap = nullptr;
    Slab* slab = nullptr;  // one of the two
    LargeRun* run = nullptr;
    StateByte* state = nullptr;  // slab blocks
    size_t requested = 0;
    size_t usable = 0;
};

Slab* SlabOf(const SliceEntry& entry) noexcept {
    return static_cast<Slab*>(entry.record.load(kRelaxed));
}
LargeRun* RunOf(const SliceEntry& entry) noexcept {
    return static_cast<LargeRun*>(entry.record.load(kRelaxed));
}

// The live block that starts at `pointer`; false when none does.
bool FindBlock(const void* pointer, Block& block) noexcept {
    SliceEntry* entry;
    if (FindState(pointer, entry, block.state)) {
        const uint8_t state = LoadState(block.state);
        if (!IsLive(state)) return false;
        block.slab = SlabOf(*entry);
        block.heap = static_cast<Heap*>(block.slab->heap);
        block.usable = block.slab->usable();
        const char* end = static_cast<const char*>(pointer) + block.usable;
        block.requested = block.usable - LoadSlack(state, end);
        return true;
    }
    if (entry == nullptr || entry->kind.load(kRelaxed) != SliceKind::kRun) return false;
    LargeRun* run = RunOf(*entry);
    if (run->base != pointer || run->state.load(kRelaxed) != slab::RunState::kLive) return false;
    block.run = run;
    block.heap = static_cast<Heap*>(run->heap);
    block.requested = run->requested.load(kRelaxed);
    block.usable = run->usable();
    return true;
}

// The live block, or the end of the process.
Block RequireBlock(os::Operation operation, const void* pointer, const Heap* expected) noexcept {
    Block block;
    if (STRATA_UNLIKELY(!FindBlock(pointer, block))) {
        ReportBadPointer(operation, pointer, Describe(pointer), expected);
    }
    if (STRATA_UNLIKELY(expected != nullptr && block.heap != expected)) {
        os::FatalWrongHeap(operation, pointer, expected, block.heap, block.requested);
    }
    // Only a slack in the block's own last bytes can be so wrong.
    if (STRATA_UNLIKELY(block.requested > block.usable)) {
        os::FatalCorruptBlock(operation, pointer, block.heap, block.usable);
    }
    return block;
}

// Changes the requested size within the block's class. False when it does not fit.
bool ResizeInSlab(const Block& block, void* pointer, size_t bytes, bool zero) noexcept {
    if (bytes > block.usable) return false;
    if (zero && bytes > block.requested) {
        std::memset(At<char>(pointer, block.requested), 0, bytes - block.requested);
    }
    StoreLive(block.state, At<char>(pointer, block.usable),
              static_cast<uint32_t>(block.usable - bytes));
    return true;
}

// Whether a block of `bytes` is better left where it is, though another class would do.
bool IsWorthKeeping(const Block& block, size_t bytes) noexcept {
    if (block.run != nullptr) return bytes > kMaxSlabBlock;
    return bytes > kMaxSlabBlock || ClassOf(bytes) == block.slab->size_class ||
           bytes * 2 >= block.usable;
}

bool ResizeInPlace(const Block& block, void* pointer, size_t bytes, bool zero) noexcept {
    if (block.slab != nullptr) return ResizeInSlab(block, pointer, bytes, zero);
    // Those who walk the heap see the run before or after, never in between.
    const PartGuard guard(*block.heap, block.heap->runs_lock);
    return slab::ResizeRun(*block.run, bytes, zero);
}

}  // namespace

void Free(Heap* expected, void* pointer) noexcept {
    const Block block = RequireBlock(os::Operation::kFree, pointer, expected);
    if (block.slab != nullptr) {
        const SizeClass size_class = block.slab->size_class;
        StoreState(block.state, static_cast<uint8_t>(State::kFreeDirty));
        GiveBlock(*block.heap, BinFor(*block.heap, size_class), size_class, {pointer, block.state});
        return;
    }
    if (!slab::MarkFree(*block.run)) {
        os::FatalDoubleFree(os::Operation::kFree, pointer, block.heap, block.usable);
    }
    UnlinkRun(*block.heap, *block.run);
    slab::FreeRun(block.run);
    PurgeTick(*block.heap);
}

void* Resize(Heap* expected, void* pointer, size_t bytes, const ResizeOptions& options) noexcept {
    const Block block = RequireBlock(os::Operation::kResize, pointer, expected);
    const bool aligned = (AddressOf(pointer) & (options.alignment - 1)) == 0;
    if ((options.in_place || (aligned && IsWorthKeeping(block, bytes))) &&
        ResizeInPlace(block, pointer, bytes, options.zero)) {
        return pointer;
    }
    if (options.in_place) {
        os::SetOutOfMemoryError();
        return nullptr;
    }
    void* moved = AllocateAligned(*block.heap, options.alignment, bytes, false);
    if (moved == nullptr) return nullptr;
    const size_t kept = bytes < block.requested ? bytes : block.requested;
    std::memcpy(moved, pointer, kept);
    if (options.zero && bytes > kept) std::memset(At<char>(moved, kept), 0, bytes - kept);
    Free(block.heap, pointer);
    return moved;
}

size_t RequestedSize(const void* pointer) noexcept {
    return RequireBlock(os::Operation::kSize, pointer, nullptr).requested;
}

size_t UsableSize(const void* pointer) noexcept {
    const Block block = RequireBlock(os::Operation::kSize, pointer, nullptr);
    // The far slack stands in the block's last bytes, which are then not the caller's.
    const bool far = block.usable - block.requested > kMaxNearSlack;
    return block.slab != nullptr && far ? block.usable - kFarSlackBytes : block.usable;
}

BlockInfo Describe(const void* pointer) noexcept {
    BlockInfo info;
    const SliceEntry* entry = arena::g_slice_map.Find(AddressOf(pointer));
    if (entry == nullptr) return info;
    info.status = BlockStatus::kUnallocated;
    switch (entry->kind.load(kRelaxed)) {
        case SliceKind::kNone:
            return info;
        case SliceKind::kSlab: {
            const Slab& slab = *SlabOf(*entry);
            const uint32_t index = slab.IndexOf(pointer);
            if (index >= slab.blocks) return info;  // behind the last block
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
        case SliceKind::kRun:
        case SliceKind::kRunInterior: {
            const LargeRun& run = *RunOf(*entry);
            info.heap = static_cast<Heap*>(run.heap);
            info.block = run.base;
            info.usable = run.usable();
            info.requested = run.requested.load(kRelaxed);
            info.status = run.state.load(kRelaxed) != slab::RunState::kLive ? BlockStatus::kFreed
                          : run.base != pointer                             ? BlockStatus::kInterior
                                                                            : BlockStatus::kLive;
            return info;
        }
    }
    return info;
}

bool IsLiveBlock(Heap& heap, const void* pointer, size_t* requested) noexcept {
    const uintptr_t address = AddressOf(pointer);
    const SliceEntry* entry = arena::g_slice_map.Find(address);
    if (entry == nullptr) return false;
    const SliceKind kind = entry->kind.load(std::memory_order_acquire);
    if (kind != SliceKind::kSlab && kind != SliceKind::kRun) return false;
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
    if (arena::g_arenas.OwnerOf(address) != heap.serial.load(kRelaxed)) return false;
    Block block;
    if (!FindBlock(pointer, block) || block.heap != &heap || block.requested > block.usable) {
        return false;
    }
    if (requested != nullptr) *requested = block.requested;
    return true;
}

Heap* HeapOfLiveBlock(const void* pointer) noexcept {
    if (!Owns(pointer)) return nullptr;
    Heap* const heap = PinOwner(arena::g_arenas.OwnerOf(AddressOf(pointer)));
    if (heap == nullptr) return nullptr;
    const bool live = IsLiveBlock(*heap, pointer, nullptr);
    Unpin(*heap);
    return live ? heap : nullptr;
}

void ReportBadPointer(os::Operation operation, const void* pointer, const BlockInfo& info,
                      const Heap* expected) noexcept {
    switch (info.status) {
        case BlockStatus::kFreed:
            os::FatalDoubleFree(operation, pointer, info.heap, info.usable);
        case BlockStatus::kInterior:
            os::FatalInteriorPointer(operation, pointer, info.block, info.heap, info.usable);
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
