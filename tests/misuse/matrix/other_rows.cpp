// Rows 20 to 30: the wrong function, size or heap, blocks and heaps that are gone, and what a heap
// gives away.
#include <cstring>
#include <new>
#include <strata/heap_api.h>

#include "matrix.h"

namespace strata::misuse {

namespace {

void SizedFree(const Run& run) {
    char* const block = Hide(::operator new(run.bytes));
    ExpectMismatch(block, Process(), run.bytes + 100, run.bytes);
    Misuse(run, [=] { ::operator delete(block, run.bytes + 100); });
}

void MixedFunctions(const Run& run) {
    char* const one = Hide(::operator new(run.bytes));
    char* const two = Malloc(run.bytes);
    Misuse(run, [=] {
        strata_free(one);
        ::operator delete[](two);
    });
}

void WrongHeap(const Run& run) {
    const HANDLE owner = StrataHeapCreate(0, 0, 0), other = StrataHeapCreate(0, 0, 0);
    char* const block = Hide(StrataHeapAlloc(owner, 0, run.bytes));
    ExpectWrongHeap("free", block, run.bytes, owner, other);
    Misuse(run, [=] { StrataHeapFree(other, 0, block); });
}

void ReallocFreed(const Run& run) {
    char* const block = Malloc(run.bytes);
    ExpectFreed("realloc", block, run.bytes);
    strata_free(block);
    Misuse(run, [=] { strata_realloc(block, run.bytes * 2); });
}

void SizeOfFreed(const Run& run) {
    char* const block = Malloc(run.bytes);
    ExpectFreed("size query", block, run.bytes);
    strata_free(block);
    Misuse(run, [=] {
        const HANDLE heap = StrataGetProcessHeap();
        if (StrataHeapValidate(heap, 0, block) != FALSE ||
            StrataHeapSize(heap, 0, block) != static_cast<SIZE_T>(-1)) {
            return;
        }
        strata_requested_size(block);
    });
}

// A handle that is gone: StrataHeapFree refuses it, the functions of strata.h end the process.
void FreeAfterDestroy(const Run& run) {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Hide(StrataHeapAlloc(heap, 0, run.bytes));
    StrataHeapDestroy(heap);
    ExpectInvalidHeap(heap);
    ExpectEnded("free", block);
    Misuse(run, [=] {
        if (StrataHeapFree(heap, 0, block) != FALSE) return;
        if (StrataHeapAlloc(heap, 0, run.bytes) != nullptr) return;
        strata_heap_free(static_cast<strata_heap*>(heap), block);
    });
}

constexpr char kSecret[] = "a secret";

// As many blocks as a thread cannot keep to itself.
void LeakOldContents(const Run& run) {
    static char* blocks[2000];
    const auto count = static_cast<size_t>(run.Pick(2000, 2000, 100));
    for (size_t i = 0; i < count; ++i) {
        blocks[i] = Malloc(run.bytes);
        std::memcpy(blocks[i] + run.bytes / 2, kSecret, sizeof kSecret);
    }
    for (size_t i = 0; i < count; ++i) strata_free(blocks[i]);
    bool leaked = false;
    Misuse(run, [&] {
        for (size_t i = 0; i < count && !leaked; ++i) {
            char* const fresh = Malloc(run.bytes);
            leaked = std::memcmp(fresh + run.bytes / 2, kSecret, sizeof kSecret) == 0;
        }
    });
    Say(leaked ? "nothing" : "neutralised");
}

void ReadZeroBytes(const Run& run) {
    volatile char* const block = Malloc(0);
    const size_t offset = run.Pick(size_t{0}, size_t{1}, size_t{15});
    Misuse(run, [=] {
        const char read = block[offset];
        (void)read;
    });
}

void ImpossibleSizes(const Run& run) {
    volatile size_t wraps = SIZE_MAX / run.bytes + 2;
    char* const block = Malloc(run.bytes);
    std::memset(block, 0x5A, run.bytes);
    bool null = true;
    Misuse(run, [&] {
        null = strata_malloc(SIZE_MAX) == nullptr && strata_calloc(wraps, run.bytes) == nullptr &&
               strata_reallocarray(block, wraps, run.bytes) == nullptr &&
               strata_realloc(block, SIZE_MAX - run.bytes) == nullptr &&
               strata_aligned_alloc(size_t{1} << 20, SIZE_MAX - run.bytes) == nullptr;
    });
    const bool untouched = strata_requested_size(block) == run.bytes && block[0] == 0x5A &&
                           block[run.bytes - 1] == 0x5A;
    Say(null && untouched ? "NULL" : "nothing");
}

// A function that returns at once, in a block: of a heap that was asked for executable memory, then
// of the process heap.
void Execute(const Run& run) {
    using Function = void (*)();
    const HANDLE heap = StrataHeapCreate(HEAP_CREATE_ENABLE_EXECUTE, 0, 0);
    char* const allowed = Hide(StrataHeapAlloc(heap, 0, run.bytes));
    char* const block = Malloc(run.bytes);
    allowed[0] = block[0] = static_cast<char>(0xC3);  // ret
    reinterpret_cast<Function>(allowed)();
    SayOnFault("opt-in flag");
    Misuse(run, [=] { reinterpret_cast<Function>(block)(); });
}

// The distances of blocks allocated one after the other, in two fresh heaps.
void Layout(const Run& run) {
    constexpr size_t kBlocks = 32;
    static ptrdiff_t distances[2][kBlocks];
    Misuse(run, [&] {
        for (auto& each : distances) {
            const HANDLE heap = StrataHeapCreate(0, 0, 0);
            char* last = Hide(StrataHeapAlloc(heap, 0, run.bytes));
            for (ptrdiff_t& distance : each) {
                char* const next = Hide(StrataHeapAlloc(heap, 0, run.bytes));
                distance = next - last;
                last = next;
            }
        }
    });
    const bool same = std::memcmp(distances[0], distances[1], sizeof distances[0]) == 0;
    Say(same ? "nothing" : "random");
}

}  // namespace

const Row kOtherRows[] = {
    {20, SizedFree},       {21, MixedFunctions},   {22, WrongHeap},       {23, ReallocFreed},
    {24, SizeOfFreed},     {25, FreeAfterDestroy}, {26, LeakOldContents}, {27, ReadZeroBytes},
    {28, ImpossibleSizes}, {29, Execute},          {30, Layout},          {0, nullptr},
};

}  // namespace strata::misuse
