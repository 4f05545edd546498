// What stands behind the requested bytes of a slab's block in heaps that check that.
//
//   checked heaps    16 bytes of 0xAB, as the Windows debug heap has them
//   hardened heaps   all of the slack, in bytes that differ from block to block and from run to
//                    run, so that an overflow cannot be made to look like none; no byte of them is
//                    0, so that the zero behind a string is an overflow that shows
#pragma once

#include <cstring>

#include "base/fill.h"
#include "base/state_byte.h"
#include "os/random.h"
#include "store/heap_record.h"

namespace strata::heap {

// A live block of a slab.
struct SlabBlock {
    char* block;
    size_t requested;
    size_t usable;
    bool has_user;

    // Where what Strata itself keeps in the block begins: the user record, or the far slack.
    char* end() const noexcept {
        if (has_user) return block + usable - sizeof(UserRecord);
        const bool far = usable - requested > kMaxNearSlack;
        return block + usable - (far ? kFarSlackBytes : 0);
    }
};

// The eight bytes that are repeated behind a block.
inline uint64_t TailWord(const void* block) noexcept {
    constexpr uint64_t kNoZeroes = 0x0101010101010101;
    return os::Scramble(os::Secret() ^ AddressOf(block)) | kNoZeroes;
}

inline void FillSlack(const SlabBlock& block) noexcept {
    const uint64_t word = TailWord(block.block);
    char* at = block.block + block.requested;
    for (; block.end() - at >= 8; at += 8) std::memcpy(at, &word, 8);
    std::memcpy(at, &word, static_cast<size_t>(block.end() - at));
}

inline bool IsSlackIntact(const SlabBlock& block) noexcept {
    const uint64_t word = TailWord(block.block);
    const char* at = block.block + block.requested;
    for (; block.end() - at >= 8; at += 8) {
        if (std::memcmp(at, &word, 8) != 0) return false;
    }
    return std::memcmp(at, &word, static_cast<size_t>(block.end() - at)) == 0;
}

// For a heap that checks tails.
inline void FillTailOf(const store::Heap& heap, const SlabBlock& block) noexcept {
    if (heap.hardened) return FillSlack(block);
    FillTail(block.block + block.requested);
}
inline bool IsTailIntactOf(const store::Heap& heap, const SlabBlock& block) noexcept {
    // A slack that was itself overwritten may leave no room for a tail.
    if (block.requested > block.usable || block.usable - block.requested < kTailBytes) return false;
    return heap.hardened ? IsSlackIntact(block) : IsTailIntact(block.block + block.requested);
}

}  // namespace strata::heap
