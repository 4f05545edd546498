// What the entries of HeapWalk say of memory: each is memory of its own in the region whose index
// it has, and what is called free or busy can be read.
#include "support.h"

#include <algorithm>
#include <cstring>

namespace conformance {

namespace {

constexpr BYTE kLargeBlock = 64;  // the region index of blocks that have a reservation of their own

// --- Regions ---

// Blocks of 100 to 400 KB, 10 MB in all: more than one region.
std::vector<Block> FillRegions(const HeapApi& api, HANDLE heap) {
    std::vector<Block> blocks;
    for (size_t i = 0; i < 40; ++i) {
        const size_t bytes = 100000 + i % 4 * 100000;
        blocks.push_back({api.alloc(heap, 0, bytes), bytes});
        blocks.push_back({api.alloc(heap, 0, 100), 100});
    }
    return blocks;
}

Observed RegionsCount(const HeapApi& api, HANDLE heap) {
    unsigned next = 0, rounds = 0;
    const Walked walked = WalkAll(api, heap);
    if (!walked.ended) return "the walk did not reach its end";
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (!Is(entry, kRegionFlag)) continue;
        if (entry.iRegionIndex == 0) {
            next = 0;
            ++rounds;
        }
        if (entry.iRegionIndex != next) return "another order";
        ++next;
    }
    return rounds == 0 ? "no region" : rounds == 1 ? "0, 1, 2 ..." : "from 0 more than once";
}

Observed RegionsCountInFull(const HeapApi& api) {
    Heap heap(api);
    FillRegions(api, heap);
    return RegionsCount(api, heap);
}

Observed RegionsCountInFresh(const HeapApi& api) {
    Heap heap(api);
    api.alloc(heap, 0, 48);
    return RegionsCount(api, heap);
}

Observed RegionsCountInFixed(const HeapApi& api) {
    Heap heap(api, 0, 0, 2 * kMiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    Fill(api, heap, {1000, 30000});
    return RegionsCount(api, heap);
}

Observed LargeBlocksIndex(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> blocks;
    for (size_t bytes : {2 * kMiB, kHuge, 5 * kMiB + 123, 20 * kMiB, 2 * kMiB}) {
        blocks.push_back({api.alloc(heap, 0, bytes), bytes});
        api.alloc(heap, 0, kMedium);
    }
    const Walked walked = WalkAll(api, heap);
    for (const Block& block : blocks) {
        const PROCESS_HEAP_ENTRY* entry = walked.Busy(block.address);
        if (entry == nullptr) return "no busy entry";
        if (entry->iRegionIndex != kLargeBlock) return Say("%u", unsigned{entry->iRegionIndex});
        if (entry->cbData != block.bytes) return "wrong cbData";
    }
    return "64";
}

// Every entry but those of large blocks lies in a region with its index, whose own entry came
// before.
Observed EntriesInTheirRegions(const HeapApi& api, HANDLE heap) {
    const Walked walked = WalkAll(api, heap);
    if (!walked.ended) return "the walk did not reach its end";
    std::vector<const PROCESS_HEAP_ENTRY*> regions;
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (Is(entry, kRegionFlag)) {
            regions.push_back(&entry);
            continue;
        }
        if (entry.iRegionIndex == kLargeBlock && Is(entry, kBusyFlag)) continue;
        const auto* begin = static_cast<const char*>(entry.lpData);
        const bool inside = std::any_of(regions.begin(), regions.end(), [&](const auto* region) {
            return region->iRegionIndex == entry.iRegionIndex && begin >= region->lpData &&
                   begin + entry.cbData <= EndOfRegion(*region);
        });
        if (!inside) {
            return Is(entry, kBusyFlag) ? "a block elsewhere"
                   : entry.wFlags == 0  ? "free memory elsewhere"
                                        : "an uncommitted range elsewhere";
        }
    }
    return regions.empty() ? "no region" : "in their regions";
}

// Blocks of all kinds, of which every third was freed.
std::vector<Block> Mix(const HeapApi& api, HANDLE heap, size_t largest) {
    std::vector<Block> live;
    for (int round = 0; round < 12; ++round) {
        for (size_t bytes : {size_t{0}, size_t{1}, size_t{16}, kSmall, size_t{100}, size_t{1000},
                             kMedium, size_t{20000}, size_t{70000}, kLarge, 600 * kKiB, kHuge}) {
            if (bytes > largest) continue;
            void* block = api.alloc(heap, 0, bytes);
            if (block != nullptr) live.push_back({block, bytes});
        }
    }
    for (size_t i = 0; i < live.size(); i += 3) {
        api.free(heap, 0, live[i].address);
        live[i].address = nullptr;
    }
    live.erase(std::remove_if(live.begin(), live.end(),
                              [](const Block& block) { return block.address == nullptr; }),
               live.end());
    return live;
}

template <DWORD options, SIZE_T maximum>
Observed MixedInTheirRegions(const HeapApi& api) {
    Heap heap(api, options, 0, maximum);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    Mix(api, heap, maximum == 0 ? kHuge : kLarge);
    return EntriesInTheirRegions(api, heap);
}

// A region's numbers are the sums of its entries', where they are known.
Observed RegionSums(const HeapApi& api) {
    Heap heap(api);
    Mix(api, heap, kHuge);
    const Walked walked = WalkAll(api, heap);
    if (!walked.ended) return "the walk did not reach its end";
    for (const PROCESS_HEAP_ENTRY& region : walked.entries) {
        if (!Is(region, kRegionFlag)) continue;
        uint64_t blocks = 0, uncommitted = 0;
        for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
            if (Is(entry, kRegionFlag) || entry.lpData < region.lpData ||
                entry.lpData >= EndOfRegion(region)) {
                continue;
            }
            (Is(entry, kUncommittedFlag) ? uncommitted : blocks) += entry.cbData;
        }
        if (blocks > region.Region.dwCommittedSize) return "more in blocks than is committed";
        if (region.Region.dwUnCommittedSize != 0 && uncommitted > region.Region.dwUnCommittedSize) {
            return "larger uncommitted ranges than are uncommitted";
        }
    }
    return "as large as their entries";
}

