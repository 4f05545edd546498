// HeapSetInformation and HeapQueryInformation.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

constexpr auto kCompatibility = HeapCompatibilityInformation;
constexpr auto kTermination = HeapEnableTerminationOnCorruption;
// No constants of the type: older SDKs lack HeapOptimizeResources, and nobody knows the other.
constexpr int kOptimize = 3;
constexpr int kUnknown = 99;
constexpr ULONG kLowFragmentation = 2;

struct OptimizeResources {
    DWORD version;
    DWORD flags;
};

HEAP_INFORMATION_CLASS Class(int value) { return static_cast<HEAP_INFORMATION_CLASS>(value); }

const char* Truth(BOOL value) { return value ? "TRUE" : "FALSE"; }

Observed Mode(const HeapApi& api, HANDLE heap) {
    ULONG mode = 77;
    SIZE_T length = 77;
    if (!api.query_information(heap, kCompatibility, &mode, sizeof mode, &length)) {
        return Say("FALSE, %s", ErrorNow());
    }
    return length == sizeof mode ? Say("%lu", static_cast<unsigned long>(mode))
                                 : Observed("a wrong length");
}

Observed Set(const HeapApi& api, HANDLE heap, ULONG mode) {
    SeedError();
    const BOOL set = api.set_information(heap, kCompatibility, &mode, sizeof mode);
    return Say("%s, %s", Truth(set), ErrorNow());
}

Observed SetTwo(const HeapApi& api) {
    Heap heap(api);
    const Observed set = Set(api, heap, kLowFragmentation);
    return Say("%s, then %s", set.text(), Mode(api, heap).text());
}

template <ULONG mode>
Observed Undo(const HeapApi& api) {
    Heap heap(api);
    Set(api, heap, kLowFragmentation);
    const Observed undone = Set(api, heap, mode);
    return Say("%s, still %s", undone.text(), Mode(api, heap).text());
}

Observed SetTwice(const HeapApi& api) {
    Heap heap(api);
    Set(api, heap, kLowFragmentation);
    return Set(api, heap, kLowFragmentation);
}

// Modes that there are not any more, or never were; and the low-fragmentation heap in a heap that
// checks.
Observed Refused(const HeapApi& api, HANDLE heap, std::initializer_list<ULONG> modes) {
    if (heap == nullptr) return Say("no heap, %s", ErrorNow());
    for (const ULONG mode : modes) {
        const Observed set = Set(api, heap, mode);
        if (std::strcmp(set.text(), "FALSE, unchanged") == 0 ||
            std::strncmp(set.text(), "FALSE", 5) != 0) {
            return Say("%lu: %s", static_cast<unsigned long>(mode), set.text());
        }
    }
    return Say("FALSE, error set, still %s", Mode(api, heap).text());
}

Observed AfterUse(const HeapApi& api) {
    Heap heap(api);
    for (int i = 0; i < 0x20; ++i) api.alloc(heap, 0, 64);
    return Mode(api, heap);
}

Observed WithOptions(const HeapApi& api, DWORD options, SIZE_T maximum) {
    Heap heap(api, options, 0, maximum);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    const Observed before = Mode(api, heap), set = Set(api, heap, kLowFragmentation);
    return Say("%s, set: %s", before.text(), set.text());
}

Observed ShortBuffer(const HeapApi& api, SIZE_T bytes) {
    Heap heap(api);
    ULONG mode = 77;
    SIZE_T length = 77;
    SeedError();
    const BOOL got =
        api.query_information(heap, kCompatibility, bytes == 0 ? nullptr : &mode, bytes, &length);
    return Say("%s, %s, length %zu%s", Truth(got), ErrorNow(), static_cast<size_t>(length),
               mode == 77 ? "" : ", buffer written");
}

Observed NoLength(const HeapApi& api) {
    Heap heap(api);
    ULONG mode = 77;
    SeedError();
    const BOOL got = api.query_information(heap, kCompatibility, &mode, sizeof mode, nullptr);
    const bool sensible = mode == 0 || mode == kLowFragmentation;
    return Say("%s, %s, %s", Truth(got), ErrorNow(), sensible ? "a mode" : "no mode");
}

Observed LargerBuffer(const HeapApi& api) {
    Heap heap(api);
    ULONG modes[4] = {77, 77, 77, 77};
    SIZE_T length = 77;
    const BOOL got = api.query_information(heap, kCompatibility, modes, sizeof modes, &length);
    return Say("%s, length %zu%s", Truth(got), static_cast<size_t>(length),
               modes[1] == 77 ? "" : ", more written");
}

