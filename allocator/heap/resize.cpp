#include "heap/resize.h"

#include <cstring>

#include "heap/allocate.h"
#include "heap/free.h"
#include "heap/out_of_memory.h"
#include "heap/reclaim.h"

namespace strata::heap {

namespace {

// Into another block. nullptr, and nothing is done, when there is none.
STRATA_INLINE void* Move(const Block& block, size_t bytes, const ResizeOptions& options) noexcept {
    UserRecord record = block.user != nullptr ? *block.user : UserRecord{};
    ChangeFlags(record, block, bytes, options);
    AllocateOptions anew;
    anew.alignment = options.alignment;
    anew.grows = bytes > block.requested;
    if (block.user != nullptr || options.user) anew.user = &record;
    void* const moved = TryAllocateWith(*block.heap, bytes, anew);
    if (moved == nullptr) return nullptr;
    const size_t have = options.keep_usable ? UsableOf(block) : block.requested;
    const size_t kept = bytes < have ? bytes : have;
    std::memcpy(moved, block.pointer, kept);
    if (options.zero && bytes > kept) std::memset(At<char>(moved, kept), 0, bytes - kept);
    Free(block.heap, block.pointer);
    return moved;
}

bool ResizeInPlace(const Block& block, size_t bytes, const ResizeOptions& options) noexcept {
    return ByKind(block,
                  [&](auto kind) noexcept { return kind.ResizeInPlace(block, bytes, options); });
}

// What should not stay where it is, or could not be resized there. `can_stay`: should there be no
// other block, it may stay after all.
void* ResizeElsewhere(const Block& block, size_t bytes, const ResizeOptions& options,
                      bool can_stay) noexcept {
    if (!options.in_place) {
        if (void* const moved = Move(block, bytes, options)) return moved;
    } else if (!can_stay || !ReclaimIfRefused(block.heap)) {
        return FailWithNoMemory();
    }
    return can_stay && ResizeInPlace(block, bytes, options) ? block.pointer : FailWithNoMemory();
}

// What the common way leaves, and what it has found no room for. They find the block again, at the
// place that is known: handed over, it would lie in memory on the common way, too.

STRATA_NOINLINE void* ResizeSlow(Place place, void* pointer, size_t bytes,
                                 const ResizeOptions& options, bool can_stay) noexcept {
    const Block block = RequireBlock(os::Operation::kResize, pointer, place, nullptr);
    const auto should_stay = [&](auto kind) noexcept {
        return kind.ShouldStay(block, bytes, options);
    };
    if (can_stay && (options.in_place || ByKind(block, should_stay)) &&
        ResizeInPlace(block, bytes, options)) {
        return pointer;
    }
    return ResizeElsewhere(block, bytes, options, can_stay);
}

STRATA_NOINLINE void* ResizeWithoutRoom(Place place, void* pointer, size_t bytes,
                                        const ResizeOptions& options) noexcept {
    const Block block = RequireBlock(os::Operation::kResize, pointer, place, nullptr);
    return ResizeElsewhere(block, bytes, options, true);
}

}  // namespace

void* Resize(Heap* expected, void* pointer, size_t bytes, const ResizeOptions& options) noexcept {
    os::RequireStack(os::kStackForCall);
    const Place place = Place::Of(pointer);
    const Block block = RequireBlock(os::Operation::kResize, pointer, place, expected);
    RequireTail(os::Operation::kResize, block, place);
    const bool can_stay = bytes <= kMaxRequest &&
                          (options.in_place || (AddressOf(pointer) & (options.alignment - 1)) == 0);
    // The common case: a slab's block that stays, as it grows, or is not worth moving.
    const bool common =
        block.kind == BlockKind::kSlab && block.heap->is_unchecked && can_stay &&
        (bytes > block.requested || !options.may_move_smaller || block.usable < kLeastSaving);
    if (STRATA_UNLIKELY(!common)) return ResizeSlow(place, pointer, bytes, options, can_stay);
    if (STRATA_LIKELY(SlabBlocks::ResizeUnchecked(block, bytes, options))) return pointer;
    return ResizeWithoutRoom(place, pointer, bytes, options);
}

}  // namespace strata::heap
