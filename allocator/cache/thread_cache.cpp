#include "cache/thread_cache.h"

#include <new>

#include "arena/process_arenas.h"
#include "os/lock.h"

namespace strata::cache {

static_assert(sizeof(ThreadCache) <= arena::Metadata::kMaxChunk);
static_assert(sizeof(HeapBins) <= arena::Metadata::kMaxChunk);

constinit ThreadCache g_detached_cache = {};

namespace {
constinit std::atomic<size_t> g_caches{0};
}  // namespace

ThreadCache* CreateThreadCache() noexcept {
    auto* cache = static_cast<ThreadCache*>(arena::g_metadata.Allocate(sizeof(ThreadCache)));
    if (cache == nullptr) return nullptr;
    new (cache) ThreadCache{};
    os::SetThreadSlot(cache);
    g_caches.fetch_add(1, std::memory_order_relaxed);
    return cache;
}

void DestroyThreadCache(ThreadCache* cache) noexcept {
    os::SetThreadSlot(&g_detached_cache);
    cache->spares.Clear();
    arena::g_metadata.Free(cache, sizeof(ThreadCache));
    g_caches.fetch_sub(1, std::memory_order_relaxed);
}

HeapBins* CreateHeapBins() noexcept {
    auto* bins = static_cast<HeapBins*>(arena::g_metadata.Allocate(sizeof(HeapBins)));
    return bins == nullptr ? nullptr : new (bins) HeapBins;
}

void DestroyHeapBins(HeapBins* bins) noexcept { arena::g_metadata.Free(bins, sizeof(HeapBins)); }

size_t ThreadCacheCount() noexcept { return g_caches.load(std::memory_order_relaxed); }

}  // namespace strata::cache
