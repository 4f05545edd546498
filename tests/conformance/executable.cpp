// HEAP_CREATE_ENABLE_EXECUTE: code runs in the blocks of such a heap, and in those of no other.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

constexpr size_t kSizes[] = {16, kSmall, kMedium, kLarge, kHuge, 20 * kMiB};

const char* Protection(const void* address) {
    MEMORY_BASIC_INFORMATION information = {};
    if (VirtualQuery(address, &information, sizeof information) == 0) return "VirtualQuery failed";
    switch (information.Protect) {
        case PAGE_READWRITE:
            return "PAGE_READWRITE";
        case PAGE_EXECUTE_READWRITE:
            return "PAGE_EXECUTE_READWRITE";
        default:
            return "another protection";
    }
}

// The protection of the first and last page of a block of each kind, when all agree.
Observed Protections(const HeapApi& api, HANDLE heap) {
    const char* common = nullptr;
    for (size_t bytes : kSizes) {
        auto* block = static_cast<char*>(api.alloc(heap, 0, bytes));
        if (block == nullptr) return "no block";
        // Touched, for a page that was never written may have no protection of its own yet.
        std::memset(block, 1, bytes);
        for (const char* address : {block, block + bytes - 1}) {
            const char* seen = Protection(address);
            if (common == nullptr) common = seen;
            if (std::strcmp(seen, common) != 0) return Say("%s and %s", common, seen);
        }
    }
    return common;
}

// mov eax, value; ret
bool RunCode(void* block, unsigned value) {
    unsigned char code[] = {0xB8, 0, 0, 0, 0, 0xC3};
    std::memcpy(code + 1, &value, sizeof value);
    std::memcpy(block, code, sizeof code);
    FlushInstructionCache(GetCurrentProcess(), block, sizeof code);
    unsigned (*function)();
    std::memcpy(&function, &block, sizeof function);
    return function() == value;
}

Observed Runs(const HeapApi& api) {
    Heap heap(api, HEAP_CREATE_ENABLE_EXECUTE);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    for (size_t bytes : kSizes) {
        void* block = api.alloc(heap, 0, bytes);
        if (block == nullptr) return "no block";
        if (!RunCode(block, static_cast<unsigned>(bytes))) return "a wrong result";
    }
    return "runs";
}

Observed RunsAfterResize(const HeapApi& api) {
    Heap heap(api, HEAP_CREATE_ENABLE_EXECUTE);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    void* block = api.alloc(heap, 0, 16);
    for (size_t bytes : kSizes) {
        block = api.realloc(heap, 0, block, bytes);
        if (block == nullptr) return "not resized";
        if (!RunCode(block, static_cast<unsigned>(bytes))) return "a wrong result";
    }
    return "runs";
}

Observed ProtectionsOf(const HeapApi& api, DWORD options) {
    Heap heap(api, options);
    return heap.ok() ? Protections(api, heap) : Say("no heap, %s", ErrorNow());
}

// The same of a heap of fixed size, and code in its blocks.
Observed FixedSize(const HeapApi& api) {
    Heap heap(api, HEAP_CREATE_ENABLE_EXECUTE, 0, 4 * kMiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    void* block = api.alloc(heap, 0, 16);
    for (size_t bytes : {size_t{16}, kSmall, kMedium, kLarge}) {
        block = api.realloc(heap, 0, block, bytes);
        void* other = api.alloc(heap, 0, bytes);
        if (block == nullptr || other == nullptr) return "no block";
        if (!RunCode(block, 77) || !RunCode(other, 78)) return "a wrong result";
        const char* seen = Protection(static_cast<char*>(other) + bytes - 1);
        if (std::strcmp(seen, "PAGE_EXECUTE_READWRITE") != 0) return seen;
    }
    return "runs";
}

// Memory of an executable heap comes back to others without the right to execute, and the reverse.
Observed NotMixed(const HeapApi& api) {
    for (int round = 0; round < 3; ++round) {
        for (DWORD options : {DWORD{HEAP_CREATE_ENABLE_EXECUTE}, DWORD{0}}) {
            const char* wanted = options == 0 ? "PAGE_READWRITE" : "PAGE_EXECUTE_READWRITE";
            const Observed seen = ProtectionsOf(api, options);
            if (std::strcmp(seen.text(), wanted) != 0) {
                return Say("%s in a heap %s", seen.text(), options == 0 ? "without" : "with");
            }
        }
    }
    return "not mixed";
}

const Rule kRules[] = {
    {"execute.protection", "Pages of small to 20 MiB blocks of an executable heap",
     "PAGE_EXECUTE_READWRITE", "HeapCreate",
     [](const HeapApi& api) { return ProtectionsOf(api, HEAP_CREATE_ENABLE_EXECUTE); }},
    {"execute.runs", "Code in blocks of all kinds", "runs", "HeapCreate", Runs},
    {"execute.realloc", "Code in a block that was resized", "runs", "HeapCreate", RunsAfterResize},
    {"execute.fixed", "Code in blocks of an executable heap of 4 MiB", "runs", "HeapCreate",
     FixedSize},
    {"execute.normal", "Pages of a heap without the flag", "PAGE_READWRITE", "HeapCreate",
     [](const HeapApi& api) { return ProtectionsOf(api, 0); }},
    {"execute.process_heap", "Pages of the process heap", "PAGE_READWRITE", "HeapCreate",
     [](const HeapApi& api) { return Protections(api, api.process_heap()); }},
    {"execute.not_mixed", "Heaps with and without the flag, created and destroyed in turn",
     "not mixed", "HeapCreate", NotMixed},
};

}  // namespace

const Topic kExecutable = MakeTopic("executable heaps", kRules);

}  // namespace conformance
