#include "store/registry.h"

#include "os/process.h"
#include "store/heap_lock.h"
#include "store/heap_records.h"

namespace strata::store {

constinit Heap* g_first_heap = nullptr;
constinit std::atomic<Heap*> g_process_heap{nullptr};
constinit std::atomic<size_t> g_region_heaps{0};

namespace {

constinit Heap* g_last_heap STRATA_GUARDED_BY(g_registry_lock) = nullptr;

void UnlinkLocked(Heap* heap) noexcept STRATA_REQUIRES(g_registry_lock) {
    (heap->previous != nullptr ? heap->previous->next : g_first_heap) = heap->next;
    (heap->next != nullptr ? heap->next->previous : g_last_heap) = heap->previous;
}

bool IsAlive(const Heap& heap) noexcept {
    return heap.life.load(std::memory_order_relaxed) == Heap::Life::kAlive;
}

void PinLocked(Heap& heap) noexcept STRATA_REQUIRES(g_registry_lock) {
    heap.pins.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

void GiveSerialLocked(Heap& heap) noexcept {
    heap.serial.store(NextSerialLocked(), std::memory_order_relaxed);
}

void BeginLifeLocked(Heap& heap) noexcept {
    heap.next = nullptr;
    heap.previous = g_last_heap;
    (g_last_heap != nullptr ? g_last_heap->next : g_first_heap) = &heap;
    g_last_heap = &heap;
    heap.life.store(Heap::Life::kAlive, std::memory_order_release);
}

void EndLife(Heap& heap) noexcept {
    while (UnlockHeap(heap)) {  // a visitor may wait for that lock
    }
    {
        const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
        heap.life.store(Heap::Life::kDestroyed, std::memory_order_relaxed);
        heap.serial.store(0, std::memory_order_relaxed);
    }
    while (const uint32_t pins = heap.pins.load(std::memory_order_acquire)) {
        if (!os::WaitOnWord(heap.pins, pins)) break;
    }
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    UnlinkLocked(&heap);
}

size_t ListHeaps(Heap** heaps, size_t capacity) noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    size_t count = 0;
    for (Heap* heap = g_first_heap; heap != nullptr; heap = heap->next) {
        if (count < capacity) heaps[count] = heap;
        ++count;
    }
    return count;
}

void UnpinLocked(Heap& heap) noexcept {
    const bool last = heap.pins.fetch_sub(1, std::memory_order_release) == 1;
    if (last && !IsAlive(heap)) os::WakeOneOnWord(heap.pins);  // DestroyHeap waits
}

Heap* PinBehindLocked(Heap* previous) noexcept {
    Heap* heap = previous == nullptr ? g_first_heap : previous->next;
    while (heap != nullptr && !IsAlive(*heap)) heap = heap->next;
    if (heap != nullptr) PinLocked(*heap);
    return heap;
}

Heap* PinNext(Heap* previous) noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    Heap* const heap = PinBehindLocked(previous);
    if (previous != nullptr) UnpinLocked(*previous);
    return heap;
}

Heap* PinAfter(uint64_t serial, Heap* hint) noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    // The one before is mostly still there, and says who is next.
    const bool known =
        hint != nullptr && IsAlive(*hint) && hint->serial.load(std::memory_order_relaxed) == serial;
    Heap* heap = known ? hint->next : g_first_heap;
    while (heap != nullptr &&
           (!IsAlive(*heap) || heap->serial.load(std::memory_order_relaxed) <= serial)) {
        heap = heap->next;
    }
    if (heap != nullptr) PinLocked(*heap);
    return heap;
}

uint64_t NewestSerial() noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    return LastSerialLocked();
}

bool Pin(Heap& heap, uint64_t serial) noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    if (!IsAlive(heap) || heap.serial.load(std::memory_order_relaxed) != serial) return false;
    PinLocked(heap);
    return true;
}

Heap* PinOwner(arena::Owner owner) noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    Heap* const heap = RecordOf(owner);
    if (heap == nullptr || !IsAlive(*heap)) return nullptr;
    PinLocked(*heap);
    return heap;
}

Heap* PinRegionHeap(const void* pointer) noexcept {
    if (g_region_heaps.load(std::memory_order_relaxed) == 0) return nullptr;
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    // A heap is taken out of the list before its region ends.
    Heap* heap = g_first_heap;
    while (heap != nullptr && (heap->region == nullptr || !heap->region->Contains(pointer))) {
        heap = heap->next;
    }
    if (heap == nullptr || !IsAlive(*heap)) return nullptr;
    PinLocked(*heap);
    return heap;
}

void Unpin(Heap& heap) noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    UnpinLocked(heap);
}

void ForEachHeap(HeapVisitor visitor, void* context) noexcept {
    for (Heap* heap = PinNext(nullptr); heap != nullptr; heap = PinNext(heap)) {
        visitor(context, *heap);
    }
}

}  // namespace strata::store
