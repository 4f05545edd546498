// Heaps with a maximum size: what fits, what does not, and that nothing lies outside.
#include "support.h"

#include <algorithm>
#include <cstring>

namespace conformance {

namespace {

constexpr char kNoMemory[] = "NULL, ERROR_NOT_ENOUGH_MEMORY";
const std::vector<size_t> kMixed = {24, 3000, 100, 40000, 700, 16, 9000, 130000, 1};

Observed Create(const HeapApi& api, SIZE_T initial, SIZE_T maximum) {
    SeedError();
    Heap heap(api, 0, initial, maximum);
    if (!heap.ok()) return Say("NULL, %s", ErrorNow());
    void* block = api.alloc(heap, 0, 100);
    return block != nullptr && api.size(heap, 0, block) == 100 ? "a heap that serves"
                                                               : "a dead heap";
}

Observed InitialAboveMaximum(const HeapApi& api) {
    SeedError();
    Heap heap(api, 0, 0x20000, 0x10000);
    if (heap.ok()) return "a heap";
    return std::strcmp(ErrorNow(), "unchanged") != 0 ? "NULL, error set" : "NULL, unchanged";
}

// One block in a heap of its own.
Observed OneBlock(const HeapApi& api, SIZE_T maximum, size_t bytes) {
    Heap heap(api, 0, 0, maximum);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    SeedError();
    void* block = api.alloc(heap, 0, bytes);
    if (block == nullptr) return Say("NULL, %s", ErrorNow());
    std::memset(block, 1, bytes);
    return api.size(heap, 0, block) == bytes ? "fits" : "HeapSize wrong";
}

Observed NearlyAll(const HeapApi& api) {
    const Observed less = OneBlock(api, 0x40000, 0x40000 - 0xC00);
    const Observed more = OneBlock(api, 0x40000, 0x40000 - 0x600);
    return Say("%s; %s", less.text(), more.text());
}

template <SIZE_T maximum>
Observed NeverAbove(const HeapApi& api) {
    for (const std::vector<size_t>& sizes : {std::vector<size_t>{16}, {1000}, {20000}, kMixed}) {
        Heap heap(api, 0, 0, maximum);
        if (!heap.ok()) return Say("no heap, %s", ErrorNow());
        if (TotalBytes(Fill(api, heap, sizes)) > maximum) return "above the maximum";
    }
    return "never above the maximum";
}

template <SIZE_T maximum, size_t bytes>
Observed MostOfIt(const HeapApi& api) {
    Heap heap(api, 0, 0, maximum);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    return TotalBytes(Fill(api, heap, {bytes})) >= maximum / 4 * 3 ? "three quarters or more"
                                                                   : "less";
}

Observed ErrorWhenFull(const HeapApi& api) {
    Heap heap(api, 0, 0, kMiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    Fill(api, heap, {1000});
    SeedError();
    return api.alloc(heap, 0, 1000) == nullptr ? Say("NULL, %s", ErrorNow()) : Observed("a block");
}

Observed GrowthRefused(const HeapApi& api) {
    Heap heap(api, 0, 0, kMiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    for (size_t bytes : {kSmall, kMedium, kLarge}) {
        void* block = api.alloc(heap, 0, bytes);
        if (block == nullptr) return "no block";
        Stamp(block, bytes, 1);
        std::vector<Block> rest = Fill(api, heap, {100000, 5000, 100, 16});
        SeedError();
        if (api.realloc(heap, 0, block, 500000) != nullptr) return "a block";
        const Observed error(ErrorNow());
        const bool untouched =
            api.size(heap, 0, block) == bytes && IsStamped(block, bytes, bytes, 1);
        FreeAll(api, heap, rest);
        api.free(heap, 0, block);
        if (std::strcmp(error.text(), "ERROR_NOT_ENOUGH_MEMORY") != 0 || !untouched) {
            return Say("NULL, %s, block %s", error.text(), untouched ? "untouched" : "damaged");
        }
    }
    return "NULL, ERROR_NOT_ENOUGH_MEMORY, block untouched";
}

// A second filling holds as much as the first (but for what another order of addresses may cost).
Observed Refill(const HeapApi& api, const std::vector<size_t>& sizes) {
    Heap heap(api, 0, 0, 2 * kMiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    std::vector<Block> blocks = Fill(api, heap, sizes);
    const size_t first = TotalBytes(blocks);
    for (int round = 0; round < 3; ++round) {
        // From the back, from the front, and out of the middle.
        if (round == 1) std::reverse(blocks.begin(), blocks.end());
        if (round == 2)
            std::rotate(blocks.begin(), blocks.begin() + blocks.size() / 3, blocks.end());
        FreeAll(api, heap, blocks);
        blocks = Fill(api, heap, sizes);
        if (TotalBytes(blocks) < first / 10 * 9) return "less than before";
    }
    FreeAll(api, heap, blocks);
    if (api.alloc(heap, 0, 0x70000) == nullptr) return "no large block afterwards";
    return first != 0 ? "capacity restored" : "nothing fits";
}

// Every committed page of every region of the heap, by VirtualQuery.
size_t CommittedBytes(const Walked& walked) {
    size_t committed = 0;
    for (const PROCESS_HEAP_ENTRY& region : walked.entries) {
        if (!Is(region, kRegionFlag)) continue;
        auto* at = static_cast<const char*>(region.lpData);
        for (const char* end = EndOfRegion(region); at < end;) {
            MEMORY_BASIC_INFORMATION information = {};
            if (VirtualQuery(at, &information, sizeof information) == 0) break;
            auto* next = static_cast<const char*>(information.BaseAddress) + information.RegionSize;
            if (information.State == MEM_COMMIT) {
                committed += static_cast<size_t>(std::min(next, end) - at);
            }
            at = next;
        }
    }
    return committed;
}

Observed CommitWithinMaximum(const HeapApi& api) {
    constexpr SIZE_T kMaximum = kMiB;
    Heap heap(api, 0, 0, kMaximum);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    std::vector<Block> blocks = Fill(api, heap, kMixed);
    for (const Block& block : blocks) std::memset(block.address, 1, block.bytes);
    const Walked walked = WalkAll(api, heap);
    for (const Block& block : blocks) {
        const PROCESS_HEAP_ENTRY* entry = walked.Busy(block.address);
        if (entry == nullptr) return "a block without an entry";
        if (!walked.IsInsideRegion(*entry)) return "a block outside the regions";
    }
    const size_t committed = CommittedBytes(walked);
    if (committed < TotalBytes(blocks)) return "less committed than in use";
    return committed <= kMaximum ? "within the maximum" : "above the maximum";
}

template <SIZE_T initial, SIZE_T maximum>
Observed InitialIsCommitted(const HeapApi& api) {
    Heap heap(api, 0, initial, maximum);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    constexpr size_t kWhole = (initial + 4095) / 4096 * 4096;
    return CommittedBytes(WalkAll(api, heap)) >= kWhole ? "committed" : "not committed";
}

Observed ZeroedGrowth(const HeapApi& api) {
    Heap heap(api, 0, 0, 2 * kMiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    for (size_t bytes : {size_t{3}, kSmall, size_t{1023}, kMedium, kLarge}) {
        SoilFreeMemory(api, heap, bytes * 2);
        void* block = api.alloc(heap, HEAP_ZERO_MEMORY, bytes);
        if (block == nullptr || !IsZero(block, 0, bytes)) return "not zero";
        block = api.realloc(heap, HEAP_ZERO_MEMORY, block, bytes * 2);
        if (block == nullptr || !IsZero(block, 0, bytes * 2)) return "growth not zero";
        api.free(heap, 0, block);
    }
    return "zero";
}

const Rule kRules[] = {
    {"fixed.create", "HeapCreate with a maximum size of 1 MiB", "a heap that serves", "HeapCreate",
     [](const HeapApi& api) { return Create(api, 0x1000, kMiB); }},
    {"fixed.create.odd", "A maximum that is no multiple of the page size", "a heap that serves",
     "HeapCreate", [](const HeapApi& api) { return Create(api, 0, 100001); }},
    {"fixed.create.equal", "An initial size equal to the maximum", "a heap that serves",
     "RtlCreateHeap", [](const HeapApi& api) { return Create(api, kMiB, kMiB); }},
    {"fixed.create.initial_above_maximum", "An initial size above the maximum", "a heap",
     "ntifs RtlCreateHeap", InitialAboveMaximum},
    {"create.impossible_initial", "HeapCreate with an initial size of 2^47 bytes", kNoMemory,
     "HeapCreate", [](const HeapApi& api) { return Create(api, kImpossible, 0); }},
    {"create.impossible_maximum", "HeapCreate with a maximum size of 2^47 bytes", kNoMemory,
     "HeapCreate", [](const HeapApi& api) { return Create(api, 0, kImpossible); }},
    {"fixed.block.0x7FFF0", "A block of 0x7FFF0 bytes in a heap of 2 MiB", "fits", "HeapAlloc",
     [](const HeapApi& api) { return OneBlock(api, 2 * kMiB, 0x7FFF0); }},
    {"fixed.block.1MiB", "A block of 1 MiB in a heap of 16 MiB", kNoMemory, "HeapCreate",
     [](const HeapApi& api) { return OneBlock(api, 16 * kMiB, kMiB); }},
    {"fixed.block.whole", "A block as large as the heap", kNoMemory, "HeapCreate",
     [](const HeapApi& api) { return OneBlock(api, 64 * kKiB, 64 * kKiB); }},
    {"fixed.block.nearly_whole", "In a heap of 0x40000 bytes: all but 0xC00; all but 0x600",
     "fits; NULL, ERROR_NOT_ENOUGH_MEMORY", "Wine tests", NearlyAll},
    {"fixed.full.64KiB", "What is live at once in a heap of 64 KiB", "never above the maximum",
     "HeapCreate", NeverAbove<64 * kKiB>},
    {"fixed.full.2MiB", "What is live at once in a heap of 2 MiB", "never above the maximum",
     "HeapCreate", NeverAbove<2 * kMiB>},
    {"fixed.usable.64KiB", "How much of 64 KiB can be had in blocks of 512 bytes",
     "three quarters or more", "HeapCreate", MostOfIt<64 * kKiB, 512>},
    {"fixed.usable.1MiB", "How much of 1 MiB can be had in blocks of 4000 bytes",
     "three quarters or more", "HeapCreate", MostOfIt<kMiB, 4000>},
    {"fixed.full.error", "HeapAlloc in a full heap", kNoMemory, "HeapCreate; Wine tests",
     ErrorWhenFull},
    {"fixed.full.realloc", "HeapReAlloc beyond the maximum",
     "NULL, ERROR_NOT_ENOUGH_MEMORY, block untouched", "HeapReAlloc; Wine tests", GrowthRefused},
    {"fixed.refill", "Filled with 1000-byte blocks, emptied, filled again", "capacity restored",
     "HeapFree", [](const HeapApi& api) { return Refill(api, {1000}); }},
    {"fixed.refill.mixed", "The same with mixed sizes", "capacity restored", "HeapFree",
     [](const HeapApi& api) { return Refill(api, kMixed); }},
    {"fixed.committed", "Committed pages of a heap filled to its maximum", "within the maximum",
     "HeapCreate", CommitWithinMaximum},
    {"fixed.initial", "An initial size of 256 KiB is committed at once", "committed", "HeapCreate",
     InitialIsCommitted<256 * kKiB, 2 * kMiB>},
    {"fixed.initial.odd", "An initial size of 100,001 bytes, to the end of its page", "committed",
     "HeapCreate", InitialIsCommitted<100001, 2 * kMiB>},
    {"create.initial", "An initial size of 8 MiB in a heap that can grow", "committed",
     "HeapCreate, Heap Functions", InitialIsCommitted<8 * kMiB, 0>},
    {"fixed.zero", "HEAP_ZERO_MEMORY in a fixed heap", "zero", "HeapAlloc", ZeroedGrowth},
};

}  // namespace

const Topic kFixedHeaps = MakeTopic("fixed heaps", kRules);

}  // namespace conformance
