// Handles that are none: ERROR_INVALID_HANDLE, and no crash. Windows leaves this undefined, so
// these rules are for strata.dll only.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

// Handles of destroyed heaps, of the system's heap, and values that never were handles.
struct BadHandles {
    explicit BadHandles(const HeapApi& api) {
        Heap stale(api);
        api.alloc(stale, 0, 100);
        values[0] = stale;
        stale.Destroy();
        values[1] = nullptr;
        values[2] = INVALID_HANDLE_VALUE;
        values[3] = reinterpret_cast<HANDLE>(uintptr_t{0x10000});
        values[4] = reinterpret_cast<HANDLE>(uintptr_t{0x7FF000000000});
        values[5] = reinterpret_cast<HANDLE>(uintptr_t{0x123456789ABC0000});
        values[6] = static_cast<char*>(api.process_heap()) + 16;
        values[7] = api.alloc(api.process_heap(), 0, 100000);
        values[8] = GetProcessHeap();
        values[9] = this;
    }
    static constexpr const char* kNames[] = {
        "stale",         "NULL",   "-1",           "unmapped low", "unmapped high",
        "not canonical", "inside", "a live block", "foreign",      "the stack"};
    static constexpr size_t kCount = 10;
    HANDLE values[kCount];
};

// What call(handle), which returns its own words for "failed", does with each bad handle.
template <typename Call>
Observed Try(const HeapApi& api, Call call) {
    const BadHandles bad(api);
    Observed common;
    for (size_t i = 0; i < BadHandles::kCount; ++i) {
        SeedError();
        const char* result = call(bad.values[i]);
        const Observed seen = Say("%s, %s", result, ErrorNow());
        if (i == 0) common = seen;
        if (std::strcmp(seen.text(), common.text()) != 0) {
            return Say("%s: %s", BadHandles::kNames[i], seen.text());
        }
    }
    return common;
}

const char* Truth(BOOL value) { return value ? "TRUE" : "FALSE"; }
const char* Pointer(const void* value) { return value == nullptr ? "NULL" : "a block"; }
const char* Size(SIZE_T value) { return value == SIZE_MAX ? "-1" : value == 0 ? "0" : "a size"; }

Observed UserFunctions(const HeapApi& api) {
    if (api.set_user_value == nullptr || api.get_user_info == nullptr ||
        api.set_user_flags == nullptr) {
        return kNotExported;
    }
    return Try(api, [&](HANDLE heap) {
        char block[16] = {};
        void* value = nullptr;
        DWORD flags = 0;
        if (api.get_user_info(heap, 0, block, &value, &flags)) return "user info: TRUE";
        if (GetLastError() != ERROR_INVALID_HANDLE) return "user info: FALSE";
        SeedError();
        if (api.set_user_flags(heap, 0, block, 0, 0x200)) return "user flags: TRUE";
        if (GetLastError() != ERROR_INVALID_HANDLE) return "user flags: FALSE";
        SeedError();
        return Truth(api.set_user_value(heap, 0, block, block));
    });
}

Observed Query(const HeapApi& api) {
    return Try(api, [&](HANDLE heap) {
        // No heap at all has a rule of its own: info.query.null_heap.
        if (heap == nullptr) heap = INVALID_HANDLE_VALUE;
        ULONG mode = 0;
        return Truth(
            api.query_information(heap, HeapCompatibilityInformation, &mode, sizeof mode, nullptr));
    });
}

Observed RaisingAlloc(const HeapApi& api) {
    const BadHandles bad(api);
    Observed seen;
    for (HANDLE heap : bad.values) {
        const Raised raised = Catch([&] { api.alloc(heap, HEAP_GENERATE_EXCEPTIONS, 16); });
        seen = Describe(raised);
        if (std::strcmp(seen.text(), "STATUS_ACCESS_VIOLATION raised once") != 0) break;
    }
    return seen;
}

Observed Successor(const HeapApi& api) {
    Heap first(api);
    HANDLE handle = first;
    first.Destroy();
    SeedError();
    const bool rejected = api.alloc(handle, 0, 16) == nullptr;
    std::vector<std::unique_ptr<Heap>> heaps;
    bool again = false;
    for (int i = 0; i < 1000 && !again; ++i) {
        heaps.push_back(std::make_unique<Heap>(api));
        again = *heaps.back() == handle;
    }
    return !rejected ? "accepted" : "rejected";
}

Observed UnlockByAnother(const HeapApi& api) {
    Heap heap(api);
    api.lock(heap);
    BOOL unlocked = TRUE;
    InOtherThread([&] { unlocked = api.unlock(heap); });
    const BOOL own = api.unlock(heap);
    return Say("%s; the owner: %s", Truth(unlocked), Truth(own));
}

