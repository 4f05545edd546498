// What cannot be done fails without harm: impossible sizes, and resizing in place where there is no
// place.
#include "support.h"

#include <algorithm>
#include <cstring>

namespace conformance {

namespace {

constexpr DWORD kInPlace = HEAP_REALLOC_IN_PLACE_ONLY;
constexpr char kRefused[] = "NULL, ERROR_NOT_ENOUGH_MEMORY, block untouched";

Observed ImpossibleAlloc(const HeapApi& api, HANDLE heap, DWORD flags) {
    for (SIZE_T bytes : kImpossibleSizes) {
        SeedError();
        void* block = api.alloc(heap, flags, bytes);
        if (block != nullptr) return "a block";
        if (GetLastError() != ERROR_NOT_ENOUGH_MEMORY) return Say("NULL, %s", ErrorNow());
    }
    return "NULL, ERROR_NOT_ENOUGH_MEMORY";
}

// HeapReAlloc of a block of `from` bytes that has to fail.
Observed FailingResize(const HeapApi& api, HANDLE heap, DWORD flags, size_t from, SIZE_T to) {
    void* block = api.alloc(heap, 0, from);
    if (block == nullptr) return "no block";
    Stamp(block, from, 6);
    // A neighbour behind it, so that growth finds no room.
    void* neighbour = api.alloc(heap, 0, from);
    SeedError();
    void* resized = api.realloc(heap, flags, block, to);
    const Observed error(ErrorNow());
    if (resized != nullptr) return resized == block ? "resized in place" : "resized";
    const bool untouched = api.size(heap, 0, block) == from && IsStamped(block, from, from, 6) &&
                           api.validate(heap, 0, block) != FALSE;
    api.free(heap, 0, block);
    api.free(heap, 0, neighbour);
    return Say("NULL, %s, block %s", error.text(), untouched ? "untouched" : "damaged");
}

template <size_t from>
Observed ImpossibleResize(const HeapApi& api) {
    Heap heap(api);
    for (SIZE_T to : kImpossibleSizes) {
        for (DWORD flags : {DWORD{0}, DWORD{HEAP_ZERO_MEMORY}}) {
            const Observed seen = FailingResize(api, heap, flags, from, to);
            if (std::string(seen.text()) != kRefused) return seen;
        }
    }
    return kRefused;
}

template <size_t from, size_t to>
Observed NoPlace(const HeapApi& api) {
    Heap heap(api);
    return FailingResize(api, heap, HEAP_REALLOC_IN_PLACE_ONLY, from, to);
}

// Shrinks in place to `to`, and grows back.
Observed ShrinkAndRegrow(const HeapApi& api, size_t from, size_t to) {
    Heap heap(api);
    void* block = api.alloc(heap, 0, from);
    if (block == nullptr) return "no block";
    Stamp(block, from, 7);
    if (api.realloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, to) != block) return "not shrunk";
    if (api.size(heap, 0, block) != to || !IsStamped(block, from, to, 7)) return "shrunk, wrong";
    SeedError();
    if (api.realloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, from) == nullptr) {
        const Observed error(ErrorNow());
        const bool untouched = api.size(heap, 0, block) == to && IsStamped(block, from, to, 7);
        return Say("shrunk; not regrown, %s, block %s", error.text(),
                   untouched ? "untouched" : "damaged");
    }
    const bool good = api.size(heap, 0, block) == from && IsStamped(block, from, to, 7);
    return good ? "shrunk and regrown" : "shrunk, wrongly regrown";
}

Observed SameSize(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes : {size_t{0}, kSmall, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, 0, bytes);
        Stamp(block, bytes, 8);
        if (api.realloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, bytes) != block) {
            return Say("%zu bytes: refused", bytes);
        }
        if (!IsStamped(block, bytes, bytes, 8)) return "contents lost";
    }
    return "same block";
}

// To a size for which there is no room behind any block.
Observed Refuse(const HeapApi& api, HANDLE heap, size_t from, size_t to, DWORD flags) {
    void* block = api.alloc(heap, 0, from);
    void* behind = api.alloc(heap, 0, from);
    if (block == nullptr) return Say("no block of %zu bytes", from);
    Stamp(block, from, 1);
    SeedError();
    void* resized = api.realloc(heap, flags | kInPlace, block, to);
    const Observed error(ErrorNow());
    if (resized != nullptr) {
        return Say("%zu to %zu bytes: %s", from, to, resized == block ? "resized" : "moved");
    }
    const bool untouched = api.size(heap, 0, block) == from && IsStamped(block, from, from, 1) &&
                           api.validate(heap, 0, block);
    api.free(heap, 0, block);
    api.free(heap, 0, behind);
    return Say("NULL, %s, block %s", error.text(), untouched ? "untouched" : "damaged");
}

