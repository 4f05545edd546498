// The last error: unchanged by every function that succeeds. What failures set stands with their
// rules.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

constexpr size_t kSizes[] = {0, kSmall, kMedium, kLarge, kHuge};

// The name of the last error that `call` leaves behind, for a block of each kind.
template <typename Call>
Observed ForBlocks(const HeapApi& api, Call call) {
    Heap heap(api);
    for (size_t bytes : kSizes) {
        // Twice: the first block of a kind may have to be made first.
        for (int round = 0; round < 2; ++round) {
            void* block = api.alloc(heap, 0, bytes);
            SeedError();
            if (!call(static_cast<HANDLE>(heap), block, bytes)) return "the function failed";
            const char* error = ErrorNow();
            if (std::strcmp(error, "unchanged") != 0) return Say("%s (%zu bytes)", error, bytes);
        }
    }
    return "unchanged";
}

// The same for a heap as a whole.
template <typename Call>
Observed ForHeap(const HeapApi& api, Call call) {
    Heap heap(api);
    api.free(heap, 0, api.alloc(heap, 0, kMedium));
    api.alloc(heap, 0, kSmall);
    for (HANDLE each : {static_cast<HANDLE>(heap), api.process_heap()}) {
        SeedError();
        if (!call(each)) return Say("the function failed, %s", ErrorNow());
        if (std::strcmp(ErrorNow(), "unchanged") != 0) return ErrorNow();
    }
    return "unchanged";
}

Observed CreateAndDestroy(const HeapApi& api) {
    struct {
        DWORD options;
        SIZE_T initial, maximum;
    } const kinds[] = {{0, 0, 0},
                       {HEAP_NO_SERIALIZE, 0, 0},
                       {HEAP_CREATE_ENABLE_EXECUTE, 0, 0},
                       {0, 0x10000, kMiB}};
    for (const auto& kind : kinds) {
        SeedError();
        Heap heap(api, kind.options, kind.initial, kind.maximum);
        if (!heap.ok()) return Say("HeapCreate: NULL, %s", ErrorNow());
        if (std::strcmp(ErrorNow(), "unchanged") != 0) return Say("HeapCreate: %s", ErrorNow());
        api.alloc(heap, 0, kMedium);
        SeedError();
        if (!heap.Destroy()) return "HeapDestroy: FALSE";
        if (std::strcmp(ErrorNow(), "unchanged") != 0) return Say("HeapDestroy: %s", ErrorNow());
    }
    return "unchanged";
}

Observed Allocate(const HeapApi& api, DWORD flags) {
    return ForBlocks(api, [&](HANDLE heap, void*, size_t bytes) {
        return api.alloc(heap, flags, bytes) != nullptr;
    });
}

Observed Reallocate(const HeapApi& api) {
    return ForBlocks(api, [&](HANDLE heap, void* block, size_t bytes) {
        for (size_t to : {bytes + 1, bytes * 2 + 100, bytes / 2, bytes + 300000, size_t{10}}) {
            block = api.realloc(heap, HEAP_ZERO_MEMORY, block, to);
            if (block == nullptr) return false;
        }
        return true;
    });
}

// Walks as far as TRUE is returned; the end is an error of its own.
Observed WalkSuccess(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes : kSizes) api.free(heap, 0, api.alloc(heap, 0, bytes));
    PROCESS_HEAP_ENTRY entry = {};
    for (;;) {
        SeedError();
        if (!api.walk(heap, &entry)) return "unchanged";
        if (std::strcmp(ErrorNow(), "unchanged") != 0) return ErrorNow();
    }
}

Observed UserValues(const HeapApi& api) {
    if (api.set_user_value == nullptr || api.get_user_info == nullptr ||
        api.set_user_flags == nullptr) {
        return kNotExported;
    }
    Heap heap(api);
    SeedError();
    void* block = api.alloc(heap, 0x100 | 0x200, 100);
    void* value = nullptr;
    DWORD flags = 0;
    const bool good = api.set_user_value(heap, 0, block, block) &&
                      api.get_user_info(heap, 0, block, &value, &flags) &&
                      api.set_user_flags(heap, 0, block, 0x200, 0x400);
    return good ? ErrorNow() : "a function failed";
}

Observed Lists(const HeapApi& api) {
    HANDLE heaps[1];
    SeedError();
    api.process_heap();
    api.process_heaps(0, nullptr);
    api.process_heaps(1, heaps);
    return ErrorNow();
}

const Rule kRules[] = {
    {"error.create", "HeapCreate and HeapDestroy", "unchanged", "HeapCreate", CreateAndDestroy},
    {"error.alloc", "HeapAlloc", "unchanged", "HeapAlloc",
     [](const HeapApi& api) { return Allocate(api, 0); }},
    {"error.alloc.zeroed", "HeapAlloc with HEAP_ZERO_MEMORY", "unchanged", "HeapAlloc",
     [](const HeapApi& api) { return Allocate(api, HEAP_ZERO_MEMORY); }},
    {"error.realloc", "HeapReAlloc", "unchanged", "HeapReAlloc", Reallocate},
    {"error.free", "HeapFree", "unchanged", "HeapFree",
     [](const HeapApi& api) {
         return ForBlocks(api, [&](HANDLE heap, void* block, size_t) {
             return api.free(heap, 0, block) != FALSE;
         });
     }},
    {"error.size", "HeapSize", "unchanged", "HeapSize",
     [](const HeapApi& api) {
         return ForBlocks(api, [&](HANDLE heap, void* block, size_t bytes) {
             return api.size(heap, 0, block) == bytes;
         });
     }},
    {"error.validate", "HeapValidate", "unchanged", "HeapValidate",
     [](const HeapApi& api) {
         return ForBlocks(api, [&](HANDLE heap, void* block, size_t) {
             return api.validate(heap, 0, block) && api.validate(heap, 0, nullptr);
         });
     }},
    {"error.walk", "HeapWalk, but for the end", "unchanged", "HeapWalk", WalkSuccess},
    {"error.lock", "HeapLock and HeapUnlock", "unchanged", "HeapLock",
     [](const HeapApi& api) {
         return ForHeap(api, [&](HANDLE heap) { return api.lock(heap) && api.unlock(heap); });
     }},
    {"error.compact", "HeapCompact of a heap with free memory", "unchanged", "HeapCompact",
     [](const HeapApi& api) {
         return ForHeap(api, [&](HANDLE heap) { return api.compact(heap, 0) != 0; });
     }},
    {"error.summary", "HeapSummary", "unchanged", "HeapSummary",
     [](const HeapApi& api) -> Observed {
         if (api.summary == nullptr) return kNotExported;
         return ForHeap(api, [&](HANDLE heap) {
             HeapSummaryData data = {};
             data.cb = sizeof data;
             return api.summary(heap, 0, &data);
         });
     }},
    {"error.query_information", "HeapQueryInformation", "unchanged", "HeapQueryInformation",
     [](const HeapApi& api) {
         return ForHeap(api, [&](HANDLE heap) {
             ULONG mode = 0;
             return api.query_information(heap, HeapCompatibilityInformation, &mode, sizeof mode,
                                          nullptr);
         });
     }},
    {"error.user_values", "RtlSetUserValueHeap, RtlGetUserInfoHeap, RtlSetUserFlagsHeap",
     "unchanged", "GetLastError", UserValues},
    {"error.lists", "GetProcessHeap and GetProcessHeaps", "unchanged", "GetProcessHeaps", Lists},
};

}  // namespace

const Topic kErrors = MakeTopic("last error on success", kRules);

}  // namespace conformance
