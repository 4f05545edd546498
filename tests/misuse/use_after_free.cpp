// Freed blocks that are used, wrong sizes, and blocks whose end was overwritten.
#include <cstring>
#include <new>
#include <strata/allocator.h>
#include <strata/heap_api.h>
#include <strata/memory_resource.h>

#include "cases.h"

namespace strata::misuse {

namespace {

void FreedRealloc(size_t bytes, size_t usable) {
    char* const block = Malloc(bytes);
    ExpectUseOfFreed("realloc", block, usable, Process());
    strata_free(block);
    strata_realloc(block, 10);
}
void FreedReallocSmall() { FreedRealloc(kSmall, kSmall); }
void FreedReallocMedium() { FreedRealloc(kMedium, kMediumUsable); }
void FreedReallocRun() { FreedRealloc(kRun, kRunUsable); }
void FreedRecalloc() {
    char* const block = Malloc(kSmall);
    ExpectUseOfFreed("realloc", block, kSmall, Process());
    strata_free(block);
    strata_recalloc(block, 5, 5);
}
void FreedExpand() {
    char* const block = Malloc(kSmall);
    ExpectUseOfFreed("realloc", block, kSmall, Process());
    strata_free(block);
    strata_expand(block, 40);
}
void FreedMovedAway() {
    char* const block = Malloc(kSmall);
    ExpectDoubleFree(block, kSmall, Process());
    strata_realloc(block, 10000);
    strata_free(block);
}
void FreedReAlloc() {
    const HANDLE heap = StrataGetProcessHeap();
    char* const block = Hide(StrataHeapAlloc(heap, 0, kSmall));
    ExpectUseOfFreed("realloc", block, kSmall, heap);
    StrataHeapFree(heap, 0, block);
    StrataHeapReAlloc(heap, 0, block, 100);
}
void FreedRequestedSize() {
    char* const block = Malloc(kSmall);
    ExpectUseOfFreed("size query", block, kSmall, Process());
    strata_free(block);
    strata_requested_size(block);
}
void FreedUsableSizeOfRun() {
    char* const block = Malloc(kRun);
    ExpectUseOfFreed("size query", block, kRunUsable, Process());
    strata_free(block);
    strata_usable_size(block);
}

void SizeMismatch(size_t requested, size_t given) {
    char* const block = Malloc(requested);
    ExpectMismatch(block, Process(), given, requested);
    strata_free_sized(block, given);
}
void SizeMismatchSmaller() { SizeMismatch(100, 99); }
void SizeMismatchLarger() { SizeMismatch(100, 101); }
void SizeMismatchRun() { SizeMismatch(kRun, kRun + 1); }
void SizeMismatchAllocator() {
    strata::allocator<int> allocator;
    int* const block = allocator.allocate(10);
    ExpectMismatch(block, Process(), 44, 40);
    allocator.deallocate(block, 11);
}
void SizeMismatchResource() {
    strata::memory_resource resource;
    void* const block = resource.allocate(40);
    ExpectMismatch(block, Process(), 41, 40);
    resource.deallocate(block, 41);
}
#ifdef STRATA_TEST_NEW_DELETE
void SizeMismatchDelete() {
    void* const block = Hide(::operator new(40));
    ExpectMismatch(block, Process(), 80, 40);
    ::operator delete(block, size_t{80});
}
#endif

// The slack of blocks with much of it stands in their last bytes.
char* OverrunBlock() {
    char* const block = Malloc(22529);
    std::memset(block + 22529, 0x41, 24576 - 22529);
    return block;
}
void OverrunRealloc() {
    char* const block = OverrunBlock();
    ExpectOverrun("realloc", block, 24576, Process());
    strata_realloc(block, 100000);
}
void OverrunSize() {
    char* const block = OverrunBlock();
    ExpectOverrun("size query", block, 24576, Process());
    strata_requested_size(block);
}
void OverrunFree() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Hide(StrataHeapAlloc(heap, 0, 22529));
    std::memset(block + 22529, 0x41, 24576 - 22529);
    ExpectOverrun("free", block, 24576, heap);
    StrataHeapFree(heap, 0, block);
}

}  // namespace

const Case kUsesAfterFree[] = {
    CASE(FreedReallocSmall),     CASE(FreedReallocMedium),   CASE(FreedReallocRun),
    CASE(FreedRecalloc),         CASE(FreedExpand),          CASE(FreedMovedAway),
    CASE(FreedReAlloc),          CASE(FreedRequestedSize),   CASE(FreedUsableSizeOfRun),
    CASE(SizeMismatchSmaller),   CASE(SizeMismatchLarger),   CASE(SizeMismatchRun),
    CASE(SizeMismatchAllocator), CASE(SizeMismatchResource), CASE(OverrunRealloc),
    CASE(OverrunSize),           CASE(OverrunFree),
#ifdef STRATA_TEST_NEW_DELETE
    CASE(SizeMismatchDelete),
#endif
    {nullptr, nullptr},
};

}  // namespace strata::misuse
