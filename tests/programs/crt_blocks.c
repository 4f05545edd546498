/* The C runtime's blocks: allocated, resized, measured and freed in every way it has. Built twice, for
   msvcrt.dll and for ucrtbase.dll. */
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include "check.h"

#define BLOCKS 2000

static uint32_t g_seed = 1;

static uint32_t Random(void) {
    g_seed = g_seed * 1664525u + 1013904223u;
    return g_seed >> 8;
}

static uint32_t Sum(const unsigned char* bytes, size_t size) {
    uint32_t sum = 2166136261u;
    size_t i;
    for (i = 0; i < size; ++i) sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

static void Fill(unsigned char* block, size_t size, unsigned value) {
    size_t i;
    for (i = 0; i < size; ++i) block[i] = (unsigned char)(value + i);
}

static void CheckFill(const unsigned char* block, size_t size, unsigned value) {
    size_t i;
    for (i = 0; i < size; ++i) CHECK(block[i] == (unsigned char)(value + i));
}

static void RandomOperations(void) {
    static unsigned char* blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    uint32_t total = 0;
    int step;
    int i;
    for (step = 0; step < 60000; ++step) {
        const unsigned slot = Random() % BLOCKS;
        const size_t size = Random() % 16 != 0 ? Random() % 600 : Random() % 200000;
        if (blocks[slot] == NULL) {
            if (Random() % 2 != 0) {
                blocks[slot] = (unsigned char*)malloc(size);
                CHECK(blocks[slot] != NULL);
            } else {
                blocks[slot] = (unsigned char*)calloc(1, size);
                CHECK(blocks[slot] != NULL);
                for (i = 0; i < (int)size; ++i) CHECK(blocks[slot][i] == 0);
            }
            sizes[slot] = size;
            Fill(blocks[slot], size, slot);
        } else if (Random() % 3 == 0) {
            const size_t kept = size < sizes[slot] ? size : sizes[slot];
            unsigned char* const moved = (unsigned char*)realloc(blocks[slot], size + 1);
            CHECK(moved != NULL);
            CheckFill(moved, kept, slot);
            blocks[slot] = moved;
            sizes[slot] = size + 1;
            Fill(moved, size + 1, slot);
            CHECK(_msize(moved) == size + 1);
        } else {
            CheckFill(blocks[slot], sizes[slot], slot);
            CHECK(_msize(blocks[slot]) >= sizes[slot]);
            total += Sum(blocks[slot], sizes[slot]);
            free(blocks[slot]);
            blocks[slot] = NULL;
        }
    }
    for (i = 0; i < BLOCKS; ++i) free(blocks[i]);
    printf("random operations: %08x\n", (unsigned)total);
}

/* Blocks that the runtime makes and the program frees. */
static void RuntimeBlocks(void) {
    char name[64];
    char* text;
    wchar_t* wide;
    int i;
    for (i = 0; i < 200; ++i) {
        sprintf(name, "STRATA_TEST_%d=value number %d", i, i);
        text = _strdup(name);
        CHECK(text != NULL && _msize(text) == strlen(name) + 1);
        CHECK(_putenv(text) == 0);
        free(text);
    }
    CHECK(strcmp(getenv("STRATA_TEST_150"), "value number 150") == 0);
    wide = _wcsdup(L"wide");
    CHECK(wide != NULL && wcscmp(wide, L"wide") == 0);
    free(wide);
    text = _fullpath(NULL, ".", 0);
    CHECK(text != NULL);
    free(text);
    text = (char*)_aligned_malloc(1000, 256);
    CHECK(text != NULL && (uintptr_t)text % 256 == 0);
    text = (char*)_aligned_realloc(text, 5000, 256);
    CHECK(text != NULL && (uintptr_t)text % 256 == 0);
    _aligned_free(text);
    puts("runtime's own blocks: ok");
}

/* Streams have buffers, and sorting and formatting use scratch memory. */
static int Compare(const void* a, const void* b) {
    const int x = *(const int*)a;
    const int y = *(const int*)b;
    return x < y ? -1 : x > y;
}

static void Streams(void) {
    int* const numbers = (int*)malloc(10000 * sizeof(int));
    char line[64];
    FILE* file = tmpfile();
    int i;
    CHECK(numbers != NULL);
    for (i = 0; i < 10000; ++i) numbers[i] = (int)(Random() % 1000000);
    qsort(numbers, 10000, sizeof(int), Compare);
    if (file != NULL) { /* not every folder lets tmpfile write */
        for (i = 0; i < 10000; ++i) fprintf(file, "%d\n", numbers[i]);
        rewind(file);
        for (i = 0; i < 10000; ++i) {
            CHECK(fgets(line, sizeof line, file) != NULL);
            CHECK(atoi(line) == numbers[i]);
        }
        fclose(file);
    }
    printf("sorted: %d %d %d\n", numbers[0], numbers[5000], numbers[9999]);
    free(numbers);
}

int main(void) {
    RandomOperations();
    RuntimeBlocks();
    Streams();
    CHECK(_heapchk() == _HEAPOK);
    puts("done");
    return 0;
}
