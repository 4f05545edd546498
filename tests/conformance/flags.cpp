// HEAP_NO_SERIALIZE, and flags that are accepted without an effect.
#include "support.h"

namespace conformance {

namespace {

constexpr DWORD kTagShift = 18;  // HEAP_TAG_SHIFT: the tag of an allocation, for debuggers
constexpr DWORD kPseudoTag = 0x8000;

// A round through everything that one thread does with a heap.
Observed UseHeap(const HeapApi& api, HANDLE heap, DWORD flags, size_t largest = kHuge) {
    std::vector<Block> live;
    unsigned seed = 0;
    for (size_t bytes : {size_t{0}, kSmall, kMedium, kLarge, kHuge, kSmall, kMedium}) {
        if (bytes > largest) continue;
        void* block = api.alloc(heap, flags | HEAP_ZERO_MEMORY, bytes);
        if (block == nullptr || !IsZero(block, 0, bytes)) return "HeapAlloc failed";
        Stamp(block, bytes, ++seed);
        live.push_back({block, bytes});
    }
    seed = 0;
    for (Block& block : live) {
        const size_t bytes = block.bytes * 2 + 1;
        void* resized = api.realloc(heap, flags, block.address, bytes);
        if (resized == nullptr) return "HeapReAlloc failed";
        if (!IsStamped(resized, block.bytes, block.bytes, ++seed)) return "contents lost";
        if (api.size(heap, flags, resized) != bytes) return "HeapSize wrong";
        if (!api.validate(heap, flags, resized)) return "HeapValidate failed";
        block = {resized, bytes};
    }
    const Observed walked = CompareBusy(WalkAll(api, heap), live);
    if (walked.text() != std::string("exact")) return walked;
    for (const Block& block : live) {
        if (!api.free(heap, flags, block.address)) return "HeapFree failed";
    }
    return api.validate(heap, flags, nullptr) ? "works" : "heap damaged";
}

template <DWORD options, DWORD flags>
Observed Use(const HeapApi& api) {
    Heap heap(api, options);
    return heap.ok() ? UseHeap(api, heap, flags) : Observed("no heap");
}

template <DWORD options, DWORD flags>
Observed UseFixed(const HeapApi& api) {
    Heap heap(api, options, 64 * kKiB, 4 * kMiB);
    return heap.ok() ? UseHeap(api, heap, flags, kLarge) : Observed("no heap");
}

template <DWORD flags>
Observed TaggedBlock(const HeapApi& api) {
    Heap heap(api);
    void* block = api.alloc(heap, flags, 100);
    if (block == nullptr) return Say("NULL, %s", ErrorNow());
    Stamp(block, 100, 1);
    block = api.realloc(heap, flags, block, 5000);
    const bool good = block != nullptr && IsStamped(block, 100, 100, 1) &&
                      api.size(heap, 0, block) == 5000 && api.validate(heap, 0, block) &&
                      api.free(heap, 0, block);
    return good ? "works" : "fails";
}

Observed CannotBeLocked(const HeapApi& api) {
    Heap heap(api, HEAP_NO_SERIALIZE);
    const BOOL locked = api.lock(heap);
    bool blocked = false;
    if (locked) {
        Waiter other([&api, handle = static_cast<HANDLE>(heap)] {
            api.free(handle, 0, api.alloc(handle, 0, 700));
        });
        blocked = !other.HasEndedWithin(300);
        api.unlock(heap);
        if (blocked) other.HasEndedWithin(10000);
    }
    return Say("%s, %s", locked ? "TRUE" : "FALSE",
               blocked ? "other threads wait" : "no thread waits");
}

Observed InitialSize(const HeapApi& api) {
    Heap heap(api, 0, 8 * kMiB, 0);
    return heap.ok() ? UseHeap(api, heap, 0) : Observed("no heap");
}

const Rule kRules[] = {
    {"flags.none", "A heap without flags serves a round of all functions", "works", "HeapCreate",
     Use<0, 0>},
    {"flags.initial_size", "A growable heap with an initial size of 8 MiB", "works", "HeapCreate",
     InitialSize},
    {"flags.no_serialize.heap", "A heap created with HEAP_NO_SERIALIZE", "works", "HeapCreate",
     Use<HEAP_NO_SERIALIZE, 0>},
    {"flags.no_serialize.call", "HEAP_NO_SERIALIZE in every call", "works", "HeapAlloc",
     Use<0, HEAP_NO_SERIALIZE>},
    {"flags.no_serialize.lock", "HeapLock of a heap created with HEAP_NO_SERIALIZE",
     "TRUE, no thread waits", "Wine tests (HeapLock: undefined)", CannotBeLocked},
    {"flags.generate_exceptions", "HEAP_GENERATE_EXCEPTIONS changes nothing while all goes well",
     "works", "HeapAlloc", Use<HEAP_GENERATE_EXCEPTIONS, HEAP_GENERATE_EXCEPTIONS>},
    {"flags.align_16", "A heap created with HEAP_CREATE_ALIGN_16", "works", "winnt.h",
     Use<HEAP_CREATE_ALIGN_16, 0>},
    {"flags.all",
     "HEAP_NO_SERIALIZE, HEAP_GENERATE_EXCEPTIONS and HEAP_CREATE_ENABLE_EXECUTE at once", "works",
     "HeapCreate",
     Use<HEAP_NO_SERIALIZE | HEAP_GENERATE_EXCEPTIONS | HEAP_CREATE_ENABLE_EXECUTE, 0>},
    {"flags.fixed", "A heap of 4 MiB", "works", "HeapCreate", UseFixed<0, 0>},
    {"flags.fixed.no_serialize",
     "A heap of 4 MiB created with HEAP_NO_SERIALIZE, and in every call", "works", "HeapCreate",
     UseFixed<HEAP_NO_SERIALIZE, HEAP_NO_SERIALIZE>},
    {"flags.fixed.executable", "An executable heap of 4 MiB", "works", "HeapCreate",
     UseFixed<HEAP_CREATE_ENABLE_EXECUTE, 0>},
    {"flags.fixed.generate_exceptions", "A heap of 4 MiB that raises exceptions", "works",
     "HeapCreate", UseFixed<HEAP_GENERATE_EXCEPTIONS, HEAP_GENERATE_EXCEPTIONS>},
    {"flags.tag", "An allocation with a tag (tag << 18)", "works", "winnt.h HEAP_TAG_SHIFT",
     TaggedBlock<DWORD{1} << kTagShift>},
    {"flags.pseudo_tag", "An allocation with HEAP_PSEUDO_TAG_FLAG", "works",
     "winnt.h HEAP_PSEUDO_TAG_FLAG", TaggedBlock<kPseudoTag>},
};

}  // namespace

const Topic kFlags = MakeTopic("flags", kRules);

}  // namespace conformance