// --- Memory ---

// Can all of it be read? By VirtualQuery, and then by reading a byte of each page.
bool IsReadable(const void* address, size_t bytes) {
    const auto* at = static_cast<const char*>(address);
    for (const char* end = at + bytes; at < end;) {
        MEMORY_BASIC_INFORMATION information = {};
        if (VirtualQuery(at, &information, sizeof information) == 0) return false;
        if (information.State != MEM_COMMIT || (information.Protect & PAGE_NOACCESS) != 0)
            return false;
        const auto* next =
            static_cast<const char*>(information.BaseAddress) + information.RegionSize;
        for (next = std::min(next, end); at < next; at += 4096) {
            static_cast<void>(*const_cast<const volatile char*>(at));
        }
        at = next;
    }
    return true;
}

// Under the lock, for another thread could give free memory back.
Observed AllReadable(const HeapApi& api, HANDLE heap) {
    api.lock(heap);
    const Walked walked = WalkAll(api, heap);
    Observed seen(walked.ended ? "readable" : "the walk did not reach its end");
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (Is(entry, kRegionFlag | kUncommittedFlag)) continue;
        if (!IsReadable(entry.lpData, entry.cbData)) {
            seen = Is(entry, kBusyFlag) ? "a block that cannot be read"
                                        : "free memory that cannot be read";
            break;
        }
    }
    api.unlock(heap);
    return seen;
}

// With some blocks freed, then all, then all given back.
Observed ReadableAlways(const HeapApi& api, HANDLE heap, size_t largest) {
    if (heap == nullptr) return Say("no heap, %s", ErrorNow());
    std::vector<Block> live = Mix(api, heap, largest);
    const auto wrong = [](const Observed& seen) {
        return std::strcmp(seen.text(), "readable") != 0;
    };
    Observed seen = AllReadable(api, heap);
    if (wrong(seen)) return seen;
    const Block last = live.back();
    live.pop_back();
    FreeAll(api, heap, live);
    seen = AllReadable(api, heap);
    if (wrong(seen)) return Say("freed: %s", seen.text());
    api.compact(heap, 0);
    seen = AllReadable(api, heap);
    if (wrong(seen)) return Say("compacted: %s", seen.text());
    api.free(heap, 0, last.address);
    api.compact(heap, 0);
    seen = AllReadable(api, heap);
    return wrong(seen) ? Say("empty: %s", seen.text()) : seen;
}

bool IsCommitted(const void* address) {
    MEMORY_BASIC_INFORMATION information = {};
    VirtualQuery(address, &information, sizeof information);
    return information.State == MEM_COMMIT;
}

