// What a store asks about the calling thread. It lies behind the bins of the thread's cache
// (cache/thread_cache.h), which the thread slot points to.
#pragma once

#include "os/thread.h"
#include "store/bin_offset.h"

namespace strata::store {

class Heap;

struct ThreadState {
    // The heap whose closed gate does not count for the call that the thread is in (heap_lock.h).
    const Heap* guest_of;
    // False in the cache that stands for threads without one, which is never written.
    bool has_cache;
};

inline constexpr size_t kThreadStateOffset = (kSizeClasses + 1) * kBinBytes;

// nullptr for a thread that has no cache and has not been given up yet.
inline ThreadState* CurrentThreadState() noexcept {
    char* const cache = static_cast<char*>(os::GetThreadSlot());
    return cache == nullptr ? nullptr : reinterpret_cast<ThreadState*>(cache + kThreadStateOffset);
}

}  // namespace strata::store
