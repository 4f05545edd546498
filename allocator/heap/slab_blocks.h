// Blocks of slabs: through the thread's magazines in heaps without checks, else one by one under
// the lock of the class.
#pragma once

#include <cstring>

#include "heap/block.h"

namespace strata::heap {

struct SlabBlocks {
    static constexpr BlockKind kKind = BlockKind::kSlab;

    // The live block that starts at `pointer`, in the slice with this entry; false when none does.
    static STRATA_INLINE bool Find(const arena::SliceEntry& entry, const void* pointer,
                                   Block& block) noexcept {
        if (!slab::FindStateIn(entry, pointer, block.state)) return false;
        const uint8_t state = LoadState(block.state);
        if (!IsLive(state)) return false;
        block.kind = kKind;
        block.pointer = const_cast<void*>(pointer);
        slab::Slab& slab = *slab::SlabOf(entry);
        block.record = &slab;
        block.heap = slab.heap;
        block.usable = slab.usable();
        char* const end = At<char>(block.pointer, block.usable);
        block.requested = block.usable - LoadSlack(state, end);
        if (HasUserRecord(state)) {
            block.user = reinterpret_cast<UserRecord*>(end - sizeof(UserRecord));
        }
        return true;
    }
    // What any address in a slab is.
    static BlockInfo Describe(const slab::Slab& slab, const void* pointer) noexcept;

    // The class that serves a request of `needed` bytes; false when no slab has such blocks.
    static bool ClassFor(Heap& heap, size_t needed, size_t alignment,
                         SizeClass& size_class) noexcept;
    // A block of a heap without checks; nullptr when memory is short.
    static void* AllocateUnchecked(Heap& heap, SizeClass size_class, size_t bytes,
                                   bool zero) noexcept;
    // The same in any heap, and with any options.
    static void* AllocateOf(Heap& heap, SizeClass size_class, size_t bytes,
                            const AllocateOptions& options) noexcept;
    // Makes a free block a live one of `bytes`, zeroed when asked for and not known to be zero.
    static void* Finish(const slab::FreeBlock& block, SizeClass size_class, size_t bytes,
                        bool zero) noexcept;

    // ResizeInPlace in a heap without checks.
    static STRATA_INLINE bool ResizeUnchecked(const Block& block, size_t bytes,
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
            std::memset(At<char>(block.pointer, block.requested), 0, bytes - block.requested);
        }
        void* const end = At<char>(block.pointer, block.usable);
        const auto slack = static_cast<uint32_t>(block.usable - bytes);
        if (user) {
            StoreLiveUser(block.state, end, record.value, record.flags, slack);
        } else {
            StoreLive(block.state, end, slack);
        }
        return true;
    }

    static STRATA_INLINE void Free(Block block) noexcept {
        if (STRATA_UNLIKELY(!block.heap->is_unchecked)) return FreeChecked(block);
        FreeUnchecked(block.slab(), block.pointer, block.state);
    }
    static bool ResizeInPlace(Block block, size_t bytes, const ResizeOptions& options) noexcept;
    static bool ShouldStay(Block block, size_t bytes, const ResizeOptions& options) noexcept;
    static STRATA_INLINE size_t Usable(Block block) noexcept {
        if (block.heap->check_tail) return block.requested;
        // The far slack stands in the block's last bytes, which are then not the caller's.
        const bool is_far = block.user == nullptr && block.usable - block.requested > kMaxNearSlack;
        const size_t room = Room(block);
        return is_far && room > block.usable - kFarSlackBytes ? block.usable - kFarSlackBytes
                                                              : room;
    }
    static STRATA_INLINE bool IsIntact(Block block) noexcept {
        return !block.heap->check_tail || HasIntactTail(block);
    }
    static bool AddUserRecord(Block& block) noexcept;

private:
    static bool HasIntactTail(Block block) noexcept;
    static void FreeUnchecked(slab::Slab& slab, void* pointer, StateByte* state) noexcept;
    static void FreeChecked(Block block) noexcept;

    // What the caller may ask for without another block.
    static size_t Room(const Block& block) noexcept {
        const size_t user_bytes = block.user != nullptr ? sizeof(UserRecord) : 0;
        return block.usable - user_bytes - block.heap->TailOf();
    }
};

}  // namespace strata::heap
