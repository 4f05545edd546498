// Memory for the replayer itself, from no heap: what is measured is the allocator's alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

namespace strata::replay {

// Addresses for `bytes`, and memory in steps. Throw std::bad_alloc.
void* ReservePages(size_t bytes);
void CommitPages(void* address, size_t bytes);
void ReleasePages(void* address, size_t bytes);

// An array that grows in place, up to what it was made for. New elements are zero.
template <typename T>
class PageArray {
    static_assert(std::is_trivially_destructible_v<T>);

public:
    explicit PageArray(size_t most) : bytes_(most * sizeof(T) + kStep) {
        if (most > SIZE_MAX / 2 / sizeof(T)) throw std::bad_alloc();
        elements_ = static_cast<T*>(ReservePages(bytes_));
    }
    ~PageArray() { ReleasePages(elements_, bytes_); }
    PageArray(const PageArray&) = delete;
    PageArray& operator=(const PageArray&) = delete;

    // REQUIRES: size <= most.
    void Resize(size_t size) {
        const size_t wanted = size * sizeof(T);
        if (wanted > committed_) {
            const size_t more = (wanted - committed_ + kStep - 1) / kStep * kStep;
            const size_t step = committed_ + more <= bytes_ ? more : bytes_ - committed_;
            CommitPages(reinterpret_cast<char*>(elements_) + committed_, step);
            committed_ += step;
        }
        size_ = size;
    }
    void Add(const T& element) {
        Resize(size_ + 1);
        elements_[size_ - 1] = element;
    }

    size_t size() const { return size_; }
    T* data() { return elements_; }
    T& operator[](size_t index) { return elements_[index]; }
    const T& operator[](size_t index) const { return elements_[index]; }

private:
    static constexpr size_t kStep = size_t{1} << 20;

    T* elements_;
    size_t bytes_;
    size_t size_ = 0;
    size_t committed_ = 0;
};

}  // namespace strata::replay
