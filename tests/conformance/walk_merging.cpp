// Free memory in HeapWalk: neighbouring free blocks are one entry, for the system joins them when
// they are freed (HeapCompact), so that a heap takes few steps to walk whatever was freed in it.
//
// Blocks of the low-fragmentation heap are separate entries on Windows even when they are free
// (Wine's tests): the rules that count free entries have heaps, or sizes, that it does not serve.
#include "support.h"

#include <algorithm>
#include <cstring>

namespace conformance {

namespace {

bool IsFree(const PROCESS_HEAP_ENTRY& entry) { return entry.wFlags == 0; }

// Without keeping the entries, which may be many.
struct Count {
    size_t all = 0, busy = 0, free = 0;
    bool ended = false;
};

Count CountEntries(const HeapApi& api, HANDLE heap) {
    constexpr size_t kMost = 3000000;
    Count count;
    PROCESS_HEAP_ENTRY entry = {};
    while (count.all < kMost && api.walk(heap, &entry)) {
        ++count.all;
        count.busy += Is(entry, kBusyFlag) ? 1 : 0;
        count.free += IsFree(entry) ? 1 : 0;
    }
    count.ended = GetLastError() == ERROR_NO_MORE_ITEMS;
    return count;
}

Observed AtMost(const Count& count, size_t most) {
    if (!count.ended) return "the walk did not reach its end";
    return count.all <= most ? Say("%zu or fewer", most) : Say("more than %zu", most);
}

Observed OneBlock(const HeapApi& api, HANDLE heap) {
    if (heap == nullptr) return Say("no heap, %s", ErrorNow());
    if (api.alloc(heap, 0, 48) == nullptr) return "no block";
    const Count count = CountEntries(api, heap);
    return count.busy == 1 ? AtMost(count, 10) : Say("%zu busy entries", count.busy);
}

template <DWORD options, SIZE_T maximum = 0>
Observed OneBlockIn(const HeapApi& api) {
    Heap heap(api, options, 0, maximum);
    return OneBlock(api, heap);
}

// A block of each of 20 sizes, to 300 KiB: busy, and what is free behind some of them.
Observed BlockOfEachSize(const HeapApi& api) {
    Heap heap(api);
    size_t bytes = 1;
    for (int i = 0; i < 20; ++i, bytes = bytes * 2 - bytes / 15) {
        if (api.alloc(heap, 0, bytes) == nullptr) return "no block";
    }
    const Count count = CountEntries(api, heap);
    return count.busy == 20 ? AtMost(count, 100) : Say("%zu busy entries", count.busy);
}

std::vector<Block> Many(const HeapApi& api, HANDLE heap, size_t count, size_t bytes) {
    std::vector<Block> blocks;
    blocks.reserve(count);
    for (size_t i = 0; i < count; ++i) {
        void* block = api.alloc(heap, 0, bytes);
        if (block == nullptr) break;
        blocks.push_back({block, bytes});
    }
    std::sort(blocks.begin(), blocks.end(),
              [](const Block& a, const Block& b) { return a.address < b.address; });
    return blocks;
}

// 1000 blocks; every other one is freed, then the others. By address, not by age.
Observed Merges(const HeapApi& api, HANDLE heap, size_t bytes) {
    constexpr size_t kCount = 1000;
    if (heap == nullptr) return Say("no heap, %s", ErrorNow());
    std::vector<Block> blocks = Many(api, heap, kCount, bytes);
    if (blocks.size() != kCount) return "too few blocks";
    for (size_t i = 0; i < kCount; i += 2) api.free(heap, 0, blocks[i].address);
    const Count half = CountEntries(api, heap);
    for (size_t i = 1; i < kCount; i += 2) api.free(heap, 0, blocks[i].address);
    const Count none = CountEntries(api, heap);
    if (!half.ended || !none.ended) return "the walk did not reach its end";
    if (half.busy != kCount / 2 || none.busy != 0) return "busy entries wrong";
    // Two neighbours that lie in regions of their own are two.
    const bool about_half = half.free >= 450 && half.free <= 600;
    return Say("%s free entries, then %s",
               about_half        ? "about 500"
               : half.free < 450 ? "fewer than 450"
                                 : "more than 600",
               none.free <= 50 ? "50 or fewer" : "more than 50");
}

template <DWORD options, SIZE_T maximum, size_t bytes>
Observed MergesIn(const HeapApi& api) {
    Heap heap(api, options, 0, maximum);
    return Merges(api, heap, bytes);
}

// Neighbours of many sizes, freed in an order that has nothing to do with where they lie.
Observed MergesMixed(const HeapApi& api) {
    Heap heap(api, HEAP_NO_SERIALIZE);
    std::vector<Block> blocks;
    for (size_t i = 0; i < 2000; ++i) {
        const size_t bytes = 16 + i * 37 % 3000;
        blocks.push_back({api.alloc(heap, 0, bytes), bytes});
    }
    for (size_t i = 0; i < blocks.size(); ++i) {
        api.free(heap, 0, blocks[i * 1009 % blocks.size()].address);
    }
    const Count count = CountEntries(api, heap);
    if (count.busy != 0) return "busy entries that nobody allocated";
    return AtMost(count, 300);
}

Observed Million(const HeapApi& api) {
    Heap heap(api, HEAP_NO_SERIALIZE);
    constexpr size_t kCount = 1000000;
    std::vector<void*> blocks(kCount);
    for (void*& block : blocks) {
        block = api.alloc(heap, 0, 16);
        if (block == nullptr) return "no block";
    }
    for (void* block : blocks) api.free(heap, 0, block);
    return AtMost(CountEntries(api, heap), 1000);
}

constexpr char kFew[] = "10 or fewer", kMerged[] = "about 500 free entries, then 50 or fewer";
constexpr SIZE_T kFixedSize = 8 * kMiB;

const Rule kRules[] = {
    {"walk.few", "Entries of a fresh heap with one block of 48 bytes", kFew, "Wine tests",
     OneBlockIn<0>},
    {"walk.few.fixed", "The same in a heap of 8 MiB", kFew, "Wine tests",
     OneBlockIn<0, kFixedSize>},
    {"walk.few.no_serialize", "The same in a heap created with HEAP_NO_SERIALIZE", kFew,
     "Wine tests", OneBlockIn<HEAP_NO_SERIALIZE>},
    {"walk.few.executable", "The same in an executable heap", kFew, "Wine tests",
     OneBlockIn<HEAP_CREATE_ENABLE_EXECUTE>},
    {"walk.few.checking", "The same in a heap that checks tails and freed blocks", kFew,
     "Wine tests",
     [](const HeapApi& api) -> Observed {
         if (api.create_with_flags == nullptr) return kNotExported;
         Heap heap(api, api.create_with_flags(0x20 | 0x40));
         return OneBlock(api, heap);
     }},
    {"walk.few.sizes", "Entries of a heap with a block of each of 20 sizes", "100 or fewer",
     "Wine tests", BlockOfEachSize},
    {"walk.merged", "1000 blocks of 48 bytes, every other one freed, then all (HEAP_NO_SERIALIZE)",
     kMerged, "HeapCompact", MergesIn<HEAP_NO_SERIALIZE, 0, 48>},
    {"walk.merged.medium", "The same with blocks of 3000 bytes", kMerged, "HeapCompact",
     MergesIn<HEAP_NO_SERIALIZE, 0, 3000>},
    {"walk.merged.large", "The same with blocks of 20,000 bytes, in a heap without flags", kMerged,
     "HeapCompact", MergesIn<0, 0, 20000>},
    {"walk.merged.fixed", "The same with blocks of 1000 bytes in a heap of 8 MiB", kMerged,
     "HeapCompact", MergesIn<0, kFixedSize, 1000>},
    {"walk.merged.mixed", "Entries when 2000 blocks of 16 to 3015 bytes have been freed",
     "300 or fewer", "HeapCompact", MergesMixed},
    {"walk.million", "Entries when 1,000,000 blocks have been freed", "1000 or fewer",
     "HeapCompact", Million},
};

}  // namespace

const Topic kWalkMerging = MakeTopic("free memory in HeapWalk", kRules);

}  // namespace conformance