// Most blocks are freed, a few stay, and the heap has time to give pages between them back, if it
// does such a thing. Where those are, no free memory is named, and no uncommitted range where there
// are none.
Observed ReadableLater(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> live, freed;
    for (size_t bytes : {size_t{100}, size_t{1000}, kMedium}) {
        for (int i = 0; i < 2000; ++i) {
            (i % 200 == 100 ? live : freed).push_back({api.alloc(heap, 0, bytes), bytes});
        }
    }
    for (const Block& block : freed) std::memset(block.address, 1, block.bytes);
    for (const Block& block : freed) api.free(heap, 0, block.address);
    for (const ULONGLONG end = GetTickCount64() + 900; GetTickCount64() < end; Sleep(20)) {
        for (size_t bytes : {kSmall, size_t{300}, kLarge}) {
            api.free(heap, 0, api.alloc(heap, 0, bytes));
        }
    }
    const Walked walked = WalkAll(api, heap);
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (!Is(entry, kUncommittedFlag)) continue;
        const auto* begin = static_cast<const char*>(entry.lpData);
        for (const Block& block : freed) {
            if (block.address >= begin && block.address < begin + entry.cbData &&
                IsCommitted(block.address)) {
                return "an uncommitted range that is committed";
            }
        }
    }
    const Observed exact = CompareBusy(walked, live);
    return std::strcmp(exact.text(), "exact") == 0 ? AllReadable(api, heap) : exact;
}

Observed Overlaps(const HeapApi& api, HANDLE heap) {
    Walked walked = WalkAll(api, heap);
    if (!walked.ended) return "the walk did not reach its end";
    for (const bool regions : {false, true}) {
        std::vector<std::pair<const char*, const char*>> ranges;
        for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
            if (Is(entry, kRegionFlag) != regions) continue;
            const auto* begin = static_cast<const char*>(entry.lpData);
            ranges.push_back({begin, regions ? EndOfRegion(entry) : begin + entry.cbData});
        }
        std::sort(ranges.begin(), ranges.end());
        for (size_t i = 1; i < ranges.size(); ++i) {
            if (ranges[i].first < ranges[i - 1].second) {
                return regions ? "regions that overlap" : "entries that overlap";
            }
            if (ranges[i].first == ranges[i - 1].first) return "an address twice";
        }
    }
    return "nothing overlaps";
}

template <DWORD options, SIZE_T maximum>
Observed NothingOverlaps(const HeapApi& api) {
    Heap heap(api, options, 0, maximum);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    std::vector<Block> live = Mix(api, heap, maximum == 0 ? kHuge : kLarge);
    const Observed seen = Overlaps(api, heap);
    if (std::strcmp(seen.text(), "nothing overlaps") != 0) return seen;
    FreeAll(api, heap, live);
    return Overlaps(api, heap);
}

// --- Whole walks ---

template <DWORD options, SIZE_T maximum>
Observed BusyInKind(const HeapApi& api) {
    Heap heap(api, options, 0, maximum);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    const std::vector<Block> live = Mix(api, heap, maximum == 0 ? kHuge : kLarge);
    const Walked walked = WalkAll(api, heap);
    for (const Block& block : live) {
        const SIZE_T size = api.size(heap, 0, block.address);
        if (size != block.bytes || !api.validate(heap, 0, block.address))
            return "a block is damaged";
    }
    return CompareBusy(walked, live);
}

bool SameEntries(const Walked& a, const Walked& b) {
    return a.entries.size() == b.entries.size() &&
           std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(),
                      [](const PROCESS_HEAP_ENTRY& x, const PROCESS_HEAP_ENTRY& y) {
                          return x.lpData == y.lpData && x.cbData == y.cbData &&
                                 x.wFlags == y.wFlags && x.iRegionIndex == y.iRegionIndex;
                      });
}

// Two enumerations under one HeapLock are the same, whatever other threads have done before.
Observed StableUnderLock(const HeapApi& api) {
    Heap heap(api);
    for (int i = 0; i < 3; ++i) InOtherThread([&] { Mix(api, heap, kHuge); });
    if (!api.lock(heap)) return "not locked";
    const Walked first = WalkAll(api, heap), second = WalkAll(api, heap);
    if (!api.unlock(heap)) return "not unlocked";
    if (!first.ended || !second.ended) return "the walk did not reach its end";
    return SameEntries(first, second) ? "the same twice" : "changes";
}

