// The C runtimes over the heap: msvcrt.dll and ucrtbase.dll, or strata.dll's functions in their
// place.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

using RuntimeRule = Observed (*)(const CRuntime& runtime);
using RuntimeOf = const CRuntime* HeapApi::*;

template <RuntimeOf which, RuntimeRule rule>
Observed With(const HeapApi& api) {
    return api.*which == nullptr ? Observed(kNotExported) : rule(*(api.*which));
}

std::vector<size_t> Sizes() {
    std::vector<size_t> sizes;
    for (size_t bytes = 1; bytes <= 64 * kMiB; bytes += bytes < 4096 ? 1 : bytes / 3) {
        sizes.push_back(bytes);
    }
    return sizes;
}

Observed Malloc(const CRuntime& runtime) {
    for (size_t bytes : Sizes()) {
        void* block = runtime.malloc(bytes);
        if (block == nullptr) return Say("no block of %zu bytes", bytes);
        const size_t size = runtime.msize(block);
        const bool aligned = reinterpret_cast<uintptr_t>(block) % 16 == 0;
        runtime.free(block);
        if (size != bytes) return Say("_msize %zu for %zu bytes", size, bytes);
        if (!aligned) return "not a multiple of 16";
    }
    return "exact";
}

Observed Calloc(const CRuntime& runtime) {
    for (size_t bytes : Sizes()) {
        if (bytes > 8 * kMiB) break;
        void* soiled = runtime.malloc(bytes);
        std::memset(soiled, 0xCC, bytes);
        runtime.free(soiled);
        void* block = runtime.calloc(1, bytes);
        if (block == nullptr) return Say("no block of %zu bytes", bytes);
        const bool good = runtime.msize(block) == bytes && IsZero(block, 0, bytes);
        runtime.free(block);
        if (!good) return Say("%zu bytes: wrong", bytes);
    }
    return "exact, zero";
}

Observed Realloc(const CRuntime& runtime) {
    void* block = runtime.realloc(nullptr, 1);
    size_t before = 1;
    unsigned step = 0;
    Stamp(block, before, step);
    std::vector<size_t> sizes = Sizes();
    sizes.insert(sizes.end(), sizes.rbegin(), sizes.rend());
    for (size_t i = 0; i < sizes.size(); i += sizes[i] < 4096 ? 7 : 1) {
        block = runtime.realloc(block, sizes[i]);
        if (block == nullptr || runtime.msize(block) != sizes[i]) {
            return Say("_msize wrong for %zu bytes", sizes[i]);
        }
        if (!IsStamped(block, before, sizes[i], step)) return Say("lost at %zu bytes", sizes[i]);
        before = sizes[i];
        Stamp(block, before, ++step);
    }
    runtime.free(block);
    return "exact, contents kept";
}

Observed Recalloc(const CRuntime& runtime) {
    if (runtime.recalloc == nullptr) return kNotExported;
    for (size_t from : {size_t{1}, size_t{13}, kSmall, size_t{1000}, kMedium, kLarge, kHuge}) {
        for (size_t by : {size_t{1}, size_t{15}, size_t{3000}, size_t{500000}}) {
            void* block = runtime.recalloc(nullptr, 1, from + by);
            if (block == nullptr || !IsZero(block, 0, from + by)) return "not zero";
            std::memset(block, 0xCC, from + by);
            block = runtime.realloc(block, from);
            block = runtime.recalloc(block, 1, from + by);
            if (block == nullptr || runtime.msize(block) != from + by) return "_msize wrong";
            if (!IsFilled(block, 0, from, 0xCC)) return "contents lost";
            if (!IsZero(block, from, from + by)) {
                return Say("from %zu to %zu bytes: not zero", from, from + by);
            }
            runtime.free(block);
        }
    }
    return "exact, zero from the old size on";
}

Observed Expand(const CRuntime& runtime) {
    for (size_t bytes : {kSmall, kMedium, kLarge}) {
        void* block = runtime.malloc(bytes);
        Stamp(block, bytes, 1);
        const size_t to = bytes - bytes / 4;
        if (runtime.expand(block, to) != block) return Say("%zu bytes: not shrunk", bytes);
        if (runtime.msize(block) != to || !IsStamped(block, bytes, to, 1)) return "damaged";
        void* neighbour = runtime.malloc(bytes);
        if (runtime.expand(block, 64 * kMiB) != nullptr) return "grown to 64 MiB";
        if (runtime.msize(block) != to || !IsStamped(block, bytes, to, 1)) return "damaged";
        runtime.free(block);
        runtime.free(neighbour);
    }
    return "shrinks in place, refuses 64 MiB";
}

