/* How long malloc and free of a C runtime take, in nanoseconds: the one program here whose output is
   another in every run, for the figures of the architecture decision on C runtimes. Built twice, as
   crt_blocks.c is. */
#include <windows.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 9
#define PAIRS 400000

static double g_results[ROUNDS];

static double Now(void) {
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return (double)count.QuadPart * 1e9 / (double)frequency.QuadPart;
}

static int Compare(const void* a, const void* b) {
    const double x = *(const double*)a;
    const double y = *(const double*)b;
    return x < y ? -1 : x > y;
}

static void* volatile g_block;

static void MallocPair(size_t bytes) {
    g_block = malloc(bytes);
    free(g_block);
}

static void CallocPair(size_t bytes) {
    g_block = calloc(1, bytes);
    free(g_block);
}

static void ReallocPair(size_t bytes) {
    g_block = realloc(NULL, bytes);
    g_block = realloc(g_block, bytes + bytes / 2);
    free(g_block);
}

static void AlignedPair(size_t bytes) {
    g_block = _aligned_malloc(bytes, 64);
    _aligned_free(g_block);
}

static void HeapPair(size_t bytes) {
    g_block = HeapAlloc((HANDLE)_get_heap_handle(), 0, bytes);
    HeapFree((HANDLE)_get_heap_handle(), 0, g_block);
}

/* The median of the rounds, per pair. */
static void Measure(const char* name, void (*pair)(size_t), size_t bytes) {
    int round;
    int i;
    for (round = 0; round < ROUNDS; ++round) {
        const double began = Now();
        for (i = 0; i < PAIRS; ++i) pair(bytes);
        g_results[round] = (Now() - began) / PAIRS;
    }
    qsort(g_results, ROUNDS, sizeof g_results[0], Compare);
    printf("%-16s %5u bytes: %6.1f ns (least %.1f)\n", name, (unsigned)bytes, g_results[ROUNDS / 2],
           g_results[0]);
}

int main(void) {
    static const size_t kSizes[] = {16, 200, 1000};
    size_t i;
    for (i = 0; i < sizeof kSizes / sizeof kSizes[0]; ++i) {
        Measure("malloc", MallocPair, kSizes[i]);
        Measure("calloc", CallocPair, kSizes[i]);
        Measure("realloc", ReallocPair, kSizes[i]);
        Measure("_aligned_malloc", AlignedPair, kSizes[i]);
        Measure("HeapAlloc", HeapPair, kSizes[i]);
    }
    return 0;
}
