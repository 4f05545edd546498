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

STRATA_NOINLINE bool ResizeInPlace(Place place, void* pointer, size_t bytes,
                                   const ResizeOptions& options) noexcept {
    const Block block = RequireBlock(os::Operation::kResize, pointer, place, nullptr);
    return ByKind(block,
                  [&](auto kind) noexcept { return kind.ResizeInPlace(block, bytes, options); });
}

// These find the block again, at the place that is known: handed over, it would lie in memory on
// the common way, too.

// What could not be resized where it is at the first try, or should not. `can_stay`: should there
// be no other block, it may stay after all.
STRATA_NOINLINE void* ResizeElsewhere(Place place, void* pointer, size_t bytes,
                                      const ResizeOptions& options, bool can_stay) noexcept {
    if (!options.in_place) {
        const Block block = RequireBlock(os::Operation::kResize, pointer, place, nullptr);
        if (void* const moved = Move(block, bytes, options)) return moved;
    } else if (!can_stay ||
               !ReclaimIfRefused(
                   RequireBlock(os::Operation::kResize, pointer, place, nullptr).heap)) {
        return FailWithNoMemory();
    }
    return can_stay && ResizeInPlace(place, pointer, bytes, options) ? pointer : FailWithNoMemory();
}

STRATA_NOINLINE void* ResizeSlow(Place place, void* pointer, size_t bytes,
                                 const ResizeOptions& options, bool can_stay) noexcept {
    const Block block = RequireBlock(os::Operation::kResize, pointer, place, nullptr);
    const bool stays = can_stay && (options.in_place || ByKind(block, [&](auto kind) noexcept {
                                        return kind.ShouldStay(block, bytes, options);
                                    }));
    if (stays && ResizeInPlace(place, pointer, bytes, options)) return pointer;
    return ResizeElsewhere(place, pointer, bytes, options, can_stay);
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
    return ResizeElsewhere(place, pointer, bytes, options, can_stay);
}

}  // namespace strata::heap
