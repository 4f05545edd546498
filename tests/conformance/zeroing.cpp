// HEAP_ZERO_MEMORY, on allocation and on growth: from the exact old size on, not from that of the
// size class the block happens to lie in.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

constexpr char kZeroed[] = "zero from the old size on";

Observed CheckAlloc(const HeapApi& api, HANDLE heap, size_t bytes) {
    SoilFreeMemory(api, heap, bytes);
    void* block = api.alloc(heap, HEAP_ZERO_MEMORY, bytes);
    if (block == nullptr) return Say("no block of %zu bytes", bytes);
    const bool zero = IsZero(block, 0, bytes);
    api.free(heap, 0, block);
    return zero ? Observed("zero") : Say("%zu bytes: not zero", bytes);
}

// A block that once had `first` bytes, all of them soiled, is cut to `from` and grows to `to`.
bool GrowsZeroed(const HeapApi& api, HANDLE heap, size_t first, size_t from, size_t to) {
    void* block = api.alloc(heap, 0, first);
    if (block == nullptr) return false;
    std::memset(block, 0xCC, first);
    if (first != from) block = api.realloc(heap, 0, block, from);
    if (block == nullptr) return false;
    Stamp(block, from, 3);
    block = api.realloc(heap, HEAP_ZERO_MEMORY, block, to);
    if (block == nullptr) return false;
    const bool good = IsStamped(block, from, from, 3) && IsZero(block, from, to);
    std::memset(block, 0xCC, to);
    api.free(heap, 0, block);
    return good;
}

struct Growth {
    size_t begin, end, step;  // old sizes
    std::vector<size_t> by;
};

Observed Sweep(const HeapApi& api, HANDLE heap, const Growth& growth) {
    for (size_t from = growth.begin; from <= growth.end; from += growth.step) {
        for (size_t by : growth.by) {
            if (!GrowsZeroed(api, heap, from, from, from + by)) {
                return Say("from %zu to %zu bytes: wrong", from, from + by);
            }
            if (!GrowsZeroed(api, heap, from + by, from, from + by)) {
                return Say("shrunk to %zu, grown to %zu bytes: wrong", from, from + by);
            }
        }
    }
    return kZeroed;
}

Observed SweepIn(const HeapApi& api, const Growth& growth) {
    Heap heap(api);
    return Sweep(api, heap, growth);
}

Observed ShrinkKeeps(const HeapApi& api) {
    Heap heap(api);
    for (size_t from : {size_t{100}, kMedium, kLarge, kHuge}) {
        for (size_t to = from; to > 8; to -= to / 4) {
            void* block = api.alloc(heap, 0, from);
            Stamp(block, from, 4);
            block = api.realloc(heap, HEAP_ZERO_MEMORY, block, to);
            if (block == nullptr || !IsStamped(block, from, to, 4)) {
                return Say("from %zu to %zu bytes: contents lost", from, to);
            }
            api.free(heap, 0, block);
        }
    }
    return "contents kept";
}

Observed InPlaceZeroes(const HeapApi& api) {
    Heap heap(api);
    unsigned grown = 0;
    for (size_t from = 1; from <= 4096; from = from * 5 / 4 + 1) {
        void* block = api.alloc(heap, 0, from + 64);
        std::memset(block, 0xCC, from + 64);
        block = api.realloc(heap, 0, block, from);
        Stamp(block, from, 5);
        constexpr DWORD kFlags = HEAP_ZERO_MEMORY | HEAP_REALLOC_IN_PLACE_ONLY;
        for (size_t to : {from + 1, from + 15, from + 64}) {
            if (api.realloc(heap, kFlags, block, to) == nullptr) continue;
            ++grown;
            if (!IsStamped(block, from, from, 5) || !IsZero(block, from, to)) {
                return Say("from %zu to %zu bytes: wrong", from, to);
            }
            std::memset(static_cast<char*>(block) + from, 0xCC, to - from);
            api.realloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, from);
        }
        api.free(heap, 0, block);
    }
    return grown != 0 ? kZeroed : "never grown in place";
}

template <size_t... sizes>
Observed AllocSizes(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes : {sizes...}) {
        const Observed seen = CheckAlloc(api, heap, bytes);
        if (std::strcmp(seen.text(), "zero") != 0) return seen;
    }
    return "zero";
}

const Rule kRules[] = {
    {"zero.alloc.small",
     "HeapAlloc with HEAP_ZERO_MEMORY over memory that was used, 0 to 1024 bytes", "zero",
     "HeapAlloc",
     [](const HeapApi& api) -> Observed {
         Heap heap(api);
         for (size_t bytes = 0; bytes <= 1024; ++bytes) {
             const Observed seen = CheckAlloc(api, heap, bytes);
             if (std::strcmp(seen.text(), "zero") != 0) return seen;
         }
         return "zero";
     }},
    {"zero.alloc.large", "The same, 1 KiB to 16 MiB", "zero", "HeapAlloc",
     AllocSizes<1025, 3000, 4096, 10000, 16384, 16385, 65536, 65537, 300000, 524272, 524304,
                1048560, 1048577, 3000001, 16777216>},
    {"zero.grow.small", "Growth from every size from 0 to 1100 by 1, 7 and 300", kZeroed,
     "HeapReAlloc", [](const HeapApi& api) { return SweepIn(api, {0, 1100, 1, {1, 7, 300}}); }},
    {"zero.grow.1KiB", "Growth around 1 KiB", kZeroed, "HeapReAlloc",
     [](const HeapApi& api) { return SweepIn(api, {900, 1200, 3, {1, 16, 17, 1000, 5000}}); }},
    {"zero.grow.16KiB", "Growth around 16 KiB, where the low-fragmentation heap ends", kZeroed,
     "HeapReAlloc",
     [](const HeapApi& api) { return SweepIn(api, {16200, 16600, 11, {1, 100, 3000, 50000}}); }},
    {"zero.grow.64KiB", "Growth around 64 KiB", kZeroed, "HeapReAlloc",
     [](const HeapApi& api) { return SweepIn(api, {65000, 66000, 31, {1, 500, 4096, 100000}}); }},
    {"zero.grow.512KiB",
     "Growth from 0x78000 to 0x90000, where blocks become mappings of their own", kZeroed,
     "ReactOS tests",
     [](const HeapApi& api) {
         return SweepIn(api, {0x78000, 0x90000, 0xC08, {1, 0x100, 0x8000}});
     }},
    {"zero.grow.1MiB", "Growth around 1 MiB", kZeroed, "HeapReAlloc",
     [](const HeapApi& api) {
         return SweepIn(api, {kMiB - 8192, kMiB + 8192, 1777, {1, 4096, 70000}});
     }},
    {"zero.grow.16MiB", "Growth around 16 MiB", kZeroed, "HeapReAlloc",
     [](const HeapApi& api) {
         return SweepIn(api, {16 * kMiB - 4099, 16 * kMiB + 4099, 4099, {1, 70000}});
     }},
    {"zero.grow.process_heap", "Growth in the process heap", kZeroed, "HeapReAlloc",
     [](const HeapApi& api) {
         return Sweep(api, api.process_heap(), {0, 70000, 1003, {1, 33, 2000}});
     }},
    {"zero.grow.in_place", "Growth with HEAP_REALLOC_IN_PLACE_ONLY", kZeroed, "HeapReAlloc",
     InPlaceZeroes},
    {"zero.shrink", "Shrinking with HEAP_ZERO_MEMORY leaves the contents", "contents kept",
     "HeapReAlloc", ShrinkKeeps},
};

}  // namespace

const Topic kZeroing = MakeTopic("zeroing", kRules);

}  // namespace conformance
