// Resizing a block where it lies: to less always, to more where there is room. Programs go on using
// the old pointer after they made a block smaller.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

constexpr DWORD kInPlace = HEAP_REALLOC_IN_PLACE_ONLY;
constexpr DWORD kSettable = 0x100;  // HEAP_SETTABLE_USER_VALUE
constexpr char kStays[] = "same block, contents kept";

struct Step {
    size_t from, to;
};

// To a little less and to next to nothing, from every kind of block.
const std::vector<Step> kShrinks = {
    {1, 0},           {8, 1},          {16, 0},          {24, 8},         {100, 50},
    {256, 16},        {1000, 10},      {1024, 1},        {5000, 900},     {5000, 0},
    {16384, 100},     {16400, 16},     {40000, 20000},   {64 * kKiB, 10}, {70000, 65000},
    {128 * kKiB, 10}, {128 * kKiB, 0}, {kLarge, 100000}, {500000, 1},     {0x7F000, 70000},
    {kMiB, 10},       {kMiB, 600000},  {kMiB + 1, kMiB}, {kHuge, 70000},  {kHuge, 0},
};
const std::vector<Step> kHugeShrinks = {{40 * kMiB, 100 * kKiB}, {40 * kMiB, 1}};

// Those of blocks from `least` to `most` bytes.
std::vector<Step> Between(size_t least, size_t most) {
    std::vector<Step> few;
    for (const Step& step : kShrinks) {
        if (step.from >= least && step.from <= most) few.push_back(step);
    }
    return few;
}

// The low-fragmentation heap of Windows, which has no part in heaps of which little was asked,
// serves blocks to 16 KiB; it may not make those smaller where they are (_expand's page says so).
constexpr size_t kLowFragmentation = 16 * kKiB;

struct Calls {
    DWORD alloc = 0, realloc = 0;  // the flags of both
};

// One block made smaller, between two others, for a lone one may have all the room that it likes.
Observed Shrink(const HeapApi& api, HANDLE heap, const Step& step, const Calls& calls) {
    void* before = api.alloc(heap, calls.alloc, step.from);
    void* block = api.alloc(heap, calls.alloc, step.from);
    void* behind = api.alloc(heap, calls.alloc, step.from);
    if (block == nullptr) return Say("no block of %zu bytes", step.from);
    Stamp(block, step.from, 1);
    void* shrunk = api.realloc(heap, calls.realloc, block, step.to);
    if (shrunk == nullptr) return Say("%zu to %zu bytes: NULL", step.from, step.to);
    if (shrunk != block) return Say("%zu to %zu bytes: moved", step.from, step.to);
    const bool good = api.size(heap, 0, block) == step.to &&
                      IsStamped(block, step.from, step.to, 1) && api.validate(heap, 0, block);
    for (void* each : {before, block, behind}) api.free(heap, 0, each);
    return good ? Observed(kStays) : Say("%zu to %zu bytes: damaged", step.from, step.to);
}

Observed ShrinkAll(const HeapApi& api, HANDLE heap, const std::vector<Step>& steps,
                   const Calls& calls = {}) {
    if (heap == nullptr) return Say("no heap, %s", ErrorNow());
    for (const Step& step : steps) {
        const Observed seen = Shrink(api, heap, step, calls);
        if (std::strcmp(seen.text(), kStays) != 0) return seen;
    }
    return api.validate(heap, 0, nullptr) ? kStays : "heap damaged";
}

// In a heap of its own, created with `options`.
template <DWORD options>
Observed ShrinkIn(const HeapApi& api) {
    Heap heap(api, options);
    return ShrinkAll(api, heap, kShrinks);
}

template <DWORD flags>
Observed ShrinkWith(const HeapApi& api) {
    Heap heap(api);
    Calls calls;
    calls.realloc = flags;
    return ShrinkAll(api, heap, kShrinks, calls);
}

Observed ShrinkChecked(const HeapApi& api) {
    if (api.create_with_flags == nullptr) return kNotExported;
    Heap heap(api, api.create_with_flags(0x20 | 0x40));  // tail and free checking
    return ShrinkAll(api, heap, kShrinks);
}

// Blocks that carry a user value.
Observed ShrinkSettable(const HeapApi& api) {
    Heap heap(api);
    Calls calls;
    calls.alloc = calls.realloc = kSettable;
    return ShrinkAll(api, heap, kShrinks, calls);
}

// One block through all kinds, from 20 MiB down to nothing.
Observed ShrinkByThirds(const HeapApi& api) {
    Heap heap(api);
    size_t bytes = 20 * kMiB;
    void* block = api.alloc(heap, 0, bytes);
    if (block == nullptr) return "no block";
    Stamp(block, bytes, 1);
    for (size_t whole = bytes; bytes != 0;) {
        bytes /= 3;
        if (api.realloc(heap, 0, block, bytes) != block) return Say("moved at %zu bytes", bytes);
        if (api.size(heap, 0, block) != bytes) return Say("HeapSize wrong at %zu bytes", bytes);
        if (!IsStamped(block, whole, bytes, 1)) return Say("contents lost at %zu bytes", bytes);
    }
    std::vector<Block> live = {{block, 0}};
    const Observed walked = CompareBusy(WalkAll(api, heap), live);
    if (std::strcmp(walked.text(), "exact") != 0) return walked;
    return api.free(heap, 0, block) && api.validate(heap, 0, nullptr) ? kStays : "heap damaged";
}