Observed RefuseAll(const HeapApi& api, HANDLE heap, size_t largest) {
    if (heap == nullptr) return Say("no heap, %s", ErrorNow());
    for (size_t from : {size_t{0}, size_t{16}, kSmall, size_t{1000}, kMedium, size_t{20000},
                        size_t{100000}, kLarge, 600 * kKiB, kHuge}) {
        if (from > largest) continue;
        for (size_t to : {from + 64 * kMiB, SIZE_T{1} << 46, SIZE_MAX - 16}) {
            for (DWORD flags : {DWORD{0}, DWORD{HEAP_ZERO_MEMORY}}) {
                const Observed seen = Refuse(api, heap, from, to, flags);
                if (std::strcmp(seen.text(), kRefused) != 0) return seen;
            }
        }
    }
    return api.validate(heap, 0, nullptr) ? kRefused : "heap damaged";
}

// No block grows over the live one behind it, not even by one byte.
Observed RefuseNeighbour(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes : {size_t{16}, kSmall, size_t{1000}, kMedium, size_t{20000}, size_t{100000},
                         kLarge, 600 * kKiB}) {
        std::vector<char*> blocks;
        for (int i = 0; i < 20; ++i) {
            blocks.push_back(static_cast<char*>(api.alloc(heap, 0, bytes)));
            if (blocks.back() == nullptr) return Say("no block of %zu bytes", bytes);
            Stamp(blocks.back(), bytes, 1);
        }
        std::sort(blocks.begin(), blocks.end());
        for (size_t i = 0; i + 1 < blocks.size(); ++i) {
            const auto to = static_cast<size_t>(blocks[i + 1] - blocks[i]) + 1;
            SeedError();
            if (api.realloc(heap, kInPlace, blocks[i], to) != nullptr) {
                return Say("grown over its neighbour (%zu bytes)", bytes);
            }
            if (GetLastError() != ERROR_NOT_ENOUGH_MEMORY) return Say("NULL, %s", ErrorNow());
            if (api.size(heap, 0, blocks[i]) != bytes) return "HeapSize changed";
        }
        for (char* block : blocks) {
            if (!IsStamped(block, bytes, bytes, 1)) return "contents lost";
        }
    }
    return api.validate(heap, 0, nullptr) ? kRefused : "heap damaged";
}

template <DWORD options>
Observed RefuseIn(const HeapApi& api) {
    Heap heap(api, options);
    return RefuseAll(api, heap, kLarge);
}

Observed RefuseChecked(const HeapApi& api) {
    if (api.create_with_flags == nullptr) return kNotExported;
    Heap heap(api, api.create_with_flags(0x20 | 0x40));
    return RefuseAll(api, heap, kLarge);
}

Observed RefuseFixed(const HeapApi& api) {
    Heap heap(api, 0, 0, 4 * kMiB);
    return RefuseAll(api, heap, kLarge);
}

// The call asks for an exception, or the heap does.
template <DWORD options, DWORD flags>
Observed RefuseRaising(const HeapApi& api) {
    constexpr char kRaised[] = "STATUS_NO_MEMORY raised once, block untouched";
    Heap heap(api, options);
    for (size_t from : {kSmall, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, 0, from);
        if (block == nullptr) return "no block";
        Stamp(block, from, 1);
        const Raised raised =
            Catch([&] { api.realloc(heap, flags | kInPlace, block, SIZE_T{1} << 46); });
        const bool untouched = api.size(heap, 0, block) == from && IsStamped(block, from, from, 1);
        const Observed seen =
            Say("%s, block %s", Describe(raised).text(), untouched ? "untouched" : "damaged");
        if (std::strcmp(seen.text(), kRaised) != 0) return seen;
        api.free(heap, 0, block);
    }
    return kRaised;
}

Observed GoesOnAfterFailure(const HeapApi& api) {
    Heap heap(api);
    void* block = api.alloc(heap, 0, 100);
    for (SIZE_T bytes : kImpossibleSizes) {
        api.alloc(heap, HEAP_ZERO_MEMORY, bytes);
        api.realloc(heap, 0, block, bytes);
    }
    void* other = api.alloc(heap, 0, 100);
    const bool good = other != nullptr && other != block && api.free(heap, 0, block) &&
                      api.free(heap, 0, other) && api.validate(heap, 0, nullptr);
    return good ? "the heap goes on" : "the heap is damaged";
}

