// What happens to the state bytes of blocks that leave a thread's bins. Internal to this folder.
//
// Two threads that free one block within the same few nanoseconds may both find it live, as the fast path
// reads and writes its state with plain instructions (ADR 20). The block is then in two magazines. A block
// that a thread freed has the state kFreeDirty until it is handed in, and no other then: the second of the
// two to leave its thread is known by that, at the latest by the slab's bitmap.
#pragma once

#include <cstdint>

#include "base/state_byte.h"
#include "cache/magazine.h"
#include "heap/heap_record.h"
#include "os/fatal.h"

namespace strata::heap {

// Notes that blocks which the calling thread has freed leave it.
inline void HandIn(Heap& heap, SizeClass size_class, const cache::FreeBlock* blocks,
                   uint32_t count) noexcept {
    for (uint32_t i = 0; i < count; ++i) {
        if (STRATA_UNLIKELY(LoadState(blocks[i].state) !=
                            static_cast<uint8_t>(State::kFreeDirty))) {
            os::FatalDoubleFree(os::Operation::kFree, blocks[i].block, &heap,
                                InfoOf(size_class).usable);
        }
        StoreState(blocks[i].state, static_cast<uint8_t>(State::kFreeHandedIn));
    }
}

// The same of blocks that it took and has not used.
inline void HandInUnused(Heap& heap, SizeClass size_class, const cache::FreeBlock* blocks,
                         uint32_t count) noexcept {
    for (uint32_t i = 0; i < count; ++i) {
        const uint8_t state = LoadState(blocks[i].state);
        if (state == static_cast<uint8_t>(State::kFreeZero)) continue;
        if (state == static_cast<uint8_t>(State::kFreeHandedIn)) continue;
        HandIn(heap, size_class, blocks + i, 1);
    }
}

}  // namespace strata::heap
