// HeapValidate: a block, a heap, and pointers that are neither.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

int global_object[64];

const char* Verdict(const HeapApi& api, HANDLE heap, const void* pointer) {
    return api.validate(heap, 0, pointer) ? "TRUE" : "FALSE";
}

// HeapValidate, and what becomes of the last error.
Observed WithError(const HeapApi& api, HANDLE heap, const void* pointer) {
    SeedError();
    const char* verdict = Verdict(api, heap, pointer);
    return Say("%s, %s", verdict, ErrorNow());
}

Observed LiveBlocks(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes : {size_t{0}, size_t{1}, kSmall, kMedium, kLarge, kHuge, 20 * kMiB}) {
        const Observed seen = WithError(api, heap, api.alloc(heap, 0, bytes));
        if (std::strcmp(seen.text(), "TRUE, unchanged") != 0) return seen;
    }
    return "TRUE, unchanged";
}

Observed WholeHeap(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes : {size_t{0}, kSmall, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, 0, bytes);
        std::memset(block, 0xFF, bytes);
        api.free(heap, 0, api.alloc(heap, 0, bytes));
    }
    return WithError(api, heap, nullptr);
}

Observed FreedBlocks(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes : {kSmall, kMedium, kLarge}) {
        void* before = api.alloc(heap, 0, bytes);
        void* block = api.alloc(heap, 0, bytes);
        void* behind = api.alloc(heap, 0, bytes);
        api.free(heap, 0, block);
        const Observed seen = WithError(api, heap, block);
        if (std::strcmp(seen.text(), "FALSE, unchanged") != 0) {
            return Say("%s for %zu bytes", seen.text(), bytes);
        }
        api.free(heap, 0, before);
        api.free(heap, 0, behind);
    }
    return "FALSE, unchanged";
}

Observed InteriorPointers(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes : {size_t{64}, kMedium, kLarge}) {
        auto* block = static_cast<char*>(api.alloc(heap, 0, bytes));
        std::memset(block, 0, bytes);
        for (size_t offset : {size_t{1}, size_t{8}, size_t{16}, size_t{32}, bytes - 1}) {
            const Observed seen = WithError(api, heap, block + offset);
            if (std::strcmp(seen.text(), "FALSE, unchanged") != 0) {
                return Say("%s at %zu of %zu bytes", seen.text(), offset, bytes);
            }
        }
    }
    return "FALSE, unchanged";
}

Observed StackPointer(const HeapApi& api) {
    Heap heap(api);
    alignas(16) char object[256] = {};
    return WithError(api, heap, object + 64);
}

Observed GlobalPointer(const HeapApi& api) {
    Heap heap(api);
    return WithError(api, heap, global_object + 16);
}

// Addresses where nothing is mapped, and such as cannot be.
Observed WildPointers(const HeapApi& api) {
    Heap heap(api);
    for (uintptr_t address : {uintptr_t{0x10}, uintptr_t{0x1000}, uintptr_t{0x123456789ABC0},
                              uintptr_t{0x8000000000000010}, UINTPTR_MAX - 15}) {
        const Observed seen = WithError(api, heap, reinterpret_cast<void*>(address));
        if (std::strcmp(seen.text(), "FALSE, unchanged") != 0) return seen;
    }
    return "FALSE, unchanged";
}

Observed OtherHeapsBlocks(const HeapApi& api) {
    Heap heap(api), other(api);
    for (size_t bytes : {kSmall, kMedium, kLarge, kHuge}) {
        const Observed seen = WithError(api, heap, api.alloc(other, 0, bytes));
        if (std::strcmp(seen.text(), "FALSE, unchanged") != 0) {
            return Say("%s for %zu bytes", seen.text(), bytes);
        }
    }
    return "FALSE, unchanged";
}

