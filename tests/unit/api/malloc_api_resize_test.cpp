// Resizing by the malloc-style functions, as strata.h promises it.
#include <strata/strata.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "malloc_api_helpers.h"
#include "support/model.h"

namespace {

using strata::test::ExpectFailure;
using strata::test::FillPattern;
using strata::test::FindNonZero;
using strata::test::FindPatternBreak;
using strata::test::kNotEnoughMemory;

TEST(MallocApi, Realloc) {
    void* block = strata_realloc(nullptr, 10);
    ASSERT_NE(block, nullptr);
    FillPattern(block, 10, 1);
    for (const size_t bytes : {1000, 100000, 40 << 20, 50, 10}) {
        block = strata_realloc(block, bytes);
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(strata_requested_size(block), bytes);
        EXPECT_EQ(FindPatternBreak(block, 10, 1), 10u);
    }
    block = strata_realloc(block, 0);
    ASSERT_NE(block, nullptr) << "it is not a free";
    EXPECT_EQ(strata_requested_size(block), 0u);
    EXPECT_TRUE(strata_owns(block));
    strata_free(block);
}

// A program may write all usable bytes, and keeps them whatever becomes of the block.
TEST(MallocApi, ReallocKeepsAllUsableBytes) {
    strata_heap* const heap = strata_heap_create();
    using Resize = void* (*)(strata_heap*, void*, size_t);
    const Resize ways[] = {
        [](strata_heap*, void* block, size_t bytes) { return strata_realloc(block, bytes); },
        [](strata_heap*, void* block, size_t bytes) {
            return strata_reallocarray(block, 1, bytes);
        },
        [](strata_heap*, void* block, size_t bytes) {
            return strata_aligned_realloc(block, 64, bytes);
        },
        [](strata_heap* of, void* block, size_t bytes) {
            return strata_heap_realloc(of, block, bytes);
        },
    };
    for (size_t bytes = 0; bytes < 300000; bytes += bytes < 3000 ? 7 : bytes / 40) {
        for (size_t way = 0; way < std::size(ways); ++way) {
            strata_heap* const of = way == 3 ? heap : strata_heap_process();
            void* block = strata_heap_malloc(of, bytes);
            for (const size_t more : {1, 50, 300, 5000, 100000}) {
                const size_t usable = strata_usable_size(block);
                FillPattern(block, usable, way);
                block = ways[way](of, block, usable + more);
                ASSERT_EQ(FindPatternBreak(block, usable, way), usable)
                    << bytes << " bytes, " << more << " more, way " << way;
                block = ways[way](of, block, bytes);
                const size_t kept = bytes < usable ? bytes : usable;
                ASSERT_EQ(FindPatternBreak(block, kept, way), kept) << bytes;
            }
            strata_free(block);
        }
    }
    strata_heap_destroy(heap);
}

// In place, but for where a move saves a quarter of the block and 16 KiB.
TEST(MallocApi, ReallocToLess) {
    for (const auto& [from, to, moves] :
         std::vector<std::tuple<size_t, size_t, bool>>{{24, 8, false},
                                                       {100, 0, false},
                                                       {20000, 3000, true},
                                                       {20000, 5000, false},
                                                       {65536, 49152, true},
                                                       {65536, 50000, false},
                                                       {65536, 1, true},
                                                       {131072, 10, true},
                                                       {131072, 70000, false},
                                                       {40 << 20, 100, true},
                                                       {40 << 20, 2 << 20, true},
                                                       {40 << 20, 10 << 20, false}}) {
        std::vector<void*> many;  // so that both sizes have slabs of their own
        for (int i = 0; i < 40 && from <= 65536; ++i) {
            many.push_back(strata_malloc(from));
            many.push_back(strata_malloc(to));
        }
        void* const block = strata_malloc(from);
        FillPattern(block, to, 6);
        void* const resized = strata_realloc(block, to);
        EXPECT_EQ(resized != block, moves) << from << " to " << to;
        EXPECT_EQ(strata_requested_size(resized), to);
        EXPECT_EQ(FindPatternBreak(resized, to, 6), to);
        strata_free(resized);
        for (void* const each : many) strata_free(each);
    }
}

TEST(MallocApi, ReallocFailureKeepsTheBlock) {
    void* const block = strata_malloc(77);
    FillPattern(block, 77, 2);
    ExpectFailure(kNotEnoughMemory, [&] { return strata_realloc(block, SIZE_MAX); });
    EXPECT_EQ(strata_requested_size(block), 77u);
    EXPECT_EQ(FindPatternBreak(block, 77, 2), 77u);
    strata_free(block);
}

TEST(MallocApi, Reallocarray) {
    void* block = strata_reallocarray(nullptr, 3, 5);
    EXPECT_EQ(strata_requested_size(block), 15u);
    FillPattern(block, 15, 3);
    block = strata_reallocarray(block, 1000, 7);
    EXPECT_EQ(strata_requested_size(block), 7000u);
    EXPECT_EQ(FindPatternBreak(block, 15, 3), 15u);
    block = strata_reallocarray(block, 0, 7);
    EXPECT_EQ(strata_requested_size(block), 0u);
    strata_free(block);
}

TEST(MallocApi, RecallocZeroesFromTheRequestedSize) {
    for (const size_t from : {0, 1, 10, 100, 1030, 5000, 65536, 70000, 1 << 20}) {
        for (const size_t extra : {1, 5, 100, 4000, 70000}) {
            void* block = strata_malloc(from);
            std::memset(block, 0xFF, strata_usable_size(block));
            FillPattern(block, from, 5);
            block = strata_recalloc(block, from + extra, 1);
            ASSERT_EQ(strata_requested_size(block), from + extra);
            ASSERT_EQ(FindPatternBreak(block, from, 5), from);
            ASSERT_EQ(FindNonZero(block, from, from + extra), from + extra) << from << "+" << extra;
            strata_free(block);
        }
    }
    void* const fresh = strata_recalloc(nullptr, 10, 10);
    EXPECT_EQ(FindNonZero(fresh, 0, 100), 100u);
    strata_free(fresh);
}

TEST(MallocApi, Expand) {
    EXPECT_EQ(strata_expand(nullptr, 100), nullptr);
    void* const block = strata_malloc(1100);
    EXPECT_EQ(strata_expand(block, 1152), block);
    EXPECT_EQ(strata_requested_size(block), 1152u);
    EXPECT_EQ(strata_expand(block, 5), block);
    EXPECT_EQ(strata_requested_size(block), 5u);
    ExpectFailure(kNotEnoughMemory, [&] { return strata_expand(block, 5000); });
    EXPECT_EQ(strata_requested_size(block), 5u);
    strata_free(block);
}

}  // namespace