// Sizes that the heap has served often, and has many free blocks of: there is a better place for
// the shrunk block, and it stays where it is.
Observed ShrinkAmongMany(const HeapApi& api) {
    Heap heap(api, HEAP_NO_SERIALIZE);
    std::vector<Block> blocks;
    for (int i = 0; i < 100; ++i) {
        for (size_t bytes : {size_t{16}, size_t{1000}, kMedium}) {
            blocks.push_back({api.alloc(heap, 0, bytes), bytes});
        }
    }
    for (size_t i = 0; i < blocks.size(); i += 2) api.free(heap, 0, blocks[i].address);
    for (size_t i = 1; i < blocks.size(); i += 2) {
        const size_t bytes = blocks[i].bytes, to = bytes / 50;
        Stamp(blocks[i].address, bytes, 1);
        if (api.realloc(heap, 0, blocks[i].address, to) != blocks[i].address) {
            return Say("%zu to %zu bytes: moved", bytes, to);
        }
        if (!IsStamped(blocks[i].address, bytes, to, 1)) return "contents lost";
    }
    return api.validate(heap, 0, nullptr) ? kStays : "heap damaged";
}

// Shrunk blocks keep nothing that others need: a heap of fixed size that is full has room again.
Observed ShrunkMakesRoom(const HeapApi& api) {
    Heap heap(api, 0, 0, kMiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    std::vector<Block> blocks = Fill(api, heap, {100000});
    Fill(api, heap, {5000, 100, 0});
    if (blocks.size() < 5) return "too few blocks";
    if (api.alloc(heap, 0, 90000) != nullptr) return "not full";
    if (api.realloc(heap, 0, blocks[2].address, 1000) != blocks[2].address) return "moved";
    return api.alloc(heap, 0, 90000) != nullptr ? "room for others" : "no room";
}

// Microsoft's heap gives the pages behind a large block back (Wine tests: "shrinking a very large
// block decommits pages").
Observed ShrunkGivesBack(const HeapApi& api) {
    Heap heap(api);
    constexpr size_t kBytes = 40 * kMiB;
    auto* block = static_cast<char*>(api.alloc(heap, 0, kBytes));
    if (block == nullptr) return "no block";
    for (size_t at = 0; at < kBytes; at += kMiB) block[at] = 1;
    if (api.realloc(heap, 0, block, 100 * kKiB) != block) return "moved";
    api.compact(heap, 0);
    size_t committed = 0;
    for (size_t at = kMiB; at < kBytes; at += kMiB) {
        MEMORY_BASIC_INFORMATION information = {};
        VirtualQuery(block + at, &information, sizeof information);
        committed += information.State == MEM_COMMIT ? 1 : 0;
    }
    return committed == 0 ? "given back" : "still committed";
}

// --- To more ---

// Fresh blocks in fresh heaps: behind them is nothing but what the heap has not used yet.
Observed GrowFresh(const HeapApi& api, DWORD options, SIZE_T maximum, DWORD flags) {
    constexpr Step kGrowths[] = {{100000, 100500},
                                 {128 * kKiB, 128 * kKiB + 512},
                                 {128 * kKiB, 140 * kKiB},
                                 {kLarge, kLarge + 512},
                                 {300 * kKiB, 310 * kKiB}};
    for (const Step& step : kGrowths) {
        Heap heap(api, options, 0, maximum);
        if (!heap.ok()) return Say("no heap, %s", ErrorNow());
        void* block = api.alloc(heap, 0, step.from);
        if (block == nullptr) return "no block";
        Stamp(block, step.from, 1);
        SeedError();
        if (api.realloc(heap, flags | kInPlace, block, step.to) != block) {
            return Say("%zu to %zu bytes: refused, %s", step.from, step.to, ErrorNow());
        }
        const bool zero = (flags & HEAP_ZERO_MEMORY) == 0 || IsZero(block, step.from, step.to);
        if (api.size(heap, 0, block) != step.to || !zero ||
            !IsStamped(block, step.from, step.from, 1)) {
            return Say("%zu to %zu bytes: damaged", step.from, step.to);
        }
        std::memset(block, 2, step.to);
        if (!api.validate(heap, 0, nullptr)) return "heap damaged";
    }
    return kStays;
}

constexpr char kMovesToGrow[] = "HeapReAlloc (1998: moves for a larger size only)";
constexpr char kMovesToGrowSmall[] =
    "HeapReAlloc (1998); _expand: perhaps not in the low-fragmentation heap";

const Rule kRules[] = {
    {"shrink.plain",
     "HeapReAlloc to less, 1 byte to 3 MiB, to a little less and to next to nothing", kStays,
     kMovesToGrow, ShrinkIn<0>},
    {"shrink.huge", "The same from 40 MiB to 100 KiB and to 1 byte", kStays, kMovesToGrow,
     [](const HeapApi& api) {
         Heap heap(api);
         return ShrinkAll(api, heap, kHugeShrinks);
     }},
    {"shrink.process_heap", "From more than 16 KiB, in the process heap", kStays, kMovesToGrow,
     [](const HeapApi& api) {
         return ShrinkAll(api, api.process_heap(), Between(kLowFragmentation + 1, SIZE_MAX));
     }},
    {"shrink.process_heap.small", "From 16 KiB and less, in the process heap", kStays,
     kMovesToGrowSmall,
     [](const HeapApi& api) {
         return ShrinkAll(api, api.process_heap(), Between(0, kLowFragmentation));
     }},
    {"shrink.fixed", "In a heap of 4 MiB, to 508 KiB", kStays, kMovesToGrow,
     [](const HeapApi& api) {
         Heap heap(api, 0, 0, 4 * kMiB);
         return ShrinkAll(api, heap, Between(0, 0x7F000));
     }},
    {"shrink.no_serialize", "In a heap created with HEAP_NO_SERIALIZE", kStays, kMovesToGrow,
     ShrinkIn<HEAP_NO_SERIALIZE>},
    {"shrink.executable", "In an executable heap", kStays, kMovesToGrow,
     ShrinkIn<HEAP_CREATE_ENABLE_EXECUTE>},
    {"shrink.raising", "In a heap that raises exceptions", kStays, kMovesToGrow,
     ShrinkIn<HEAP_GENERATE_EXCEPTIONS>},
    {"shrink.checking", "In a heap that checks tails and freed blocks", kStays, kMovesToGrow,
     ShrinkChecked},
    {"shrink.zero", "With HEAP_ZERO_MEMORY", kStays, kMovesToGrow, ShrinkWith<HEAP_ZERO_MEMORY>},
    {"shrink.in_place_only", "With HEAP_REALLOC_IN_PLACE_ONLY", kStays, "HeapReAlloc; Wine tests",
     ShrinkWith<kInPlace>},
    {"shrink.in_place_only.zero", "With HEAP_REALLOC_IN_PLACE_ONLY and HEAP_ZERO_MEMORY", kStays,
     "HeapReAlloc; Wine tests", ShrinkWith<kInPlace | HEAP_ZERO_MEMORY>},
    {"shrink.no_serialize.call", "With HEAP_NO_SERIALIZE in the call", kStays, kMovesToGrow,
     ShrinkWith<HEAP_NO_SERIALIZE>},
    {"shrink.settable", "Blocks with a user value", kStays, kMovesToGrow, ShrinkSettable},
    {"shrink.steps", "One block from 20 MiB by thirds to 0 bytes", kStays, kMovesToGrow,
     ShrinkByThirds},
    {"shrink.among_many", "Among many blocks, live and free, of the smaller size", kStays,
     kMovesToGrow, ShrinkAmongMany},
    {"shrink.makes_room", "A block shrunk in a full heap of fixed size", "room for others",
     "HeapReAlloc", ShrunkMakesRoom},
    {"shrink.gives_back", "Pages of a block of 40 MiB shrunk to 100 KiB, after HeapCompact",
     "given back", "Wine tests", ShrunkGivesBack},
    {"grow.fresh", "Fresh blocks of 100,000 bytes to 300 KiB grown a little, in place only", kStays,
     "HeapReAlloc; Wine tests", [](const HeapApi& api) { return GrowFresh(api, 0, 0, 0); }},
    {"grow.fresh.zero", "The same with HEAP_ZERO_MEMORY", kStays, "HeapReAlloc; Wine tests",
     [](const HeapApi& api) { return GrowFresh(api, 0, 0, HEAP_ZERO_MEMORY); }},
    {"grow.fresh.fixed", "The same in a heap of 4 MiB", kStays, "HeapReAlloc; Wine tests",
     [](const HeapApi& api) { return GrowFresh(api, 0, 4 * kMiB, 0); }},
    {"grow.fresh.no_serialize", "The same in a heap created with HEAP_NO_SERIALIZE", kStays,
     "HeapReAlloc; Wine tests",
     [](const HeapApi& api) { return GrowFresh(api, HEAP_NO_SERIALIZE, 0, 0); }},
    {"grow.fresh.executable", "The same in an executable heap", kStays, "HeapReAlloc; Wine tests",
     [](const HeapApi& api) { return GrowFresh(api, HEAP_CREATE_ENABLE_EXECUTE, 0, 0); }},
};

}  // namespace

const Topic kInPlaceResizing = MakeTopic("resizing in place", kRules);

}  // namespace conformance
