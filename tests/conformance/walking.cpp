// HeapWalk: its entries, their order, its end, and what other threads do to it.
#include "support.h"

#include <algorithm>
#include <cstring>

namespace conformance {

namespace {

const std::vector<size_t> kAllKinds = {0,       1,     16,    kSmall, 100,        1000,
                                       kMedium, 20000, 70000, kLarge, 600 * kKiB, kHuge};

std::vector<Block> AllocAll(const HeapApi& api, HANDLE heap) {
    std::vector<Block> live;
    for (size_t bytes : kAllKinds) {
        for (int i = 0; i < 3; ++i) live.push_back({api.alloc(heap, 0, bytes), bytes});
    }
    return live;
}

Observed FreshHeap(const HeapApi& api) {
    Heap heap(api);
    const Walked walked = WalkAll(api, heap);
    bool region = false, free = false, uncommitted = false, busy = false;
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        region |= Is(entry, kRegionFlag);
        uncommitted |= Is(entry, kUncommittedFlag);
        busy |= Is(entry, kBusyFlag);
        free |= entry.wFlags == 0;
    }
    return Say("%s%s%s%s", region ? "region" : "no region", free ? ", free" : ", nothing free",
               uncommitted ? ", uncommitted" : ", nothing uncommitted", busy ? ", busy" : "");
}

Observed FirstIsRegion(const HeapApi& api) {
    Heap heap(api);
    api.alloc(heap, 0, 100);
    PROCESS_HEAP_ENTRY entry = {};
    if (!api.walk(heap, &entry)) return Say("FALSE, %s", ErrorNow());
    return Is(entry, kRegionFlag) ? "region" : "another kind";
}

Observed EndOfWalk(const HeapApi& api) {
    Heap heap(api);
    api.alloc(heap, 0, 100);
    PROCESS_HEAP_ENTRY entry = {};
    unsigned steps = 0;
    for (;;) {
        SeedError();
        if (!api.walk(heap, &entry)) return Say("FALSE, %s", ErrorNow());
        if (++steps == 1000000) return "no end";
    }
}

Observed BusyIsExact(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> live = AllocAll(api, heap);
    return CompareBusy(WalkAll(api, heap), live);
}

Observed FreedIsNotBusy(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> live = AllocAll(api, heap);
    for (size_t i = 0; i < live.size(); i += 2) {
        api.free(heap, 0, live[i].address);
        live[i].address = nullptr;
    }
    live.erase(std::remove_if(live.begin(), live.end(),
                              [](const Block& block) { return block.address == nullptr; }),
               live.end());
    return CompareBusy(WalkAll(api, heap), live);
}

Observed ResizedIsExact(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> live = AllocAll(api, heap);
    for (size_t i = 0; i < live.size(); ++i) {
        const size_t bytes = i % 2 == 0 ? live[i].bytes / 3 : live[i].bytes + live[i].bytes / 2 + 7;
        live[i] = {api.realloc(heap, 0, live[i].address, bytes), bytes};
    }
    return CompareBusy(WalkAll(api, heap), live);
}

// Blocks that many threads allocated, some of which have ended.
Observed OtherThreadsBlocks(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> live;
    for (int i = 0; i < 4; ++i) {
        InOtherThread([&] {
            const std::vector<Block> more = AllocAll(api, heap);
            live.insert(live.end(), more.begin(), more.end());
            api.free(heap, 0, live.back().address);
            live.pop_back();
        });
    }
    return CompareBusy(WalkAll(api, heap), live);
}

// Large blocks may have a region of their own without an entry for it (PROCESS_HEAP_ENTRY). Windows
// gives them the region index 64, and which blocks are large is its business.
bool MayStandAlone(const PROCESS_HEAP_ENTRY& entry) {
    constexpr BYTE kLargeBlock = 64;
    return entry.iRegionIndex == kLargeBlock || entry.cbData >= 500 * kKiB;
}

Observed EntriesInsideRegions(const HeapApi& api) {
    Heap heap(api);
    AllocAll(api, heap);
    const Walked walked = WalkAll(api, heap);
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (Is(entry, kRegionFlag) || MayStandAlone(entry)) continue;
        if (!walked.IsInsideRegion(entry)) {
            return Is(entry, kUncommittedFlag) ? "an uncommitted range outside" : "a block outside";
        }
    }
    return walked.ended ? "inside" : "the walk did not reach its end";
}

Observed RegionsArePlausible(const HeapApi& api) {
    Heap heap(api);
    AllocAll(api, heap);
    const Walked walked = WalkAll(api, heap);
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (!Is(entry, kRegionFlag)) continue;
        const auto reserved =
            static_cast<uint64_t>(EndOfRegion(entry) - static_cast<const char*>(entry.lpData));
        // Either may be zero when it is not known.
        const uint64_t sum =
            uint64_t{entry.Region.dwCommittedSize} + entry.Region.dwUnCommittedSize;
        if (sum > reserved + entry.cbOverhead) return "more than is reserved";
        if (entry.Region.dwCommittedSize == 0) return "nothing committed";
    }
    return "committed and uncommitted within the region";
}

