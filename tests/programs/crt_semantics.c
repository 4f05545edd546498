/* What a C runtime promises about its allocation functions beyond giving blocks: errno, the last error,
   the new handler, sizes of 0 and sizes that are impossible. Prints what it finds, so that a run with the
   override is held against one without. Built twice, as crt_blocks.c is; functions that not every runtime
   exports are asked for by name. */
#include <windows.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "check.h"

#ifdef _UCRT
#define RUNTIME "ucrtbase.dll"
#else
#define RUNTIME "msvcrt.dll"
#endif

typedef void* (*MallocFunction)(size_t);
typedef void* (*RecallocFunction)(void*, size_t, size_t);
typedef void (*FreeFunction)(void*);
typedef int (*NewHandler)(size_t);
typedef NewHandler (*SetNewHandlerFunction)(NewHandler);
typedef int (*SetNewModeFunction)(int);

static void* Find(const char* name) {
    return (void*)GetProcAddress(GetModuleHandleA(RUNTIME), name);
}

/* Through a volatile pointer, so that no compiler knows what is called. */
static size_t volatile g_impossible = SIZE_MAX;
static size_t volatile g_too_large = (size_t)1 << 62;
static size_t volatile g_half = SIZE_MAX / 2;

static void Sizes(void) {
    void* block = malloc(0);
    CHECK(block != NULL);
    printf("malloc(0): size %u\n", (unsigned)_msize(block));
    block = realloc(block, 10);
    CHECK(block != NULL && _msize(block) == 10);
    printf("realloc to 0: %s\n", realloc(block, 0) == NULL ? "null" : "a block");
    block = calloc(0, 5);
    CHECK(block != NULL);
    printf("calloc(0, 5): size %u\n", (unsigned)_msize(block));
    free(block);
    block = realloc(NULL, 33);
    CHECK(block != NULL && _msize(block) == 33);
    free(block);
    block = realloc(NULL, 0);
    printf("realloc(NULL, 0): %s\n", block == NULL ? "null" : "a block");
    free(block);
    free(NULL);
    block = calloc(7, 11);
    CHECK(block != NULL && _msize(block) == 77);
    free(block);
}

static void Report(const char* what, const void* block) {
    const int error = errno;
    printf("%s: %s, errno %d\n", what, block == NULL ? "null" : "a block", error);
    errno = 0;
}

static void Failures(void) {
    void* block = malloc(40);
    CHECK(block != NULL);
    errno = 0;
    Report("malloc of everything", malloc(g_impossible));
    Report("malloc of too much", malloc(g_too_large));
    Report("calloc that overflows", calloc(g_half, 3));
    Report("calloc of too much", calloc(g_too_large, 1));
    Report("realloc of too much", realloc(block, g_too_large));
    Report("realloc of everything", realloc(block, g_impossible));
    Report("_expand of too much", _expand(block, g_too_large));
    CHECK(_msize(block) == 40);
    free(block);
}

static void Kept(void) {
    void* blocks[50];
    int i;
    errno = 33;
    SetLastError(77);
    for (i = 0; i < 50; ++i) blocks[i] = malloc((size_t)i * i * 1000 + 1);
    for (i = 0; i < 50; ++i) blocks[i] = realloc(blocks[i], (size_t)i * 7000 + 1);
    for (i = 0; i < 50; ++i) CHECK(_msize(blocks[i]) == (size_t)i * 7000 + 1);
    for (i = 0; i < 50; ++i) free(blocks[i]);
    free(NULL);
    CHECK(errno == 33 && GetLastError() == 77);
    puts("errno and the last error are kept");
}

static void InPlace(void) {
    char* const block = (char*)malloc(1000);
    CHECK(block != NULL);
    strcpy(block, "here");
    CHECK(_expand(block, 500) == block && _msize(block) == 500);
    CHECK(_expand(block, 900) == NULL || _msize(block) == 900);
    CHECK(strcmp(block, "here") == 0);
    free(block);
    puts("_expand: in place");
}

/* Leaves free blocks behind that are not zero. */
static void Soil(size_t size) {
    void* blocks[8];
    int i;
    for (i = 0; i < 8; ++i) {
        blocks[i] = malloc(size);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 0xcc, size);
    }
    for (i = 0; i < 8; ++i) free(blocks[i]);
}

