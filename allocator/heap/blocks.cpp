// Freeing and resizing blocks, and their sizes.
#include <cstring>

#include "heap/bins.h"
#include "heap/block.h"
#include "heap/guarded.h"
#include "heap/heap.h"
#include "heap/parked_runs.h"
#include "heap/quarantine.h"
#include "heap/runs.h"
#include "heap/tail.h"
#include "heap/tick.h"
#include "os/process.h"

namespace strata::heap {

namespace {

// Changes the requested size within the block's class. False when it does not fit.
STRATA_INLINE bool ResizeInSlab(Block& block, void* pointer, size_t bytes,
                                const ResizeOptions& options) noexcept {
    const bool user = options.user || block.user != nullptr;
    const size_t overhead = block.heap->TailOf() + (user ? sizeof(UserRecord) : size_t{0});
    if (overhead > block.usable || bytes > block.usable - overhead) return false;
    // Read before the zeroes, which may lie where another size keeps its slack.
    UserRecord record = block.user != nullptr ? *block.user : UserRecord{};
    record.flags |= options.user_flags;
    if (options.zero && bytes > block.requested) {
        std::memset(At<char>(pointer, block.requested), 0, bytes - block.requested);
    }
    void* const end = At<char>(pointer, block.usable);
    const auto slack = static_cast<uint32_t>(block.usable - bytes);
    if (user) {
        StoreLiveUser(block.state, end, record.value, record.flags, slack);
    } else {
        StoreLive(block.state, end, slack);
    }
    return true;
}

bool ResizeRun(Block& block, size_t bytes, const ResizeOptions& options) noexcept {
    // Those who walk the heap see the run before or after, never in between.
    const PartGuard guard(*block.heap, block.heap->runs_lock);
    slab::LargeRun& run = *block.run;
    if (!slab::ResizeRun(run, bytes, options.zero)) return false;
    if (block.heap->check_tail) FillTail(run.base + bytes);
    if (!options.user) return true;
    if (!run.has_user.load(std::memory_order_relaxed)) run.user = UserRecord{};
    run.has_user.store(true, std::memory_order_relaxed);
    run.user.flags |= options.user_flags;
    return true;
}

bool ResizeRegionBlock(Block& block, void* pointer, size_t bytes,
                       const ResizeOptions& options) noexcept {
    if (options.user && block.user == nullptr) return false;  // it needs another block
    Heap& heap = *block.heap;
    const PartGuard guard(heap, heap.runs_lock);
    if (!slab::ResizeInRegion(*block.region, pointer, bytes, heap.TailOf(), options.zero)) {
        return false;
    }
    if (heap.check_tail) FillTail(At<char>(pointer, bytes));
    Block now;
    if (options.user && FindRegionBlock(heap, pointer, now)) now.user->flags |= options.user_flags;
    return true;
}

// Whether a block of `bytes` is better left where it is, though another class would do.
bool IsWorthKeeping(const Block& block, size_t bytes) noexcept {
    if (block.region != nullptr) return true;
    if (block.guarded != nullptr) return IsWellPlaced(block, bytes);
    if (block.run != nullptr) return bytes > kMaxSlabBlock;
    const size_t needed = bytes + (block.usable - block.Room());
    return needed > kMaxSlabBlock || ClassOf(needed) == block.slab->size_class ||
           needed * 2 >= block.usable;
}

// Finds the block again: handed over, it would lie in memory on the common way, too.
STRATA_NOINLINE bool ResizeInPlaceSlow(void* pointer, size_t bytes,
                                       const ResizeOptions& options) noexcept {
    Block block = RequireBlock(os::Operation::kResize, pointer, nullptr);
    if (block.region != nullptr) return ResizeRegionBlock(block, pointer, bytes, options);
    if (block.run != nullptr) return ResizeRun(block, bytes, options);
    if (block.guarded != nullptr) return ResizeGuarded(block, bytes, options);
    const PartGuard guard(*block.heap, block.slab->size_class);
    if (!ResizeInSlab(block, pointer, bytes, options)) return false;
    if (block.heap->check_tail) {
        const bool user = options.user || block.user != nullptr;
        FillTailOf(*block.heap, {static_cast<char*>(pointer), bytes, block.usable, user});
    }
    return true;
}

bool ResizeInPlace(Block& block, void* pointer, size_t bytes,
                   const ResizeOptions& options) noexcept {
    if (STRATA_LIKELY(block.slab != nullptr && block.heap->is_plain)) {
        return ResizeInSlab(block, pointer, bytes, options);
    }
    return ResizeInPlaceSlow(pointer, bytes, options);
}

// A slab's block of a heap with checks: under one lock, so that who looks at the heap sees a free block
// with its fill, or a live one.
void FreeChecked(Heap& heap, const Block& block, void* pointer) noexcept {
    const SizeClass size_class = block.slab->size_class;
    PurgeTick(heap);
    const PartGuard guard(heap, size_class);
    if (!IsLive(LoadState(block.state))) {
        os::FatalDoubleFree(os::Operation::kFree, pointer, &heap, block.usable);
    }
    if (heap.check_free) FillFree(pointer, block.usable);
    StoreState(block.state, static_cast<uint8_t>(State::kFreeDirty));
    slab::Slab* slab = block.slab;
    if (heap.hardened) {
        pointer = PutInQuarantine(heap, size_class, pointer);
        if (pointer == nullptr) return;
        const arena::SliceEntry& entry = *arena::g_slice_map.EntryAt(AddressOf(pointer));
        slab = static_cast<slab::Slab*>(entry.record.load(std::memory_order_relaxed));
    }
    heap.classes[Index(size_class)].slabs.Put(*slab, pointer);
}

void FreeRegionBlock(Heap& heap, const Block& block, void* pointer) noexcept {
    PurgeTick(heap);
    const PartGuard guard(heap, heap.runs_lock);
    Block now;
    if (!FindRegionBlock(heap, pointer, now)) {
        os::FatalDoubleFree(os::Operation::kFree, pointer, &heap, block.usable);
    }
    slab::FreeInRegion(*heap.region, pointer);
}

}  // namespace

void Free(Heap* expected, void* pointer) noexcept {
    const Block block = RequireBlock(os::Operation::kFree, pointer, expected);
    Heap& heap = *block.heap;
    RequireTail(os::Operation::kFree, block, pointer);
    if (STRATA_UNLIKELY(block.guarded != nullptr)) return FreeGuarded(block, pointer);
    if (block.region != nullptr) return FreeRegionBlock(heap, block, pointer);
    if (block.slab != nullptr) {
        if (STRATA_UNLIKELY(!heap.is_plain)) return FreeChecked(heap, block, pointer);
        const SizeClass size_class = block.slab->size_class;
        StoreState(block.state, static_cast<uint8_t>(State::kFreeDirty));
        GiveBlock(heap, BinFor(heap, size_class), size_class, {pointer, block.state});
        return;
    }
    if (STRATA_UNLIKELY(!MarkRunFree(heap, *block.run))) {
        os::FatalDoubleFree(os::Operation::kFree, pointer, &heap, block.usable);
    }
    PurgeTick(heap);
    if (ParkRun(heap, *block.run)) return;
    UnlinkRun(heap, *block.run);
    slab::FreeRun(block.run);
}

void* Resize(Heap* expected, void* pointer, size_t bytes, const ResizeOptions& options) noexcept {
    Block block = RequireBlock(os::Operation::kResize, pointer, expected);
    RequireTail(os::Operation::kResize, block, pointer);
    const bool aligned = (AddressOf(pointer) & (options.alignment - 1)) == 0;
    if (bytes <= kMaxRequest && (options.in_place || (aligned && IsWorthKeeping(block, bytes))) &&
        ResizeInPlace(block, pointer, bytes, options)) {
        return pointer;
    }
    if (options.in_place) {
        os::SetOutOfMemoryError();
        return nullptr;
    }
    UserRecord record = block.user != nullptr ? *block.user : UserRecord{};
    record.flags |= options.user_flags;
    AllocateOptions anew;
    anew.alignment = options.alignment;
    if (block.user != nullptr || options.user) anew.user = &record;
    void* moved = AllocateWith(*block.heap, bytes, anew);
    if (moved == nullptr) {
        // It only stood better elsewhere.
        const bool fits = block.guarded != nullptr && bytes <= block.requested && aligned;
        return fits && ResizeGuarded(block, bytes, options) ? pointer : nullptr;
    }
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
    if (block.heap->check_tail || block.guarded != nullptr) return block.requested;
    // The far slack stands in the block's last bytes, which are then not the caller's.
    const bool far = block.slab != nullptr && block.user == nullptr &&
                     block.usable - block.requested > kMaxNearSlack;
    const size_t room = block.Room();
    return far && room > block.usable - kFarSlackBytes ? block.usable - kFarSlackBytes : room;
}

}  // namespace strata::heap
