// Blocks, as the functions of this folder hand them on; and what every kind of block can do.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "base/fill.h"
#include "base/size_classes.h"
#include "base/state_byte.h"
#include "slab/slice_records.h"
#include "store/heap_record.h"

namespace strata::heap {

using store::Heap;
using store::Store;

enum class BlockKind : uint8_t {
    kNone,
    kSlab,     // one of a slab's blocks (slab_blocks.h)
    kRun,      // a large run (run_blocks.h)
    kRegion,   // cut from the region of a heap that cannot grow (region_blocks.h)
    kGuarded,  // on pages of its own, between guards (guarded_blocks.h)
};

// A live block, found by its address.
struct Block {
    BlockKind kind = BlockKind::kNone;
    Heap* heap = nullptr;
    void* pointer = nullptr;
    void* record = nullptr;      // by kind: see below
    StateByte* state = nullptr;  // of a slab's block
    UserRecord* user = nullptr;  // or none
    size_t requested = 0;
    size_t usable = 0;  // with what a slab's block holds behind the requested bytes

    slab::Slab& slab() const noexcept { return *static_cast<slab::Slab*>(record); }
    slab::LargeRun& run() const noexcept { return *static_cast<slab::LargeRun*>(record); }
    slab::Region& region() const noexcept { return *static_cast<slab::Region*>(record); }
    slab::GuardedBlock& guarded() const noexcept {
        return *static_cast<slab::GuardedBlock*>(record);
    }
};

// The general form of an allocation. `user`: what a user record beside the block holds at first;
// nullptr for none. Its flags can be changed, and its value, as long as the block lives.
struct AllocateOptions {
    size_t alignment = 16;
    bool zero = false;
    bool grows = false;  // it was smaller, and will probably grow again
    const UserRecord* user = nullptr;
};

struct ResizeOptions {
    bool zero = false;         // zero what lies past the old requested size
    bool in_place = false;     // or fail
    bool keep_usable = false;  // what moves is all of UsableSize, not the requested bytes alone
    // A smaller block may move where that saves enough (SavesEnough); else it stays where it is.
    bool may_move_smaller = false;
    size_t alignment = 16;    // of a moved block
    bool user = false;        // with a user record from now on; one that is there is kept anyway
    uint32_t user_flags = 0;  // its flags, if the block grows
};

// What stands at a pointer, without judgement.
// kEnded: a block was there, and its memory has been given back.
enum class BlockStatus : uint8_t { kLive, kFreed, kInterior, kEnded, kUnallocated, kForeign };
struct BlockInfo {
    BlockStatus status = BlockStatus::kForeign;
    Heap* heap = nullptr;         // kLive, kFreed, kInterior
    const void* block = nullptr;  // the start of the block it lies in
    size_t requested = 0;         // kLive
    size_t usable = 0;
};

// What each kind of block can do. The block is live and the caller's, unless stated otherwise. It
// is handed on by value: by address, it would lie in memory on the fast ways, too.
template <typename Kind>
concept BlockVerbs =
    requires(Block block, Block& changed, size_t bytes, const ResizeOptions& resize) {
        { Kind::kKind } -> std::convertible_to<BlockKind>;
        // Ends the process if another thread has freed the block meanwhile.
        { Kind::Free(block) } -> std::same_as<void>;
        // Changes the requested size; false, and nothing is done, when there is no room.
        { Kind::ResizeInPlace(block, bytes, resize) } -> std::same_as<bool>;
        // False when a block of `bytes` would be better off elsewhere.
        { Kind::ShouldStay(block, bytes, resize) } -> std::same_as<bool>;
        // How many bytes the caller may write.
        { Kind::Usable(block) } -> std::same_as<size_t>;
        // Whether the bytes around it that are not the caller's are as they were filled; true when
        // its heap does not fill.
        { Kind::IsIntact(block) } -> std::same_as<bool>;
        // Makes a user record beside a block that has none; false when there is no room for one.
        { Kind::AddUserRecord(changed) } -> std::same_as<bool>;
    };

// Verbs of blocks with nothing but a tail behind the requested bytes: runs and regions' blocks.
struct TailedBlocks {
    static STRATA_INLINE size_t Usable(Block block) noexcept {
        return block.heap->check_tail ? block.requested : block.usable;
    }
    static STRATA_INLINE bool IsIntact(Block block) noexcept {
        return !block.heap->check_tail || IsTailIntact(At<char>(block.pointer, block.requested));
    }
};

// As Windows has it (ReactOS's tests of RtlReAllocateHeap): a call that names user flags sets just
// these if the block grows, and changes none if it does not. A block that had no record gets one
// with them, if there is room.
inline void ChangeFlags(UserRecord& record, const Block& block, size_t bytes,
                        const ResizeOptions& options) noexcept {
    const bool sets = bytes > block.requested || block.user == nullptr;
    if (options.user_flags != 0 && sets) record.flags = options.user_flags;
}

// Whether a slab's block for `needed` bytes would save a quarter of these, and kLeastSaving.
// REQUIRES: needed <= kMaxSlabBlock.
inline bool SavesEnough(size_t usable, size_t needed) noexcept {
    const size_t saved = usable - InfoOf(ClassOf(needed)).usable;
    return saved >= kLeastSaving && saved >= usable / 4;
}

}  // namespace strata::heap
