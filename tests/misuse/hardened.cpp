// What hardened heaps find besides, and page heaps at the access.
#include <cstring>
#include <strata/heap_api.h>

#include "cases.h"

namespace strata::misuse {

namespace {

HANDLE Hardened() { return StrataHeapCreate(HEAP_CREATE_HARDENED, 0, 0); }
char* Alloc(HANDLE heap, size_t bytes) { return Hide(StrataHeapAlloc(heap, 0, bytes)); }

// The zero behind a string that fills its block.
void OverflowByOne(size_t bytes) {
    const HANDLE heap = Hardened();
    char* const block = Alloc(heap, bytes);
    ExpectTailOverrun("free", block, bytes, heap);
    block[bytes] = 0;
    StrataHeapFree(heap, 0, block);
}
void HardenedOverflowSmall() { OverflowByOne(kSmall); }
void HardenedOverflowMedium() { OverflowByOne(kMedium); }
void HardenedOverflowRun() { OverflowByOne(kRun + 1); }
void HardenedOverflowInOtherThread() {
    const HANDLE heap = Hardened();
    char* const block = Alloc(heap, kSmall);
    ExpectTailOverrun("free", block, kSmall, heap);
    InOtherThread([=] { block[kSmall] = 0; });
    StrataHeapFree(heap, 0, block);
}
void HardenedUnderflowRun() {
    const HANDLE heap = Hardened();
    char* const block = Alloc(heap, kRun);
    ExpectUnderrun("free", block, kRun, heap);
    block[-1] = 0;
    StrataHeapFree(heap, 0, block);
}

void WriteAfterFree(size_t bytes) {
    const HANDLE heap = Hardened();
    Alloc(heap, bytes);
    char* const block = Alloc(heap, bytes);
    ExpectWriteAfterFree(block, heap, 8);
    StrataHeapFree(heap, 0, block);
    block[8] = 0x41;
    for (int i = 0; i < 100'000; ++i) StrataHeapFree(heap, 0, Alloc(heap, bytes));
}
void HardenedWriteAfterFreeSmall() { WriteAfterFree(kSmall); }
void HardenedWriteAfterFreeMedium() { WriteAfterFree(kMedium); }

// In other heaps the block has been handed out again by then.
void HardenedDoubleFreeAfterOthers() {
    const HANDLE heap = Hardened();
    char* const block = Alloc(heap, kSmall);
    ExpectDoubleFree(block, 64, heap);
    StrataHeapFree(heap, 0, block);
    for (int i = 0; i < 200; ++i) StrataHeapFree(heap, 0, Alloc(heap, kSmall));
    StrataHeapFree(heap, 0, block);
}

constexpr const char* kPageHeap = "the process heap, page heap";

void Overflow(size_t bytes) {
    volatile char* const block = Malloc(bytes);
    char* const base = const_cast<char*>(block);
    const size_t at = (bytes + 15) / 16 * 16;
    ExpectFault("overflow: write to", base + at, static_cast<ptrdiff_t>(at), "", base, bytes,
                kPageHeap);
    block[at] = 1;
}
void GuardedOverflowSmall() { Overflow(kSmall); }
void GuardedOverflowMedium() { Overflow(kMedium); }
void GuardedOverflowRun() { Overflow(kRun); }
void GuardedOverflowDirect() { Overflow(kDirect); }
void GuardedZeroBytes() { Overflow(0); }

void UseAfterFree(size_t bytes) {
    volatile char* const block = Malloc(bytes);
    char* const base = const_cast<char*>(block);
    strata_free(base);
    ExpectFault("use after free: read of", base + 5, 5, "freed ", base, bytes, kPageHeap);
    static_cast<void>(block[5]);
}
void GuardedUseAfterFreeSmall() { UseAfterFree(kSmall); }
void GuardedUseAfterFreeMedium() { UseAfterFree(kMedium); }
void GuardedUseAfterFreeRun() { UseAfterFree(kRun); }
void GuardedUseAfterFreeDirect() { UseAfterFree(kDirect); }
void GuardedUseAfterFreeInOtherThread() {
    volatile char* const block = Malloc(kSmall);
    char* const base = const_cast<char*>(block);
    InOtherThread([=] { strata_free(base); });
    ExpectFault("use after free: write to", base + 7, 7, "freed ", base, kSmall, kPageHeap);
    block[7] = 1;
}
void GuardedUnderflow() {
    volatile char* const block = Malloc(kSmall);
    char* const base = const_cast<char*>(block);
    ExpectFault("underflow: write to", base - 5000, -5000, "", base, kSmall, kPageHeap);
    block[-5000] = 1;
}

}  // namespace

const Case kHardened[] = {
    CASE(HardenedOverflowSmall),
    CASE(HardenedOverflowMedium),
    CASE(HardenedOverflowRun),
    CASE(HardenedOverflowInOtherThread),
    CASE(HardenedUnderflowRun),
    CASE(HardenedWriteAfterFreeSmall),
    CASE(HardenedWriteAfterFreeMedium),
    CASE(HardenedDoubleFreeAfterOthers),
    {nullptr, nullptr},
};

const Case kGuarded[] = {
    CASE(GuardedOverflowSmall),      CASE(GuardedOverflowMedium),
    CASE(GuardedOverflowRun),        CASE(GuardedOverflowDirect),
    CASE(GuardedZeroBytes),          CASE(GuardedUseAfterFreeSmall),
    CASE(GuardedUseAfterFreeMedium), CASE(GuardedUseAfterFreeRun),
    CASE(GuardedUseAfterFreeDirect), CASE(GuardedUseAfterFreeInOtherThread),
    CASE(GuardedUnderflow),          {nullptr, nullptr},
};

}  // namespace strata::misuse
