#include "store/heap_records.h"

#include <new>

#include "arena/process_arenas.h"

namespace strata::store {

constinit os::Lock g_registry_lock{os::LockRank::kRegistry};

namespace {

using arena::g_memory;

// Owners below this have a meaning of their own (metadata, runs); above, they are numbers of
// records.
constexpr arena::Owner kFirstOwner = 16;

// Records lie in ranges of this many, 64 KiB of addresses and one page of memory each. A record
// stays committed when its heap ends, so that a stale handle can be looked at.
constexpr size_t kHeapsPerRange = 1024;
constexpr size_t kRangeBytes = kHeapsPerRange * kSliceSize;
constexpr size_t kRanges = 64;

struct RecordRange {
    std::atomic<char*> base;
    std::atomic<uint32_t> created;  // records that have memory
};

constinit RecordRange g_ranges[kRanges] = {};
// Destroyed heaps' records, linked by next: bare ones, and those with slabs (heap/dormant.h),
// newest first.
constinit Heap* g_free_records STRATA_GUARDED_BY(g_registry_lock) = nullptr;
constinit Heap* g_dormant_records STRATA_GUARDED_BY(g_registry_lock) = nullptr;
constinit std::atomic<uint32_t> g_dormant_count{0};
constinit uint64_t g_next_serial STRATA_GUARDED_BY(g_registry_lock) = 1;  // 64 bits do not wrap

Heap* NewRecord() noexcept {
    arena::Owner owner = kFirstOwner;
    for (RecordRange& range : g_ranges) {
        char* base = range.base.load(std::memory_order_relaxed);
        if (base == nullptr) {
            os::ReserveRequest request;
            request.bytes = kRangeBytes;
            base = static_cast<char*>(g_memory.Reserve(request));
            if (base == nullptr) return nullptr;
            range.base.store(base, std::memory_order_release);
        }
        const uint32_t created = range.created.load(std::memory_order_relaxed);
        owner += created;
        if (created == kHeapsPerRange) continue;
        char* const record = base + created * kSliceSize;
        if (!g_memory.Commit(record, kPageSize, kPageSize)) return nullptr;
        Heap* const heap = new (record) Heap{};
        heap->owner = owner;
        for (Store& store : heap->stores()) store.heap = heap;
        range.created.store(created + 1, std::memory_order_release);
        return heap;
    }
    return nullptr;
}

Heap* PopLocked(Heap*& list) noexcept {
    Heap* const heap = list;
    if (heap != nullptr) list = heap->next;
    return heap;
}
Heap* PopDormantLocked() noexcept STRATA_REQUIRES(g_registry_lock) {
    Heap* const heap = PopLocked(g_dormant_records);
    if (heap != nullptr) g_dormant_count.fetch_sub(1, std::memory_order_relaxed);
    return heap;
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
    if (number / kHeapsPerRange >= kRanges) return nullptr;
    const RecordRange& range = g_ranges[number / kHeapsPerRange];
    const size_t place = number % kHeapsPerRange;
    if (place >= range.created.load(std::memory_order_acquire)) return nullptr;
    return reinterpret_cast<Heap*>(range.base.load(std::memory_order_relaxed) + place * kSliceSize);
}

void GiveRecordBackLocked(Heap* heap, bool dormant) noexcept {
    Heap*& list = dormant ? g_dormant_records : g_free_records;
    heap->serial.store(0, std::memory_order_relaxed);
    heap->next = list;
    list = heap;
    if (dormant) g_dormant_count.fetch_add(1, std::memory_order_relaxed);
}

uint32_t DormantRecords() noexcept { return g_dormant_count.load(std::memory_order_relaxed); }

Heap* TakeDormantRecordLocked(uint64_t before) noexcept {
    Heap** link = &g_dormant_records;
    if (*link == nullptr) return nullptr;
    while ((*link)->next != nullptr) link = &(*link)->next;
    Heap* const oldest = *link;
    if (oldest->dormant_epoch > before) return nullptr;
    *link = nullptr;
    g_dormant_count.fetch_sub(1, std::memory_order_relaxed);
    return oldest;
}

Heap* FromHandle(void* handle) noexcept {
    const uintptr_t address = AddressOf(handle);
    if (address % kSliceSize != 0) return nullptr;
    for (const RecordRange& range : g_ranges) {
        const char* base = range.base.load(std::memory_order_acquire);
        if (base == nullptr) return nullptr;
        const uintptr_t offset = address - AddressOf(base);
        if (offset >= kRangeBytes) continue;
        if (offset / kSliceSize >= range.created.load(std::memory_order_acquire)) return nullptr;
        Heap* heap = static_cast<Heap*>(handle);
        return heap->life.load(std::memory_order_acquire) == Heap::Life::kAlive ? heap : nullptr;
    }
    return nullptr;
}

}  // namespace strata::store
