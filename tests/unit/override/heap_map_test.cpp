#include "override/heap_map.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace strata::override {
namespace {

// Handles look like the system's; heaps are only looked at as pointers here.
const void* HandleOf(size_t i) { return reinterpret_cast<const void*>((i + 1) << 16); }
heap::Heap* HeapFor(size_t i) { return reinterpret_cast<heap::Heap*>((i + 1) << 20); }

TEST(HeapMap, FindsWhatWasInserted) {
    HeapMap map;
    EXPECT_EQ(nullptr, map.Find(HandleOf(1)));
    EXPECT_TRUE(map.Insert(HandleOf(1), HeapFor(1)));
    EXPECT_TRUE(map.Insert(HandleOf(2), HeapFor(2)));
    EXPECT_EQ(HeapFor(1), map.Find(HandleOf(1)));
    EXPECT_EQ(HeapFor(2), map.Find(HandleOf(2)));
    EXPECT_EQ(HeapFor(1), map.Remove(HandleOf(1)));
    EXPECT_EQ(nullptr, map.Remove(HandleOf(1)));
    EXPECT_EQ(nullptr, map.Find(HandleOf(1)));
    EXPECT_EQ(HeapFor(2), map.Find(HandleOf(2)));
    EXPECT_EQ(1u, map.size());
}

TEST(HeapMap, KnowsNoNullHandle) {
    HeapMap map;
    EXPECT_EQ(nullptr, map.Find(nullptr));
    EXPECT_EQ(nullptr, map.Remove(nullptr));
    EXPECT_EQ(nullptr, map.Find(reinterpret_cast<const void*>(1)));
}

TEST(HeapMap, Grows) {
    HeapMap map;
    constexpr size_t kMany = 20000;
    for (size_t i = 0; i < kMany; ++i) ASSERT_TRUE(map.Insert(HandleOf(i), HeapFor(i)));
    for (size_t i = 0; i < kMany; ++i) ASSERT_EQ(HeapFor(i), map.Find(HandleOf(i)));
    EXPECT_EQ(kMany, map.size());
    for (size_t i = 0; i < kMany; ++i) ASSERT_EQ(HeapFor(i), map.Remove(HandleOf(i)));
    EXPECT_EQ(0u, map.size());
    EXPECT_EQ(nullptr, map.Find(HandleOf(17)));
}

TEST(HeapMap, DoesNotFillUpWithRemovedEntries) {
    HeapMap map;
    // Each handle is another one; a lookup that finds nothing must still come to an end.
    for (size_t i = 0; i < 100000; ++i) {
        ASSERT_TRUE(map.Insert(HandleOf(i), HeapFor(i)));
        if (i >= 50) {
            ASSERT_EQ(HeapFor(i - 50), map.Remove(HandleOf(i - 50)));
        }
        ASSERT_EQ(nullptr, map.Find(HandleOf(i + 1)));
    }
    EXPECT_EQ(50u, map.size());
}

TEST(HeapMap, ReadersNeverMissAnEntryThatStays) {
    HeapMap map;
    constexpr size_t kStaying = 100;
    for (size_t i = 0; i < kStaying; ++i) map.Insert(HandleOf(i * 7), HeapFor(i * 7));
    std::atomic<bool> stop{false};
    std::atomic<int> missed{0};
    std::vector<std::thread> readers;
    for (int r = 0; r < 2; ++r) {
        readers.emplace_back([&] {
            while (!stop) {
                for (size_t i = 0; i < kStaying; ++i) {
                    if (map.Find(HandleOf(i * 7)) != HeapFor(i * 7)) ++missed;
                }
            }
        });
    }
    for (size_t round = 0; round < 30; ++round) {
        for (size_t i = 0; i < 500; ++i) map.Insert(HandleOf(10000 + i * 3), HeapFor(i));
        for (size_t i = 0; i < 500; ++i) map.Remove(HandleOf(10000 + i * 3));
    }
    stop = true;
    for (std::thread& reader : readers) reader.join();
    EXPECT_EQ(0, missed);
}

}  // namespace
}  // namespace strata::override
