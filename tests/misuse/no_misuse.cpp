// What has to pass in silence.
#include <strata/heap_api.h>

#include "cases.h"

namespace strata::misuse {

namespace {

void NoneAtAll() {
    strata_free(Malloc(10));
    strata_free(nullptr);
    strata_free_sized(Malloc(10), 10);
}
void NoneWithHeaps() {
    strata_heap* const heap = strata_heap_create();
    InOtherThread([=] { strata_free(strata_heap_malloc(heap, kRun)); });
    strata_heap_destroy(heap);
    // The Win32-style functions answer for a stale handle, as Windows' own do.
    StrataHeapAlloc(heap, 0, 10);
    StrataHeapFree(heap, 0, nullptr);
    StrataHeapSize(StrataGetProcessHeap(), 0, Wild(1));
    StrataHeapValidate(StrataGetProcessHeap(), 0, Wild(UINTPTR_MAX));
}

}  // namespace

const Case kNoMisuse[] = {
    CASE(NoneAtAll),
    CASE(NoneWithHeaps),
    {nullptr, nullptr},
};

}  // namespace strata::misuse
