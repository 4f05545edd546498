// strata::memory_resource: a std::pmr::memory_resource over a Strata heap.
//
//     strata::memory_resource resource;                     // the process heap
//     std::pmr::vector<int> numbers(&resource);
//
//     strata_heap* heap = strata_heap_create();             // a heap of its own
//     strata::memory_resource scratch(heap);
//     ...                                                   // containers over &scratch
//     strata_heap_destroy(heap);                            // frees all of it at once
//
// Thread safety: allocate and deallocate may be called from any thread at any time.
#ifndef STRATA_MEMORY_RESOURCE_H
#define STRATA_MEMORY_RESOURCE_H

#include <cstddef>
#include <memory_resource>
#include <new>
#include <strata/strata.h>

namespace strata {

class memory_resource final : public std::pmr::memory_resource {
public:
    // Over the process heap, the one of strata_malloc.
    memory_resource() noexcept = default;

    // Over `heap`, which must outlive all use of the resource; the resource does not own it. NULL:
    // the process heap.
    explicit memory_resource(strata_heap* heap) noexcept : heap_(heap) {}

    // NULL for the process heap.
    strata_heap* heap() const noexcept { return heap_; }

private:
    // Throws std::bad_alloc when memory is exhausted.
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        void* const block = heap_ != nullptr  ? strata_heap_aligned_alloc(heap_, alignment, bytes)
                            : alignment <= 16 ? strata_malloc(bytes)
                                              : strata_aligned_alloc(alignment, bytes);
        if (block == nullptr) throw std::bad_alloc();
        return block;
    }

    // A block of another heap, or another size (process heap), ends the process with a message.
    void do_deallocate(void* block, std::size_t bytes, std::size_t) override {
        if (heap_ != nullptr) {
            strata_heap_free(heap_, block);
        } else {
            strata_free_sized(block, bytes);
        }
    }

    // Equal resources may free each other's blocks: those over one heap.
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
        if (this == &other) return true;
#ifdef __cpp_rtti
        const auto* const same = dynamic_cast<const memory_resource*>(&other);
        return same != nullptr && same->heap_ == heap_;
#else
        return false;
#endif
    }

    strata_heap* heap_ = nullptr;
};

}  // namespace strata

#endif
