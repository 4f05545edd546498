// HEAP_GENERATE_EXCEPTIONS, of a heap and of a call.
#include "support.h"

namespace conformance {

namespace {

constexpr char kRaised[] = "STATUS_NO_MEMORY raised once";
constexpr char kRaisedUntouched[] = "STATUS_NO_MEMORY raised once, block untouched";

Observed RaisingAlloc(const HeapApi& api, HANDLE heap, DWORD flags, SIZE_T bytes) {
    void* block = nullptr;
    const Raised raised = Catch([&] { block = api.alloc(heap, flags, bytes); });
    return raised.count == 0 ? Say("%s, no exception", block == nullptr ? "NULL" : "a block")
                             : Describe(raised);
}

template <DWORD options, DWORD flags>
Observed Alloc(const HeapApi& api) {
    Heap heap(api, options);
    for (SIZE_T bytes : kImpossibleSizes) {
        const Observed seen = RaisingAlloc(api, heap, flags, bytes);
        if (std::string(seen.text()) != kRaised) return seen;
    }
    return kRaised;
}

template <DWORD options, DWORD flags>
Observed ReAlloc(const HeapApi& api) {
    Heap heap(api, options);
    for (size_t from : {kSmall, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, 0, from);
        if (block == nullptr) return "no block";
        Stamp(block, from, 1);
        const Raised raised = Catch([&] { api.realloc(heap, flags, block, kImpossible); });
        const bool untouched = api.size(heap, 0, block) == from && IsStamped(block, from, from, 1);
        const Observed seen =
            Say("%s, block %s", Describe(raised).text(), untouched ? "untouched" : "damaged");
        if (std::string(seen.text()) != kRaisedUntouched) return seen;
        api.free(heap, 0, block);
    }
    return kRaisedUntouched;
}

Observed FullFixedHeap(const HeapApi& api) {
    Heap heap(api, HEAP_GENERATE_EXCEPTIONS, 0, 512 * kKiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    void* volatile block = nullptr;
    for (int i = 0; i < 1000; ++i) {
        const Raised raised = Catch([&] { block = api.alloc(heap, 0, 10000); });
        if (raised.count != 0) return Describe(raised);
        if (block == nullptr) return "NULL, no exception";
    }
    return "never full";
}

// A heap of fixed size refuses a block of 1 MiB, and growth beyond its maximum.
Observed FixedLimits(const HeapApi& api) {
    Heap heap(api, HEAP_GENERATE_EXCEPTIONS, 0, 4 * kMiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    void* block = api.alloc(heap, 0, kLarge);
    Stamp(block, kLarge, 1);
    for (const SIZE_T bytes : {SIZE_T{kMiB}, SIZE_T{5 * kMiB}, kImpossible}) {
        Observed seen = Describe(Catch([&] { api.alloc(heap, 0, bytes); }));
        if (std::string(seen.text()) != kRaised) return Say("HeapAlloc: %s", seen.text());
        seen = Describe(Catch([&] { api.realloc(heap, 0, block, bytes); }));
        if (std::string(seen.text()) != kRaised) return Say("HeapReAlloc: %s", seen.text());
    }
    const bool untouched =
        api.size(heap, 0, block) == kLarge && IsStamped(block, kLarge, kLarge, 1);
    return untouched ? kRaisedUntouched : "block damaged";
}

Observed GoesOn(const HeapApi& api) {
    Heap heap(api, HEAP_GENERATE_EXCEPTIONS);
    void* before = api.alloc(heap, 0, 100);
    for (int i = 0; i < 10; ++i) Catch([&] { api.alloc(heap, 0, kImpossible); });
    void* after = api.alloc(heap, 0, 100);
    bool other_thread_served = false;
    // A lock that the exception left behind would stop this thread.
    Waiter other([&api, &other_thread_served, handle = static_cast<HANDLE>(heap)] {
        other_thread_served = api.free(handle, 0, api.alloc(handle, 0, 30000)) != FALSE;
    });
    if (!other.HasEndedWithin(10000)) return "another thread waits for ever";
    const bool good = other_thread_served && after != nullptr && api.free(heap, 0, before) &&
                      api.free(heap, 0, after) && api.validate(heap, 0, nullptr);
    return good ? "the heap goes on" : "the heap is damaged";
}

Observed SizeAndFree(const HeapApi& api) {
    Heap heap(api, HEAP_GENERATE_EXCEPTIONS);
    SIZE_T size = 0;
    BOOL freed = FALSE;
    const Raised raised = Catch([&] {
        void* block = api.alloc(heap, 0, 77);
        size = api.size(heap, HEAP_GENERATE_EXCEPTIONS, block);
        freed = api.free(heap, HEAP_GENERATE_EXCEPTIONS, block);
    });
    return Say("%s, size %zu, %s", Describe(raised).text(), static_cast<size_t>(size),
               freed ? "freed" : "not freed");
}

const Rule kRules[] = {
    {"exceptions.heap.alloc", "HeapAlloc of impossible sizes from a raising heap", kRaised,
     "HeapAlloc", Alloc<HEAP_GENERATE_EXCEPTIONS, 0>},
    {"exceptions.call.alloc", "HeapAlloc of impossible sizes in a raising call", kRaised,
     "HeapAlloc", Alloc<0, HEAP_GENERATE_EXCEPTIONS>},
    {"exceptions.call.alloc.zeroed", "The same with HEAP_ZERO_MEMORY", kRaised, "HeapAlloc",
     Alloc<0, HEAP_GENERATE_EXCEPTIONS | HEAP_ZERO_MEMORY>},
    {"exceptions.call.alloc.settable", "The same for a block with a user value", kRaised,
     "HeapAlloc", Alloc<0, HEAP_GENERATE_EXCEPTIONS | 0x100>},
    {"exceptions.call.alloc.no_serialize", "The same with HEAP_NO_SERIALIZE", kRaised, "HeapAlloc",
     Alloc<0, HEAP_GENERATE_EXCEPTIONS | HEAP_NO_SERIALIZE>},
    {"exceptions.none", "Without the flag nothing is raised", "NULL, no exception", "HeapAlloc",
     Alloc<0, 0>},
    {"exceptions.heap.realloc", "HeapReAlloc to an impossible size in a raising heap",
     kRaisedUntouched, "HeapReAlloc", ReAlloc<HEAP_GENERATE_EXCEPTIONS, 0>},
    {"exceptions.call.realloc", "HeapReAlloc to an impossible size in a raising call",
     kRaisedUntouched, "HeapReAlloc", ReAlloc<0, HEAP_GENERATE_EXCEPTIONS>},
    {"exceptions.fixed", "A raising heap of fixed size when it is full", kRaised, "HeapAlloc",
     FullFixedHeap},
    {"exceptions.fixed.limits", "HeapAlloc and HeapReAlloc of 1 MiB and more in such a heap",
     kRaisedUntouched, "HeapAlloc, HeapReAlloc", FixedLimits},
    {"exceptions.goes_on", "After exceptions the heap serves as before, other threads, too",
     "the heap goes on", "HeapAlloc", GoesOn},
    {"exceptions.others", "HeapSize and HeapFree with the flag", "no exception, size 77, freed",
     "HeapSize", SizeAndFree},
};

}  // namespace

const Topic kExceptions = MakeTopic("exceptions", kRules);

}  // namespace conformance
