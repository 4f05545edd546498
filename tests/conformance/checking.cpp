// The debug heap: tail checking finds writes behind a block, free checking those into freed blocks.
// HeapCreate does not document these flags; RtlCreateHeap takes them.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

constexpr DWORD kTailChecking = 0x20, kFreeChecking = 0x40;  // winnt.h HEAP_..._CHECKING_ENABLED

const char* Truth(BOOL value) { return value ? "TRUE" : "FALSE"; }

// HeapValidate of the block and of the heap, whole and with one byte behind the block changed.
Observed Overrun(const HeapApi& api, size_t bytes) {
    if (api.create_with_flags == nullptr) return kNotExported;
    Heap heap(api, api.create_with_flags(kTailChecking));
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    auto* block = static_cast<unsigned char*>(api.alloc(heap, 0, bytes));
    void* neighbour = api.alloc(heap, 0, bytes);
    if (block == nullptr || neighbour == nullptr) return "no block";
    std::memset(block, 0x11, bytes);
    const BOOL whole = api.validate(heap, 0, block) && api.validate(heap, 0, nullptr);
    block[bytes] ^= 0xFF;
    const BOOL of_block = api.validate(heap, 0, block);
    const BOOL of_heap = api.validate(heap, 0, nullptr);
    block[bytes] ^= 0xFF;
    const BOOL restored = api.validate(heap, 0, block) && api.validate(heap, 0, nullptr);
    return Say("whole %s, overrun %s, heap %s, restored %s", Truth(whole), Truth(of_block),
               Truth(of_heap), Truth(restored));
}

Observed TailPattern(const HeapApi& api) {
    if (api.create_with_flags == nullptr) return kNotExported;
    Heap heap(api, api.create_with_flags(kTailChecking));
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    for (size_t bytes : {size_t{1}, size_t{13}, kSmall, kMedium, kLarge}) {
        auto* block = static_cast<unsigned char*>(api.alloc(heap, 0, bytes));
        if (block == nullptr) return "no block";
        for (size_t i = bytes; i < bytes + 8; ++i) {
            if (block[i] != 0xAB) return Say("another byte behind %zu bytes", bytes);
        }
    }
    return "0xAB";
}

// Sizes, zeroing and resizing are as in other heaps.
Observed StillExact(const HeapApi& api) {
    if (api.create_with_flags == nullptr) return kNotExported;
    Heap heap(api, api.create_with_flags(kTailChecking | kFreeChecking));
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    std::vector<Block> live;
    for (size_t bytes : {size_t{0}, size_t{1}, size_t{16}, kSmall, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, 0, bytes);
        if (block == nullptr || api.size(heap, 0, block) != bytes) return "HeapSize wrong";
        Stamp(block, bytes, 1);
        block = api.realloc(heap, HEAP_ZERO_MEMORY, block, bytes + 333);
        if (block == nullptr || api.size(heap, 0, block) != bytes + 333) return "HeapSize wrong";
        if (!IsStamped(block, bytes, bytes, 1)) return "contents lost";
        if (!IsZero(block, bytes, bytes + 333)) return "growth not zero";
        live.push_back({block, bytes + 333});
    }
    const Observed walked = CompareBusy(WalkAll(api, heap), live);
    if (walked.text() != std::string("exact")) return walked;
    FreeAll(api, heap, live);
    return api.validate(heap, 0, nullptr) ? "exact" : "heap damaged";
}

// A freed block between two live ones, for a lone one might be given back to the system.
struct FreedBlock {
    explicit FreedBlock(const HeapApi& api, HANDLE heap, size_t bytes) {
        before = api.alloc(heap, 0, bytes);
        address = static_cast<unsigned char*>(api.alloc(heap, 0, bytes));
        behind = api.alloc(heap, 0, bytes);
        std::memset(address, 0x22, bytes);
        api.free(heap, 0, address);
    }
    void* before;
    unsigned char* address;
    void* behind;
};

Observed WriteAfterFree(const HeapApi& api) {
    if (api.create_with_flags == nullptr) return kNotExported;
    Heap heap(api, api.create_with_flags(kFreeChecking));
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    constexpr size_t kBytes = 400, kOffset = 200;
    const FreedBlock freed(api, heap, kBytes);
    const BOOL whole = api.validate(heap, 0, nullptr);
    freed.address[kOffset] ^= 0xFF;
    const BOOL written = api.validate(heap, 0, nullptr);
    freed.address[kOffset] ^= 0xFF;
    const BOOL restored = api.validate(heap, 0, nullptr);
    return Say("whole %s, written %s, restored %s", Truth(whole), Truth(written), Truth(restored));
}

Observed FreePattern(const HeapApi& api) {
    if (api.create_with_flags == nullptr) return kNotExported;
    Heap heap(api, api.create_with_flags(kFreeChecking));
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    const FreedBlock freed(api, heap, 400);
    // The first bytes of a freed block are the heap's own.
    for (size_t i = 64; i < 320; i += 4) {
        uint32_t word;
        std::memcpy(&word, freed.address + i, sizeof word);
        if (word != 0xFEEEFEEE) return "another pattern";
    }
    return "0xFEEEFEEE";
}

Observed NormalHeapsDoNotCheck(const HeapApi& api) {
    Heap heap(api);
    return api.validate(heap, 0, api.alloc(heap, 0, 100)) ? "TRUE" : "FALSE";
}

constexpr char kFound[] = "whole TRUE, overrun FALSE, heap FALSE, restored TRUE";

const Rule kRules[] = {
    {"checking.tail.small", "Tail checking: HeapValidate after a write behind 40 bytes", kFound,
     "Enable heap tail checking", [](const HeapApi& api) { return Overrun(api, kSmall); }},
    {"checking.tail.odd", "The same behind 13 bytes", kFound, "Enable heap tail checking",
     [](const HeapApi& api) { return Overrun(api, 13); }},
    {"checking.tail.rounded", "The same behind 64 bytes, where no slack is left by rounding",
     kFound, "Enable heap tail checking", [](const HeapApi& api) { return Overrun(api, 64); }},
    {"checking.tail.medium", "The same behind 5000 bytes", kFound, "Enable heap tail checking",
     [](const HeapApi& api) { return Overrun(api, kMedium); }},
    {"checking.tail.large", "The same behind 200 KiB", kFound, "Enable heap tail checking",
     [](const HeapApi& api) { return Overrun(api, kLarge); }},
    {"checking.tail.pattern", "The bytes behind a block", "0xAB", "Wine tests", TailPattern},
    {"checking.exact", "Sizes, zeroing and enumeration in a checking heap", "exact", "HeapSize",
     StillExact},
    {"checking.free", "Free checking: HeapValidate after a write into a freed block",
     "whole TRUE, written FALSE, restored TRUE", "winnt.h HEAP_FREE_CHECKING_ENABLED",
     WriteAfterFree},
    {"checking.free.pattern", "The contents of a freed block", "0xFEEEFEEE", "Wine tests",
     FreePattern},
    {"checking.off", "HeapValidate in a heap without checking", "TRUE", "HeapValidate",
     NormalHeapsDoNotCheck},
};

}  // namespace

const Topic kChecking = MakeTopic("checking heaps", kRules);

}  // namespace conformance