static void CheckText(const unsigned char* block, size_t filled, size_t size) {
    size_t i;
    for (i = 0; i < size; ++i) CHECK(block[i] == (i < filled ? 0xa5 : 0));
}

static void Zeroes(void) {
    const RecallocFunction recalloc = (RecallocFunction)Find("_recalloc");
    unsigned char* block;
    size_t size;
    for (size = 1; size < 300000; size = size * 3 + 1) {
        Soil(size);
        block = (unsigned char*)calloc(1, size);
        CHECK(block != NULL);
        CheckText(block, 0, size);
        free(block);
    }
    puts("calloc: zeroed");
    if (recalloc == NULL) return;
    Soil(21);
    block = (unsigned char*)recalloc(NULL, 3, 7);
    CHECK(block != NULL && _msize(block) == 21);
    CheckText(block, 0, 21);
    for (size = 21; size < 300000; size = size * 3 + 1) {
        memset(block, 0xa5, size);
        Soil(size * 3 + 1);
        block = (unsigned char*)recalloc(block, size * 3 + 1, 1);
        CHECK(block != NULL && _msize(block) == size * 3 + 1);
        CheckText(block, size, size * 3 + 1);
    }
    errno = 0;
    Report("_recalloc that overflows", recalloc(block, g_half, 3));
    free(block);
    puts("_recalloc: zeroed");
}

/* The blocks are those of the heap that the runtime names. */
static void Identity(void) {
    const HANDLE heap = (HANDLE)_get_heap_handle();
    void* block = malloc(123);
    CHECK(HeapSize(heap, 0, block) == 123 && HeapValidate(heap, 0, block));
    CHECK(HeapFree(heap, 0, block));
    block = HeapAlloc(heap, 0, 234);
    CHECK(_msize(block) == 234);
    block = realloc(block, 345);
    CHECK(HeapSize(heap, 0, block) == 345);
    block = HeapReAlloc(heap, 0, block, 456);
    free(block);
    puts("blocks of the runtime's heap");
}

static void Operators(void) {
    static const char* const kPairs[][2] = {{"??2@YAPEAX_K@Z", "??3@YAXPEAX@Z"},
                                            {"??_U@YAPEAX_K@Z", "??_V@YAXPEAX@Z"}};
    int i;
    for (i = 0; i < 2; ++i) {
        const MallocFunction allocate = (MallocFunction)Find(kPairs[i][0]);
        const FreeFunction release = (FreeFunction)Find(kPairs[i][1]);
        void* block;
        if (allocate == NULL || release == NULL) continue;
        block = allocate(100);
        CHECK(block != NULL && _msize(block) == 100);
        release(block);
        free(allocate(0));
        release(malloc(50));
        release(NULL);
        puts("operators: ok");
    }
}

static int g_handled = 0;

static int Handler(size_t size) {
    CHECK(size == g_too_large);
    return ++g_handled < 3; /* try again, twice */
}

static void Handlers(void) {
    const SetNewHandlerFunction set_handler =
        (SetNewHandlerFunction)Find("?_set_new_handler@@YAP6AH_K@ZP6AH0@Z@Z");
    SetNewModeFunction set_mode = (SetNewModeFunction)Find("?_set_new_mode@@YAHH@Z");
    void* block;
    if (set_mode == NULL) set_mode = (SetNewModeFunction)Find("_set_new_mode");
    if (set_handler == NULL || set_mode == NULL) return;
    set_handler(Handler);
    CHECK(malloc(g_too_large) == NULL && g_handled == 0);
    set_mode(1);
    block = malloc(10);
    CHECK(block != NULL);
    free(block);
    errno = 0;
    Report("malloc with a handler", malloc(g_too_large));
    printf("the handler was called %d times\n", g_handled);
    set_mode(0);
    set_handler(NULL);
}

int main(void) {
    Sizes();
    Failures();
    Kept();
    InPlace();
    Zeroes();
    Identity();
    Operators();
    Handlers();
    CHECK(_heapchk() == _HEAPOK);
    puts("done");
    return 0;
}
