// HeapSize is the requested size, to the byte, whatever way a block came to it.
#include "support.h"

namespace conformance {

namespace {

constexpr size_t kKinds[] = {0,         1,         16,         100,         1000,     5000,
                             16 * kKiB, 70 * kKiB, 300 * kKiB, 524288 - 16, kMiB + 3, 20 * kMiB};

// Sizes around powers of two and between them, to 64 MiB.
std::vector<size_t> Spread() {
    std::vector<size_t> sizes;
    for (size_t power = 4096; power <= 64 * kMiB; power *= 2) {
        for (size_t bytes :
             {power - 9, power - 1, power, power + 1, power + 16, power + power / 3}) {
            if (bytes <= 64 * kMiB) sizes.push_back(bytes);
        }
    }
    return sizes;
}

Observed CheckSizes(const HeapApi& api, HANDLE heap, DWORD flags,
                    const std::vector<size_t>& sizes) {
    for (size_t bytes : sizes) {
        void* block = api.alloc(heap, flags, bytes);
        if (block == nullptr) return Say("no block of %zu bytes", bytes);
        const SIZE_T size = api.size(heap, flags, block);
        api.free(heap, flags, block);
        if (size != bytes)
            return Say("HeapSize %zu for %zu bytes", static_cast<size_t>(size), bytes);
    }
    return "exact";
}

Observed CheckSmallSizes(const HeapApi& api, HANDLE heap, DWORD flags) {
    std::vector<size_t> sizes;
    for (size_t bytes = 0; bytes <= 4096; ++bytes) sizes.push_back(bytes);
    return CheckSizes(api, heap, flags, sizes);
}

// Resizes through `sizes`; size and contents are right at each step.
Observed CheckChain(const HeapApi& api, HANDLE heap, const std::vector<size_t>& sizes) {
    size_t before = sizes[0];
    void* block = api.alloc(heap, 0, before);
    if (block == nullptr) return "no first block";
    Stamp(block, before, 0);
    for (unsigned step = 1; step < sizes.size(); ++step) {
        const size_t after = sizes[step];
        void* moved = api.realloc(heap, 0, block, after);
        if (moved == nullptr) return Say("no growth from %zu to %zu bytes", before, after);
        block = moved;
        if (api.size(heap, 0, block) != after) {
            return Say("HeapSize wrong, from %zu to %zu bytes", before, after);
        }
        if (!IsStamped(block, before, after, step - 1)) {
            return Say("contents lost, from %zu to %zu bytes", before, after);
        }
        Stamp(block, after, step);
        before = after;
    }
    api.free(heap, 0, block);
    return "exact, contents kept";
}

std::vector<size_t> Chain(bool growing) {
    std::vector<size_t> sizes;
    for (size_t bytes = 1; bytes <= 64 * kMiB; bytes += bytes / 2 + 1) {
        sizes.insert(growing ? sizes.end() : sizes.begin(), bytes);
    }
    return sizes;
}

Observed EveryPairOfKinds(const HeapApi& api, HANDLE heap) {
    for (size_t from : kKinds) {
        for (size_t to : kKinds) {
            const Observed seen = CheckChain(api, heap, {from, to, from});
            if (seen.text() != std::string("exact, contents kept")) return seen;
        }
    }
    return "exact, contents kept";
}

// In place, every pair of kinds: done at the same address, or refused with everything as it was.
Observed EveryPairInPlace(const HeapApi& api) {
    Heap heap(api);
    for (size_t from : kKinds) {
        for (size_t to : kKinds) {
            void* block = api.alloc(heap, 0, from);
            if (block == nullptr) return "no block";
            Stamp(block, from, 1);
            void* resized = api.realloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, to);
            if (resized != nullptr && resized != block) return "moved";
            const size_t now = resized == nullptr ? from : to;
            if (api.size(heap, 0, block) != now) {
                return Say("HeapSize wrong, from %zu to %zu bytes", from, to);
            }
            if (!IsStamped(block, from, now, 1)) {
                return Say("contents lost, from %zu to %zu bytes", from, to);
            }
            Stamp(block, now, 2);
            api.free(heap, 0, block);
        }
    }
    return api.validate(heap, 0, nullptr) ? "exact, contents kept" : "heap damaged";
}

Observed ByteByByte(const HeapApi& api) {
    Heap heap(api);
    std::vector<size_t> sizes;
    for (size_t bytes = 0; bytes <= 2048; ++bytes) sizes.push_back(bytes);
    for (size_t bytes = 2048; bytes-- != 0;) sizes.push_back(bytes);
    return CheckChain(api, heap, sizes);
}

Observed ZeroBytes(const HeapApi& api) {
    Heap heap(api);
    SeedError();
    void* block = api.alloc(heap, 0, 0);
    if (block == nullptr) return Say("NULL, %s", ErrorNow());
    const SIZE_T size = api.size(heap, 0, block);
    const BOOL freed = api.free(heap, 0, block);
    return Say("block of %zu bytes, %s", static_cast<size_t>(size), freed ? "freed" : "not freed");
}

Observed ZeroBytesDistinct(const HeapApi& api) {
    Heap heap(api);
    std::vector<void*> blocks;
    for (int i = 0; i < 100; ++i) {
        void* block = api.alloc(heap, 0, 0);
        for (void* other : blocks) {
            if (other == block) return "shared";
        }
        blocks.push_back(block);
    }
    return "distinct";
}

Observed ResizeToZero(const HeapApi& api) {
    Heap heap(api);
    for (size_t from : kKinds) {
        void* block = api.realloc(heap, 0, api.alloc(heap, 0, from), 0);
        if (block == nullptr) return Say("NULL, from %zu bytes", from);
        const SIZE_T size = api.size(heap, 0, block);
        if (size != 0) return Say("block of %zu bytes", static_cast<size_t>(size));
        api.free(heap, 0, block);
    }
    return "block of 0 bytes";
}

Observed ResizeNull(const HeapApi& api) {
    Heap heap(api);
    SeedError();
    void* block = api.realloc(heap, 0, nullptr, 100);
    return Say("%s, %s", block == nullptr ? "NULL" : "a block", ErrorNow());
}

Observed FreeNull(const HeapApi& api) {
    Heap heap(api);
    SeedError();
    const BOOL freed = api.free(heap, 0, nullptr);
    return Say("%s, %s", freed ? "TRUE" : "FALSE", ErrorNow());
}

Observed Alignment(const HeapApi& api, DWORD options, SIZE_T maximum = 0) {
    Heap heap(api, options, 0, maximum);
    std::vector<size_t> sizes = Spread();
    for (size_t bytes = 0; bytes <= 4096; ++bytes) sizes.push_back(bytes);
    for (size_t bytes : sizes) {
        if (maximum != 0 && bytes > 500000) continue;
        void* block = api.alloc(heap, 0, bytes);
        const bool aligned = reinterpret_cast<uintptr_t>(block) % 16 == 0;
        // Small ones stay, so that every place of a page has its turn.
        if (bytes > 4096) api.free(heap, 0, block);
        if (block == nullptr) return Say("no block of %zu bytes", bytes);
        if (!aligned) return Say("%zu bytes: not a multiple of 16", bytes);
    }
    return "multiple of 16";
}

const Rule kRules[] = {
    {"size.small", "HeapSize for every size from 0 to 4096", "exact", "HeapSize",
     [](const HeapApi& api) {
         Heap heap(api);
         return CheckSmallSizes(api, heap, 0);
     }},
    {"size.small.process_heap", "The same in the process heap", "exact", "HeapSize",
     [](const HeapApi& api) { return CheckSmallSizes(api, api.process_heap(), 0); }},
    {"size.spread", "HeapSize for sizes from 4 KiB to 64 MiB", "exact", "HeapSize",
     [](const HeapApi& api) {
         Heap heap(api);
         return CheckSizes(api, heap, 0, Spread());
     }},
    {"size.realloc.grow", "Growing from 1 byte to 64 MiB by halves", "exact, contents kept",
     "HeapReAlloc",
     [](const HeapApi& api) {
         Heap heap(api);
         return CheckChain(api, heap, Chain(true));
     }},
    {"size.realloc.shrink", "Shrinking from 64 MiB to 1 byte by thirds", "exact, contents kept",
     "HeapReAlloc",
     [](const HeapApi& api) {
         Heap heap(api);
         return CheckChain(api, heap, Chain(false));
     }},
    {"size.realloc.kinds", "From every kind of block to every other and back, 0 bytes to 20 MiB",
     "exact, contents kept", "HeapReAlloc",
     [](const HeapApi& api) {
         Heap heap(api);
         return EveryPairOfKinds(api, heap);
     }},
    {"size.realloc.kinds.process_heap", "The same in the process heap", "exact, contents kept",
     "HeapReAlloc", [](const HeapApi& api) { return EveryPairOfKinds(api, api.process_heap()); }},
    {"size.realloc.in_place", "The same with HEAP_REALLOC_IN_PLACE_ONLY: resized, or untouched",
     "exact, contents kept", "HeapReAlloc", EveryPairInPlace},
    {"size.realloc.byte_by_byte", "Growing and shrinking byte by byte, 0 to 2048",
     "exact, contents kept", "HeapReAlloc", ByteByByte},
    {"size.zero_bytes", "HeapAlloc of 0 bytes", "block of 0 bytes, freed", "Wine tests", ZeroBytes},
    {"size.zero_bytes.distinct", "Blocks of 0 bytes have addresses of their own", "distinct",
     "HeapAlloc", ZeroBytesDistinct},
    {"size.realloc.to_zero", "HeapReAlloc to 0 bytes keeps a block", "block of 0 bytes",
     "Wine tests", ResizeToZero},
    {"size.realloc.null", "HeapReAlloc of NULL", "NULL, NO_ERROR", "Wine tests", ResizeNull},
    {"size.free.null", "HeapFree of NULL", "TRUE, unchanged", "Wine tests", FreeNull},
    {"size.alignment", "Blocks of every size are 16-byte aligned", "multiple of 16",
     "MEMORY_ALLOCATION_ALIGNMENT", [](const HeapApi& api) { return Alignment(api, 0); }},
    {"size.alignment.align_16", "HEAP_CREATE_ALIGN_16 is accepted, and changes nothing on x64",
     "multiple of 16", "winnt.h",
     [](const HeapApi& api) { return Alignment(api, HEAP_CREATE_ALIGN_16); }},
    {"size.alignment.fixed", "Blocks of a heap of 16 MiB", "multiple of 16",
     "MEMORY_ALLOCATION_ALIGNMENT",
     [](const HeapApi& api) { return Alignment(api, 0, 16 * kMiB); }},
    {"size.alignment.executable", "Blocks of an executable heap", "multiple of 16",
     "MEMORY_ALLOCATION_ALIGNMENT",
     [](const HeapApi& api) { return Alignment(api, HEAP_CREATE_ENABLE_EXECUTE); }},
    {"size.fixed", "HeapSize for every size from 0 to 4096 in a heap of 2 MiB", "exact", "HeapSize",
     [](const HeapApi& api) {
         Heap heap(api, 0, 0, 2 * kMiB);
         return CheckSmallSizes(api, heap, 0);
     }},
    {"size.no_serialize", "HeapSize with HEAP_NO_SERIALIZE in the call", "exact", "HeapSize",
     [](const HeapApi& api) {
         Heap heap(api);
         return CheckSmallSizes(api, heap, HEAP_NO_SERIALIZE);
     }},
};

}  // namespace

const Topic kSizes = MakeTopic("sizes", kRules);

}  // namespace conformance
