// The malloc-style functions, one by one, as strata.h promises them.
#include <strata/strata.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <cwchar>
#include <thread>
#include <vector>

#include "malloc_api_helpers.h"
#include "support/model.h"

namespace {

using strata::test::ExpectFailure;
using strata::test::FillPattern;
using strata::test::FindNonZero;
using strata::test::FindPatternBreak;
using strata::test::IsAligned;
using strata::test::KeepsErrors;
using strata::test::kInvalidParameter;
using strata::test::kNotEnoughMemory;

TEST(MallocApi, Malloc) {
    const KeepsErrors keeps;
    for (const size_t bytes : {0, 1, 16, 100, 5000, 65537, 1 << 20, 40 << 20}) {
        void* const block = strata_malloc(bytes);
        ASSERT_NE(block, nullptr);
        EXPECT_TRUE(IsAligned(block, 16));
        EXPECT_EQ(strata_requested_size(block), bytes);
        std::memset(block, 1, bytes);
        strata_free(block);
    }
}

TEST(MallocApi, MallocOfTooMuch) {
    for (const size_t bytes : {SIZE_MAX, SIZE_MAX - 7, SIZE_MAX / 2 + 1, size_t{PTRDIFF_MAX}}) {
        ExpectFailure(kNotEnoughMemory, [&] { return strata_malloc(bytes); });
    }
}

TEST(MallocApi, FreeOfNullIsNothing) {
    {
        const KeepsErrors keeps;
        strata_free(nullptr);
        strata_free_sized(nullptr, 10);
    }
    std::thread([] {
        const KeepsErrors keeps;
        strata_free(nullptr);  // the first call of a thread
    }).join();
}

TEST(MallocApi, Calloc) {
    const KeepsErrors keeps;
    for (const size_t count : {0, 1, 3, 1000, 100000}) {
        for (const size_t size : {0, 1, 7, 24}) {
            void* const block = strata_calloc(count, size);
            ASSERT_NE(block, nullptr);
            EXPECT_EQ(strata_requested_size(block), count * size);
            EXPECT_EQ(FindNonZero(block, 0, count * size), count * size);
            std::memset(block, 0xFF, strata_usable_size(block));
            strata_free(block);
        }
    }
}

TEST(MallocApi, CountTimesSizeOverflows) {
    void* const block = strata_malloc(100);
    strata_heap* const heap = strata_heap_process();
    constexpr size_t kHalf = SIZE_MAX / 2 + 1;
    const size_t pairs[][2] = {{2, kHalf},
                               {kHalf, 2},
                               {SIZE_MAX, SIZE_MAX},
                               {SIZE_MAX, 2},
                               {size_t{1} << 32, size_t{1} << 32},
                               {3, SIZE_MAX / 3 + 1},
                               {kHalf + 1, 2}};
    for (const auto& [count, size] : pairs) {
        ExpectFailure(kNotEnoughMemory, [&] { return strata_calloc(count, size); });
        ExpectFailure(kNotEnoughMemory, [&] { return strata_reallocarray(block, count, size); });
        ExpectFailure(kNotEnoughMemory, [&] { return strata_recalloc(block, count, size); });
        ExpectFailure(kNotEnoughMemory, [&] { return strata_heap_calloc(heap, count, size); });
        ExpectFailure(kNotEnoughMemory, [&] { return strata_recalloc(nullptr, count, size); });
        EXPECT_EQ(strata_requested_size(block), 100u);
    }
    strata_free(block);
}

TEST(MallocApi, FreeKeepsErrors) {
    for (const size_t bytes : {100, 70000, 1 << 20, 40 << 20}) {
        void* const block = strata_malloc(bytes);
        const KeepsErrors keeps;
        strata_free(block);
    }
    const KeepsErrors keeps;
    strata_purge();
}

TEST(MallocApi, FreeSized) {
    const KeepsErrors keeps;
    for (const size_t bytes : {0, 1, 100, 5000, 70000, 40 << 20}) {
        strata_free_sized(strata_malloc(bytes), bytes);
        strata_free_sized(strata_aligned_alloc(256, bytes), bytes);
    }
}

TEST(MallocApi, AlignedAlloc) {
    const KeepsErrors keeps;
    for (size_t alignment = 1; alignment <= size_t{1} << 26; alignment *= 2) {
        for (const size_t bytes : {0, 1, 100, 70000}) {
            void* const block = strata_aligned_alloc(alignment, bytes);
            ASSERT_NE(block, nullptr) << alignment;
            EXPECT_TRUE(IsAligned(block, alignment));
            EXPECT_TRUE(IsAligned(block, 16));
            EXPECT_EQ(strata_requested_size(block), bytes);
            strata_free(block);
        }
    }
}

TEST(MallocApi, BadAlignments) {
    void* const block = strata_malloc(10);
    strata_heap* const heap = strata_heap_process();
    for (const size_t alignment : {size_t{0}, size_t{3}, size_t{24}, SIZE_MAX, SIZE_MAX - 15}) {
        ExpectFailure(kInvalidParameter, [&] { return strata_aligned_alloc(alignment, 10); });
        ExpectFailure(kInvalidParameter,
                      [&] { return strata_aligned_realloc(block, alignment, 10); });
        ExpectFailure(kInvalidParameter,
                      [&] { return strata_heap_aligned_alloc(heap, alignment, 10); });
    }
    for (const size_t alignment : {size_t{1} << 63, size_t{1} << 50}) {
        ExpectFailure(kNotEnoughMemory, [&] { return strata_aligned_alloc(alignment, 10); });
    }
    ExpectFailure(kNotEnoughMemory, [&] { return strata_aligned_alloc(4096, SIZE_MAX); });
    ExpectFailure(kNotEnoughMemory, [&] { return strata_aligned_alloc(4096, SIZE_MAX - 4095); });
    strata_free(block);
}

TEST(MallocApi, AlignedRealloc) {
    void* block = strata_aligned_realloc(nullptr, 4096, 100);
    FillPattern(block, 100, 7);
    for (const size_t bytes : {5000, 100000, 100, 3 << 20}) {
        block = strata_aligned_realloc(block, 4096, bytes);
        ASSERT_NE(block, nullptr);
        EXPECT_TRUE(IsAligned(block, 4096));
        EXPECT_EQ(strata_requested_size(block), bytes);
        EXPECT_EQ(FindPatternBreak(block, 100, 7), 100u);
    }
    strata_free(block);
}

TEST(MallocApi, Sizes) {
    EXPECT_EQ(strata_usable_size(nullptr), 0u);
    EXPECT_EQ(strata_requested_size(nullptr), 0u);
    for (size_t bytes = 0; bytes <= 140000; bytes += bytes < 5000 ? 1 : 777) {
        void* const block = strata_malloc(bytes);
        ASSERT_EQ(strata_requested_size(block), bytes);
        ASSERT_GE(strata_usable_size(block), bytes);
        ASSERT_GE(strata_usable_size(block), strata_good_size(bytes)) << bytes;
        strata_free(block);
    }
    EXPECT_EQ(strata_good_size(SIZE_MAX), 0u);
    EXPECT_EQ(strata_good_size(SIZE_MAX / 2 + 1), 0u);
    EXPECT_GE(strata_good_size(40 << 20), size_t{40} << 20);
}

TEST(MallocApi, Owns) {
    static int in_data;
    int on_stack;
    EXPECT_EQ(strata_owns(nullptr), 0);
    EXPECT_EQ(strata_owns(&in_data), 0);
    EXPECT_EQ(strata_owns(&on_stack), 0);
    EXPECT_EQ(strata_owns(reinterpret_cast<void*>(1)), 0);
    EXPECT_EQ(strata_owns(reinterpret_cast<void*>(-1)), 0);
    for (const size_t bytes : {16, 100000}) {
        char* const block = static_cast<char*>(strata_malloc(bytes));
        EXPECT_EQ(strata_owns(block), 1);
        EXPECT_EQ(strata_owns(block + 8), 0) << "not the start";
        strata_free(block);
        EXPECT_EQ(strata_owns(block), 0);
    }
}

TEST(MallocApi, Strings) {
    char* text = strata_strdup("heap");
    EXPECT_STREQ(text, "heap");
    EXPECT_EQ(strata_requested_size(text), 5u);
    strata_free(text);
    text = strata_strdup("");
    EXPECT_STREQ(text, "");
    strata_free(text);
    for (const size_t limit : {size_t{0}, size_t{2}, size_t{4}, size_t{100}, SIZE_MAX}) {
        text = strata_strndup("heap", limit);
        EXPECT_EQ(std::strlen(text), limit < 4 ? limit : 4);
        EXPECT_EQ(std::strncmp(text, "heap", limit), 0);
        EXPECT_EQ(strata_requested_size(text), std::strlen(text) + 1);
        strata_free(text);
    }
    const char unterminated[3] = {'a', 'b', 'c'};
    text = strata_strndup(unterminated, 3);
    EXPECT_STREQ(text, "abc");
    strata_free(text);
    wchar_t* const wide = strata_wcsdup(L"h\u00e4p");
    EXPECT_EQ(std::wcscmp(wide, L"h\u00e4p"), 0);
    EXPECT_EQ(strata_requested_size(wide), 4 * sizeof(wchar_t));
    strata_free(wide);
    EXPECT_EQ(strata_strdup(nullptr), nullptr);
    EXPECT_EQ(strata_strndup(nullptr, 5), nullptr);
    EXPECT_EQ(strata_wcsdup(nullptr), nullptr);
}

TEST(MallocApi, Version) {
    EXPECT_EQ(strata_version(), STRATA_VERSION);
    EXPECT_EQ(STRATA_VERSION,
              STRATA_VERSION_MAJOR * 10000 + STRATA_VERSION_MINOR * 100 + STRATA_VERSION_PATCH);
}

// ---- heaps -------------------------------------------------------------------------------------

TEST(MallocHeaps, CreateUseDestroy) {
    const KeepsErrors keeps;
    strata_heap* const heap = strata_heap_create();
    ASSERT_NE(heap, nullptr);
    void* const one = strata_heap_malloc(heap, 100);
    void* const two = strata_heap_calloc(heap, 10, 30);
    void* const three = strata_heap_realloc(heap, nullptr, 70000);
    void* const four = strata_heap_aligned_alloc(heap, 4096, 5);
    for (void* block : {one, two, three, four}) {
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(strata_heap_of(block), heap);
    }
    EXPECT_EQ(strata_requested_size(one), 100u);
    EXPECT_EQ(strata_requested_size(two), 300u);
    EXPECT_EQ(strata_requested_size(three), 70000u);
    EXPECT_EQ(FindNonZero(two, 0, 300), 300u);
    EXPECT_TRUE(IsAligned(four, 4096));
    EXPECT_EQ(strata_heap_validate(heap), 1);
    strata_heap_free(heap, one);
    strata_heap_free(heap, nullptr);
    strata_free(two);
    void* const moved = strata_heap_realloc(heap, three, 200);
    EXPECT_EQ(strata_heap_of(moved), heap);
    void* const again = strata_realloc(moved, 100000);
    EXPECT_EQ(strata_heap_of(again), heap) << "a block stays in its heap";
    strata_heap_destroy(heap);
    EXPECT_EQ(strata_heap_of(again), nullptr);
    EXPECT_EQ(strata_owns(four), 0);
}

TEST(MallocHeaps, TheProcessHeapStays) {
    strata_heap* const heap = strata_heap_process();
    ASSERT_NE(heap, nullptr);
    void* const block = strata_malloc(100);
    EXPECT_EQ(strata_heap_of(block), heap);
    strata_heap_destroy(heap);
    EXPECT_EQ(strata_heap_process(), heap);
    EXPECT_EQ(strata_heap_of(block), heap);
    strata_heap_free(heap, block);
    void* const direct = strata_heap_malloc(heap, 50);
    strata_free(direct);
    EXPECT_EQ(strata_heap_validate(heap), 1);
}

TEST(MallocHeaps, HeapOfGarbage) {
    char on_stack[32];
    EXPECT_EQ(strata_heap_of(nullptr), nullptr);
    EXPECT_EQ(strata_heap_of(on_stack), nullptr);
    EXPECT_EQ(strata_heap_of(reinterpret_cast<void*>(-1)), nullptr);
    char* const block = static_cast<char*>(strata_malloc(100));
    EXPECT_EQ(strata_heap_of(block + 1), nullptr);
    strata_free(block);
    EXPECT_EQ(strata_heap_of(block), nullptr);
}

TEST(MallocHeaps, FailureIsClean) {
    strata_heap* const heap = strata_heap_create();
    void* const block = strata_heap_malloc(heap, 10);
    ExpectFailure(kNotEnoughMemory, [&] { return strata_heap_malloc(heap, SIZE_MAX); });
    ExpectFailure(kNotEnoughMemory, [&] { return strata_heap_realloc(heap, block, SIZE_MAX); });
    ExpectFailure(kNotEnoughMemory, [&] { return strata_heap_aligned_alloc(heap, 64, SIZE_MAX); });
    EXPECT_EQ(strata_requested_size(block), 10u);
    EXPECT_EQ(strata_heap_validate(heap), 1);
    strata_heap_destroy(heap);
}

TEST(MallocApi, Purge) {
    for (int i = 0; i < 3; ++i) {
        std::vector<void*> blocks;
        for (size_t k = 0; k < 1000; ++k) blocks.push_back(strata_malloc(k * 10));
        for (void* block : blocks) strata_free(block);
        strata_purge();
    }
    EXPECT_EQ(strata_heap_validate(strata_heap_process()), 1);
}

}  // namespace
