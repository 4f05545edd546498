/* The public headers in C: that they compile, and that the functions can be called as declared. */
#include <strata/strata.h>

#include <strata/heap_api.h>

/* Again: they may be included any number of times. */
#include <strata/heap_api.h>
#include <strata/strata.h>

int strata_test_from_c(void);

static void CountText(void* context, const char* text, size_t length) {
    (void)text;
    *(size_t*)context += length;
}

/* 0, or the number of the first step that failed. */
int strata_test_from_c(void) {
    strata_statistics statistics;
    size_t written = 0;
    char* block = (char*)strata_malloc(10);
    strata_heap* heap = strata_heap_create();
    HANDLE handle = StrataHeapCreate(0, 0, 0);
    void* other;

    if (block == NULL || heap == NULL || handle == NULL) return 1;
    block[9] = 'x';
    block = (char*)strata_realloc(block, 100);
    if (block == NULL || block[9] != 'x' || strata_requested_size(block) != 100) return 2;
    strata_free(block);
    other = strata_heap_calloc(heap, 3, 4);
    if (other == NULL || strata_heap_of(other) != heap) return 3;
    strata_heap_destroy(heap);
    other = StrataHeapAlloc(handle, HEAP_ZERO_MEMORY, 25);
    if (other == NULL || StrataHeapSize(handle, 0, other) != 25) return 4;
    if (!StrataHeapFree(handle, 0, other) || !StrataHeapDestroy(handle)) return 5;
    statistics.struct_size = sizeof statistics;
    if (strata_get_statistics(&statistics) != 1 || statistics.heaps == 0) return 6;
    strata_write_statistics_json(&CountText, &written);
    if (written == 0) return 7;
    if (strata_version() != STRATA_VERSION) return 8;
    return 0;
}
