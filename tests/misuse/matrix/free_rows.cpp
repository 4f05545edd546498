// Rows 1 to 10: blocks that are freed twice, and pointers that are no blocks.
#include <atomic>
#include <cstdlib>

#if defined(_WIN32)
#include <windows.h>
#else
#include <sys/mman.h>
#endif

#include "matrix.h"

namespace strata::misuse {

namespace {

void DoubleFree(const Run& run) {
    char* const block = Malloc(run.bytes);
    ExpectFreed("free", block, run.bytes);
    strata_free(block);
    Misuse(run, [=] { strata_free(block); });
}

void DoubleFreeAfterOthers(const Run& run) {
    static char* others[200];
    char* const block = Malloc(run.bytes);
    for (char*& other : others) other = Malloc(run.bytes);
    ExpectFreed("free", block, run.bytes);
    strata_free(block);
    for (size_t i = 0; i < 200; i += 2) strata_free(others[i]);
    Misuse(run, [=] { strata_free(block); });
}

// The block's place is asked for until it is handed out again, a thousand times at most.
void DoubleFreeAfterReissue(const Run& run) {
    char* const block = Malloc(run.bytes);
    ExpectFreed("free", block, run.bytes);
    strata_free(block);
    for (int i = 0; i < 1000 && Malloc(run.bytes) != block; ++i) {
    }
    Misuse(run, [=] { strata_free(block); });
}

// Freed by its own thread first, or by one that is neither its own nor the one that frees it again.
void DoubleFreeFromAnotherThread(const Run& run) {
    char* const block = Malloc(run.bytes);
    ExpectFreed("free", block, run.bytes);
    if (run.other) {
        InOtherThread([=] { strata_free(block); });
    } else {
        strata_free(block);
    }
    Misuse({run.size, run.bytes, true}, [=] { strata_free(block); });
}

// Two threads free a block at the same moment, as nearly as can be had, and end. One of them holds
// the block of the run, or neither. Neighbours stay live, so that the block's slab does.
void RaceToFree(const Run& run) {
    const Neighbours found = MallocAmongOthers(run.bytes);
    char* const block = found.block;
    ExpectFreed("free", block, run.bytes);
    ExpectDamage(block, run.bytes);  // the fill of the one's free, seen by the other
    static std::atomic<int> ready{0};
    const auto race = [=] {
        strata_free(Malloc(run.bytes));  // its magazines are there
        ready.fetch_add(1);
        while (ready.load() != 2) {
        }
        strata_free(block);
    };
    BeginMisuse();
    std::thread one(race);
    if (run.other) {
        std::thread two(race);
        two.join();
    } else {
        race();
    }
    one.join();
    EndMisuse();
    // Where the second free went unnoticed, the block is in two places. Blocks come and go, in
    // threads that come and go, until that shows.
    for (int i = 0; i < 3; ++i) {
        InOtherThread([=] {
            char* blocks[300];
            for (char*& each : blocks) each = Malloc(run.bytes);
            for (char* each : blocks) strata_free(each);
        });
    }
    strata_purge();
}

void DoubleFreeLarge(const Run& run) {
    const size_t bytes = run.Pick(size_t{100000}, size_t{1} << 20, kDirect);
    char* const block = Malloc(bytes);
    if (bytes == kDirect && !IsStrict()) {
        ExpectForeign("free", block);  // its addresses are given back
    } else {
        ExpectFreed("free", block, bytes);
    }
    strata_free(block);
    Misuse(run, [=] { strata_free(block); });
}

char* FreshPages(size_t bytes) {
#if defined(_WIN32)
    return Hide(VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
#else
    return Hide(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
#endif
}

// On the stack, in the program's data, in pages of its own.
void FreeNoBlock(const Run& run) {
    char on_stack[64] = {};
    static char in_data[4096];
    Malloc(run.bytes);
    char* const pointer = Hide(run.Pick<char*>(on_stack + 16, in_data + 16, FreshPages(run.bytes)));
    ExpectForeign("free", pointer);
    Misuse(run, [=] { strata_free(pointer); });
}

void FreeForeignBlock(const Run& run) {
    Malloc(run.bytes);
    char* const pointer = Hide(std::malloc(run.bytes));
    ExpectForeign("free", pointer);
    Misuse(run, [=] { strata_free(pointer); });
}

void FreeInterior(const Run& run) {
    char* const block = Malloc(run.bytes);
    char* const pointer = block + run.Pick(size_t{16}, size_t{1024}, size_t{65536});
    ExpectInside(pointer, block, run.bytes);
    Misuse(run, [=] { strata_free(pointer); });
}

void FreeMisaligned(const Run& run) {
    char* const block = Malloc(run.bytes);
    ExpectInside(block + 1, block, run.bytes);
    Misuse(run, [=] { strata_free(block + 1); });
}

}  // namespace

const Row kFreeRows[] = {
    {1, DoubleFree},
    {2, DoubleFreeAfterOthers},
    {3, DoubleFreeAfterReissue},
    {4, DoubleFreeFromAnotherThread},
    {5, RaceToFree},
    {6, DoubleFreeLarge},
    {7, FreeNoBlock},
    {8, FreeForeignBlock},
    {9, FreeInterior},
    {10, FreeMisaligned},
    {0, nullptr},
};

}  // namespace strata::misuse
