// Blocks that are freed twice.
#include <strata/heap_api.h>

#include "cases.h"

namespace strata::misuse {

namespace {

void DoubleFreeNow(size_t bytes, size_t usable) {
    char* const block = Malloc(bytes);
    ExpectDoubleFree(block, usable, Process());
    strata_free(block);
    strata_free(block);
}
void DoubleFreeSmall() { DoubleFreeNow(kSmall, kSmall); }
void DoubleFreeZeroBytes() { DoubleFreeNow(0, 0); }
void DoubleFreeMedium() { DoubleFreeNow(kMedium, kMediumUsable); }
void DoubleFreeLargest() { DoubleFreeNow(kLargest, kLargest); }
void DoubleFreeRun() { DoubleFreeNow(kRun, kRunUsable); }
void DoubleFreeRunAfterPurge() {
    char* const block = Malloc(kRun);
    ExpectEnded("free", block);
    strata_free(block);
    strata_purge();
    strata_free(block);
}
void DoubleFreeDirect() {
    char* const block = Malloc(kDirect);
    ExpectForeign("free", block);  // its addresses were given back
    strata_free(block);
    strata_free(block);
}
void DoubleFreeLater() {
    static void* others[1000];
    char* const block = Malloc(kSmall);
    for (void*& other : others) other = Malloc(kSmall);
    ExpectDoubleFree(block, kSmall, Process());
    strata_free(block);
    for (size_t i = 0; i < 1000; i += 2) strata_free(others[i]);
    strata_free(block);
}
void DoubleFreeInOtherThread() {
    char* const block = Malloc(kSmall);
    ExpectDoubleFree(block, kSmall, Process());
    strata_free(block);
    InOtherThread([=] { strata_free(block); });
}
void DoubleFreeAfterOtherThread() {
    char* const keeps_the_slab = Malloc(kSmall);
    char* const block = Malloc(kSmall);
    ExpectDoubleFree(block, kSmall, Process());
    InOtherThread([=] { strata_free(block); });
    strata_free(block);
    strata_free(keeps_the_slab);
}
void DoubleFreeByTwoThreads() {
    char* const keeps_the_slab = Malloc(kMedium);
    char* const block = Malloc(kMedium);
    ExpectDoubleFree(block, kMediumUsable, Process());
    InOtherThread([=] { strata_free(block); });
    InOtherThread([=] { strata_free(block); });
    strata_free(keeps_the_slab);
}
void DoubleFreeRunInOtherThread() {
    char* const block = Malloc(kRun);
    ExpectDoubleFree(block, kRunUsable, Process());
    InOtherThread([=] { strata_free(block); });
    strata_free(block);
}
void DoubleFreeInPrivateHeap() {
    strata_heap* const heap = strata_heap_create();
    strata_heap_malloc(heap, kSmall);
    char* const block = Hide(strata_heap_malloc(heap, kSmall));
    ExpectDoubleFree(block, kSmall, heap);
    strata_heap_free(heap, block);
    strata_heap_free(heap, block);
}
void DoubleFreeInEmptiedSlab() {
    strata_heap* const heap = strata_heap_create();
    char* const block = Hide(strata_heap_malloc(heap, kSmall));
    ExpectEnded("free", block);
    strata_heap_free(heap, block);
    strata_heap_free(heap, block);
}
void DoubleFreeByHeapFree() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    StrataHeapAlloc(heap, 0, kSmall);
    char* const block = Hide(StrataHeapAlloc(heap, 0, kSmall));
    ExpectDoubleFree(block, kSmall, heap);
    StrataHeapFree(heap, 0, block);
    StrataHeapFree(heap, 0, block);
}
void DoubleFreeByProcessHeapFree() {
    char* const block = Hide(StrataHeapAlloc(StrataGetProcessHeap(), 0, kSmall));
    ExpectDoubleFree(block, kSmall, StrataGetProcessHeap());
    StrataHeapFree(StrataGetProcessHeap(), 0, block);
    StrataHeapFree(StrataGetProcessHeap(), 0, block);
}
void DoubleFreeSized() {
    char* const block = Malloc(kSmall);
    ExpectUseOfFreed("size query", block, kSmall, Process());
    strata_free_sized(block, kSmall);
    strata_free_sized(block, kSmall);
}

}  // namespace

const Case kDoubleFrees[] = {
    CASE(DoubleFreeSmall),         CASE(DoubleFreeZeroBytes),
    CASE(DoubleFreeMedium),        CASE(DoubleFreeLargest),
    CASE(DoubleFreeRun),           CASE(DoubleFreeRunAfterPurge),
    CASE(DoubleFreeDirect),        CASE(DoubleFreeLater),
    CASE(DoubleFreeInOtherThread), CASE(DoubleFreeAfterOtherThread),
    CASE(DoubleFreeByTwoThreads),  CASE(DoubleFreeRunInOtherThread),
    CASE(DoubleFreeInPrivateHeap), CASE(DoubleFreeInEmptiedSlab),
    CASE(DoubleFreeByHeapFree),    CASE(DoubleFreeByProcessHeapFree),
    CASE(DoubleFreeSized),         {nullptr, nullptr},
};

}  // namespace strata::misuse