const Rule kRules[] = {
    {"fail.alloc", "HeapAlloc of impossible sizes, 2^47 bytes to the largest SIZE_T",
     "NULL, ERROR_NOT_ENOUGH_MEMORY", "Wine tests (HeapAlloc: no SetLastError)",
     [](const HeapApi& api) {
         Heap heap(api);
         return ImpossibleAlloc(api, heap, 0);
     }},
    {"fail.alloc.zeroed", "The same with HEAP_ZERO_MEMORY", "NULL, ERROR_NOT_ENOUGH_MEMORY",
     "Wine tests (HeapAlloc: no SetLastError)",
     [](const HeapApi& api) {
         Heap heap(api);
         return ImpossibleAlloc(api, heap, HEAP_ZERO_MEMORY);
     }},
    {"fail.alloc.process_heap", "The same in the process heap", "NULL, ERROR_NOT_ENOUGH_MEMORY",
     "Wine tests (HeapAlloc: no SetLastError)",
     [](const HeapApi& api) { return ImpossibleAlloc(api, api.process_heap(), 0); }},
    {"fail.realloc.small", "HeapReAlloc of 40 bytes to an impossible size", kRefused,
     "HeapReAlloc; Wine tests", ImpossibleResize<kSmall>},
    {"fail.realloc.medium", "HeapReAlloc of 5000 bytes to an impossible size", kRefused,
     "HeapReAlloc; Wine tests", ImpossibleResize<kMedium>},
    {"fail.realloc.large", "HeapReAlloc of 200 KiB to an impossible size", kRefused,
     "HeapReAlloc; Wine tests", ImpossibleResize<kLarge>},
    {"fail.realloc.huge", "HeapReAlloc of 3 MiB to an impossible size", kRefused,
     "HeapReAlloc; Wine tests", ImpossibleResize<kHuge>},
    {"fail.goes_on", "After failures the heap serves as before", "the heap goes on", "HeapReAlloc",
     GoesOnAfterFailure},
    {"in_place.no_room.small", "40 bytes to 1 MiB in place only", kRefused,
     "HeapReAlloc; Wine tests", NoPlace<kSmall, kMiB>},
    {"in_place.no_room.medium", "5000 bytes to 1 MiB in place only", kRefused,
     "HeapReAlloc; Wine tests", NoPlace<kMedium, kMiB>},
    {"in_place.no_room.large", "200 KiB to 64 MiB in place only", kRefused,
     "HeapReAlloc; Wine tests", NoPlace<kLarge, 64 * kMiB>},
    {"in_place.refused", "Growth in place only, 0 bytes to 200 KiB, by 64 MiB and more", kRefused,
     "HeapReAlloc; Wine tests", RefuseIn<0>},
    {"in_place.refused.huge", "The same for blocks of 600 KiB and 3 MiB", kRefused,
     "HeapReAlloc; Wine tests",
     [](const HeapApi& api) {
         Heap heap(api);
         return RefuseAll(api, heap, kHuge);
     }},
    {"in_place.refused.process_heap", "The same in the process heap", kRefused,
     "HeapReAlloc; Wine tests",
     [](const HeapApi& api) { return RefuseAll(api, api.process_heap(), kLarge); }},
    {"in_place.refused.fixed", "The same in a heap of 4 MiB", kRefused, "HeapReAlloc; Wine tests",
     RefuseFixed},
    {"in_place.refused.no_serialize", "The same in a heap created with HEAP_NO_SERIALIZE", kRefused,
     "HeapReAlloc; Wine tests", RefuseIn<HEAP_NO_SERIALIZE>},
    {"in_place.refused.executable", "The same in an executable heap", kRefused,
     "HeapReAlloc; Wine tests", RefuseIn<HEAP_CREATE_ENABLE_EXECUTE>},
    {"in_place.refused.checking", "The same in a heap that checks tails and freed blocks", kRefused,
     "HeapReAlloc; Wine tests", RefuseChecked},
    {"in_place.refused.neighbour", "Growth in place only by so much that the next block is reached",
     kRefused, "HeapReAlloc; Wine tests", RefuseNeighbour},
    {"in_place.refused.raising", "The same in a heap that raises exceptions",
     "STATUS_NO_MEMORY raised once, block untouched", "HeapReAlloc",
     RefuseRaising<HEAP_GENERATE_EXCEPTIONS, 0>},
    {"in_place.refused.raising.call", "The same with HEAP_GENERATE_EXCEPTIONS in the call",
     "STATUS_NO_MEMORY raised once, block untouched", "HeapReAlloc",
     RefuseRaising<0, HEAP_GENERATE_EXCEPTIONS>},
    {"in_place.same_size", "HeapReAlloc in place to the same size", "same block", "HeapReAlloc",
     SameSize},
    {"in_place.small", "40 bytes to 30 in place and back", "shrunk and regrown", "HeapReAlloc",
     [](const HeapApi& api) { return ShrinkAndRegrow(api, 40, 30); }},
    {"in_place.medium", "5000 bytes to 4900 in place and back", "shrunk and regrown", "Wine tests",
     [](const HeapApi& api) { return ShrinkAndRegrow(api, 5000, 4900); }},
    {"in_place.large", "1 MiB to 512 KiB in place and back",
     "shrunk; not regrown, ERROR_NOT_ENOUGH_MEMORY, block untouched", "Wine tests",
     [](const HeapApi& api) { return ShrinkAndRegrow(api, kMiB, kMiB / 2); }},
};

}  // namespace

const Topic kFailures = MakeTopic("failures", kRules);

}  // namespace conformance
