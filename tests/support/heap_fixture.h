// What the tests of this folder share.
#pragma once

#include <cstddef>
#include <thread>
#include <utility>

#include "arena/process_arenas.h"
#include "heap/heap.h"
#include "slab/large_run.h"

namespace strata::test {

// A heap that ends with its scope.
class TestHeap {
public:
    explicit TestHeap(const heap::HeapRequest& request = {}) : heap_(heap::CreateHeap(request)) {}
    ~TestHeap() {
        if (heap_ != nullptr) heap::DestroyHeap(heap_);
    }
    TestHeap(const TestHeap&) = delete;
    TestHeap& operator=(const TestHeap&) = delete;

    heap::Heap& operator*() const { return *heap_; }
    heap::Heap* get() const { return heap_; }
    // Ends it before its time.
    void Destroy() { heap::DestroyHeap(std::exchange(heap_, nullptr)); }

    void* Allocate(size_t bytes, bool zero = false) const {
        return heap::Allocate(*heap_, bytes, zero);
    }
    void Free(void* block) const { heap::Free(heap_, block); }

private:
    heap::Heap* heap_;
};

template <typename F>
void InOtherThread(F body) {
    std::thread(std::move(body)).join();
}

// Bytes of commit charge after everything free was given back; without what stays for good, the
// records of addresses that arenas once had.
inline size_t CommittedAfterPurge() {
    heap::PurgeAll();
    return arena::g_arenas.slice_committed() + arena::g_metadata_arenas.slice_committed() +
           slab::DirectCommitted();
}

}  // namespace strata::test
