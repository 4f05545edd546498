// What programs keep beside a block: user values and flags.
#include <gtest/gtest.h>

#include <cstring>

#include "heap/walk.h"
#include "store/heap_record.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::TestHeap;

constexpr uint32_t kFlag1 = 0x200;
constexpr uint32_t kFlag2 = 0x400;

void* AllocateUser(Heap& heap, size_t bytes, uint32_t flags = 0) {
    UserRecord record = {};
    record.flags = flags;
    AllocateOptions options;
    options.user = &record;
    return AllocateWith(heap, bytes, options);
}

struct UserRecordTest : ::testing::TestWithParam<size_t> {
    static HeapRequest Request(size_t maximum) {
        HeapRequest request;
        request.maximum = maximum;
        return request;
    }
    const TestHeap heap_{Request(GetParam())};
    int value_ = 0;
};

TEST_P(UserRecordTest, LivesBesideBlocksOfEverySize) {
    for (size_t bytes = 0; bytes < 900'000; bytes = bytes * 5 / 4 + 1) {
        char* const block = static_cast<char*>(AllocateUser(*heap_, bytes, kFlag1));
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(RequestedSize(block), bytes);
        EXPECT_GE(UsableSize(block), bytes);
        EXPECT_TRUE(SetUserValue(*heap_, block, &value_));
        std::memset(block, 0xff, UsableSize(block));
        UserRecord record;
        ASSERT_TRUE(GetUserRecord(*heap_, block, record));
        EXPECT_EQ(record.value, &value_) << bytes;
        EXPECT_EQ(record.flags, kFlag1);
        EXPECT_TRUE(SetUserFlags(*heap_, block, kFlag1, kFlag2));
        ASSERT_TRUE(GetUserRecord(*heap_, block, record));
        EXPECT_EQ(record.flags, kFlag2);
        EXPECT_EQ(RequestedSize(block), bytes);
        heap_.Free(block);
        EXPECT_FALSE(GetUserRecord(*heap_, block, record));
    }
    EXPECT_TRUE(IsConsistent(*heap_));
}

