#include "heap/lifetime.h"

#include "arena/process_arenas.h"
#include "heap/block_kinds.h"
#include "heap/dormant.h"
#include "heap/process.h"
#include "heap/purge.h"
#include "heap/reclaim.h"
#include "heap/report.h"
#include "heap/start.h"
#include "os/process.h"
#include "store/heap_records.h"
#include "store/quarantine.h"
#include "store/registry.h"
#include "store/run_list.h"

namespace strata::heap {

using store::g_process_heap;
using store::g_registry_lock;

namespace {

constinit HeapRequest g_process_heap_request;

void OnThreadExit(void*) noexcept { ThreadDetach(); }

// What a heap is, from what was asked for. Before it is alive.
void Configure(Heap& heap, const HeapRequest& request,
               bool is_process_heap) noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    heap.options = request.options;
    heap.is_process_heap = is_process_heap;
    const bool grows = request.maximum == 0;
    const bool hardened = request.hardened || store::g_modes.hardened;
    const bool page_heap = request.page_heap || store::g_modes.page_heap;
    // The caller's memory is filled only if the caller asks for it.
    const bool strict = (hardened || page_heap) && request.memory == nullptr;
    heap.check_tail = request.check_tail || strict;
    heap.check_free = request.check_free || strict;
    heap.hardened = hardened && grows;
    heap.page_heap = page_heap && grows;
    heap.is_unchecked = grows && !heap.check_tail && !heap.check_free;
    heap.may_be_guarded = !heap.is_unchecked || store::g_modes.sample_period != 0;
    heap.access = request.executable ? os::Access::kReadWriteExecute : os::Access::kReadWrite;
    heap.low_fragmentation.store(is_process_heap, std::memory_order_relaxed);
    heap.region = nullptr;
    heap.walked = {};
    for (Store& store : heap.stores()) {
        store.guarded = nullptr;
        store.quarantine = nullptr;
    }
}

// False when memory is short.
bool MakeRegion(Heap& heap, const HeapRequest& request) noexcept {
    heap.region = slab::CreateRegion({
        .bytes = request.maximum,
        .committed = request.initial,
        .memory = static_cast<char*>(request.memory),
        .owner = heap.owner,
        .heap = &heap,
        .access = heap.access,
        .fill_free = heap.check_free,
    });
    if (heap.region == nullptr) return false;
    store::g_region_heaps.fetch_add(1, std::memory_order_relaxed);
    return true;
}

// A heap that can grow is made with as little memory as any; but one whose initial size cannot be
// had does not come into being, as on Windows.
bool CanCommit(size_t bytes) noexcept {
    if (bytes > kMaxRequest - kSliceSize) return false;
    os::ReserveRequest request;
    request.bytes = RoundUp(bytes, kSliceSize);
    void* const base = arena::g_memory.Reserve(request);
    if (base == nullptr) return false;
    const bool done = arena::g_memory.Commit(base, bytes, 0);
    arena::g_memory.Release(base, request.bytes, 0);
    return done;
}

void DestroyQuarantines(Heap& heap) noexcept {
    for (Store& store : heap.stores()) {
        if (store.quarantine != nullptr) store::DestroyQuarantine(store.quarantine);
        store.quarantine = nullptr;
    }
}

bool MakeQuarantines(Heap& heap) noexcept {
    for (Store& store : heap.stores()) {
        store.quarantine = store::CreateQuarantine();
        if (store.quarantine == nullptr) return false;
    }
    return true;
}

// What a heap has besides its record. False when memory is short: then it has nothing.
bool MakeParts(Heap& heap, const HeapRequest& request) noexcept {
    bool made = !heap.hardened || MakeQuarantines(heap);
    if (made && request.maximum != 0) {
        made = MakeRegion(heap, request);
    } else if (made && request.initial > kSliceSize) {
        made = CanCommit(request.initial);
    }
    if (!made) DestroyQuarantines(heap);
    return made;
}

void BeginLife(Heap& heap) noexcept STRATA_REQUIRES(g_registry_lock) {
    // Here, so that heaps are listed in the order of their serials.
    store::GiveSerialLocked(heap);
    ReviveBins(heap);
    store::BeginLifeLocked(heap);
}

bool MakeProcessHeap(Start& start) noexcept {
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    if (g_process_heap.load(std::memory_order_relaxed) != nullptr) return true;
    if (!arena::InitializeProcessArenas()) return false;
    Heap* heap = store::TakeRecordLocked(false);
    if (heap == nullptr) return false;
    start.SetModes();
    Configure(*heap, g_process_heap_request, true);
    if (!MakeParts(*heap, g_process_heap_request)) {
        store::GiveRecordBackLocked(heap, false);
        return false;
    }
    BeginLife(*heap);
    start.Complete(&OnThreadExit);
    g_process_heap.store(heap, std::memory_order_release);
    return true;
}

// Whether a heap so asked for may take what another left behind.
bool MayRevive(const HeapRequest& request) noexcept {
    return request.maximum == 0 && !request.executable && !request.check_tail &&
           !request.check_free && !request.hardened && !request.page_heap &&
           !store::g_modes.hardened && !store::g_modes.page_heap;
}

Heap* TryCreateHeap(const HeapRequest& request) noexcept {
    Heap* heap = nullptr;
    {
        const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
        heap = store::TakeRecordLocked(MayRevive(request));
    }
    if (heap == nullptr) return nullptr;
    Configure(*heap, request, false);
    ReviveSlabs(*heap);
    if (heap->hardened || heap->page_heap) WatchGuards();
    const bool made = MakeParts(*heap, request);
    if (!made) ReleaseSlabs(*heap);
    const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
    if (!made) {
        store::GiveRecordBackLocked(heap, false);
        return nullptr;
    }
    BeginLife(*heap);
    return heap;
}

// All blocks of a heap that ends. True when slabs are left for the next heap.
bool EndBlocks(Heap& heap, uint64_t serial) noexcept {
    const bool dormant = RetireSlabs(heap, serial);
    for (Store& store : heap.stores()) {
        store::DestroyRuns(store);
        GuardedBlocks::DestroyAll(store);
    }
    DestroyQuarantines(heap);
    if (heap.region != nullptr) {
        slab::DestroyRegion(heap.region);
        heap.region = nullptr;
        store::g_region_heaps.fetch_sub(1, std::memory_order_relaxed);
    }
    return dormant;
}

}  // namespace

bool AllowExecution(void* memory, size_t bytes) noexcept {
    return arena::g_memory.Protect(memory, bytes, os::Access::kReadWriteExecute);
}

bool Initialize() noexcept {
    if (g_process_heap.load(std::memory_order_acquire) != nullptr) return true;
    {
        Start start;
        if (!start.HasSlot() || !MakeProcessHeap(start)) return false;
    }
    // Not under a lock: the system has one of its own for handlers, under which others may
    // allocate.
    const store::Modes& modes = store::g_modes;
    if (modes.hardened || modes.page_heap || modes.sample_period != 0) WatchGuards();
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
    store::EndLife(*heap);
    bool dormant = EndBlocks(*heap, serial);
    const uint64_t now = os::Milliseconds();
    heap->dormant_epoch = now / kEpochMilliseconds;
    if (dormant && store::DormantRecords() >= kDormantHeaps) {
        ReleaseSlabs(*heap);
        dormant = false;
    }
    {
        const os::LockGuard guard(g_registry_lock, os::kStackForRegistry);
        store::GiveRecordBackLocked(heap, dormant);
    }
    PurgeProcess(now);
}

}  // namespace strata::heap
