// Containers of the standard library, and single objects, in the memory of the allocator that the
// program is linked with.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <map>
#include <new>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "adapter.h"

namespace bench {

// Ends the process when there is no memory: a workload that runs on without it would measure
// nothing.
inline void* MallocOrEnd(size_t size) {
    void* block = Malloc(size);
    if (block == nullptr) std::abort();
    return block;
}

template <typename T>
struct Allocator {
    using value_type = T;
    Allocator() = default;
    template <typename U>
    Allocator(const Allocator<U>&) {}
    T* allocate(size_t count) { return static_cast<T*>(MallocOrEnd(count * sizeof(T))); }
    void deallocate(T* block, size_t) { Free(block); }
    friend bool operator==(const Allocator&, const Allocator&) { return true; }
};

template <typename T>
using Vector = std::vector<T, Allocator<T>>;
using String = std::basic_string<char, std::char_traits<char>, Allocator<char>>;

template <typename K, typename V>
using TreeMap = std::map<K, V, std::less<K>, Allocator<std::pair<const K, V>>>;

struct StringHash {
    size_t operator()(const String& text) const {
        size_t hash = 14695981039346656037u;
        for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
        return hash;
    }
};
template <typename K, typename V, typename Hash = std::hash<K>>
using HashMap = std::unordered_map<K, V, Hash, std::equal_to<K>, Allocator<std::pair<const K, V>>>;

template <typename T, typename... Arguments>
T* New(Arguments&&... arguments) {
    return new (MallocOrEnd(sizeof(T))) T(std::forward<Arguments>(arguments)...);
}

template <typename T>
void Delete(T* object) {
    if (object == nullptr) return;
    object->~T();
    Free(object);
}

// A run of bytes that grows by realloc, as writers of text do.
class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { Free(bytes_); }

    void Append(const void* bytes, size_t count) {
        if (size_ + count > room_) Grow(size_ + count);
        __builtin_memcpy(bytes_ + size_, bytes, count);
        size_ += count;
    }
    const char* bytes() const { return bytes_; }
    size_t size() const { return size_; }
    void Clear() { size_ = 0; }
    // Hands the bytes over; whoever takes them frees them.
    char* Take() {
        size_ = room_ = 0;
        return std::exchange(bytes_, nullptr);
    }

private:
    void Grow(size_t least) {
        size_t room = room_ + room_ / 2;
        if (room < least) room = least < 64 ? 64 : least;
        bytes_ = static_cast<char*>(Realloc(bytes_, room));
        if (bytes_ == nullptr) std::abort();
        room_ = room;
    }

    char* bytes_ = nullptr;
    size_t size_ = 0;
    size_t room_ = 0;
};

}  // namespace bench
