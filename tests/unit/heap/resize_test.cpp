// Resize: exact size, contents kept, zeroed growth, in place or moved, all kinds of blocks.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "heap/heap.h"
#include "os/process.h"
#include "slab/region.h"
#include "support/heap_fixture.h"
#include "support/model.h"
#include "support/sanitizers.h"

namespace strata::heap {
namespace {

using test::FillPattern;
using test::FindNonZero;
using test::FindPatternBreak;
using test::TestHeap;

// Slab blocks of several classes, runs in one slice and more, direct blocks.
constexpr size_t kSizes[] = {0,       1,        15,
                             16,      17,       48,
                             500,     1024,     1025,
                             1300,    4000,     20481,
                             40000,   65536,    65537,
                             69632,   70000,    131072,
                             131073,  1 << 20,  (1 << 20) + 1,
                             5 << 20, 32 << 20, (32 << 20) + 1,
                             40 << 20};

size_t Smaller(size_t a, size_t b) { return a < b ? a : b; }

// The first byte of [from, to) that is not zero, looked for at both ends of it; `to` when there is
// none.
size_t FindNonZeroAtEnds(const void* block, size_t from, size_t to) {
    constexpr size_t kEnd = 70000;
    if (to - from <= 2 * kEnd) return FindNonZero(block, from, to);
    const size_t found = FindNonZero(block, from, from + kEnd);
    return found != from + kEnd ? found : FindNonZero(block, to - kEnd, to);
}

// Dirties what is looked at later: both ends of a block, and what is around its next end. All of 40
// MiB would take a minute.
void SoilAround(char* block, size_t usable, size_t next) {
    constexpr size_t kPart = 160'000;
    for (const size_t middle : {size_t{0}, next, usable}) {
        const size_t from = middle > kPart ? middle - kPart : 0;
        const size_t to = Smaller(middle + kPart, usable);
        if (from < to) std::memset(block + from, 0xDD, to - from);
    }
}

// From every size to every other, and back.
void CheckAllPairs(const TestHeap& heap, bool zero) {
    for (const size_t from : kSizes) {
        for (const size_t to : kSizes) {
            void* block = heap.Allocate(from);
            ASSERT_NE(block, nullptr) << from;
            // What is behind the requested size is dirty, too, as far as the caller may write it.
            SoilAround(static_cast<char*>(block), UsableSize(block), to);
            FillPattern(block, Smaller(from, 20000), from);
            block = Resize(heap.get(), block, to, {.zero = zero});
            ASSERT_NE(block, nullptr) << from << " to " << to;
            ASSERT_EQ(RequestedSize(block), to);
            ASSERT_EQ(Describe(block).heap, heap.get());
            ASSERT_EQ(AddressOf(block) % kMinAlignment, 0u);
            const size_t kept = Smaller(Smaller(from, to), 20000);
            ASSERT_EQ(FindPatternBreak(block, kept, from), kept) << from << " to " << to;
            if (zero && to > from) {
                ASSERT_EQ(FindNonZeroAtEnds(block, from, to), to) << from << " to " << to;
            }
            if (to != 0) static_cast<char*>(block)[to - 1] = 1;
            block = Resize(nullptr, block, from, {.zero = zero});
            ASSERT_NE(block, nullptr) << to << " back to " << from;
            ASSERT_EQ(RequestedSize(block), from);
            if (zero && from > to) {
                ASSERT_EQ(FindNonZeroAtEnds(block, to, from), from) << to << " back to " << from;
            }
            heap.Free(block);
        }
    }
    EXPECT_TRUE(IsConsistent(*heap));
}

// One thread, for minutes: nothing for ThreadSanitizer, and other builds run them.
TEST(Resize, AllKindsToAllKinds) {
    if (test::kThreadSanitizer) GTEST_SKIP();
    const TestHeap heap;
    CheckAllPairs(heap, false);
}

TEST(Resize, ZeroedGrowthStartsAtTheRequestedSize) {
    if (test::kThreadSanitizer) GTEST_SKIP();
    const TestHeap heap;
    CheckAllPairs(heap, true);
}

TEST(Resize, ByteByByte) {
    const TestHeap heap;
    void* block = heap.Allocate(0);
    for (size_t bytes = 1; bytes <= 5000; ++bytes) {
        block = Resize(nullptr, block, bytes, {.zero = true});
        ASSERT_NE(block, nullptr);
        ASSERT_EQ(RequestedSize(block), bytes);
        ASSERT_EQ(static_cast<uint8_t*>(block)[bytes - 1], 0u) << bytes;
        static_cast<uint8_t*>(block)[bytes - 1] = test::PatternByte(1, bytes - 1);
    }
    for (size_t bytes = 5000; bytes-- > 0;) {
        block = Resize(nullptr, block, bytes, {});
        ASSERT_EQ(RequestedSize(block), bytes);
        if (bytes % 50 == 0) {
            ASSERT_EQ(FindPatternBreak(block, bytes, 1), bytes);
        }
    }
}

TEST(Resize, WithinTheClassStaysInPlace) {
    const TestHeap heap;
    void* const block = heap.Allocate(1100);
    for (const size_t bytes : {1152, 1025, 1152, 1100}) {
        EXPECT_EQ(Resize(nullptr, block, bytes, {}), block) << bytes;
        EXPECT_EQ(RequestedSize(block), bytes);
    }
}

TEST(Resize, RunsGrowInPlaceWhenThereIsRoom) {
    const TestHeap heap;
    PurgeAll();
    // Earlier tests may have left short gaps in the arenas: the first blocks fill those.
    void* block = nullptr;
    size_t in_place = 0;
    for (int tries = 0; tries < 1000 && in_place <= 5; ++tries) {
        block = heap.Allocate(100000);
        ASSERT_NE(block, nullptr);
        in_place = 0;
        for (size_t bytes = 100000; bytes < 4'000'000; bytes += 100000) {
            if (Resize(nullptr, block, bytes, {.zero = true, .in_place = true}) == nullptr) break;
            ++in_place;
            ASSERT_EQ(RequestedSize(block), bytes);
        }
    }
    EXPECT_GT(in_place, 5u) << "nothing else lies behind it";
    EXPECT_EQ(Resize(nullptr, block, 70000, {.in_place = true}), block) << "shrinks in place";
}

TEST(Resize, SlicesBehindAShrunkRunAreFree) {
    const TestHeap heap;
    char* const block = static_cast<char*>(heap.Allocate(10 << 20));
    ASSERT_EQ(Resize(nullptr, block, 100000, {}), block);
    EXPECT_EQ(Describe(block + (5 << 20)).status, BlockStatus::kUnallocated);
    EXPECT_EQ(Describe(block + 50000).status, BlockStatus::kInterior);
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(Resize, AShrunkDirectBlockGivesMemoryBack) {
    const TestHeap heap;
    const size_t before = test::CommittedAfterPurge();
    void* block = heap.Allocate(size_t{64} << 20);
    std::memset(block, 1, size_t{64} << 20);
    block = Resize(nullptr, block, 1 << 20, {});
    EXPECT_EQ(RequestedSize(block), size_t{1} << 20);
    EXPECT_LT(test::CommittedAfterPurge(), before + (size_t{4} << 20));
    block = Resize(nullptr, block, size_t{64} << 20, {.zero = true});
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(FindNonZero(block, 1 << 20, size_t{64} << 20), size_t{64} << 20);
    heap.Free(block);
    EXPECT_EQ(test::CommittedAfterPurge(), before);
}

TEST(Resize, InPlaceOnlyNeverMoves) {
    const TestHeap heap;
    for (const size_t from : kSizes) {
        for (const size_t to : kSizes) {
            void* const block = heap.Allocate(from);
            FillPattern(block, Smaller(from, 5000), 9);
            void* const resized = Resize(heap.get(), block, to, {.in_place = true});
            if (resized == nullptr) {
                ASSERT_GT(to, from) << "a block can always shrink in place: " << from;
                ASSERT_EQ(RequestedSize(block), from) << "untouched";
            } else {
                ASSERT_EQ(resized, block);
                ASSERT_EQ(RequestedSize(block), to);
            }
            const size_t kept = Smaller(Smaller(from, to), 5000);
            ASSERT_EQ(FindPatternBreak(block, kept, 9), kept);
            heap.Free(block);
        }
    }
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(Resize, KeepsTheAlignmentAskedFor) {
    const TestHeap heap;
    for (size_t alignment = 16; alignment <= size_t{4} << 20; alignment *= 4) {
        void* block = AllocateAligned(*heap, alignment, 10, false);
        for (const size_t bytes : {100, 5000, 70000, 1 << 20, 100, 3 << 20, 65536, 0}) {
            block = Resize(nullptr, block, bytes, {.alignment = alignment});
            ASSERT_NE(block, nullptr);
            ASSERT_EQ(AddressOf(block) % alignment, 0u) << bytes;
            ASSERT_EQ(RequestedSize(block), bytes);
        }
        heap.Free(block);
    }
}

TEST(Resize, RaisesTheAlignmentOfAnyBlock) {
    const TestHeap heap;
    for (const size_t bytes : {48, 3000, 70000}) {
        std::vector<void*> others;
        for (int i = 0; i < 3; ++i) others.push_back(heap.Allocate(bytes));
        void* block = heap.Allocate(bytes);
        FillPattern(block, bytes, 3);
        block = Resize(nullptr, block, bytes, {.alignment = 1 << 20});
        EXPECT_EQ(AddressOf(block) % (1 << 20), 0u);
        EXPECT_EQ(FindPatternBreak(block, bytes, 3), bytes);
        EXPECT_EQ(RequestedSize(block), bytes);
    }
}

TEST(Resize, FailureLeavesTheBlockAlone) {
    const TestHeap heap;
    for (const size_t from : {size_t{100}, size_t{5000}, size_t{100000}, size_t{40} << 20}) {
        void* const block = heap.Allocate(from);
        FillPattern(block, Smaller(from, 5000), 4);
        for (const size_t to : {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2 + 1, size_t{1} << 50}) {
            for (const bool in_place : {false, true}) {
                os::SetLastErrorCode(0);
                EXPECT_EQ(Resize(heap.get(), block, to, {.zero = true, .in_place = in_place}),
                          nullptr);
                EXPECT_EQ(os::GetLastErrorCode(), 8u);
                EXPECT_EQ(RequestedSize(block), from);
                EXPECT_EQ(FindPatternBreak(block, Smaller(from, 5000), 4), Smaller(from, 5000));
            }
        }
        heap.Free(block);
    }
    EXPECT_TRUE(IsConsistent(*heap));
}

// As the Windows heap has it: who asks for less may keep the pointer.
TEST(Resize, LessStaysWhereItIs) {
    const HeapRequest requests[] = {{},
                                    {.maximum = 64 << 20},
                                    {.executable = true},
                                    {.check_tail = true},
                                    {.check_tail = true, .check_free = true},
                                    {.hardened = true}};
    const size_t sizes[] = {0,    1,     8,     24,     50,      100,     900,
                            5000, 65536, 65537, 131072, 1 << 20, 3 << 20, 40 << 20};
    for (const HeapRequest& request : requests) {
        const TestHeap heap(request);
        for (const size_t from : sizes) {
            if (request.maximum != 0 && from > slab::kMaxRegionBlock) continue;
            if (&request != requests && from > 3 << 20)
                continue;  // the pages of one heap are enough
            for (const size_t to : sizes) {
                if (to > from) break;
                for (const bool zero : {false, true}) {
                    void* const block = heap.Allocate(from);
                    FillPattern(block, Smaller(to, 5000), 7);
                    ASSERT_EQ(Resize(heap.get(), block, to, {.zero = zero}), block)
                        << from << " to " << to;
                    ASSERT_EQ(RequestedSize(block), to);
                    ASSERT_EQ(FindPatternBreak(block, Smaller(to, 5000), 7), Smaller(to, 5000));
                    heap.Free(block);
                }
            }
        }
        EXPECT_TRUE(IsConsistent(*heap));
    }
}

TEST(Resize, AShrunkRunGivesMemoryBack) {
    const TestHeap heap;
    const size_t before = test::CommittedAfterPurge();
    void* const block = heap.Allocate(10 << 20);
    std::memset(block, 1, 10 << 20);
    ASSERT_EQ(Resize(nullptr, block, 16, {}), block);
    EXPECT_LE(test::CommittedAfterPurge(), before + 64 * 1024) << "its record, a page of it";
    heap.Free(block);
}

TEST(Resize, LargeBlocksGrowALittleInPlace) {
    const TestHeap heap;
    std::vector<void*> blocks;
    for (int i = 0; i < 20; ++i) blocks.push_back(heap.Allocate(128 * 1024));
    for (void* const block : blocks) {
        EXPECT_EQ(Resize(heap.get(), block, 128 * 1024 + 512, {.in_place = true}), block);
    }
    for (void* const block : blocks) heap.Free(block);
}

// Growing by halves, as vectors do: a third of the steps need no copy, whatever lies between.
TEST(Resize, AGrowingBlockOftenStaysInPlace) {
    const TestHeap heap;
    int steps = 0, in_place = 0;
    std::vector<void*> others;
    for (int round = 0; round < 3; ++round) {
        size_t bytes = 70'000;
        void* block = heap.Allocate(bytes);
        while (bytes < size_t{80} << 20) {
            bytes += bytes / 2;
            others.push_back(heap.Allocate(100'000));  // in the way
            void* const grown = Resize(nullptr, block, bytes, {});
            ASSERT_NE(grown, nullptr);
            ++steps;
            if (grown == block) ++in_place;
            block = grown;
        }
        heap.Free(block);
    }
    EXPECT_GE(in_place * 3, steps) << in_place << " of " << steps;
}

}  // namespace
}  // namespace strata::heap
