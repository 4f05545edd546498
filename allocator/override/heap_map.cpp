#include "override/heap_map.h"

#include "os/memory.h"

namespace strata::override {

namespace {

size_t StartOf(uintptr_t key, size_t capacity) noexcept {
    // Handles are multiples of 64 KiB; Fibonacci hashing spreads what is left.
    return static_cast<size_t>(((key >> 16) * 0x9E3779B97F4A7C15u) >> 32) & (capacity - 1);
}

}  // namespace

HeapMap::Table HeapMap::Current() const noexcept {
    Header* const grown = grown_.load(std::memory_order_acquire);
    if (grown == nullptr) return {const_cast<Slot*>(first_), kFirstCapacity};
    return {reinterpret_cast<Slot*>(grown + 1), grown->capacity};
}

HeapMap::Slot* HeapMap::FindSlot(Table table, uintptr_t key) noexcept {
    const size_t mask = table.capacity - 1;
    for (size_t i = StartOf(key, table.capacity);; i = (i + 1) & mask) {
        const uintptr_t found = table.slots[i].handle.load(std::memory_order_acquire);
        if (found == key) return &table.slots[i];
        // Never full: at most half of the slots are used, and removed ones are cleared in Remove.
        if (found == kEmpty) return nullptr;
    }
}

void HeapMap::Place(Table table, uintptr_t key, heap::Heap* heap) noexcept {
    const size_t mask = table.capacity - 1;
    size_t i = StartOf(key, table.capacity);
    while (table.slots[i].handle.load(std::memory_order_relaxed) > kRemoved) i = (i + 1) & mask;
    table.slots[i].heap.store(heap, std::memory_order_relaxed);
    // Pairs with FindSlot: who sees the handle sees its heap.
    table.slots[i].handle.store(key, std::memory_order_release);
}

bool HeapMap::Grow() noexcept {
    const Table old = Current();
    const size_t capacity = old.capacity * 4;
    auto* const header =
        static_cast<Header*>(os::AllocatePages(sizeof(Header) + capacity * sizeof(Slot)));
    if (header == nullptr) return false;
    header->capacity = capacity;
    const Table table = {reinterpret_cast<Slot*>(header + 1), capacity};
    for (size_t i = 0; i < old.capacity; ++i) {
        const uintptr_t key = old.slots[i].handle.load(std::memory_order_relaxed);
        if (key > kRemoved) Place(table, key, old.slots[i].heap.load(std::memory_order_relaxed));
    }
    // Pairs with Current: who sees the table sees what it has taken over.
    grown_.store(header, std::memory_order_release);
    return true;
}

heap::Heap* HeapMap::Find(const void* handle) const noexcept {
    const auto key = reinterpret_cast<uintptr_t>(handle);
    if (key <= kRemoved) return nullptr;
    const Slot* const slot = FindSlot(Current(), key);
    return slot == nullptr ? nullptr : slot->heap.load(std::memory_order_relaxed);
}

size_t HeapMap::size() noexcept {
    const os::LockGuard guard(lock_);
    return size_;
}

bool HeapMap::Insert(const void* handle, heap::Heap* heap) noexcept {
    const os::LockGuard guard(lock_);
    if ((size_ + 1) * 2 > Current().capacity && !Grow()) return false;
    Place(Current(), reinterpret_cast<uintptr_t>(handle), heap);
    ++size_;
    return true;
}

heap::Heap* HeapMap::Remove(const void* handle) noexcept {
    const auto key = reinterpret_cast<uintptr_t>(handle);
    if (key <= kRemoved) return nullptr;
    const os::LockGuard guard(lock_);
    const Table table = Current();
    Slot* const slot = FindSlot(table, key);
    if (slot == nullptr) return nullptr;
    heap::Heap* const heap = slot->heap.load(std::memory_order_relaxed);
    // These publish nothing; release keeps them behind the heap's last use here.
    slot->handle.store(kRemoved, std::memory_order_release);
    --size_;
    // Where no probe sequence goes on behind it, a removed slot may be empty again, and so may
    // those before it. This keeps the table free of them without moving entries under the readers.
    const size_t mask = table.capacity - 1;
    size_t i = static_cast<size_t>(slot - table.slots);
    if (table.slots[(i + 1) & mask].handle.load(std::memory_order_relaxed) != kEmpty) return heap;
    while (table.slots[i].handle.load(std::memory_order_relaxed) == kRemoved) {
        table.slots[i].handle.store(kEmpty, std::memory_order_release);
        i = (i - 1) & mask;
    }
    return heap;
}

}  // namespace strata::override