// Microsoft: of the elements that HeapWalk names, exactly the busy ones are valid.
Observed WalkedElements(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> blocks;
    for (int i = 0; i < 40; ++i) blocks.push_back({api.alloc(heap, 0, kMedium), kMedium});
    for (size_t i = 0; i < blocks.size(); i += 2) api.free(heap, 0, blocks[i].address);
    const Walked walked = WalkAll(api, heap);
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        // Regions may begin with the heap's own records.
        if (Is(entry, kRegionFlag | kUncommittedFlag)) continue;
        const bool busy = Is(entry, kBusyFlag);
        if (busy != (api.validate(heap, 0, entry.lpData) != FALSE)) {
            return busy ? "a busy one is invalid" : "a free one is valid";
        }
    }
    return "valid when busy";
}

// All of it in a heap of another kind.
Observed InKind(const HeapApi& api, DWORD options, SIZE_T maximum) {
    Heap heap(api, options, 0, maximum), other(api, options, 0, maximum);
    if (!heap.ok() || !other.ok()) return Say("no heap, %s", ErrorNow());
    for (size_t bytes : {size_t{64}, kMedium, kLarge}) {
        auto* block = static_cast<char*>(api.alloc(heap, 0, bytes));
        auto* freed = static_cast<char*>(api.alloc(heap, 0, bytes));
        void* behind = api.alloc(heap, 0, bytes);
        std::memset(block, 0, bytes);
        api.free(heap, 0, freed);
        if (!api.validate(heap, 0, block)) return Say("FALSE for a live block of %zu", bytes);
        const void* const wrong[] = {freed, block + 16, block + 1, &heap,
                                     api.alloc(other, 0, bytes)};
        for (const void* pointer : wrong) {
            const Observed seen = WithError(api, heap, pointer);
            if (std::strcmp(seen.text(), "FALSE, unchanged") != 0) {
                return Say("%s for a wrong pointer (%zu bytes)", seen.text(), bytes);
            }
        }
        api.free(heap, 0, behind);
    }
    return api.validate(heap, 0, nullptr) ? "only live blocks are valid" : "heap damaged";
}

Observed ProcessHeap(const HeapApi& api) { return WithError(api, api.process_heap(), nullptr); }

const Rule kRules[] = {
    {"validate.live", "Live blocks, 0 bytes to 20 MiB", "TRUE, unchanged", "HeapValidate",
     LiveBlocks},
    {"validate.heap", "A whole heap (NULL)", "TRUE, unchanged", "HeapValidate", WholeHeap},
    {"validate.process_heap", "The whole process heap", "TRUE, unchanged", "HeapValidate",
     ProcessHeap},
    {"validate.freed", "Freed blocks", "FALSE, unchanged", "HeapValidate", FreedBlocks},
    {"validate.interior", "Pointers into a block", "FALSE, unchanged", "HeapValidate",
     InteriorPointers},
    {"validate.stack", "A pointer to the stack", "FALSE, unchanged", "HeapValidate", StackPointer},
    {"validate.global", "A pointer to a global object", "FALSE, unchanged", "HeapValidate",
     GlobalPointer},
    {"validate.wild", "Addresses where nothing is mapped", "FALSE, unchanged", "HeapValidate",
     WildPointers},
    {"validate.other_heap", "Blocks of another heap", "FALSE, unchanged", "HeapValidate",
     OtherHeapsBlocks},
    {"validate.fixed", "Live, freed, interior and foreign pointers in a heap of 2 MiB",
     "only live blocks are valid", "HeapValidate",
     [](const HeapApi& api) { return InKind(api, 0, 2 * kMiB); }},
    {"validate.no_serialize", "The same in a heap created with HEAP_NO_SERIALIZE",
     "only live blocks are valid", "HeapValidate",
     [](const HeapApi& api) { return InKind(api, HEAP_NO_SERIALIZE, 0); }},
    {"validate.executable", "The same in an executable heap", "only live blocks are valid",
     "HeapValidate", [](const HeapApi& api) { return InKind(api, HEAP_CREATE_ENABLE_EXECUTE, 0); }},
    {"validate.walked", "The elements that HeapWalk names", "valid when busy", "HeapValidate",
     WalkedElements},
};

}  // namespace

const Topic kValidation = MakeTopic("HeapValidate", kRules);

}  // namespace conformance
