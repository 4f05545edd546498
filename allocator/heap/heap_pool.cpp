#include "heap/heap_pool.h"

#include <new>

#include "arena/process_arenas.h"
#include "arena/purge_policy.h"
#include "heap/dormant.h"
#include "heap/heap.h"
#include "heap/registry.h"

namespace strata::heap {

namespace {

using arena::g_memory;

// Owners below this have a meaning of their own (metadata, runs); above, they are numbers of
// records.
constexpr arena::Owner kFirstOwner = 16;

// Records lie in regions of this many, 64 KiB of addresses and one page of memory each. A record
// stays committed when its heap ends, so that a stale handle can be looked at.
constexpr size_t kHeapsPerRegion = 1024;
constexpr size_t kRegionBytes = kHeapsPerRegion * kSliceSize;
constexpr size_t kRegions = 64;

struct Region {
    std::atomic<char*> base;
    std::atomic<uint32_t> created;  // records that have memory
};

constinit Region g_regions[kRegions] = {};
// Destroyed heaps' records, linked by next: bare ones, and those with slabs (dormant.h), newest
// first.
constinit Heap* g_free_records = nullptr;
constinit Heap* g_dormant_records = nullptr;
constinit std::atomic<uint32_t> g_dormant_count{0};
constinit uint64_t g_next_serial = 1;  // 64 bits do not wrap

Heap* NewRecord() noexcept {
    arena::Owner owner = kFirstOwner;
    for (Region& region : g_regions) {
        char* base = region.base.load(std::memory_order_relaxed);
        if (base == nullptr) {
            os::ReserveRequest request;
            request.bytes = kRegionBytes;
            base = static_cast<char*>(g_memory.Reserve(request));
            if (base == nullptr) return nullptr;
            region.base.store(base, std::memory_order_release);
        }
        const uint32_t created = region.created.load(std::memory_order_relaxed);
        owner += created;
        if (created == kHeapsPerRegion) continue;
        char* const record = base + created * kSliceSize;
        if (!g_memory.Commit(record, kPageSize, kPageSize)) return nullptr;
        Heap* const heap = new (record) Heap{};
        heap->owner = owner;
        region.created.store(created + 1, std::memory_order_release);
        return heap;
    }
    return nullptr;
}

Heap* PopLocked(Heap*& list) noexcept {
    Heap* const heap = list;
    if (heap != nullptr) list = heap->next;
    return heap;
}
Heap* PopDormantLocked() noexcept {
    Heap* const heap = PopLocked(g_dormant_records);
    if (heap != nullptr) g_dormant_count.fetch_sub(1, std::memory_order_relaxed);
    return heap;
}

// The oldest dormant record, if it ended in `before` or earlier; taken out of its list. Or nullptr.
Heap* TakeDecayed(uint64_t before) noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    Heap** link = &g_dormant_records;
    if (*link == nullptr) return nullptr;
    while ((*link)->next != nullptr) link = &(*link)->next;
    Heap* const oldest = *link;
    if (oldest->dormant_epoch > before) return nullptr;
    *link = nullptr;
    g_dormant_count.fetch_sub(1, std::memory_order_relaxed);
    return oldest;
}

}  // namespace

Heap* TakeRecordLocked(bool welcome) noexcept {
    Heap* heap = welcome ? PopDormantLocked() : nullptr;
    if (heap == nullptr) heap = PopLocked(g_free_records);
    if (heap == nullptr) heap = NewRecord();
    if (heap == nullptr) return nullptr;
    // A reused record is not made anew: others may look at it through stale handles. All lists in
    // it are empty but those of slabs, and its locks free.
    return heap;
}

uint64_t NextSerialLocked() noexcept { return g_next_serial++; }
uint64_t LastSerialLocked() noexcept { return g_next_serial - 1; }
void SkipSerialsLocked(uint64_t count) noexcept { g_next_serial += count; }

Heap* RecordOf(arena::Owner owner) noexcept {
    if (owner < kFirstOwner) return nullptr;
    const size_t number = owner - kFirstOwner;
    if (number / kHeapsPerRegion >= kRegions) return nullptr;
    const Region& region = g_regions[number / kHeapsPerRegion];
    const size_t place = number % kHeapsPerRegion;
    if (place >= region.created.load(std::memory_order_acquire)) return nullptr;
    return reinterpret_cast<Heap*>(region.base.load(std::memory_order_relaxed) +
                                   place * kSliceSize);
}

void GiveRecordBackLocked(Heap* heap, bool dormant) noexcept {
    Heap*& list = dormant ? g_dormant_records : g_free_records;
    heap->serial.store(0, std::memory_order_relaxed);
    heap->next = list;
    list = heap;
    if (dormant) g_dormant_count.fetch_add(1, std::memory_order_relaxed);
}

uint32_t DormantRecords() noexcept { return g_dormant_count.load(std::memory_order_relaxed); }

void StripDormant(uint64_t now, bool everything) noexcept {
    const uint64_t epoch = now / kEpochMilliseconds;
    const uint64_t decay = everything ? 0 : arena::g_purge_policy.decay_epochs;
    while (g_dormant_count.load(std::memory_order_relaxed) != 0) {
        Heap* const heap = TakeDecayed(epoch < decay ? 0 : epoch - decay);
        if (heap == nullptr) return;
        StripSlabs(*heap);
        const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
        GiveRecordBackLocked(heap, false);
    }
}

Heap* FromHandle(void* handle) noexcept {
    const uintptr_t address = AddressOf(handle);
    if (address % kSliceSize != 0) return nullptr;
    for (const Region& region : g_regions) {
        const char* base = region.base.load(std::memory_order_acquire);
        if (base == nullptr) return nullptr;
        const uintptr_t offset = address - AddressOf(base);
        if (offset >= kRegionBytes) continue;
        if (offset / kSliceSize >= region.created.load(std::memory_order_acquire)) return nullptr;
        Heap* heap = static_cast<Heap*>(handle);
        return heap->life.load(std::memory_order_acquire) == Heap::Life::kAlive ? heap : nullptr;
    }
    return nullptr;
}

}  // namespace strata::heap
