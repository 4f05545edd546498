// Blocks given to the wrong heap, and heaps that are gone.
#include <strata/heap_api.h>
#include <strata/memory_resource.h>

#include "cases.h"

namespace strata::misuse {

namespace {

void WrongHeap(size_t bytes) {
    strata_heap* const owner = strata_heap_create();
    strata_heap* const other = strata_heap_create();
    char* const block = Hide(strata_heap_malloc(owner, bytes));
    ExpectWrongHeap("free", block, bytes, owner, other);
    strata_heap_free(other, block);
}
void WrongHeapSmall() { WrongHeap(30); }
void WrongHeapRun() { WrongHeap(kRun); }
void WrongHeapDirect() { WrongHeap(kDirect); }
void WrongHeapIsPrivate() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Malloc(30);
    ExpectWrongHeap("free", block, 30, Process(), heap);
    StrataHeapFree(heap, 0, block);
}
void WrongHeapIsTheProcess() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Hide(StrataHeapAlloc(heap, 0, 30));
    ExpectWrongHeap("free", block, 30, heap, StrataGetProcessHeap());
    StrataHeapFree(StrataGetProcessHeap(), 0, block);
}
void WrongHeapInOtherThread() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Hide(StrataHeapAlloc(heap, 0, 30));
    ExpectWrongHeap("free", block, 30, heap, StrataGetProcessHeap());
    InOtherThread([=] { StrataHeapFree(StrataGetProcessHeap(), 0, block); });
}
void WrongHeapRealloc() {
    strata_heap* const owner = strata_heap_create();
    strata_heap* const other = strata_heap_create();
    char* const block = Hide(strata_heap_malloc(owner, 30));
    ExpectWrongHeap("realloc", block, 30, owner, other);
    strata_heap_realloc(other, block, 40);
}
void WrongHeapReAlloc() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Malloc(30);
    ExpectWrongHeap("realloc", block, 30, Process(), heap);
    StrataHeapReAlloc(heap, 0, block, 40);
}
void WrongHeapResource() {
    strata_heap* const owner = strata_heap_create();
    strata_heap* const other = strata_heap_create();
    strata::memory_resource one(owner), two(other);
    void* const block = one.allocate(30);
    ExpectWrongHeap("free", block, 30, owner, other);
    two.deallocate(block, 30);
}

strata_heap* DestroyedHeap() {
    strata_heap* const heap = strata_heap_create();
    strata_heap_malloc(heap, 10);
    strata_heap_destroy(heap);
    return heap;
}
void DestroyedHeapBlock(size_t bytes) {
    strata_heap* const heap = strata_heap_create();
    char* const block = Hide(strata_heap_malloc(heap, bytes));
    strata_heap_destroy(heap);
    strata_purge();
    if (bytes == kDirect) {
        ExpectForeign("free", block);
    } else {
        ExpectEnded("free", block);
    }
    strata_free(block);
}
void DestroyedHeapSmall() { DestroyedHeapBlock(kSmall); }
void DestroyedHeapRun() { DestroyedHeapBlock(kRun); }
void DestroyedHeapDirect() { DestroyedHeapBlock(kDirect); }
void DestroyedHeapMalloc() {
    strata_heap* const heap = DestroyedHeap();
    ExpectInvalidHeap(heap);
    strata_heap_malloc(heap, 10);
}
void DestroyedHeapFree() {
    strata_heap* const heap = DestroyedHeap();
    ExpectInvalidHeap(heap);
    strata_heap_free(heap, Malloc(10));
}
void DestroyedHeapTwice() {
    strata_heap* const heap = DestroyedHeap();
    ExpectInvalidHeap(heap);
    strata_heap_destroy(heap);
}
void DestroyedHeapValidate() {
    strata_heap* const heap = DestroyedHeap();
    ExpectInvalidHeap(heap);
    strata_heap_validate(heap);
}
void GarbageHeapNull() {
    ExpectInvalidHeap(nullptr);
    strata_heap_malloc(reinterpret_cast<strata_heap*>(Wild(0)), 10);
}
void GarbageHeapStack() {
    alignas(16) char on_stack[64] = {};
    ExpectInvalidHeap(on_stack);
    strata_heap_malloc(reinterpret_cast<strata_heap*>(Hide(on_stack)), 10);
}
void GarbageHeapBlock() {
    char* const block = Malloc(kRun);
    ExpectInvalidHeap(block);
    strata_heap_malloc(reinterpret_cast<strata_heap*>(block), 10);
}

}  // namespace

const Case kHeapMixUps[] = {
    CASE(WrongHeapSmall),        CASE(WrongHeapRun),          CASE(WrongHeapDirect),
    CASE(WrongHeapIsPrivate),    CASE(WrongHeapIsTheProcess), CASE(WrongHeapInOtherThread),
    CASE(WrongHeapRealloc),      CASE(WrongHeapReAlloc),      CASE(WrongHeapResource),
    CASE(DestroyedHeapSmall),    CASE(DestroyedHeapRun),      CASE(DestroyedHeapDirect),
    CASE(DestroyedHeapMalloc),   CASE(DestroyedHeapFree),     CASE(DestroyedHeapTwice),
    CASE(DestroyedHeapValidate), CASE(GarbageHeapNull),       CASE(GarbageHeapStack),
    CASE(GarbageHeapBlock),      {nullptr, nullptr},
};

}  // namespace strata::misuse
