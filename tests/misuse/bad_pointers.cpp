// Pointers that are not the start of a block, or not ours.
#include <cstdlib>
#include <strata/heap_api.h>

#include "cases.h"

namespace strata::misuse {

namespace {

void Interior(size_t bytes, size_t usable, size_t offset) {
    char* const block = Malloc(bytes);
    ExpectInterior(block + offset, block, usable, Process());
    strata_free(block + offset);
}
void InteriorSmall() { Interior(kSmall, kSmall, 16); }
void InteriorMedium() { Interior(kMedium, kMediumUsable, 1536); }
void InteriorLargest() { Interior(kLargest, kLargest, 32768); }
void InteriorRun() { Interior(kRun, kRunUsable, 16); }
void InteriorRunNextSlice() { Interior(kRun, kRunUsable, 65536); }
void InteriorDirect() { Interior(kDirect, kDirect, 16); }
void InteriorDirectNextSlice() {
    char* const block = Malloc(kDirect);
    ExpectInvalid("free", block + (1 << 20));
    strata_free(block + (1 << 20));
}
void InteriorInOtherThread() {
    InOtherThread([] { InteriorSmall(); });
}
void MisalignedSmall() { Interior(kSmall, kSmall, 1); }
void MisalignedEnd() { Interior(kSmall, kSmall, 47); }
void MisalignedRun() { Interior(kRun, kRunUsable, 3); }
void InteriorOfPrivateHeap() {
    strata_heap* const heap = strata_heap_create();
    char* const block = Hide(strata_heap_malloc(heap, kSmall));
    ExpectInterior(block + 16, block, kSmall, heap);
    strata_heap_free(heap, block + 16);
}
void BehindTheLastBlock() {
    // 48 does not divide 65536: 16 bytes at the end of the slab belong to no block.
    char* const block = Malloc(kSmall);
    char* const slab = block - reinterpret_cast<uintptr_t>(block) % 65536;
    ExpectInvalid("free", slab + 65520);
    strata_free(slab + 65520);
}
void UnusedSlice() {
    char* const block = Malloc(kRun);
    char* const behind = block + (2 << 20);
    ExpectInvalid("free", behind);
    strata_free(behind);
}

void Foreign(void* pointer) {
    Malloc(1);
    ExpectForeign("free", pointer);
    strata_free(pointer);
}
void ForeignStack() {
    char on_stack[64] = {};
    Foreign(Hide(on_stack + 16));
}
void ForeignGlobal() {
    static char in_data[64];
    Foreign(Hide(in_data + 16));
}
void ForeignCode() { Foreign(Hide(reinterpret_cast<void*>(&ForeignGlobal))); }
void ForeignMalloc() { Foreign(Hide(std::malloc(100))); }
void ForeignFirstCall() {
    static char in_data[64];
    ExpectForeign("free", in_data);
    strata_free(Hide(in_data));  // nothing was allocated before
}
void ForeignHeapFree() {
    char on_stack[64] = {};
    ExpectForeign("free", on_stack);
    StrataHeapFree(StrataGetProcessHeap(), 0, Hide(on_stack));
}
void ForeignHeapHandle() {
    // The handle itself is no block.
    Foreign(Hide(strata_heap_create()));
}
void ForeignRealloc() {
    char on_stack[64] = {};
    Malloc(1);
    ExpectForeign("realloc", on_stack);
    strata_realloc(Hide(on_stack), 100);
}
void ForeignSize() {
    char on_stack[64] = {};
    Malloc(1);
    ExpectForeign("size query", on_stack);
    strata_requested_size(Hide(on_stack));
}

void WildOne() { Foreign(Wild(1)); }
void WildLow() { Foreign(Wild(0x10000)); }
void WildMinusOne() { Foreign(Wild(UINTPTR_MAX)); }
void WildMinusSixteen() { Foreign(Wild(UINTPTR_MAX - 15)); }
void WildNonCanonical() { Foreign(Wild(uintptr_t{1} << 63)); }
void WildNonCanonicalBlock() { Foreign(Malloc(16) + (uintptr_t{1} << 52)); }
void WildKernel() { Foreign(Wild(0xFFFF800000000000)); }
void WildRealloc() {
    ExpectForeign("realloc", Wild(UINTPTR_MAX));
    strata_realloc(Wild(UINTPTR_MAX), 10);
}
void WildSize() {
    ExpectForeign("size query", Wild(1));
    strata_usable_size(Wild(1));
}

}  // namespace

const Case kBadPointers[] = {
    CASE(InteriorSmall),
    CASE(InteriorMedium),
    CASE(InteriorLargest),
    CASE(InteriorRun),
    CASE(InteriorRunNextSlice),
    CASE(InteriorDirect),
    CASE(InteriorDirectNextSlice),
    CASE(InteriorInOtherThread),
    CASE(MisalignedSmall),
    CASE(MisalignedEnd),
    CASE(MisalignedRun),
    CASE(InteriorOfPrivateHeap),
    CASE(BehindTheLastBlock),
    CASE(UnusedSlice),
    CASE(ForeignStack),
    CASE(ForeignGlobal),
    CASE(ForeignCode),
    CASE(ForeignMalloc),
    CASE(ForeignFirstCall),
    CASE(ForeignHeapFree),
    CASE(ForeignHeapHandle),
    CASE(ForeignRealloc),
    CASE(ForeignSize),
    CASE(WildOne),
    CASE(WildLow),
    CASE(WildMinusOne),
    CASE(WildMinusSixteen),
    CASE(WildNonCanonical),
    CASE(WildNonCanonicalBlock),
    CASE(WildKernel),
    CASE(WildRealloc),
    CASE(WildSize),
    {nullptr, nullptr},
};

}  // namespace strata::misuse