// To next to nothing, from more than the low-fragmentation heap serves.
Observed ExpandToLess(const CRuntime& runtime) {
    for (size_t bytes : {size_t{20000}, 128 * kKiB, kLarge, kMiB}) {
        for (size_t to : {bytes / 2, size_t{10}, size_t{1}}) {
            void* block = runtime.malloc(bytes);
            Stamp(block, bytes, 1);
            if (runtime.expand(block, to) != block) return Say("%zu to %zu: refused", bytes, to);
            if (runtime.msize(block) != to || !IsStamped(block, bytes, to, 1)) return "damaged";
            runtime.free(block);
        }
    }
    return "shrinks in place";
}

Observed Impossible(const CRuntime& runtime) {
    void* block = runtime.malloc(100);
    Stamp(block, 100, 1);
    for (SIZE_T bytes : kImpossibleSizes) {
        if (runtime.malloc(bytes) != nullptr || runtime.calloc(bytes, 3) != nullptr ||
            runtime.realloc(block, bytes) != nullptr) {
            return "a block";
        }
    }
    const bool kept = runtime.msize(block) == 100 && IsStamped(block, 100, 100, 1);
    runtime.free(block);
    return kept ? "NULL, block untouched" : "block damaged";
}

Observed ReallocToZero(const CRuntime& runtime) {
    return runtime.realloc(runtime.malloc(100), 0) == nullptr ? "freed, NULL" : "a block";
}

Observed MallocOfZero(const CRuntime& runtime) {
    void* first = runtime.malloc(0);
    void* second = runtime.malloc(0);
    const bool good = first != nullptr && second != nullptr && first != second;
    runtime.free(first);
    runtime.free(second);
    runtime.free(nullptr);
    return good ? "a block" : "NULL or shared";
}

constexpr RuntimeOf kMsvcrt = &HeapApi::msvcrt, kUcrt = &HeapApi::ucrtbase;
constexpr Scope kSystem = Scope::kSystemOnly;

const Rule kRules[] = {
    {"crt.msvcrt.malloc", "_msize after malloc, 1 byte to 64 MiB", "exact", "_msize",
     With<kMsvcrt, Malloc>},
    {"crt.msvcrt.calloc", "_msize and contents after calloc", "exact, zero", "calloc",
     With<kMsvcrt, Calloc>},
    {"crt.msvcrt.realloc", "_msize and contents after realloc", "exact, contents kept", "realloc",
     With<kMsvcrt, Realloc>},
    {"crt.msvcrt.recalloc", "_recalloc of a block that was larger before",
     "exact, zero from the old size on", "_recalloc", With<kMsvcrt, Recalloc>},
    {"crt.msvcrt.expand", "_expand to less, and to 64 MiB", "shrinks in place, refuses 64 MiB",
     "_expand", With<kMsvcrt, Expand>},
    {"crt.msvcrt.expand.less", "_expand from 20,000 bytes to 1 MiB to next to nothing",
     "shrinks in place", "_expand", With<kMsvcrt, ExpandToLess>},
    {"crt.msvcrt.impossible", "Impossible sizes", "NULL, block untouched", "malloc",
     With<kMsvcrt, Impossible>},
    {"crt.msvcrt.malloc_0", "malloc(0)", "a block", "malloc", With<kMsvcrt, MallocOfZero>},
    {"crt.msvcrt.realloc_0", "realloc to 0 bytes", "freed, NULL", "realloc",
     With<kMsvcrt, ReallocToZero>, kSystem},
    {"crt.ucrtbase.malloc", "_msize after malloc, 1 byte to 64 MiB", "exact", "_msize",
     With<kUcrt, Malloc>, kSystem},
    {"crt.ucrtbase.calloc", "_msize and contents after calloc", "exact, zero", "calloc",
     With<kUcrt, Calloc>, kSystem},
    {"crt.ucrtbase.realloc", "_msize and contents after realloc", "exact, contents kept", "realloc",
     With<kUcrt, Realloc>, kSystem},
    {"crt.ucrtbase.recalloc", "_recalloc of a block that was larger before",
     "exact, zero from the old size on", "_recalloc", With<kUcrt, Recalloc>, kSystem},
    {"crt.ucrtbase.expand", "_expand to less, and to 64 MiB", "shrinks in place, refuses 64 MiB",
     "_expand", With<kUcrt, Expand>, kSystem},
    {"crt.ucrtbase.expand.less", "_expand from 20,000 bytes to 1 MiB to next to nothing",
     "shrinks in place", "_expand", With<kUcrt, ExpandToLess>, kSystem},
    {"crt.ucrtbase.impossible", "Impossible sizes", "NULL, block untouched", "malloc",
     With<kUcrt, Impossible>, kSystem},
    {"crt.ucrtbase.malloc_0", "malloc(0)", "a block", "malloc", With<kUcrt, MallocOfZero>, kSystem},
    {"crt.ucrtbase.realloc_0", "realloc to 0 bytes", "freed, NULL", "realloc",
     With<kUcrt, ReallocToZero>, kSystem},
};

}  // namespace

const Topic kCRuntimes = MakeTopic("C runtimes", kRules);

}  // namespace conformance