Observed NullHeap(const HeapApi& api) {
    ULONG mode = 77;
    SeedError();
    const BOOL got = api.query_information(nullptr, kCompatibility, &mode, sizeof mode, nullptr);
    return Say("%s, %s", Truth(got), ErrorNow());
}

Observed ShortSet(const HeapApi& api) {
    Heap heap(api);
    ULONG mode = kLowFragmentation;
    SeedError();
    const BOOL set = api.set_information(heap, kCompatibility, &mode, 2);
    const char* error = ErrorNow();
    return Say("%s, %s", Truth(set), std::strcmp(error, "unchanged") == 0 ? error : "error set");
}

Observed Termination(const HeapApi& api, HANDLE heap) {
    SeedError();
    const BOOL set = api.set_information(heap, kTermination, nullptr, 0);
    return Say("%s, %s", Truth(set), ErrorNow());
}

// Optimizes `heap` (NULL: all) while `filled` has live and freed blocks.
Observed Optimize(const HeapApi& api, HANDLE heap, HANDLE filled, DWORD version) {
    std::vector<Block> live;
    for (size_t bytes : {kSmall, kMedium, kLarge, kHuge}) {
        for (int i = 0; i < 20; ++i) live.push_back({api.alloc(filled, 0, bytes), bytes});
        Stamp(live.back().address, bytes, 1);
        for (int i = 0; i < 10; ++i) {
            api.free(filled, 0, live[live.size() - 2].address);
            live.erase(live.end() - 2);
        }
    }
    OptimizeResources information = {version, 0};
    SeedError();
    const BOOL set = api.set_information(heap, Class(kOptimize), &information, sizeof information);
    const Observed error(ErrorNow());
    for (const Block& block : live) {
        if (api.size(filled, 0, block.address) != block.bytes) return "a block is lost";
    }
    if (!api.validate(filled, 0, nullptr)) return "heap damaged";
    if (set) return Say("TRUE, %s", error.text());
    return std::strcmp(error.text(), "unchanged") == 0 ? "FALSE, unchanged" : "FALSE, error set";
}

// The structure is mandatory, and has to be whole.
Observed ShortOptimize(const HeapApi& api) {
    Heap heap(api);
    OptimizeResources information = {1, 0};
    for (void* data : {static_cast<void*>(&information), static_cast<void*>(nullptr)}) {
        SeedError();
        if (api.set_information(heap, Class(kOptimize), data, data == nullptr ? 0 : 4))
            return "TRUE";
        if (std::strcmp(ErrorNow(), "unchanged") == 0) return "FALSE, unchanged";
    }
    return "FALSE, error set";
}

Observed NothingToFill(const HeapApi& api) {
    Heap heap(api);
    SeedError();
    const BOOL got = api.query_information(heap, kCompatibility, nullptr, 0, nullptr);
    return Say("%s, %s", Truth(got), ErrorNow());
}

Observed UnknownClass(const HeapApi& api, bool set) {
    Heap heap(api);
    ULONG data[8] = {};
    SeedError();
    const BOOL done =
        set ? api.set_information(heap, Class(kUnknown), data, sizeof data)
            : api.query_information(heap, Class(kUnknown), data, sizeof data, nullptr);
    return Say("%s, %s", Truth(done),
               std::strcmp(ErrorNow(), "unchanged") == 0 ? "unchanged" : "error set");
}

constexpr char kLowFragmentationPage[] = "HeapSetInformation; Wine tests";