TEST_P(UserRecordTest, MovesWithItsBlock) {
    char* block = static_cast<char*>(AllocateUser(*heap_, 5));
    ASSERT_TRUE(SetUserValue(*heap_, block, &value_));
    ASSERT_TRUE(SetUserFlags(*heap_, block, 0, kFlag2));
    std::memset(block, 'x', 5);
    for (const size_t bytes : {6, 20, 16, 1000, 40, 70'000, 500'000, 300'000, 5}) {
        block = static_cast<char*>(Resize(&*heap_, block, bytes, {.zero = true}));
        ASSERT_NE(block, nullptr);
        UserRecord record;
        ASSERT_TRUE(GetUserRecord(*heap_, block, record));
        EXPECT_EQ(record.value, &value_) << bytes;
        EXPECT_EQ(record.flags, kFlag2);
        EXPECT_EQ(RequestedSize(block), bytes);
        for (int i = 0; i < 5; ++i) ASSERT_EQ(block[i], 'x');
    }
    heap_.Free(block);
}

TEST_P(UserRecordTest, ABlockWithoutOne) {
    void* const block = heap_.Allocate(100);
    heap_.Allocate(1);
    UserRecord record = {&value_, 1, 1};
    EXPECT_TRUE(GetUserRecord(*heap_, block, record));
    EXPECT_EQ(record.value, nullptr);
    EXPECT_EQ(record.flags, 0u);
    EXPECT_FALSE(SetUserValue(*heap_, block, &value_));
    EXPECT_TRUE(SetUserFlags(*heap_, block, kFlag1, 0)) << "it is clear";
    EXPECT_FALSE(SetUserFlags(*heap_, block, 0, kFlag1)) << "no room";
    // A resize can add it.
    ResizeOptions options;
    options.user = true;
    options.user_flags = kFlag1;
    void* const moved = Resize(&*heap_, block, 100, options);
    ASSERT_NE(moved, nullptr);
    EXPECT_TRUE(SetUserValue(*heap_, moved, &value_));
    ASSERT_TRUE(GetUserRecord(*heap_, moved, record));
    EXPECT_EQ(record.flags, kFlag1);
    EXPECT_EQ(record.value, &value_);
    EXPECT_FALSE(GetUserRecord(*heap_, static_cast<char*>(moved) + 1, record));
    EXPECT_FALSE(SetUserValue(*heap_, &value_, nullptr));
}

TEST_P(UserRecordTest, WalksShowIt) {
    void* const block = AllocateUser(*heap_, 77, kFlag1);
    SetUserValue(*heap_, block, &value_);
    heap_.Allocate(77);
    WalkEntry entry;
    size_t with = 0;
    while (WalkStep(*heap_, entry)) {
        if (!entry.has_user) continue;
        ++with;
        EXPECT_EQ(entry.address, block);
        EXPECT_EQ(entry.bytes, 77u);
        EXPECT_EQ(entry.user_value, &value_);
        EXPECT_EQ(entry.user_flags, kFlag1);
    }
    EXPECT_EQ(with, 1u);
}

INSTANTIATE_TEST_SUITE_P(Heaps, UserRecordTest, ::testing::Values(0, 8 << 20));

TEST(UserRecord, FlagsFindRoomInTheSlack) {
    const TestHeap heap;
    void* const block = heap.Allocate(2049);  // of 2304
    EXPECT_TRUE(SetUserFlags(*heap, block, 0, kFlag1));
    EXPECT_EQ(RequestedSize(block), 2049u);
    UserRecord record;
    EXPECT_TRUE(GetUserRecord(*heap, block, record));
    EXPECT_EQ(record.flags, kFlag1);
    void* const large = heap.Allocate(100'000);
    EXPECT_TRUE(SetUserFlags(*heap, large, 0, kFlag1));
    heap.Free(large);
    // The next owner of the same run finds none.
    void* const again = heap.Allocate(100'000);
    EXPECT_TRUE(GetUserRecord(*heap, again, record));
    EXPECT_EQ(record.flags, 0u);
}

// A call that names flags for a block without a record is no reason to move it, or to refuse, if it
// becomes smaller.
TEST(UserRecord, LessNeedsNone) {
    const HeapRequest requests[] = {
        {}, {.maximum = 1 << 20}, {.check_tail = true}, {.hardened = true}};
    for (const HeapRequest& request : requests) {
        const TestHeap heap(request);
        for (const size_t from : {13, 300, 5000, 400'000}) {
            for (const bool in_place : {false, true}) {
                void* const block = heap.Allocate(from);
                ResizeOptions options{.in_place = in_place, .user = true, .user_flags = kFlag1};
                ASSERT_EQ(Resize(heap.get(), block, 5, options), block) << from;
                EXPECT_EQ(RequestedSize(block), 5u);
                EXPECT_TRUE(IsIntactBlock(*heap, block));
                heap.Free(block);
            }
        }
        EXPECT_TRUE(IsConsistent(*heap));
    }
}

// Blocks that were allocated without a record, in each kind of heap that keeps one elsewhere.
struct LateRecordTest : ::testing::TestWithParam<int> {
    static HeapRequest Request(int kind) {
        HeapRequest request;
        request.hardened = kind == 1;
        request.page_heap = kind == 2;
        return request;
    }
    void ExpectFlags(const void* block, uint32_t flags) const {
        UserRecord record;
        ASSERT_TRUE(GetUserRecord(*heap_, block, record));
        EXPECT_EQ(record.flags, flags);
    }
    const TestHeap heap_{Request(GetParam())};
};

TEST_P(LateRecordTest, ComesWithTheFlags) {
    for (const size_t bytes : {size_t{200}, size_t{70'000}}) {
        char* const block = static_cast<char*>(heap_.Allocate(bytes));
        std::memset(block, 'x', bytes);
        // There is room for a record now, wherever it is.
        ASSERT_EQ(Resize(&*heap_, block, bytes - 100, {.in_place = true}), block) << bytes;
        EXPECT_TRUE(SetUserFlags(*heap_, block, 0, kFlag1)) << bytes;
        ExpectFlags(block, kFlag1);
        EXPECT_EQ(RequestedSize(block), bytes - 100);
        EXPECT_EQ(block[bytes - 101], 'x');
        EXPECT_TRUE(IsConsistent(*heap_));
        heap_.Free(block);
    }
}

TEST_P(LateRecordTest, ComesWithAResize) {
    for (const size_t bytes : {size_t{200}, size_t{70'000}}) {
        char* block = static_cast<char*>(heap_.Allocate(bytes));
        std::memset(block, 'x', bytes);
        block = static_cast<char*>(
            Resize(&*heap_, block, bytes + 4, {.user = true, .user_flags = kFlag2}));
        ASSERT_NE(block, nullptr) << bytes;
        ExpectFlags(block, kFlag2);
        EXPECT_EQ(RequestedSize(block), bytes + 4);
        EXPECT_EQ(block[bytes - 1], 'x');
        EXPECT_TRUE(IsConsistent(*heap_));
        heap_.Free(block);
    }
}

INSTANTIATE_TEST_SUITE_P(PlainHardenedPaged, LateRecordTest, ::testing::Values(0, 1, 2));

}  // namespace
}  // namespace strata::heap
