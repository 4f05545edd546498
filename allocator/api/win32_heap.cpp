#include "api/win32_heap.h"

#include "base/bits.h"
#include "heap/fast_path.h"
#include "heap/statistics.h"
#include "os/process.h"

namespace strata::api {

namespace {

bool Raises(const heap::Heap& heap, uint32_t flags) noexcept {
    return ((flags | heap.options) & kHeapGenerateExceptions) != 0;
}

}  // namespace

STRATA_COLD void* HeapAllocationFailed(const heap::Heap& heap, uint32_t flags,
                                       size_t bytes) noexcept(false) {
    if (Raises(heap, flags)) os::RaiseNoMemory(bytes);
    os::SetOutOfMemoryError();
    return nullptr;
}

namespace {

heap::HeapRequest RequestFor(uint32_t options) noexcept {
    heap::HeapRequest request;
    request.options = options;
    request.executable = (options & kHeapCreateEnableExecute) != 0;
    request.check_tail = (options & kHeapTailChecking) != 0;
    request.check_free = (options & kHeapFreeChecking) != 0;
    request.hardened = (options & kHeapCreateHardened) != 0;
    return request;
}

// An executable heap is refused when the system lets nobody make one (arbitrary code guard), not
// its first block.
heap::Heap* Proved(heap::Heap* heap) noexcept {
    if (heap == nullptr || heap->access != os::Access::kReadWriteExecute) return heap;
    if (void* const block = heap::Allocate(*heap, 1, false)) {
        heap::Free(heap, block);
        return heap;
    }
    heap::DestroyHeap(heap);
    return nullptr;
}

STRATA_NOINLINE void* AllocateWithUser(heap::Heap& heap, uint32_t flags, size_t bytes) noexcept {
    UserRecord record = {};
    record.flags = flags & kHeapUserFlags;
    heap::AllocateOptions options;
    options.zero = (flags & kHeapZeroMemory) != 0;
    options.user = &record;
    return heap::AllocateWith(heap, bytes, options);
}

template <bool kZero>
STRATA_INLINE void* AllocatePlain(heap::Heap& heap, size_t bytes) noexcept {
    return STRATA_LIKELY(heap.is_process_heap) ? heap::AllocateFast<kZero>(bytes)
                                               : heap::AllocatePrivateFast<kZero>(heap, bytes);
}

}  // namespace

heap::Heap* HeapCreate(uint32_t options, size_t initial, size_t maximum) noexcept {
    heap::HeapRequest request = RequestFor(options);
    if (initial > kMaxRequest || maximum > kMaxRequest) {
        os::SetOutOfMemoryError();
        return nullptr;
    }
    request.maximum = RoundUp(maximum, kPageSize);
    request.initial = RoundUp(initial, kPageSize);
    // As RtlCreateHeap has it: a commit size above the reserve size is reduced to it.
    if (maximum != 0 && request.initial > request.maximum) request.initial = request.maximum;
    heap::Heap* const heap = Proved(heap::CreateHeap(request));
    if (heap == nullptr) os::SetOutOfMemoryError();
    return heap;
}

heap::Heap* HeapCreateInRegion(uint32_t options, void* memory, size_t bytes) noexcept {
    heap::HeapRequest request = RequestFor(options);
    request.memory = memory;
    request.maximum = RoundDown(bytes, kPageSize);
    os::RangeInfo range;
    if (memory != nullptr && AddressOf(memory) % kPageSize == 0 && request.maximum != 0 &&
        bytes <= kMaxRequest) {
        range = os::QueryRange(memory, request.maximum);
    }
    if (!range.usable) {
        os::SetInvalidArgumentError();
        return nullptr;
    }
    request.initial = range.committed;
    // The pages that are committed already were so for what the caller wanted then.
    if (request.executable && range.committed != 0 &&
        !heap::AllowExecution(memory, range.committed)) {
        os::SetInvalidArgumentError();
        return nullptr;
    }
    heap::Heap* const heap = heap::CreateHeap(request);
    if (heap == nullptr) os::SetOutOfMemoryError();
    return heap;
}

namespace {

STRATA_INLINE void* AllocateZeroedOrWithUser(heap::Heap& heap, uint32_t flags,
                                             size_t bytes) noexcept {
    if ((flags & kHeapUserBits) != 0) return AllocateWithUser(heap, flags, bytes);
    return (flags & kHeapZeroMemory) != 0 ? AllocatePlain<true>(heap, bytes)
                                          : AllocatePlain<false>(heap, bytes);
}

// With HEAP_NO_SERIALIZE: what the thread's magazines hold, or past another thread's HeapLock.
STRATA_NOINLINE void* AllocateAsGuest(heap::Heap& heap, uint32_t flags, size_t bytes) noexcept {
    if ((flags & (kHeapZeroMemory | kHeapUserBits)) == 0) {
        void* const block = heap.is_process_heap ? heap::AllocateIfFast<false>(bytes)
                                                 : heap::AllocateIfPrivateFast<false>(&heap, bytes);
        if (block != nullptr) return block;
    }
    const heap::GuestCall call(heap);
    return AllocateZeroedOrWithUser(heap, flags, bytes);
}

template <typename F>
STRATA_COLD auto AsGuest(heap::Heap& heap, F f) noexcept {
    const heap::GuestCall call(heap);
    return f();
}
// Whatever `f` does, as a guest if the call's flags say so.
template <typename F>
STRATA_INLINE auto Serialized(heap::Heap& heap, uint32_t flags, F f) noexcept {
    return STRATA_LIKELY((flags & kHeapNoSerialize) == 0) ? f() : AsGuest(heap, f);
}

}  // namespace

void* HeapAllocate(heap::Heap& heap, uint32_t flags, size_t bytes) noexcept(false) {
    void* block;
    if (STRATA_LIKELY((flags & (kHeapZeroMemory | kHeapNoSerialize | kHeapUserBits)) == 0)) {
        block = AllocatePlain<false>(heap, bytes);
    } else if ((flags & kHeapNoSerialize) == 0) {
        block = AllocateZeroedOrWithUser(heap, flags, bytes);
    } else {
        block = AllocateAsGuest(heap, flags, bytes);
    }
    if (STRATA_UNLIKELY(block == nullptr)) return HeapAllocationFailed(heap, flags, bytes);
    return block;
}

void* HeapReallocate(heap::Heap& heap, uint32_t flags, void* block, size_t bytes) noexcept(false) {
    heap::ResizeOptions options;
    options.zero = (flags & kHeapZeroMemory) != 0;
    options.in_place = (flags & kHeapReallocInPlaceOnly) != 0;
    options.user = (flags & kHeapUserBits) != 0;
    options.user_flags = flags & kHeapUserFlags;
    void* const resized =
        Serialized(heap, flags, [&] { return heap::Resize(&heap, block, bytes, options); });
    if (STRATA_UNLIKELY(resized == nullptr)) return HeapAllocationFailed(heap, flags, bytes);
    return resized;
}

bool HeapRelease(heap::Heap& heap, uint32_t flags, void* block) noexcept {
    // Each takes blocks of its heap only; the rest, and all that is wrong, comes after.
    const bool done = STRATA_LIKELY(heap.is_process_heap) ? heap::FreeIfFast(block)
                                                          : heap::FreeIfPrivateFast(&heap, block);
    if (STRATA_LIKELY(done) || block == nullptr) return true;
    Serialized(heap, flags, [&] { heap::Free(&heap, block); });
    return true;
}

void HeapReleaseAt(heap::Place place, heap::Heap& heap, uint32_t flags, void* block) noexcept {
    Serialized(heap, flags, [&] { heap::FreeAt(place, &heap, block); });
}

size_t HeapBlockSize(heap::Heap& heap, uint32_t flags, const void* block) noexcept {
    size_t requested = 0;
    const bool live =
        Serialized(heap, flags, [&] { return heap::IsLiveBlock(heap, block, &requested); });
    return live ? requested : SIZE_MAX;
}

bool HeapSetUserValue(heap::Heap& heap, uint32_t flags, void* block, void* value) noexcept {
    return Serialized(heap, flags, [&] { return heap::SetUserValue(heap, block, value); });
}

bool HeapGetUserInfo(heap::Heap& heap, uint32_t flags, const void* block, void** value,
                     uint32_t* user_flags) noexcept {
    UserRecord record = {};
    bool found = false;
    if (!Serialized(heap, flags,
                    [&] { return heap::GetUserRecord(heap, block, record, &found); })) {
        return false;
    }
    if (value != nullptr && found) *value = record.value;
    if (user_flags != nullptr) *user_flags = record.flags;
    return true;
}

bool HeapSetUserFlags(heap::Heap& heap, uint32_t flags, void* block, uint32_t reset,
                      uint32_t set) noexcept {
    if (((reset | set) & ~kHeapUserFlags) != 0) return false;
    return Serialized(heap, flags, [&] { return heap::SetUserFlags(heap, block, reset, set); });
}

bool HeapIsValid(heap::Heap& heap, uint32_t flags, const void* block) noexcept {
    return Serialized(heap, flags, [&] {
        return block != nullptr ? heap::IsIntactBlock(heap, block) : heap::IsConsistent(heap);
    });
}

size_t HeapCompact(heap::Heap& heap, uint32_t flags) noexcept {
    return Serialized(heap, flags, [&] {
        heap::Purge(heap);
        const size_t largest = heap::LargestFreeBlock(heap);
        heap::PurgeBelowHeaps();
        return largest;
    });
}

bool HeapLock(heap::Heap& heap) noexcept {
    if ((heap.options & kHeapNoSerialize) == 0) heap::LockHeap(heap);
    return true;
}

bool HeapUnlock(heap::Heap& heap) noexcept {
    return (heap.options & kHeapNoSerialize) != 0 || heap::UnlockHeap(heap);
}

bool HeapWalkStep(heap::Heap& heap, WalkEntry& entry) noexcept {
    return heap::WalkStep(heap, entry);
}

}  // namespace strata::api
