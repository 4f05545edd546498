// Rows of the Win32-style interface: on the process heap, and on a private heap that is warm, that
// is, of which the thread has magazines.
#include <strata/heap_api.h>

#include "counts.h"

namespace strata::counts {

namespace {

HANDLE ProcessHeap() { return StrataGetProcessHeap(); }
HANDLE PrivateHeap() {
    static const HANDLE heap = StrataHeapCreate(0, 0, 0);
    return heap;
}

using HeapGetter = HANDLE (*)();

template <HeapGetter kHeap, size_t kSize, Part kPart, DWORD kFlags = 0>
void HeapBurst() {
    const HANDLE heap = kHeap();
    Bursts<kSize, kPart>([heap] { return StrataHeapAlloc(heap, kFlags, kSize); },
                         [heap](void* block) { StrataHeapFree(heap, 0, block); });
}
template <size_t kSize>
constexpr auto kProcessAlloc = HeapBurst<ProcessHeap, kSize, Part::kAllocate>;
template <size_t kSize>
constexpr auto kProcessFree = HeapBurst<ProcessHeap, kSize, Part::kFree>;
template <size_t kSize>
constexpr auto kPrivateAlloc = HeapBurst<PrivateHeap, kSize, Part::kAllocate>;
template <size_t kSize>
constexpr auto kPrivateFree = HeapBurst<PrivateHeap, kSize, Part::kFree>;

// Something done with one live block, over and over.
template <HeapGetter kHeap, size_t kSize, typename Operation>
void OnOneBlock(const Operation& operation) {
    const HANDLE heap = kHeap();
    void* const block = StrataHeapAlloc(heap, 0, kSize);
    {
        const Counted counted;
        for (size_t i = 0; i < kOperations; ++i) operation(heap, block, i);
    }
    StrataHeapFree(heap, 0, block);
}

template <HeapGetter kHeap, size_t kSize>
void Size() {
    OnOneBlock<kHeap, kSize>([](HANDLE heap, void* block, size_t) {
        Keep(reinterpret_cast<void*>(StrataHeapSize(heap, 0, block)));
    });
}

template <HeapGetter kHeap, size_t kSize>
void Validate() {
    OnOneBlock<kHeap, kSize>([](HANDLE heap, void* block, size_t) {
        if (!StrataHeapValidate(heap, 0, block)) Keep(block);
    });
}

// Both sizes are of the same class.
template <HeapGetter kHeap, size_t kSize>
void ReAllocInPlace() {
    OnOneBlock<kHeap, kSize>([](HANDLE heap, void* block, size_t i) {
        Keep(StrataHeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, kSize - i % 2));
    });
}

}  // namespace

const Row kHeapRows[] = {
    {"heap_alloc_process_16", kProcessAlloc<16>, BurstOperations(16)},
    {"heap_alloc_process_256", kProcessAlloc<256>, BurstOperations(256)},
    {"heap_alloc_process_4k", kProcessAlloc<4096>, BurstOperations(4096)},
    {"heap_free_process_16", kProcessFree<16>, BurstOperations(16)},
    {"heap_free_process_256", kProcessFree<256>, BurstOperations(256)},
    {"heap_free_process_4k", kProcessFree<4096>, BurstOperations(4096)},
    {"heap_alloc_private_16", kPrivateAlloc<16>, BurstOperations(16)},
    {"heap_alloc_private_256", kPrivateAlloc<256>, BurstOperations(256)},
    {"heap_alloc_private_4k", kPrivateAlloc<4096>, BurstOperations(4096)},
    {"heap_free_private_16", kPrivateFree<16>, BurstOperations(16)},
    {"heap_free_private_256", kPrivateFree<256>, BurstOperations(256)},
    {"heap_free_private_4k", kPrivateFree<4096>, BurstOperations(4096)},
    {"heap_alloc_zero_process_256", HeapBurst<ProcessHeap, 256, Part::kAllocate, HEAP_ZERO_MEMORY>,
     BurstOperations(256)},
    {"heap_alloc_zero_private_256", HeapBurst<PrivateHeap, 256, Part::kAllocate, HEAP_ZERO_MEMORY>,
     BurstOperations(256)},
    {"heap_size_process_256", Size<ProcessHeap, 256>},
    {"heap_size_private_256", Size<PrivateHeap, 256>},
    {"heap_realloc_in_place_process_256", ReAllocInPlace<ProcessHeap, 256>},
    {"heap_realloc_in_place_private_256", ReAllocInPlace<PrivateHeap, 256>},
    {"heap_validate_block_process_256", Validate<ProcessHeap, 256>},
    {"heap_validate_block_private_256", Validate<PrivateHeap, 256>},
    {},
};

}  // namespace strata::counts