Observed RegionSize(const HeapApi& api) {
    Heap heap(api);
    AllocAll(api, heap);
    bool found = false;
    const Walked walked = WalkAll(api, heap);
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (!Is(entry, kRegionFlag)) continue;
        found = true;
        const char* end = static_cast<const char*>(entry.lpData) + entry.cbData;
        if (end < entry.Region.lpLastBlock) return "less than the region";
    }
    return found ? "all of the region" : "no region";
}

Observed BlocksBetweenFirstAndLast(const HeapApi& api) {
    Heap heap(api);
    AllocAll(api, heap);
    const Walked walked = WalkAll(api, heap);
    const PROCESS_HEAP_ENTRY* region = nullptr;
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (Is(entry, kRegionFlag)) region = &entry;
        if (!Is(entry, kBusyFlag) || MayStandAlone(entry)) continue;
        if (region == nullptr) return "a block before every region";
        if (entry.iRegionIndex != region->iRegionIndex) return "another region's index";
        if (entry.lpData < region->Region.lpFirstBlock) return "a block before the first";
        if (entry.lpData >= region->Region.lpLastBlock) return "a block behind the last";
    }
    return region == nullptr ? "no region" : "between";
}

Observed UncommittedIsReserved(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> live = AllocAll(api, heap);
    FreeAll(api, heap, live);
    const Walked walked = WalkAll(api, heap);
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (!Is(entry, kUncommittedFlag)) continue;
        MEMORY_BASIC_INFORMATION information = {};
        VirtualQuery(entry.lpData, &information, sizeof information);
        if (information.State != MEM_RESERVE) return "other memory";
        if (information.RegionSize < entry.cbData) return "only partly reserved";
    }
    return "reserved memory";
}

Observed LargeBlock(const HeapApi& api) {
    Heap heap(api);
    void* block = api.alloc(heap, 0, kHuge);
    const Walked walked = WalkAll(api, heap);
    const PROCESS_HEAP_ENTRY* busy = walked.Busy(block);
    if (busy == nullptr) return "no busy entry";
    if (Is(*busy, kRegionFlag)) return "a busy entry that says region";
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (Is(entry, kBusyFlag) || &entry == busy) continue;
        if (Is(entry, kRegionFlag) && walked.IsInsideRegion(*busy))
            return "busy, in a region entry";
    }
    return "busy, no region entry";
}

// What Windows says of a block that has a reservation of its own.
Observed LargeBlockIndex(const HeapApi& api) {
    Heap heap(api);
    void* block = api.alloc(heap, 0, kHuge);
    const Walked walked = WalkAll(api, heap);
    const PROCESS_HEAP_ENTRY* busy = walked.Busy(block);
    if (busy == nullptr) return "no busy entry";
    return Say("index %u, overhead %u", unsigned{busy->iRegionIndex}, unsigned{busy->cbOverhead});
}

// Two enumerations in turn: all state is in the entry.
Observed Interleaved(const HeapApi& api) {
    Heap heap(api);
    AllocAll(api, heap);
    const Walked alone = WalkAll(api, heap);
    PROCESS_HEAP_ENTRY slow = {}, fast = {};
    for (size_t step = 0; api.walk(heap, &slow); ++step) {
        if (step >= alone.entries.size()) return "longer than alone";
        if (slow.lpData != alone.entries[step].lpData) return "another order";
        for (int i = 0; i < 2; ++i) {
            if (!api.walk(heap, &fast)) fast = {};
        }
    }
    return "independent";
}

Observed LocksAndWalks(const HeapApi& api) {
    Heap heap(api);
    const std::vector<Block> live = AllocAll(api, heap);
    if (!api.lock(heap)) return "not locked";
    const Observed seen = CompareBusy(WalkAll(api, heap), live);
    return api.unlock(heap) ? seen : Observed("not unlocked");
}

// Threads that allocate and free for as long as `walk` takes.
void DuringTraffic(const HeapApi& api, HANDLE heap, const std::function<void()>& walk) {
    std::atomic<bool> stop(false);
    const auto traffic = [&] {
        while (!stop.load()) {
            std::vector<Block> blocks;
            for (size_t bytes : kAllKinds) blocks.push_back({api.alloc(heap, 0, bytes), bytes});
            FreeAll(api, heap, blocks);
        }
    };
    Waiter first(traffic), second(traffic);
    walk();
    stop.store(true);
    while (!first.HasEndedWithin(1000) || !second.HasEndedWithin(1000)) {
    }
}

Observed UnlockedTraffic(const HeapApi& api) {
    Heap heap(api);
    const std::vector<Block> live = AllocAll(api, heap);
    bool bounded = true;
    DuringTraffic(api, heap, [&] {
        const ULONGLONG end = GetTickCount64() + 300;
        while (GetTickCount64() < end && bounded) {
            const ULONGLONG began = GetTickCount64();
            PROCESS_HEAP_ENTRY entry = {};
            while (bounded && api.walk(heap, &entry)) bounded = GetTickCount64() - began < 5000;
        }
    });
    if (!bounded) return "no end";
    return CompareBusy(WalkAll(api, heap), live).text() == std::string("exact") ? "no crash, ends"
                                                                                : "heap damaged";
}

