// malloc and free of small blocks of the process heap: what nearly every call comes to. Everything
// else is in the slow functions of allocate.h and free.h, out of line.
//
// malloc: slot -> bin -> pop -> write the state byte.
// free:   slice map entry -> block index -> state byte -> slot -> bin -> push.
#pragma once

#include <cstring>

#include "cache/thread_cache.h"
#include "heap/allocate.h"
#include "heap/free.h"
#include "store/registry.h"

namespace strata::heap {

// True for the process heap's handle; its heap is alive as long as the process.
STRATA_INLINE bool IsProcessHandle(const void* handle) noexcept {
    return handle == store::g_process_heap.load(std::memory_order_relaxed) && handle != nullptr;
}

// A block of `bytes` from the bin of its class; false when that is empty.
// REQUIRES: bytes <= kLinearLimit; `bins` are those of all classes.
template <bool kZero>
STRATA_INLINE bool PopSmall(cache::Bin* bins, size_t bytes, void*& result) noexcept {
    // 16 times the class: half the offset of its bin.
    const size_t usable = (bytes + (kSmallStep - 1)) & ~(kSmallStep - 1);
    cache::Bin& bin = *At<cache::Bin>(bins, usable * (sizeof(cache::Bin) / kSmallStep));
    cache::FreeBlock block;
    if (STRATA_UNLIKELY(!bin.Pop(block))) return false;
    if constexpr (kZero) {
        const bool dirty = LoadState(block.state) != static_cast<uint8_t>(State::kFreeZero);
        if (dirty) std::memset(block.block, 0, bytes);
    }
    StoreState(block.state,
               static_cast<uint8_t>(usable - bytes + static_cast<uint8_t>(State::kLive)));
    result = block.block;
    return true;
}

// From the process heap; nullptr when that takes more than the thread's magazines.
template <bool kZero>
STRATA_INLINE void* AllocateIfFast(size_t bytes) noexcept {
    cache::ThreadCache* const cache = bytes <= kLinearLimit ? cache::TryCurrentCache() : nullptr;
    void* block;
    if (STRATA_UNLIKELY(cache == nullptr || !PopSmall<kZero>(cache->bins, bytes, block))) {
        return nullptr;
    }
    return block;
}

// From the process heap.
template <bool kZero = false>
STRATA_INLINE void* AllocateFast(size_t bytes) noexcept {
    if (STRATA_UNLIKELY(bytes > kLinearLimit)) {
        return kZero ? AllocateMediumZeroed(bytes) : AllocateMedium(bytes);
    }
    cache::ThreadCache* cache = cache::TryCurrentCache();
    if (STRATA_UNLIKELY(cache == nullptr)) return AllocateSlow(bytes, kZero);
    void* block;
    if (STRATA_UNLIKELY(!PopSmall<kZero>(cache->bins, bytes, block))) {
        return AllocateSlow(bytes, kZero);
    }
    return block;
}

// The calling thread's bins for the private heap with this handle, any value whatever; nullptr when
// it has none. A heap that the thread has bins for is one whose record can be read, dead or alive.
STRATA_INLINE cache::Bin* PrivateBins(const void* handle) noexcept {
    cache::ThreadCache* cache = cache::TryCurrentCache();
    if (STRATA_UNLIKELY(cache == nullptr)) return nullptr;
    cache::HeapSlot& slot = cache->SlotOf(handle);
    if (STRATA_UNLIKELY(slot.heap != handle || slot.bins == nullptr)) return nullptr;
    const auto* const heap = static_cast<const Heap*>(handle);
    if (STRATA_UNLIKELY(slot.serial != heap->serial.load(std::memory_order_relaxed))) {
        return nullptr;
    }
    return slot.bins->bins;
}

// From the private heap with this handle; nullptr when that takes more than the thread's magazines,
// or the handle is none.
template <bool kZero>
STRATA_INLINE void* AllocateIfPrivateFast(const void* handle, size_t bytes) noexcept {
    cache::Bin* bins = bytes <= kLinearLimit ? PrivateBins(handle) : nullptr;
    void* block;
    if (STRATA_UNLIKELY(bins == nullptr || !PopSmall<kZero>(bins, bytes, block))) return nullptr;
    return block;
}

template <bool kZero>
STRATA_INLINE void* AllocatePrivateFast(Heap& heap, size_t bytes) noexcept {
    void* const block = AllocateIfPrivateFast<kZero>(&heap, bytes);
    return STRATA_LIKELY(block != nullptr) ? block : Allocate(heap, bytes, kZero);
}

// Frees a live small block of the process heap into the calling thread's magazine. False, and
// nothing is done, in every other case.
STRATA_INLINE bool FreeIfFast(void* block) noexcept {
    arena::SliceEntry* entry;
    StateByte* state;
    if (STRATA_UNLIKELY(!slab::FindState(block, entry, state))) return false;
    if (STRATA_UNLIKELY(!IsLive(LoadState(state)))) return false;
    cache::ThreadCache* cache = cache::TryCurrentCache();
    if (STRATA_UNLIKELY(cache == nullptr)) return false;
    cache::Bin& bin = cache->BinAt(entry->bin_offset.load(std::memory_order_relaxed));
    if (STRATA_UNLIKELY(!bin.Push(block, state))) return false;
    StoreState(state, static_cast<uint8_t>(State::kFreeDirty));
    return true;
}

// The same for a block of which the caller says that `size` bytes were requested: false as well
// when that is not so.
STRATA_INLINE bool FreeIfSizedFast(void* block, size_t size) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    arena::SliceEntry* entry;
    StateByte* state;
    if (STRATA_UNLIKELY(!slab::FindState(block, entry, state))) return false;
    const size_t slack = kClassTable[entry->size_class.load(relaxed)].usable - size;
    if (STRATA_UNLIKELY(slack > kMaxNearSlack ||
                        LoadState(state) != slack + static_cast<uint8_t>(State::kLive))) {
        return false;
    }
    cache::ThreadCache* cache = cache::TryCurrentCache();
    if (STRATA_UNLIKELY(cache == nullptr)) return false;
    cache::Bin& bin = cache->BinAt(entry->bin_offset.load(relaxed));
    if (STRATA_UNLIKELY(!bin.Push(block, state))) return false;
    StoreState(state, static_cast<uint8_t>(State::kFreeDirty));
    return true;
}

// The same for a block of the private heap with this handle, any value whatever, and of no other.
STRATA_INLINE bool FreeIfPrivateFast(const void* handle, void* block) noexcept {
    arena::SliceEntry* entry;
    StateByte* state;
    if (STRATA_UNLIKELY(!slab::FindState(block, entry, state))) return false;
    if (STRATA_UNLIKELY(!IsLive(LoadState(state)))) return false;
    const slab::Slab* const slab = slab::SlabOf(*entry);
    cache::Bin* bins = PrivateBins(handle);
    if (STRATA_UNLIKELY(bins == nullptr || slab->heap != handle)) return false;
    cache::Bin& bin = bins[entry->size_class.load(std::memory_order_relaxed)];
    if (STRATA_UNLIKELY(!bin.Push(block, state))) return false;
    StoreState(state, static_cast<uint8_t>(State::kFreeDirty));
    return true;
}

STRATA_INLINE void FreeFast(void* block) noexcept {
    if (STRATA_UNLIKELY(!FreeIfFast(block))) FreeSlow(block);
}

}  // namespace strata::heap