// Only lpData says that an enumeration begins.
Observed StartsByData(const HeapApi& api) {
    Heap heap(api);
    Mix(api, heap, kLarge);
    const Walked plain = WalkAll(api, heap);
    PROCESS_HEAP_ENTRY entry;
    std::memset(&entry, 0xCD, sizeof entry);
    for (int round = 0; round < 2; ++round) {  // the second begins in the middle of the first
        entry.lpData = nullptr;
        for (size_t i = 0; i < 10 && i < plain.entries.size(); ++i) {
            if (!api.walk(heap, &entry)) return "ends too early";
            if (entry.lpData != plain.entries[i].lpData) return "another order";
        }
    }
    return "begins";
}

constexpr char kInRegions[] = "in their regions", kNoOverlap[] = "nothing overlaps";
constexpr SIZE_T kFixedSize = 8 * kMiB;

const Rule kRules[] = {
    {"walk.index.fresh", "iRegionIndex of the regions of a heap with one block", "0, 1, 2 ...",
     "Wine tests", RegionsCountInFresh},
    {"walk.index", "The same of a heap with 10 MB in blocks to 400,000 bytes", "0, 1, 2 ...",
     "Wine tests", RegionsCountInFull},
    {"walk.index.fixed", "The same of a heap of 2 MiB", "0, 1, 2 ...", "Wine tests",
     RegionsCountInFixed},
    {"walk.index.large", "iRegionIndex of blocks of 2 to 20 MiB", "64", "Wine tests",
     LargeBlocksIndex},
    {"walk.index.blocks", "Blocks, free memory and uncommitted ranges have their region's index",
     kInRegions, "PROCESS_HEAP_ENTRY", MixedInTheirRegions<0, 0>},
    {"walk.index.blocks.fixed", "The same in a heap of 8 MiB", kInRegions, "PROCESS_HEAP_ENTRY",
     MixedInTheirRegions<0, kFixedSize>},
    {"walk.index.blocks.executable", "The same in an executable heap", kInRegions,
     "PROCESS_HEAP_ENTRY", MixedInTheirRegions<HEAP_CREATE_ENABLE_EXECUTE, 0>},
    {"walk.region.sums", "A region's committed and uncommitted bytes", "as large as their entries",
     "PROCESS_HEAP_ENTRY", RegionSums},
    {"walk.readable", "Memory that is called free or busy, before and after HeapCompact",
     "readable", "PROCESS_HEAP_ENTRY",
     [](const HeapApi& api) {
         Heap heap(api);
         return ReadableAlways(api, heap, kHuge);
     }},
    {"walk.readable.fixed", "The same in a heap of 8 MiB", "readable", "PROCESS_HEAP_ENTRY",
     [](const HeapApi& api) {
         Heap heap(api, 0, 0, kFixedSize);
         return ReadableAlways(api, heap, kLarge);
     }},
    {"walk.readable.process_heap", "The same in the process heap", "readable", "PROCESS_HEAP_ENTRY",
     [](const HeapApi& api) { return ReadableAlways(api, api.process_heap(), kHuge); }},
    {"walk.readable.later", "A second after most blocks were freed", "readable",
     "PROCESS_HEAP_ENTRY", ReadableLater},
    {"walk.overlap", "The ranges of the entries, and of the regions", kNoOverlap,
     "PROCESS_HEAP_ENTRY", NothingOverlaps<0, 0>},
    {"walk.overlap.fixed", "The same in a heap of 8 MiB", kNoOverlap, "PROCESS_HEAP_ENTRY",
     NothingOverlaps<0, kFixedSize>},
    {"walk.busy.fixed", "Busy entries are the live blocks, in a heap of 8 MiB", "exact",
     "PROCESS_HEAP_ENTRY", BusyInKind<0, kFixedSize>},
    {"walk.busy.no_serialize", "The same in a heap created with HEAP_NO_SERIALIZE", "exact",
     "PROCESS_HEAP_ENTRY", BusyInKind<HEAP_NO_SERIALIZE, 0>},
    {"walk.busy.executable", "The same in an executable heap", "exact", "PROCESS_HEAP_ENTRY",
     BusyInKind<HEAP_CREATE_ENABLE_EXECUTE, 0>},
    {"walk.stable", "Two enumerations under HeapLock", "the same twice", "HeapLock",
     StableUnderLock},
    {"walk.start", "An enumeration begins where lpData is NULL, whatever else is in the entry",
     "begins", "HeapWalk", StartsByData},
};

}  // namespace

const Topic kWalkEntries = MakeTopic("entries of HeapWalk", kRules);

}  // namespace conformance