const Rule kRules[] = {
    {"info.mode.fresh", "HeapCompatibilityInformation of a fresh heap", "0", "Wine tests",
     [](const HeapApi& api) {
         Heap heap(api);
         return Mode(api, heap);
     }},
    {"info.mode.set", "Set to 2, then queried", "TRUE, unchanged, then 2", "HeapSetInformation",
     SetTwo},
    {"info.mode.set_again", "Set to 2 twice", "TRUE, unchanged", "HeapSetInformation", SetTwice},
    {"info.mode.undo", "Set to 2, then to 0", "FALSE, ERROR_GEN_FAILURE, still 2",
     kLowFragmentationPage, Undo<0>},
    {"info.mode.undo.lists", "Set to 2, then to 1", "FALSE, ERROR_GEN_FAILURE, still 2",
     kLowFragmentationPage, Undo<1>},
    {"info.mode.unknown", "A fresh heap set to 1 and to 3", "FALSE, error set, still 0",
     "HeapSetInformation",
     [](const HeapApi& api) {
         Heap heap(api);
         return Refused(api, heap, {1, 3});
     }},
    {"info.mode.checking", "A heap that checks tails and freed blocks, set to 2",
     "FALSE, error set, still 0", "HeapSetInformation",
     [](const HeapApi& api) -> Observed {
         if (api.create_with_flags == nullptr) return kNotExported;
         Heap heap(api, api.create_with_flags(0x20 | 0x40));
         return Refused(api, heap, {kLowFragmentation});
     }},
    {"info.mode.after_use", "Queried after 32 allocations of one size", "2", "Wine tests",
     AfterUse},
    {"info.mode.no_serialize", "A heap created with HEAP_NO_SERIALIZE",
     "0, set: FALSE, ERROR_INVALID_PARAMETER", kLowFragmentationPage,
     [](const HeapApi& api) { return WithOptions(api, HEAP_NO_SERIALIZE, 0); }},
    {"info.mode.fixed", "A heap of fixed size", "0, set: FALSE, ERROR_INVALID_PARAMETER",
     kLowFragmentationPage, [](const HeapApi& api) { return WithOptions(api, 0, 2 * kMiB); }},
    {"info.query.short", "A buffer of 3 bytes", "FALSE, ERROR_INSUFFICIENT_BUFFER, length 4",
     "HeapQueryInformation; Wine tests", [](const HeapApi& api) { return ShortBuffer(api, 3); }},
    {"info.query.no_buffer", "No buffer", "FALSE, ERROR_INSUFFICIENT_BUFFER, length 4",
     "HeapQueryInformation; Wine tests", [](const HeapApi& api) { return ShortBuffer(api, 0); }},
    {"info.query.nothing", "Neither a buffer nor ReturnLength", "FALSE, ERROR_INSUFFICIENT_BUFFER",
     "HeapQueryInformation; Wine tests", NothingToFill},
    {"info.query.no_length", "ReturnLength NULL", "TRUE, unchanged, a mode", "HeapQueryInformation",
     NoLength},
    {"info.query.larger", "A buffer of 16 bytes", "TRUE, length 4", "HeapQueryInformation",
     LargerBuffer},
    {"info.query.null_heap", "HeapQueryInformation of no heap", "FALSE, ERROR_NOACCESS",
     "Wine tests", NullHeap},
    {"info.query.unknown", "HeapQueryInformation of an unknown class", "FALSE, error set",
     "HeapQueryInformation", [](const HeapApi& api) { return UnknownClass(api, false); }},
    {"info.set.short", "HeapSetInformation with 2 bytes", "FALSE, error set", "HeapSetInformation",
     ShortSet},
    {"info.set.unknown", "HeapSetInformation of an unknown class", "FALSE, error set",
     "HeapSetInformation", [](const HeapApi& api) { return UnknownClass(api, true); }},
    {"info.termination", "HeapEnableTerminationOnCorruption for the process (NULL)",
     "TRUE, unchanged", "HeapSetInformation",
     [](const HeapApi& api) { return Termination(api, nullptr); }},
    {"info.termination.heap", "The same with a heap", "TRUE, unchanged", "HeapSetInformation",
     [](const HeapApi& api) {
         Heap heap(api);
         return Termination(api, heap);
     }},
    {"info.optimize", "HeapOptimizeResources of one heap", "TRUE, unchanged", "HeapSetInformation",
     [](const HeapApi& api) {
         Heap heap(api);
         return Optimize(api, heap, heap, 1);
     }},
    {"info.optimize.all", "HeapOptimizeResources of all heaps (NULL)", "TRUE, unchanged",
     "HeapSetInformation",
     [](const HeapApi& api) {
         Heap heap(api);
         return Optimize(api, nullptr, heap, 1);
     }},
    {"info.optimize.short", "HeapOptimizeResources with 4 bytes, and with none", "FALSE, error set",
     "HEAP_OPTIMIZE_RESOURCES_INFORMATION", ShortOptimize},
    {"info.optimize.version", "HeapOptimizeResources with version 0", "FALSE, error set",
     "HEAP_OPTIMIZE_RESOURCES_INFORMATION",
     [](const HeapApi& api) {
         Heap heap(api);
         return Optimize(api, heap, heap, 0);
     }},
};

}  // namespace

const Topic kInformation = MakeTopic("information", kRules);

}  // namespace conformance
