#include "heap/registry.h"

#include <new>

#include "arena/process_arenas.h"
#include "arena/purge_policy.h"
#include "cache/veil.h"
#include "heap/bins.h"
#include "heap/dormant.h"
#include "heap/fast_path.h"
#include "heap/guarded.h"
#include "heap/heap.h"
#include "heap/heap_pool.h"
#include "heap/modes.h"
#include "heap/parked_runs.h"
#include "heap/quarantine.h"
#include "heap/reclaim.h"
#include "heap/report.h"
#include "heap/start.h"
#include "heap/tick.h"
#include "os/process.h"

namespace strata::heap {

constinit os::Lock g_registry_lock;
constinit Heap* g_first_heap = nullptr;
constinit std::atomic<Heap*> g_process_heap{nullptr};

namespace {

using arena::g_memory;

constinit Heap* g_last_heap = nullptr;
constinit HeapRequest g_process_heap_request;
constinit std::atomic<size_t> g_region_heaps{0};  // alive, or about to be
constinit std::atomic<bool> g_process_ending{false};

void OnThreadExit(void*) noexcept { ThreadDetach(); }

// What a heap is, from what was asked for. Before it is alive.
void Configure(Heap& heap, const HeapRequest& request, bool is_process_heap) noexcept {
    heap.options = request.options;
    heap.is_process_heap = is_process_heap;
    const bool grows = request.maximum == 0;
    const bool hardened = request.hardened || g_modes.hardened;
    const bool page_heap = request.page_heap || g_modes.page_heap;
    // The caller's memory is filled only if the caller asks for it.
    const bool strict = (hardened || page_heap) && request.memory == nullptr;
    heap.check_tail = request.check_tail || strict;
    heap.check_free = request.check_free || strict;
    heap.hardened = hardened && grows;
    heap.page_heap = page_heap && grows;
    heap.is_plain = grows && !heap.check_tail && !heap.check_free;
    heap.has_door = !heap.is_plain || g_modes.sample_period != 0;
    heap.access = request.executable ? os::Access::kReadWriteExecute : os::Access::kReadWrite;
    heap.low_fragmentation.store(is_process_heap, std::memory_order_relaxed);
    heap.region = nullptr;
    heap.guarded = nullptr;
    heap.quarantine = nullptr;
    heap.walked = {};
}

// False when memory is short.
bool MakeRegion(Heap& heap, const HeapRequest& request) noexcept {
    slab::RegionRequest region;
    region.bytes = request.maximum;
    region.committed = request.initial;
    region.memory = static_cast<char*>(request.memory);
    region.owner = heap.owner;
    region.heap = &heap;
    region.access = heap.access;
    region.fill_free = heap.check_free;
    heap.region = slab::CreateRegion(region);
    if (heap.region == nullptr) return false;
    g_region_heaps.fetch_add(1, std::memory_order_relaxed);
    return true;
}

// A heap that can grow is made with as little memory as any; but one whose initial size cannot be
// had does not come into being, as on Windows.
bool CanCommit(size_t bytes) noexcept {
    if (bytes > kMaxRequest - kSliceSize) return false;
    os::ReserveRequest request;
    request.bytes = RoundUp(bytes, kSliceSize);
    void* const base = g_memory.Reserve(request);
    if (base == nullptr) return false;
    const bool done = g_memory.Commit(base, bytes, 0);
    g_memory.Release(base, request.bytes, 0);
    return done;
}

// What a heap has besides its record. False when memory is short.
bool Furnish(Heap& heap, const HeapRequest& request) noexcept {
    if (heap.hardened) {
        heap.quarantine = CreateQuarantine();
        if (heap.quarantine == nullptr) return false;
    }
    const bool made = request.maximum != 0           ? MakeRegion(heap, request)
                      : request.initial > kSliceSize ? CanCommit(request.initial)
                                                     : true;
    if (!made && heap.quarantine != nullptr) DestroyQuarantine(heap.quarantine);
    return made;
}

// REQUIRES: g_registry_lock.
void BeginLifeLocked(Heap* heap) noexcept {
    // Here, so that heaps are listed in the order of their serials.
    heap->serial.store(NextSerialLocked(), std::memory_order_relaxed);
    WakeBins(*heap);
    heap->next = nullptr;
    heap->previous = g_last_heap;
    (g_last_heap != nullptr ? g_last_heap->next : g_first_heap) = heap;
    g_last_heap = heap;
    heap->life.store(Heap::Life::kAlive, std::memory_order_release);
}

// REQUIRES: g_registry_lock.
void UnlinkLocked(Heap* heap) noexcept {
    (heap->previous != nullptr ? heap->previous->next : g_first_heap) = heap->next;
    (heap->next != nullptr ? heap->next->previous : g_last_heap) = heap->previous;
}

bool IsAlive(const Heap& heap) noexcept {
    return heap.life.load(std::memory_order_relaxed) == Heap::Life::kAlive;
}

// REQUIRES: g_registry_lock.
void PinLocked(Heap& heap) noexcept { heap.pins.fetch_add(1, std::memory_order_relaxed); }

// From here on nobody pins the heap, nor takes his cached bins of it for valid; waits for those who
// have it pinned.
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

}  // namespace

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

namespace {

bool MakeProcessHeap(Start& start) noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    if (g_process_heap.load(std::memory_order_relaxed) != nullptr) return true;
    if (!arena::InitializeProcessArenas()) return false;
    Heap* heap = TakeRecordLocked(false);
    if (heap == nullptr) return false;
    start.SetModes();
    Configure(*heap, g_process_heap_request, true);
    if (!Furnish(*heap, g_process_heap_request)) {
        GiveRecordBackLocked(heap, false);
        return false;
    }
    BeginLifeLocked(heap);
    start.Complete(&OnThreadExit);
    g_process_heap.store(heap, std::memory_order_release);
    return true;
}

}  // namespace

