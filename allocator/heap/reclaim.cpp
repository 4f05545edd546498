#include "heap/reclaim.h"

#include <optional>

#include "arena/process_arenas.h"
#include "cache/idle_bins.h"
#include "heap/dormant.h"
#include "heap/purge.h"
#include "os/process.h"
#include "store/heap_lock.h"
#include "store/registry.h"

namespace strata::heap {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// The refusals that were followed by a Reclaim.
constinit std::atomic<size_t> g_answered{0};
// When the last look at all heaps ended, and how long it took, in milliseconds.
constinit std::atomic<uint64_t> g_looked_at{0};
constinit std::atomic<uint64_t> g_look_took{0};
// The next is due after so many times as long: a process that is refused in a loop, and has much to
// look at, spends a ninth of its time on that. In the others a look takes no time that this clock
// knows.
constexpr uint64_t kPause = 8;

struct Visit {
    const Heap* requested;
    bool runs;
};

// A heap that another thread has locked is left alone, but for the one that the request is for; who
// locks one just now does not keep this thread waiting either.
void PurgeIfOpen(void* context, Heap& heap) noexcept {
    const auto& visit = *static_cast<const Visit*>(context);
    std::optional<store::GuestCall> guest;
    if (&heap != visit.requested) {
        if (!store::MayPassGate(heap)) return;
        guest.emplace(heap);
    }
    // Also what threads have in closed bins that are at work just now.
    if (heap.is_process_heap) {
        const uint64_t epoch = os::Milliseconds() / kEpochMilliseconds;
        cache::FlushSleepers(heap, static_cast<uint32_t>(epoch));
    }
    Purge(heap, visit.runs);
}

void ReclaimFromAll(Heap* requested, uint64_t now) noexcept {
    Visit visit{requested, true};
    store::ForEachHeap(&PurgeIfOpen, &visit);
    const uint64_t end = os::Milliseconds();
    g_look_took.store(end - now, kRelaxed);
    g_looked_at.store(end, kRelaxed);
}

// The heap in question, and the one whose bins the thread has anyway.
void ReclaimFromFew(Heap* requested) noexcept {
    Visit visit{requested, false};
    Heap* const process = store::g_process_heap.load(std::memory_order_acquire);
    if (requested != nullptr) PurgeIfOpen(&visit, *requested);
    if (process != requested && process != nullptr) PurgeIfOpen(&visit, *process);
}

void Reclaim(Heap* requested) noexcept {
    const uint64_t now = os::Milliseconds();
    if (now - g_looked_at.load(kRelaxed) >= kPause * g_look_took.load(kRelaxed)) {
        ReclaimFromAll(requested, now);
    } else {
        ReclaimFromFew(requested);
    }
    if (cache::ThreadCache* const cache = cache::OwnCache()) cache->spares.Clear();
    ReleaseDormant(now, true);
    PurgeBelowHeaps();
}

}  // namespace

bool ReclaimIfRefused(Heap* heap) noexcept {
    const size_t refusals = arena::g_memory.refusals();
    if (refusals == 0) return false;
    // Another thread may have done it since this one was refused: then a second try is all that is
    // needed. If it is still at it, this one does it, too.
    if (g_answered.load(kRelaxed) != refusals) {
        Reclaim(heap);
        g_answered.store(refusals, kRelaxed);
    }
    return true;
}

}  // namespace strata::heap
