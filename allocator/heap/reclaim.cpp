#include "heap/reclaim.h"

#include <optional>

#include "arena/process_arenas.h"
#include "cache/veil.h"
#include "heap/bins.h"
#include "heap/fast_path.h"
#include "heap/parts.h"
#include "heap/registry.h"
#include "heap/statistics.h"
#include "os/process.h"

namespace strata::heap {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// The refusals that were followed by a Reclaim.
constinit std::atomic<size_t> g_answered{0};

// What other threads have in veiled bins of the process heap, whoever they are.
void TakeFromOthers(Heap& process) noexcept {
    const uint64_t epoch = os::Milliseconds() / kEpochMilliseconds;
    cache::Taken taken;
    while (cache::TakeFromIdle(cache::CurrentCache(), static_cast<uint32_t>(epoch), taken)) {
        ReturnToSlabs(process, taken.size_class, taken.blocks, taken.count);
    }
}

// A heap that another thread has locked is left alone, but for the one that the request is for; who locks
// one just now does not keep this thread waiting either.
void TrimIfOpen(void* requested, Heap& heap) noexcept {
    std::optional<GuestCall> guest;
    if (&heap != requested) {
        if (!MayPassGate(heap)) return;
        guest.emplace(heap);
    }
    if (IsProcessHeap(heap)) TakeFromOthers(heap);
    Trim(heap);
}

void Reclaim(Heap& requested) noexcept {
    ForEachHeap(&TrimIfOpen, &requested);
    if (cache::ThreadCache* const cache = cache::CurrentCache();
        cache != nullptr && cache != &cache::g_detached_cache) {
        cache->spares.Clear();
    }
    const uint64_t now = os::Milliseconds();
    StripDormant(now, true);
    slab::PurgeRuns(now, true);
    arena::PurgeEverything();
}

}  // namespace

bool ReclaimIfRefused(Heap& heap) noexcept {
    const size_t refusals = arena::g_memory.refusals();
    if (refusals == 0) return false;
    // Another thread may have done it since this one was refused: then a second try is all that is needed.
    if (g_answered.exchange(refusals, kRelaxed) != refusals) Reclaim(heap);
    return true;
}

}  // namespace strata::heap
