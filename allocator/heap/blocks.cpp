// Freeing and resizing blocks, and their sizes.
#include <cstring>

#include "heap/bins.h"
#include "heap/block.h"
#include "heap/guarded.h"
#include "heap/heap.h"
#include "heap/parked_runs.h"
#include "heap/parts.h"
#include "heap/quarantine.h"
#include "heap/reclaim.h"
#include "heap/runs.h"
#include "heap/tail.h"
#include "heap/tick.h"
#include "os/process.h"

namespace strata::heap {

namespace {

// As Windows has it (ReactOS's tests of RtlReAllocateHeap): a call that names user flags sets just
// these if the block grows, and changes none if it does not. A block that had no record gets one
// with them, if there is room.
void ChangeFlags(UserRecord& record, const Block& block, size_t bytes,
                 const ResizeOptions& options) noexcept {
    const bool sets = bytes > block.requested || block.user == nullptr;
    if (options.user_flags != 0 && sets) record.flags = options.user_flags;
}

// Changes the requested size within the block's class. False when it does not fit.
STRATA_INLINE bool ResizeInSlab(Block& block, void* pointer, size_t bytes,
                                const ResizeOptions& options) noexcept {
    bool user = options.user || block.user != nullptr;
    const size_t tail = block.heap->TailOf();
    // One that becomes smaller stays, with or without room for what it never had.
    if (user && block.user == nullptr && bytes < block.requested) {
        user = bytes + tail + sizeof(UserRecord) <= block.usable;
    }
    const size_t overhead = tail + (user ? sizeof(UserRecord) : size_t{0});
    if (overhead > block.usable || bytes > block.usable - overhead) return false;
    // Read before the zeroes, which may lie where another size keeps its slack.
    UserRecord record = block.user != nullptr ? *block.user : UserRecord{};
    ChangeFlags(record, block, bytes, options);
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
    ChangeFlags(run.user, block, bytes, options);
    return true;
}

bool ResizeRegionBlock(Block& block, void* pointer, size_t bytes,
                       const ResizeOptions& options) noexcept {
    // It needs another block, unless it becomes smaller: then it stays as it is.
    if (options.user && block.user == nullptr && bytes >= block.requested) return false;
    Heap& heap = *block.heap;
    const PartGuard guard(heap, heap.runs_lock);
    if (!slab::ResizeInRegion(*block.region, pointer, bytes, heap.TailOf(), options.zero)) {
        return false;
    }
    if (heap.check_tail) FillTail(At<char>(pointer, bytes));
    Block now;
    if (options.user && FindRegionBlock(heap, pointer, now) && now.user != nullptr) {
        ChangeFlags(*now.user, block, bytes, options);
    }
    return true;
}

// What the caller may write. The far slack stands in the block's last bytes, which are then not
// his.
size_t UsableOf(const Block& block) noexcept {
    if (block.heap->check_tail || block.guarded != nullptr) return block.requested;
    const bool far = block.slab != nullptr && block.user == nullptr &&
                     block.usable - block.requested > kMaxNearSlack;
    const size_t room = block.Room();
    return far && room > block.usable - kFarSlackBytes ? block.usable - kFarSlackBytes : room;
}

// Whether a smaller block elsewhere would save a quarter of this one, and kLeastSaving. A run gives
// its pages back where it is, but needs a slice for itself: it moves to where it shares one; and
// out of a reservation of its own, if hardly anything of that is left in use.
bool SavesEnough(const Block& block, size_t bytes) noexcept {
    if (block.region != nullptr || block.guarded != nullptr) return false;
    const size_t needed = bytes + (block.usable - block.Room());
    if (needed > kMaxSlabBlock) {
        return block.run != nullptr && block.run->direct &&
               needed <= block.run->capacity() / kReservationShare;
    }
    const size_t saved = block.usable - InfoOf(ClassOf(needed)).usable;
    return saved >= kLeastSaving && saved >= block.usable / 4;
}

// Whether the block is to be resized where it is, if it has the room.
bool ShouldStay(const Block& block, size_t bytes, const ResizeOptions& options) noexcept {
    // A page heap's blocks stand against their guards; others only where they are larger.
    if (block.guarded != nullptr && (block.heap->page_heap || bytes > block.requested)) {
        return IsWellPlaced(block, bytes);
    }
    return bytes > block.requested || !options.may_move_smaller || !SavesEnough(block, bytes);
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
        const bool user = HasUserRecord(LoadState(block.state));
        FillTailOf(*block.heap, {static_cast<char*>(pointer), bytes, block.usable, user});
    }
    return true;
}

STRATA_INLINE bool ResizeInPlace(Block& block, void* pointer, size_t bytes,
                                 const ResizeOptions& options) noexcept {
    if (STRATA_LIKELY(block.slab != nullptr && block.heap->is_plain)) {
        return ResizeInSlab(block, pointer, bytes, options);
    }
    return ResizeInPlaceSlow(pointer, bytes, options);
}

// A slab's block of a heap with checks: under one lock, so that who looks at the heap sees a free
// block with its fill, or a live one.
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
    os::RequireStack(os::kStackForCall);
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

namespace {

STRATA_NOINLINE bool TryInPlaceAgain(Block& block, void* pointer, size_t bytes,
                                     const ResizeOptions& options) noexcept {
    return ResizeInPlace(block, pointer, bytes, options);
}

void* FailWithNoMemory() noexcept {
    os::SetOutOfMemoryError();
    return nullptr;
}

// Into another block, if it could not be resized where it is, or should not. `can_stay`: should
// there be no other, it may stay after all.
STRATA_NOINLINE void* ResizeElsewhere(Block& block, void* pointer, size_t bytes,
                                      const ResizeOptions& options, bool can_stay) noexcept {
    if (options.in_place) {
        const bool done = can_stay && ReclaimIfRefused(block.heap) &&
                          TryInPlaceAgain(block, pointer, bytes, options);
        return done ? pointer : FailWithNoMemory();
    }
    UserRecord record = block.user != nullptr ? *block.user : UserRecord{};
    ChangeFlags(record, block, bytes, options);
    AllocateOptions anew;
    anew.alignment = options.alignment;
    anew.grows = bytes > block.requested;
    if (block.user != nullptr || options.user) anew.user = &record;
    void* const moved = TryAllocateWith(*block.heap, bytes, anew);
    if (moved == nullptr) {
        const bool done = can_stay && TryInPlaceAgain(block, pointer, bytes, options);
        return done ? pointer : FailWithNoMemory();
    }
    const size_t have = options.keep_usable ? UsableOf(block) : block.requested;
    const size_t kept = bytes < have ? bytes : have;
    std::memcpy(moved, pointer, kept);
    if (options.zero && bytes > kept) std::memset(At<char>(moved, kept), 0, bytes - kept);
    Free(block.heap, pointer);
    return moved;
}

}  // namespace

void* Resize(Heap* expected, void* pointer, size_t bytes, const ResizeOptions& options) noexcept {
    os::RequireStack(os::kStackForCall);
    Block block = RequireBlock(os::Operation::kResize, pointer, expected);
    RequireTail(os::Operation::kResize, block, pointer);
    const bool can_stay = bytes <= kMaxRequest &&
                          (options.in_place || (AddressOf(pointer) & (options.alignment - 1)) == 0);
    if (STRATA_LIKELY(can_stay) && (options.in_place || ShouldStay(block, bytes, options)) &&
        ResizeInPlace(block, pointer, bytes, options)) {
        return pointer;
    }
    return ResizeElsewhere(block, pointer, bytes, options, can_stay);
}

size_t RequestedSize(const void* pointer) noexcept {
    return RequireBlock(os::Operation::kSize, pointer, nullptr).requested;
}

size_t UsableSize(const void* pointer) noexcept {
    return UsableOf(RequireBlock(os::Operation::kSize, pointer, nullptr));
}

}  // namespace strata::heap
