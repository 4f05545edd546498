// What happens to the state bytes of blocks that leave a thread's bins.
//
// Two threads that free one block within the same few nanoseconds may both find it live, as the
// fast path reads and writes its state with plain instructions (ADR 20). The block is then in two
// magazines. A block that a thread freed has the state kFreeDirty until it leaves the thread, and
// kFreeReturned from then on: the second of the two to leave is known by that, at the latest by the
// slab's bitmap.
#pragma once

#include <cstdint>

#include "base/state_byte.h"
#include "os/fatal.h"
#include "store/heap_record.h"
#include "store/magazine.h"

namespace strata::cache {

// Notes that blocks leave the calling thread, which has freed them.
inline void MarkReturned(store::Heap& heap, SizeClass size_class, const store::FreeBlock* blocks,
                         uint32_t count) noexcept {
    for (uint32_t i = 0; i < count; ++i) {
        if (STRATA_UNLIKELY(LoadState(blocks[i].state) !=
                            static_cast<uint8_t>(State::kFreeDirty))) {
            os::FatalDoubleFree(os::Operation::kFree, blocks[i].block, &heap,
                                InfoOf(size_class).usable);
        }
        StoreState(blocks[i].state, static_cast<uint8_t>(State::kFreeReturned));
    }
}

// The same of blocks that it took and has not used.
inline void MarkUnusedReturned(store::Heap& heap, SizeClass size_class,
                               const store::FreeBlock* blocks, uint32_t count) noexcept {
    for (uint32_t i = 0; i < count; ++i) {
        const uint8_t state = LoadState(blocks[i].state);
        if (state == static_cast<uint8_t>(State::kFreeZero)) continue;
        if (state == static_cast<uint8_t>(State::kFreeReturned)) continue;
        MarkReturned(heap, size_class, blocks + i, 1);
    }
}

}  // namespace strata::cache