// Microsoft's use of HeapLock: nobody else may change anything while the walk goes on.
Observed LockedTraffic(const HeapApi& api) {
    Heap heap(api);
    const std::vector<Block> live = AllocAll(api, heap);
    unsigned wrong = 0;
    DuringTraffic(api, heap, [&] {
        for (int i = 0; i < 20; ++i) {
            api.lock(heap);
            const Walked walked = WalkAll(api, heap);
            wrong += walked.ended ? 0 : 1;
            for (const Block& block : live) {
                const PROCESS_HEAP_ENTRY* entry = walked.Busy(block.address);
                wrong += entry != nullptr && entry->cbData == block.bytes ? 0 : 1;
            }
            api.unlock(heap);
        }
    });
    return wrong == 0 ? "own blocks exact" : "own blocks missing";
}

Observed Moveable(const HeapApi&) {
    HGLOBAL handle = GlobalAlloc(GMEM_MOVEABLE, 12345);
    const void* data = GlobalLock(handle);
    GlobalUnlock(handle);
    const HeapApi api = SystemApi();
    const Walked walked = WalkAll(api, api.process_heap());
    const PROCESS_HEAP_ENTRY* entry = walked.Busy(data);
    Observed seen("no busy entry");
    if (entry != nullptr) {
        seen = Say("cbData %lu%s%s", static_cast<unsigned long>(entry->cbData),
                   Is(*entry, PROCESS_HEAP_ENTRY_MOVEABLE) ? ", moveable" : ", not moveable",
                   entry->Block.hMem == handle ? ", hMem" : ", no hMem");
    }
    GlobalFree(handle);
    return seen;
}

const Rule kRules[] = {
    {"walk.fresh", "The kinds of entries in a fresh heap", "region, free, uncommitted",
     "Wine tests", FreshHeap},
    {"walk.first", "The first entry", "region", "PROCESS_HEAP_ENTRY", FirstIsRegion},
    {"walk.end", "The end of an enumeration", "FALSE, ERROR_NO_MORE_ITEMS", "HeapWalk", EndOfWalk},
    {"walk.busy", "Busy entries are the live blocks, 0 bytes to 3 MiB, with their sizes", "exact",
     "PROCESS_HEAP_ENTRY", BusyIsExact},
    {"walk.freed", "The same after every other block was freed", "exact", "PROCESS_HEAP_ENTRY",
     FreedIsNotBusy},
    {"walk.resized", "The same after every block was resized", "exact", "PROCESS_HEAP_ENTRY",
     ResizedIsExact},
    {"walk.threads", "The same for blocks of four threads that have ended", "exact",
     "PROCESS_HEAP_ENTRY", OtherThreadsBlocks},
    {"walk.inside", "Blocks and uncommitted ranges lie in regions", "inside", "PROCESS_HEAP_ENTRY",
     EntriesInsideRegions},
    {"walk.region", "Sizes in a region's entry", "committed and uncommitted within the region",
     "PROCESS_HEAP_ENTRY", RegionsArePlausible},
    {"walk.region.cbData", "cbData of a region's entry", "all of the region", "PROCESS_HEAP_ENTRY",
     RegionSize},
    {"walk.first_and_last", "Blocks lie between lpFirstBlock and lpLastBlock of the region before",
     "between", "PROCESS_HEAP_ENTRY", BlocksBetweenFirstAndLast},
    {"walk.uncommitted", "VirtualQuery of uncommitted ranges", "reserved memory",
     "PROCESS_HEAP_ENTRY", UncommittedIsReserved},
    {"walk.large", "A block of 3 MiB", "busy, no region entry", "PROCESS_HEAP_ENTRY", LargeBlock},
    {"walk.large.index", "iRegionIndex and cbOverhead of it", "index 64, overhead 0", "Wine tests",
     LargeBlockIndex},
    {"walk.interleaved", "Two enumerations in turn", "independent", "HeapWalk", Interleaved},
    {"walk.locked", "An enumeration under HeapLock", "exact", "HeapLock", LocksAndWalks},
    {"walk.traffic", "Without HeapLock, while two threads allocate and free", "no crash, ends",
     "HeapWalk (may fail)", UnlockedTraffic},
    {"walk.traffic.locked", "Under HeapLock, while two threads allocate and free",
     "own blocks exact", "HeapLock", LockedTraffic},
    {"walk.moveable", "A block of GlobalAlloc(GMEM_MOVEABLE)", "cbData 12345, moveable, hMem",
     "PROCESS_HEAP_ENTRY", Moveable, Scope::kSystemOnly},
};

}  // namespace

const Topic kWalking = MakeTopic("HeapWalk", kRules);

}  // namespace conformance
