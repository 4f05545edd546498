// strata::allocator<T>: the standard's allocator, over Strata's process heap.
//
//     std::vector<int, strata::allocator<int>> numbers;
//
// It has no state: any two are equal, and containers may free each other's blocks. For containers
// in a heap of their own see strata/memory_resource.h. Any thread may use it at any time.
#ifndef STRATA_ALLOCATOR_H
#define STRATA_ALLOCATOR_H

#include <cstddef>
#include <cstdint>
#include <new>
#include <strata/strata.h>
#include <type_traits>

namespace strata {

template <typename T>
class allocator {
public:
    using value_type = T;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;
    using propagate_on_container_move_assignment = std::true_type;
    using is_always_equal = std::true_type;

    constexpr allocator() noexcept = default;
    template <typename U>
    constexpr allocator(const allocator<U>&) noexcept {}

    // Room for `count` objects, at a multiple of alignof(T). Throws std::bad_array_new_length when
    // the size in bytes overflows, std::bad_alloc when memory is exhausted.
    [[nodiscard]] T* allocate(std::size_t count) {
        if (count > PTRDIFF_MAX / sizeof(T)) throw std::bad_array_new_length();
        const std::size_t bytes = count * sizeof(T);
        void* const block =
            alignof(T) <= 16 ? strata_malloc(bytes) : strata_aligned_alloc(alignof(T), bytes);
        if (block == nullptr) throw std::bad_alloc();
        return static_cast<T*>(block);
    }

    // Gives back what allocate(count) returned. Another count ends the process with a message.
    void deallocate(T* block, std::size_t count) noexcept {
        strata_free_sized(block, count * sizeof(T));
    }
};

template <typename T, typename U>
constexpr bool operator==(const allocator<T>&, const allocator<U>&) noexcept {
    return true;
}

}  // namespace strata

#endif
