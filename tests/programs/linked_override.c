/* A program that was linked with the override's import library: it asks the DLL itself whether it is
   active, and allocates from the C runtime and from the process heap. Built without an import of its own
   as linked_marker, where only the linker was told of the symbol. */
#include <windows.h>
#include <malloc.h>
#include <strata/override.h>

#include "check.h"

int main(void) {
    const HANDLE heap = GetProcessHeap();
    void* blocks[1000];
    SIZE_T i;
#ifdef STRATA_WITH_IMPORT
    StrataOverrideInfo info;
    int state;
    info.size = sizeof info;
    state = StrataOverrideStatus(&info);
    printf("active: %d, redirected: %d, reason: '%s'\n", state == STRATA_OVERRIDE_ACTIVE,
           info.redirected >= 10, info.reason);
#else
    printf("loaded: %d\n", GetModuleHandleW(L"strata-override.dll") != NULL);
#endif
    for (i = 0; i < 1000; ++i) {
        blocks[i] = i % 2 != 0 ? malloc(i) : HeapAlloc(heap, 0, i);
        CHECK(blocks[i] != NULL);
    }
    for (i = 0; i < 1000; ++i) {
        CHECK((i % 2 != 0 ? _msize(blocks[i]) : HeapSize(heap, 0, blocks[i])) == i);
        if (i % 2 != 0) {
            free(blocks[i]);
        } else {
            CHECK(HeapFree(heap, 0, blocks[i]));
        }
    }
    puts("done");
    return 0;
}