Observed WrongSizes(const HeapApi& api) {
    Heap heap(api), other(api);
    auto* block = static_cast<char*>(api.alloc(heap, 0, 100));
    void* freed = api.alloc(heap, 0, 100);
    api.free(heap, 0, freed);
    const void* const wrong[] = {freed, block + 1, block + 16, api.alloc(other, 0, 100), &heap};
    for (const void* pointer : wrong) {
        SeedError();
        const SIZE_T size = api.size(heap, 0, pointer);
        const Observed seen = Say("%s, %s", Size(size), ErrorNow());
        if (std::strcmp(seen.text(), "-1, unchanged") != 0) return seen;
    }
    return "-1, unchanged";
}

#define INVALID "ERROR_INVALID_HANDLE"
#define STRATA(id, title, expected, source, run) \
    {id, title, expected, source, run, Scope::kStrataOnly}

const Rule kRules[] = {
    STRATA("bad_handle.alloc", "HeapAlloc", "NULL, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) {
               return Try(api, [&](HANDLE heap) { return Pointer(api.alloc(heap, 0, 16)); });
           }),
    STRATA("bad_handle.alloc.raising", "HeapAlloc with HEAP_GENERATE_EXCEPTIONS",
           "STATUS_ACCESS_VIOLATION raised once", "HeapAlloc", RaisingAlloc),
    STRATA("bad_handle.realloc", "HeapReAlloc", "NULL, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) {
               void* block = api.alloc(api.process_heap(), 0, 16);
               return Try(api,
                          [&](HANDLE heap) { return Pointer(api.realloc(heap, 0, block, 32)); });
           }),
    STRATA("bad_handle.free", "HeapFree", "FALSE, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) {
               void* block = api.alloc(api.process_heap(), 0, 16);
               return Try(api, [&](HANDLE heap) { return Truth(api.free(heap, 0, block)); });
           }),
    STRATA("bad_handle.size", "HeapSize", "-1, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) {
               void* block = api.alloc(api.process_heap(), 0, 16);
               return Try(api, [&](HANDLE heap) { return Size(api.size(heap, 0, block)); });
           }),
    STRATA("bad_handle.validate", "HeapValidate", "FALSE, unchanged", "HeapValidate",
           [](const HeapApi& api) {
               return Try(api, [&](HANDLE heap) { return Truth(api.validate(heap, 0, nullptr)); });
           }),
    STRATA("bad_handle.compact", "HeapCompact", "0, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) {
               return Try(api, [&](HANDLE heap) { return Size(api.compact(heap, 0)); });
           }),
    STRATA("bad_handle.lock", "HeapLock", "FALSE, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) {
               return Try(api, [&](HANDLE heap) { return Truth(api.lock(heap)); });
           }),
    STRATA("bad_handle.unlock", "HeapUnlock", "FALSE, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) {
               return Try(api, [&](HANDLE heap) { return Truth(api.unlock(heap)); });
           }),
    STRATA("bad_handle.walk", "HeapWalk", "FALSE, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) {
               return Try(api, [&](HANDLE heap) {
                   PROCESS_HEAP_ENTRY entry = {};
                   return Truth(api.walk(heap, &entry));
               });
           }),
    STRATA("bad_handle.summary", "HeapSummary", "FALSE, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) -> Observed {
               if (api.summary == nullptr) return kNotExported;
               return Try(api, [&](HANDLE heap) {
                   HeapSummaryData data = {};
                   data.cb = sizeof data;
                   return Truth(api.summary(heap, 0, &data));
               });
           }),
    STRATA("bad_handle.set_information", "HeapSetInformation of HeapCompatibilityInformation",
           "FALSE, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) {
               return Try(api, [&](HANDLE heap) {
                   ULONG mode = 2;
                   return Truth(
                       api.set_information(heap, HeapCompatibilityInformation, &mode, sizeof mode));
               });
           }),
    STRATA("bad_handle.query_information", "HeapQueryInformation", "FALSE, " INVALID,
           "docs/win32-compatibility.md", Query),
    STRATA("bad_handle.destroy", "HeapDestroy", "FALSE, " INVALID, "docs/win32-compatibility.md",
           [](const HeapApi& api) {
               return Try(api, [&](HANDLE heap) { return Truth(api.destroy(heap)); });
           }),
    STRATA("bad_handle.user_values", "The functions for user values and flags", "FALSE, " INVALID,
           "docs/win32-compatibility.md", UserFunctions),
    STRATA("bad_handle.successor", "A destroyed heap's handle while new heaps are created",
           "rejected", "docs/win32-compatibility.md", Successor),
    STRATA("bad_handle.unlock_by_another", "HeapUnlock by a thread that does not hold the lock",
           "FALSE; the owner: TRUE", "docs/win32-compatibility.md", UnlockByAnother),
    STRATA("bad_pointer.size", "HeapSize of freed, interior, foreign and other heaps' pointers",
           "-1, unchanged", "HeapSize", WrongSizes),
};

}  // namespace

const Topic kBadHandles = MakeTopic("wrong handles", kRules);

}  // namespace conformance
