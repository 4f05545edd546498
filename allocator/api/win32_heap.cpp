#include "api/win32_heap.h"

#include "heap/fast_path.h"
#include "heap/statistics.h"
#include "os/process.h"

namespace strata::api {

namespace {

bool Raises(const heap::Heap& heap, uint32_t flags) noexcept {
    return ((flags | heap.options) & kHeapGenerateExceptions) != 0;
}

// What a failed allocation returns.
STRATA_COLD void* Fail(const heap::Heap& heap, uint32_t flags) noexcept(false) {
    if (Raises(heap, flags)) os::RaiseNoMemory();
    os::SetOutOfMemoryError();
    return nullptr;
}

}  // namespace

void* HeapAllocate(heap::Heap& heap, uint32_t flags, size_t bytes) noexcept(false) {
    const bool zero = (flags & kHeapZeroMemory) != 0;
    void* block;
    if (STRATA_LIKELY(heap.is_process_heap)) {
        block = zero ? heap::AllocateFast<true>(bytes) : heap::AllocateFast<false>(bytes);
    } else {
        block = zero ? heap::AllocatePrivateFast<true>(heap, bytes)
                     : heap::AllocatePrivateFast<false>(heap, bytes);
    }
    if (STRATA_UNLIKELY(block == nullptr)) return Fail(heap, flags);
    return block;
}

void* HeapReallocate(heap::Heap& heap, uint32_t flags, void* block, size_t bytes) noexcept(false) {
    heap::ResizeOptions options;
    options.zero = (flags & kHeapZeroMemory) != 0;
    options.in_place = (flags & kHeapReallocInPlaceOnly) != 0;
    void* resized = heap::Resize(&heap, block, bytes, options);
    if (STRATA_UNLIKELY(resized == nullptr)) return Fail(heap, flags);
    return resized;
}

bool HeapRelease(heap::Heap& heap, uint32_t, void* block) noexcept {
    // Each takes blocks of its heap only; the rest, and all that is wrong, comes after.
    const bool done = STRATA_LIKELY(heap.is_process_heap) ? heap::FreeIfFast(block)
                                                          : heap::FreeIfPrivateFast(heap, block);
    if (STRATA_LIKELY(done)) return true;
    if (block != nullptr) heap::Free(&heap, block);
    return true;
}

size_t HeapBlockSize(heap::Heap& heap, uint32_t, const void* block) noexcept {
    size_t requested = 0;
    return heap::IsLiveBlock(heap, block, &requested) ? requested : SIZE_MAX;
}

bool HeapIsValid(heap::Heap& heap, uint32_t, const void* block) noexcept {
    if (block != nullptr) return heap::IsLiveBlock(heap, block, nullptr);
    return heap::IsConsistent(heap);
}

size_t HeapCompact(heap::Heap& heap, uint32_t) noexcept {
    heap::Trim(heap);
    const size_t largest = heap::LargestFreeBlock(heap);
    arena::PurgeEverything();
    return largest;
}

bool HeapLock(heap::Heap& heap) noexcept {
    heap::LockHeap(heap);
    return true;
}

bool HeapUnlock(heap::Heap& heap) noexcept { return heap::UnlockHeap(heap); }

bool HeapWalkStep(heap::Heap& heap, WalkEntry& entry) noexcept {
    return heap::WalkStep(heap, entry);
}

}  // namespace strata::api
