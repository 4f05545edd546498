// What the C runtimes' allocation functions lead to. One set per runtime: they have no parameter
// that would tell them apart, and each has its own heap and its own originals.
//
// errno and the last error are as before after every success: nothing here sets them.
#include "api/win32_heap.h"
#include "base/multiply.h"
#include "heap/fast_path.h"
#include "override/crt_table.h"
#include "override/heap_entries.h"

namespace strata::override {

constinit Crt g_crts[kCrtCount];

namespace {

using MallocFunction = void* (*)(size_t bytes);
using CallocFunction = void* (*)(size_t count, size_t size);
using ReallocFunction = void* (*)(void* block, size_t bytes);
using RecallocFunction = void* (*)(void* block, size_t count, size_t size);
using CrtFreeFunction = void (*)(void* block);
using MsizeFunction = size_t (*)(void* block);
using HeapHandleFunction = intptr_t (*)();

template <typename Function>
Function Original(const Crt& crt, CrtKind kind) noexcept {
    return reinterpret_cast<Function>(crt.originals[Index(kind)]);
}

template <bool kCounting>
void CountCrt([[maybe_unused]] size_t crt, [[maybe_unused]] CrtKind kind) noexcept {
    if constexpr (kCounting) g_counters.Add(Row(crt, kind), Served::kStrata);
}

// `block` is fresh from the original function. A runtime has no heap before it is initialised, so
// it is asked when it has shown that it is; and its word must agree with where the block is.
STRATA_COLD void Learn(Crt& crt, const void* block) noexcept {
    if (block == nullptr || crt.elsewhere.load(std::memory_order_relaxed)) return;
    bool known = false;
    heap::Heap* const heap = HeapOfCrt(crt, known);
    if (heap != nullptr && heap::HeapOfLiveBlock(block) == heap) {
        // Pairs with the acquires in the entries, which use the heap as soon as they see it.
        crt.heap.store(heap, std::memory_order_release);
    } else {
        crt.elsewhere.store(true, std::memory_order_relaxed);
    }
}

template <bool kZero>
STRATA_INLINE void* AllocateFrom(heap::Heap& heap, size_t bytes) noexcept {
    return STRATA_LIKELY(heap.is_process_heap) ? heap::AllocateFast<kZero>(bytes)
                                               : heap::AllocatePrivateFast<kZero>(heap, bytes);
}

// The heap of a runtime, and `block` is one of ours: then it is for that heap to judge. nullptr
// otherwise.
STRATA_INLINE heap::Heap* HeapForBlock(const Crt& crt, const void* block) noexcept {
    heap::Heap* const heap = crt.heap.load(std::memory_order_acquire);
    return heap != nullptr && heap::Owns(block) ? heap : nullptr;
}

// True, and the product, when count * size is neither 0 nor too large.
STRATA_INLINE bool BytesOf(size_t count, size_t size, size_t& bytes) noexcept {
    const Product product = Multiply(count, size);
    bytes = product.low;
    return product.high == 0 && product.low != 0;
}

template <size_t kCrt, CrtKind kKind>
STRATA_NOINLINE void* MallocSlow(size_t bytes) {
    Crt& crt = g_crts[kCrt];
    void* const block = Original<MallocFunction>(crt, kKind)(bytes);
    if (crt.heap.load(std::memory_order_relaxed) == nullptr) Learn(crt, block);
    return block;
}

// malloc and operator new.
template <size_t kCrt, bool kCounting, CrtKind kKind>
STRATA_NOINLINE void* MallocEntry(size_t bytes) {
    heap::Heap* const heap = g_crts[kCrt].heap.load(std::memory_order_acquire);
    if (STRATA_LIKELY(heap != nullptr && bytes != 0)) {
        if (void* const block = AllocateFrom<false>(*heap, bytes);
            STRATA_LIKELY(block != nullptr)) {
            CountCrt<kCounting>(kCrt, kKind);
            return block;
        }
    }
    return MallocSlow<kCrt, kKind>(bytes);
}

template <size_t kCrt>
STRATA_NOINLINE void* CallocSlow(size_t count, size_t size) {
    Crt& crt = g_crts[kCrt];
    void* const block = Original<CallocFunction>(crt, CrtKind::kCalloc)(count, size);
    if (crt.heap.load(std::memory_order_relaxed) == nullptr) Learn(crt, block);
    return block;
}

template <size_t kCrt, bool kCounting>
STRATA_NOINLINE void* CallocEntry(size_t count, size_t size) {
    heap::Heap* const heap = g_crts[kCrt].heap.load(std::memory_order_acquire);
    size_t bytes;
    if (STRATA_LIKELY(heap != nullptr && BytesOf(count, size, bytes))) {
        if (void* const block = AllocateFrom<true>(*heap, bytes); STRATA_LIKELY(block != nullptr)) {
            CountCrt<kCounting>(kCrt, CrtKind::kCalloc);
            return block;
        }
    }
    return CallocSlow<kCrt>(count, size);
}

template <size_t kCrt, bool kCounting>
STRATA_NOINLINE void FreeSlow(void* block) noexcept {
    if (block == nullptr) return;
    const Crt& crt = g_crts[kCrt];
    heap::Heap* const heap = HeapForBlock(crt, block);
    if (heap == nullptr) return Original<CrtFreeFunction>(crt, CrtKind::kFree)(block);
    CountCrt<kCounting>(kCrt, CrtKind::kFree);
    api::HeapRelease(*heap, 0, block);
}

template <size_t kCrt, bool kCounting>
STRATA_NOINLINE void FreeEntry(void* block) noexcept {
    heap::Heap* const heap = g_crts[kCrt].heap.load(std::memory_order_acquire);
    if (STRATA_LIKELY(heap != nullptr)) {
        const bool done = STRATA_LIKELY(heap->is_process_heap)
                              ? heap::FreeIfFast(block)
                              : heap::FreeIfPrivateFast(heap, block);
        if (STRATA_LIKELY(done)) return CountCrt<kCounting>(kCrt, CrtKind::kFree);
    }
    FreeSlow<kCrt, kCounting>(block);
}

// The last three: a block of ours is resized by our heap; no memory, or no room in place, is the
// original's to report, which comes to the same heap and fails again.
template <size_t kCrt, bool kCounting>
void* ResizeOurs(CrtKind kind, void* block, size_t bytes,
                 const heap::ResizeOptions& options) noexcept {
    heap::Heap* const heap = HeapForBlock(g_crts[kCrt], block);
    if (heap == nullptr || bytes == 0) return nullptr;
    void* const resized = heap::Resize(heap, block, bytes, options);
    if (resized != nullptr) CountCrt<kCounting>(kCrt, kind);
    return resized;
}

template <size_t kCrt, bool kCounting>
STRATA_NOINLINE void* ReallocEntry(void* block, size_t bytes) {
    const heap::ResizeOptions options{.keep_usable = true};
    if (void* const resized =
            ResizeOurs<kCrt, kCounting>(CrtKind::kRealloc, block, bytes, options)) {
        return resized;
    }
    return Original<ReallocFunction>(g_crts[kCrt], CrtKind::kRealloc)(block, bytes);
}

// Zeroes from the old size, as the runtime does with _msize.
template <size_t kCrt, bool kCounting>
STRATA_NOINLINE void* RecallocEntry(void* block, size_t count, size_t size) {
    heap::ResizeOptions options;
    options.zero = true;
    size_t bytes;
    if (BytesOf(count, size, bytes)) {
        if (void* const resized =
                ResizeOurs<kCrt, kCounting>(CrtKind::kRecalloc, block, bytes, options)) {
            return resized;
        }
    }
    return Original<RecallocFunction>(g_crts[kCrt], CrtKind::kRecalloc)(block, count, size);
}

template <size_t kCrt, bool kCounting>
STRATA_NOINLINE void* ExpandEntry(void* block, size_t bytes) {
    heap::ResizeOptions options;
    options.in_place = true;
    if (void* const resized =
            ResizeOurs<kCrt, kCounting>(CrtKind::kExpand, block, bytes, options)) {
        return resized;
    }
    return Original<ReallocFunction>(g_crts[kCrt], CrtKind::kExpand)(block, bytes);
}

template <size_t kCrt, bool kCounting>
STRATA_NOINLINE size_t MsizeEntry(void* block) noexcept {
    if (heap::Heap* const heap = HeapForBlock(g_crts[kCrt], block)) {
        const size_t bytes = api::HeapBlockSize(*heap, 0, block);
        if (bytes != SIZE_MAX) {
            CountCrt<kCounting>(kCrt, CrtKind::kMsize);
            return bytes;
        }
    }
    return Original<MsizeFunction>(g_crts[kCrt], CrtKind::kMsize)(block);
}

template <size_t kCrt, bool kCounting>
const void* Find(CrtKind kind) noexcept {
    switch (kind) {
        case CrtKind::kMalloc:
            return reinterpret_cast<const void*>(&MallocEntry<kCrt, kCounting, CrtKind::kMalloc>);
        case CrtKind::kCalloc:
            return reinterpret_cast<const void*>(&CallocEntry<kCrt, kCounting>);
        case CrtKind::kRealloc:
            return reinterpret_cast<const void*>(&ReallocEntry<kCrt, kCounting>);
        case CrtKind::kFree:
            return reinterpret_cast<const void*>(&FreeEntry<kCrt, kCounting>);
        case CrtKind::kMsize:
            return reinterpret_cast<const void*>(&MsizeEntry<kCrt, kCounting>);
        case CrtKind::kRecalloc:
            return reinterpret_cast<const void*>(&RecallocEntry<kCrt, kCounting>);
        case CrtKind::kExpand:
            return reinterpret_cast<const void*>(&ExpandEntry<kCrt, kCounting>);
        case CrtKind::kNew:
            return reinterpret_cast<const void*>(&MallocEntry<kCrt, kCounting, CrtKind::kNew>);
        case CrtKind::kCount:
            break;
    }
    return nullptr;
}

}  // namespace

const void* CrtReplacement(size_t crt, CrtKind kind, bool counting) noexcept {
    static_assert(kCrtCount == 2);
    if (crt == 0) return counting ? Find<0, true>(kind) : Find<0, false>(kind);
    return counting ? Find<1, true>(kind) : Find<1, false>(kind);
}

heap::Heap* HeapOfCrt(const Crt& crt, bool& known) noexcept {
    const auto ask = reinterpret_cast<HeapHandleFunction>(crt.get_heap_handle);
    const intptr_t handle = ask();
    known = handle != 0;
    return known ? HeapOf(reinterpret_cast<const void*>(handle)) : nullptr;
}

}  // namespace strata::override
