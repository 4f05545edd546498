#include <strata/memory_resource.h>

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

TEST(MemoryResource, AllocatesFromTheProcessHeap) {
    strata::memory_resource resource;
    std::pmr::memory_resource& base = resource;
    EXPECT_EQ(resource.heap(), nullptr);
    void* const block = base.allocate(100);
    EXPECT_EQ(strata_requested_size(block), 100u);
    EXPECT_EQ(strata_heap_of(block), strata_heap_process());
    base.deallocate(block, 100);
    EXPECT_EQ(strata_owns(block), 0);
}

TEST(MemoryResource, AllocatesFromAHeap) {
    strata_heap* const heap = strata_heap_create();
    strata::memory_resource resource(heap);
    EXPECT_EQ(resource.heap(), heap);
    void* const block = resource.allocate(100);
    EXPECT_EQ(strata_heap_of(block), heap);
    resource.deallocate(block, 100);
    EXPECT_EQ(strata_owns(block), 0);
    strata_heap_destroy(heap);
}

TEST(MemoryResource, Aligns) {
    strata_heap* const heap = strata_heap_create();
    strata::memory_resource process, own(heap);
    for (std::pmr::memory_resource* resource : {static_cast<std::pmr::memory_resource*>(&process),
                                                static_cast<std::pmr::memory_resource*>(&own)}) {
        for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
            void* const block = resource->allocate(10, alignment);
            EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u);
            resource->deallocate(block, 10, alignment);
        }
    }
    strata_heap_destroy(heap);
}

TEST(MemoryResource, ThrowsWhenThereIsNoMemory) {
    strata_heap* const heap = strata_heap_create();
    strata::memory_resource process, own(heap);
    EXPECT_THROW(static_cast<void>(process.allocate(SIZE_MAX)), std::bad_alloc);
    EXPECT_THROW(static_cast<void>(process.allocate(SIZE_MAX, 64)), std::bad_alloc);
    EXPECT_THROW(static_cast<void>(own.allocate(SIZE_MAX)), std::bad_alloc);
    strata_heap_destroy(heap);
}

TEST(MemoryResource, EqualWhenTheHeapIs) {
    strata_heap* const heap = strata_heap_create();
    const strata::memory_resource one, two, own(heap), same(heap);
    EXPECT_TRUE(one.is_equal(one));
    EXPECT_TRUE(one.is_equal(two));
    EXPECT_TRUE(own == same);
    EXPECT_FALSE(one == own);
    EXPECT_FALSE(one == *std::pmr::new_delete_resource());
    strata_heap_destroy(heap);
}

TEST(MemoryResource, CarriesContainers) {
    strata_statistics before = {}, after = {};
    before.struct_size = after.struct_size = sizeof before;
    strata_get_statistics(&before);
    {
        strata_heap* const heap = strata_heap_create();
        strata::memory_resource resource(heap);
        {
            std::pmr::map<int, std::pmr::string> map(&resource);
            for (int i = 0; i < 2000; ++i) {
                map.emplace(i, std::string(static_cast<size_t>(i), 'x'));
            }
            std::thread([&] {
                for (int i = 0; i < 2000; i += 2) map.erase(i);
            }).join();
            EXPECT_EQ(map.at(1999).size(), 1999u);
            EXPECT_EQ(strata_heap_of(map.at(1999).data()), heap);
            EXPECT_EQ(strata_heap_validate(heap), 1);
        }
        strata_heap_destroy(heap);
    }
    strata_get_statistics(&after);
    EXPECT_EQ(after.live_blocks, before.live_blocks);
}

TEST(MemoryResource, UnderAMonotonicBuffer) {
    strata::memory_resource resource;
    std::pmr::monotonic_buffer_resource buffer(&resource);
    std::pmr::vector<std::pmr::string> texts(&buffer);
    for (int i = 0; i < 1000; ++i)
        texts.emplace_back("a text that is not short enough to be inline");
    EXPECT_EQ(texts.size(), 1000u);
}

}  // namespace
