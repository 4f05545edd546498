// Handles of heaps: how they look, and how they end.
#include "support.h"

#include <cstring>
#include <set>

namespace conformance {

namespace {

constexpr int kHeaps = 40;

Observed Aligned(const HeapApi& api) {
    for (int i = 0; i < kHeaps; ++i) {
        Heap heap(api);
        if (!heap.ok()) return "no heap";
        if (reinterpret_cast<uintptr_t>(static_cast<HANDLE>(heap)) % 0x10000 != 0) return "another";
    }
    return "multiple of 64 KiB";
}

Observed Distinct(const HeapApi& api) {
    std::vector<std::unique_ptr<Heap>> heaps;
    std::set<HANDLE> handles = {api.process_heap()};
    for (int i = 0; i < kHeaps; ++i) {
        heaps.push_back(std::make_unique<Heap>(api));
        handles.insert(*heaps.back());
    }
    return handles.size() == kHeaps + 1 ? "distinct" : "shared";
}

// The two words of a heap's header that programs are known to read: its flags, and those that a
// debugger forces upon it.
Observed Header(const HeapApi& api) {
    const auto* header = static_cast<const unsigned char*>(api.process_heap());
    DWORD flags, forced;
    std::memcpy(&flags, header + 0x70, sizeof flags);
    std::memcpy(&forced, header + 0x74, sizeof forced);
    return Say("flags 0x%lX, forced 0x%lX", static_cast<unsigned long>(flags),
               static_cast<unsigned long>(forced));
}

Observed DestroyWithBlocks(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes : {size_t{0}, kSmall, kMedium, kLarge, kHuge}) {
        for (int i = 0; i < 10; ++i) api.alloc(heap, 0, bytes);
    }
    SeedError();
    const BOOL destroyed = heap.Destroy();
    return Say("%s, %s", destroyed ? "TRUE" : "FALSE", ErrorNow());
}

// The pages of a destroyed heap's large block are the heap's no more.
Observed DestroyReleases(const HeapApi& api) {
    Heap heap(api);
    auto* block = static_cast<char*>(api.alloc(heap, 0, 40 * kMiB));
    if (block == nullptr) return "no block";
    block[0] = 1;
    heap.Destroy();
    MEMORY_BASIC_INFORMATION information = {};
    VirtualQuery(block + 20 * kMiB, &information, sizeof information);
    return information.State == MEM_COMMIT ? "still committed" : "given back";
}

// Nearly all pages of a heap of fixed size, at once or after a while in which others allocate.
Observed DestroyReleasesFixed(const HeapApi& api) {
    constexpr size_t kKept = 256 * kKiB;
    Heap other(api), heap(api, 0, kMiB, 4 * kMiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    std::vector<Block> blocks = Fill(api, heap, {100000, 300});
    for (const Block& block : blocks) std::memset(block.address, 1, block.bytes);
    if (TotalBytes(blocks) < 2 * kMiB) return "too few blocks";
    heap.Destroy();
    for (const ULONGLONG end = GetTickCount64() + 4000;; Sleep(20)) {
        size_t committed = 0;
        for (const Block& block : blocks) {
            MEMORY_BASIC_INFORMATION information = {};
            VirtualQuery(block.address, &information, sizeof information);
            if (information.State == MEM_COMMIT) committed += block.bytes;
        }
        if (committed <= kKept) return "given back";
        if (GetTickCount64() >= end) return "still committed";
        api.free(other, 0, api.alloc(other, 0, 70000));
    }
}

Observed DestroyProcessHeap(const HeapApi& api) {
    const BOOL destroyed = api.destroy(api.process_heap());
    void* block = api.alloc(api.process_heap(), 0, 100);
    const bool serves = block != nullptr && api.free(api.process_heap(), 0, block);
    return Say("%s, %s", destroyed ? "TRUE" : "FALSE", serves ? "serves" : "is dead");
}

// A thread that freed blocks of a heap, and may still hold them for reuse, goes on after the heap's
// end.
Observed DestroyUnderThreads(const HeapApi& api) {
    Heap doomed(api), lasting(api);
    std::atomic<int> stage(0);
    std::atomic<bool> good(true);
    Waiter other([&] {
        for (int i = 0; i < 200; ++i) {
            for (size_t bytes : {kSmall, size_t{500}, kMedium, kLarge}) {
                void* block = api.alloc(doomed, 0, bytes);
                api.free(doomed, 0, block);
                api.free(lasting, 0, api.alloc(lasting, 0, bytes));
            }
        }
        stage.store(1);
        while (stage.load() != 2) Sleep(1);
        for (int i = 0; i < 200; ++i) {
            for (size_t bytes : {kSmall, size_t{500}, kMedium, kLarge}) {
                void* block = api.alloc(lasting, HEAP_ZERO_MEMORY, bytes);
                if (block == nullptr || !IsZero(block, 0, bytes)) good.store(false);
                if (!api.free(lasting, 0, block)) good.store(false);
            }
        }
    });
    while (stage.load() != 1) Sleep(1);
    const BOOL destroyed = doomed.Destroy();
    Heap successor(api);  // may get the same address
    std::vector<Block> blocks;
    for (int i = 0; i < 100; ++i) blocks.push_back({api.alloc(successor, 0, kSmall), kSmall});
    stage.store(2);
    while (!other.HasEndedWithin(1000)) {
    }
    if (!destroyed) return "not destroyed";
    const bool valid =
        good.load() && api.validate(lasting, 0, nullptr) && api.validate(successor, 0, nullptr) &&
        std::strcmp(CompareBusy(WalkAll(api, successor), blocks).text(), "exact") == 0;
    return valid ? "goes on" : "other heaps damaged";
}

Observed ManyHeaps(const HeapApi& api) {
    for (int i = 0; i < 300; ++i) {
        Heap heap(api);
        void* block = api.alloc(heap, HEAP_ZERO_MEMORY, kMedium);
        if (block == nullptr || !IsZero(block, 0, kMedium)) return "not served";
        std::memset(block, 0xEE, kMedium);
        if (!heap.Destroy()) return "not destroyed";
    }
    return "served";
}

const Rule kRules[] = {
    {"handle.alignment", "The handles of 40 heaps", "multiple of 64 KiB", "Wine tests", Aligned},
    {"handle.distinct", "The handles of 40 heaps alive at once", "distinct", "HeapCreate",
     Distinct},
    {"handle.header", "Flags and forced flags in the process heap's header (0x70 and 0x74)",
     "flags 0x2, forced 0x0", "relied upon, undocumented", Header, Scope::kSystemOnly},
    {"destroy.live_blocks", "HeapDestroy of a heap with live blocks", "TRUE, unchanged",
     "HeapDestroy", DestroyWithBlocks},
    {"destroy.releases", "The memory of a destroyed heap", "given back", "HeapDestroy",
     DestroyReleases},
    {"destroy.releases.fixed", "The same of a heap of 4 MiB", "given back", "HeapDestroy",
     DestroyReleasesFixed},
    {"destroy.process_heap", "HeapDestroy of the process heap", "FALSE, serves",
     "HeapDestroy (not to be done)", DestroyProcessHeap},
    {"destroy.threads", "Another thread that used the heap goes on with other heaps", "goes on",
     "HeapDestroy", DestroyUnderThreads},
    {"destroy.many", "300 heaps, one after the other", "served", "HeapDestroy", ManyHeaps},
};

}  // namespace

const Topic kHandles = MakeTopic("handles", kRules);

}  // namespace conformance
