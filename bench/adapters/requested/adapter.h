// Counts the bytes a program asks for: the least that any allocator has to hold. Each block carries
// its size before it; the C runtime's malloc supplies them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

namespace bench {

inline constexpr char kAllocator[] = "requested";
inline constexpr bool kHasHeaps = true;

namespace requested {

inline std::atomic<size_t> live{0};
inline std::atomic<size_t> peak{0};

inline void Add(size_t size) {
    const size_t now = live.fetch_add(size, std::memory_order_relaxed) + size;
    size_t seen = peak.load(std::memory_order_relaxed);
    while (now > seen && !peak.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
    }
}

// Before every block: where malloc's block began, and the size.
struct Note {
    void* start;
    size_t size;
};

inline Note* NoteOf(void* block) { return static_cast<Note*>(block) - 1; }

}  // namespace requested

inline std::string Version() { return "counter"; }

inline void* AlignedMalloc(size_t alignment, size_t size) {
    void* start = std::malloc(size + alignment + sizeof(requested::Note));
    if (start == nullptr) return nullptr;
    const uintptr_t after = reinterpret_cast<uintptr_t>(start) + sizeof(requested::Note);
    auto* block = reinterpret_cast<void*>((after + alignment - 1) & ~(alignment - 1));
    *requested::NoteOf(block) = {start, size};
    requested::Add(size);
    return block;
}
inline void AlignedFree(void* block) {
    if (block == nullptr) return;
    const requested::Note note = *requested::NoteOf(block);
    requested::live.fetch_sub(note.size, std::memory_order_relaxed);
    std::free(note.start);
}
inline size_t BlockSize(void* block) { return requested::NoteOf(block)->size; }
inline void* Malloc(size_t size) { return AlignedMalloc(16, size); }
inline void Free(void* block) { AlignedFree(block); }
inline void* Calloc(size_t size) {
    void* block = Malloc(size);
    return block != nullptr ? std::memset(block, 0, size) : nullptr;
}
inline void* Realloc(void* block, size_t size) {
    if (block == nullptr) return Malloc(size);
    // Counted as if in place: an allocator can do that.
    const size_t old_size = BlockSize(block);
    requested::live.fetch_sub(old_size, std::memory_order_relaxed);
    void* moved = Malloc(size);
    requested::live.fetch_add(old_size, std::memory_order_relaxed);
    if (moved == nullptr) return nullptr;
    std::memcpy(moved, block, std::min(old_size, size));
    Free(block);
    return moved;
}

// A heap is the list of its blocks.
struct HeapRecord {
    void* blocks = nullptr;
};
using Heap = HeapRecord*;
inline Heap CreateHeap() { return new HeapRecord; }
inline void* HeapMalloc(Heap heap, size_t size) {
    auto* block = static_cast<void**>(Malloc(size + 16));
    requested::live.fetch_sub(16, std::memory_order_relaxed);
    requested::NoteOf(block)->size -= 16;
    block[0] = heap->blocks;
    heap->blocks = block;
    return block + 2;
}
inline void HeapRelease(Heap, void*) {
}  // counted as live until the heap goes; no workload frees singly
inline void DestroyHeap(Heap heap) {
    while (heap->blocks != nullptr) {
        void* next = *static_cast<void**>(heap->blocks);
        Free(heap->blocks);
        heap->blocks = next;
    }
    delete heap;
}

inline size_t OwnPeakCommit() { return 0; }
inline size_t PeakRequested() { return requested::peak.load(std::memory_order_relaxed); }

}  // namespace bench