bool Initialize() noexcept {
    if (g_process_heap.load(std::memory_order_acquire) != nullptr) return true;
    {
        Start start;
        if (!start.HasSlot() || !MakeProcessHeap(start)) return false;
    }
    // Not under a lock: the system has one of its own for handlers, under which others may
    // allocate.
    if (g_modes.hardened || g_modes.page_heap || g_modes.sample_period != 0) WatchGuards();
    return true;
}

Heap* ProcessHeap() noexcept {
    Heap* heap = g_process_heap.load(std::memory_order_acquire);
    if (STRATA_LIKELY(heap != nullptr)) return heap;
    return Initialize() ? g_process_heap.load(std::memory_order_acquire) : nullptr;
}

bool InitializeWithChecks(bool check_tail, bool check_free) noexcept {
    g_process_heap_request.check_tail = check_tail;
    g_process_heap_request.check_free = check_free;
    return Initialize();
}

namespace {

Heap* TryCreateHeap(const HeapRequest& request) noexcept {
    const bool plain = request.maximum == 0 && !request.executable && !request.check_tail &&
                       !request.check_free && !request.hardened && !request.page_heap &&
                       !g_modes.hardened && !g_modes.page_heap;
    Heap* heap = nullptr;
    {
        const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
        heap = TakeRecordLocked(plain);
    }
    if (heap == nullptr) return nullptr;
    Configure(*heap, request, false);
    WakeSlabs(*heap);
    if (heap->hardened || heap->page_heap) WatchGuards();
    const bool made = Furnish(*heap, request);
    if (!made) StripSlabs(*heap);
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    if (!made) {
        GiveRecordBackLocked(heap, false);
        return nullptr;
    }
    BeginLifeLocked(heap);
    return heap;
}

}  // namespace

Heap* CreateHeap(const HeapRequest& request) noexcept {
    os::RequireStack(os::kStackForCall);
    if (!Initialize()) return nullptr;
    Heap* const heap = TryCreateHeap(request);
    if (STRATA_LIKELY(heap != nullptr)) return heap;
    return ReclaimIfRefused(nullptr) ? TryCreateHeap(request) : nullptr;
}

void DestroyHeap(Heap* heap) noexcept {
    os::RequireStack(os::kStackForCall);
    const uint64_t serial = heap->serial.load(std::memory_order_relaxed);
    EndLife(*heap);
    bool dormant = LaySlabsToRest(*heap, serial);
    while (slab::LargeRun* run = heap->runs) {
        heap->runs = run->next;
        arena::g_arenas.SetOwner(run->base, 1, slab::kRunOwner);
        if (slab::MarkFree(*run)) slab::FreeRun(run);
    }
    heap->runs = nullptr;
    heap->next_look = nullptr;
    RetireAllGuarded(*heap);
    if (heap->quarantine != nullptr) DestroyQuarantine(heap->quarantine);
    heap->quarantine = nullptr;
    if (heap->region != nullptr) {
        slab::DestroyRegion(heap->region);
        heap->region = nullptr;
        g_region_heaps.fetch_sub(1, std::memory_order_relaxed);
    }
    const uint64_t now = os::Milliseconds();
    heap->dormant_epoch = now / kEpochMilliseconds;
    if (dormant && DormantRecords() >= kDormantHeaps) {
        StripSlabs(*heap);
        dormant = false;
    }
    {
        const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
        GiveRecordBackLocked(heap, dormant);
    }
    PurgeProcess(now);
}

uint32_t Options(const Heap& heap) noexcept { return heap.options; }
bool IsProcessHeap(const Heap& heap) noexcept { return heap.is_process_heap; }

size_t ListHeaps(Heap** heaps, size_t capacity) noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    size_t count = 0;
    for (Heap* heap = g_first_heap; heap != nullptr; heap = heap->next) {
        if (count < capacity) heaps[count] = heap;
        ++count;
    }
    return count;
}

void ThreadDetach() noexcept {
    cache::ThreadCache* cache = cache::CurrentCache();
    if (cache == &cache::g_detached_cache || g_process_ending.load(std::memory_order_relaxed)) {
        return;
    }
    // It may call for the first time after this: in callbacks of the program, which come after a
    // DLL's.
    if (cache == nullptr) return cache::MarkDetached();
    // Nobody who ends waits for another thread's HeapLock.
    if (Heap* heap = g_process_heap.load(std::memory_order_acquire)) {
        const GuestCall call(*heap);
        cache::LiftAllVeils(*cache);
        HandInBins(*heap, cache->bins);
        ReleaseParkedRuns(*cache, true);
    }
    for (cache::HeapSlot& slot : cache->slots) {
        if (slot.bins == nullptr) continue;
        Heap& heap = *static_cast<Heap*>(slot.heap);
        const bool pinned = Pin(heap, slot.serial);
        {
            const GuestCall call(heap);
            HandInSlot(slot);
        }
        if (pinned) Unpin(heap);
    }
    cache::DestroyThreadCache(cache);
}

void ProcessDetach() noexcept { g_process_ending.store(true, std::memory_order_relaxed); }

}  // namespace strata::heap
