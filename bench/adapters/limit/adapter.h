// The limit as an adapter: limit.h says what it is. A heap is a pointer that moves forward.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <string>

#include "limit.h"

namespace bench {

inline constexpr char kAllocator[] = "limit";
inline constexpr bool kHasHeaps = true;

namespace limit {

struct HeapRecord {
    char* at;
    char* end;
    void* first;  // its chunks, a list
};

inline constexpr size_t kChunk = 16 * 1024;

}  // namespace limit

inline std::string Version() { return "unsafe best case"; }

inline void* Malloc(size_t size) { return limit::Allocate(size); }
inline void Free(void* block) { limit::Release(block); }
inline void* Calloc(size_t size) { return std::memset(limit::Allocate(size), 0, size); }
inline size_t BlockSize(void* block) { return limit::SizeOfBlock(block); }
inline void* Realloc(void* block, size_t size) {
    if (block == nullptr) return Malloc(size);
    const size_t room = BlockSize(block);
    if (size <= room) return block;
    // Doubled at least, so that growing by small steps moves seldom: memory is no object here.
    void* moved = Malloc(std::max(size, 2 * room));
    std::memcpy(moved, block, room);
    Free(block);
    return moved;
}
// A block of a class that is a multiple of the alignment lies at a multiple of it.
inline void* AlignedMalloc(size_t alignment, size_t size) {
    return Malloc(std::bit_ceil(std::max(size, alignment)));
}
inline void AlignedFree(void* block) { Free(block); }

using Heap = limit::HeapRecord*;

inline void* HeapMalloc(Heap heap, size_t size) {
    size = (size + 15) & ~size_t{15};
    if (size > static_cast<size_t>(heap->end - heap->at)) [[unlikely]] {
        const size_t bytes = std::max(limit::kChunk, size + 16);
        auto* chunk = static_cast<char*>(Malloc(bytes));
        *reinterpret_cast<void**>(chunk) = heap->first;
        heap->first = chunk;
        heap->at = chunk + 16;
        heap->end = chunk + bytes;
    }
    void* block = heap->at;
    heap->at += size;
    return block;
}
inline Heap CreateHeap() {
    auto* heap = static_cast<Heap>(Malloc(sizeof(limit::HeapRecord)));
    *heap = {};
    return heap;
}
inline void HeapRelease(Heap, void*) {}
inline void DestroyHeap(Heap heap) {
    for (void* chunk = heap->first; chunk != nullptr;) {
        void* next = *static_cast<void**>(chunk);
        Free(chunk);
        chunk = next;
    }
    Free(heap);
}

inline size_t OwnPeakCommit() { return 0; }
inline size_t PeakRequested() { return 0; }

}  // namespace bench
