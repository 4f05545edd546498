#include "cache/thread_cache.h"

#include <new>

#include "arena/process_arenas.h"
#include "os/lock.h"
#include "os/process.h"

namespace strata::cache {

static_assert(sizeof(ThreadCache) <= arena::Metadata::kMaxChunk);
static_assert(sizeof(HeapBins) <= arena::Metadata::kMaxChunk);

constinit ThreadCache g_detached_cache = {};  // its budgets are 0: nothing is parked in it either

constinit os::Lock g_caches_lock{os::LockRank::kCaches};
constinit ThreadCache* g_first_cache = nullptr;

namespace {

constinit std::atomic<size_t> g_caches{0};

void Link(ThreadCache* cache) noexcept {
    const os::LockGuard guard(g_caches_lock);
    cache->next = g_first_cache;
    if (cache->next != nullptr) cache->next->previous = cache;
    g_first_cache = cache;
}

void Unlink(ThreadCache* cache) noexcept {
    const os::LockGuard guard(g_caches_lock);
    (cache->previous != nullptr ? cache->previous->next : g_first_cache) = cache->next;
    if (cache->next != nullptr) cache->next->previous = cache->previous;
}

}  // namespace

ThreadCache* CreateThreadCache() noexcept {
    auto* cache = static_cast<ThreadCache*>(arena::g_metadata.Allocate(sizeof(ThreadCache)));
    if (cache == nullptr) return nullptr;
    new (cache) ThreadCache{};
    cache->state.has_cache = true;
    // There is nothing in its bins that a first pass could close.
    const uint64_t now = os::Milliseconds();
    cache->slow_paths.last = static_cast<uint32_t>(now);
    cache->slow_paths.pass_warm = arena::g_arenas.warm_slices();
    cache->slow_paths.NotePass(now);
    os::SetThreadSlot(cache);
    Link(cache);
    g_caches.fetch_add(1, std::memory_order_relaxed);
    return cache;
}

void DestroyThreadCache(ThreadCache* cache) noexcept {
    os::SetThreadSlot(&g_detached_cache);
    cache->spares.Clear();
    Unlink(cache);
    if (cache->closed.uses != nullptr) arena::g_metadata.Free(cache->closed.uses, sizeof(BinUses));
    arena::g_metadata.Free(cache, sizeof(ThreadCache));
    g_caches.fetch_sub(1, std::memory_order_relaxed);
}

void MarkDetached() noexcept { os::SetThreadSlotAtEnd(&g_detached_cache); }

HeapBins* CreateHeapBins() noexcept {
    auto* bins = static_cast<HeapBins*>(arena::g_metadata.Allocate(sizeof(HeapBins)));
    return bins == nullptr ? nullptr : new (bins) HeapBins;
}

void DestroyHeapBins(HeapBins* bins) noexcept { arena::g_metadata.Free(bins, sizeof(HeapBins)); }

size_t ThreadCacheCount() noexcept { return g_caches.load(std::memory_order_relaxed); }

}  // namespace strata::cache
