#include <strata/allocator.h>

#include <gtest/gtest.h>

#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

struct alignas(64) Aligned {
    char bytes[64];
};

TEST(Allocator, CarriesContainers) {
    std::vector<int, strata::allocator<int>> numbers;
    for (int i = 0; i < 100000; ++i) numbers.push_back(i);
    EXPECT_EQ(strata_owns(numbers.data()), 1);
    EXPECT_EQ(strata_requested_size(numbers.data()), numbers.capacity() * sizeof(int));
    using String = std::basic_string<char, std::char_traits<char>, strata::allocator<char>>;
    std::map<int, String, std::less<>, strata::allocator<std::pair<const int, String>>> map;
    std::unordered_map<int, String, std::hash<int>, std::equal_to<>,
                       strata::allocator<std::pair<const int, String>>>
        table;
    for (int i = 0; i < 500; ++i) {
        map[i] = table[i] = String(static_cast<size_t>(i), 'x');
    }
    EXPECT_EQ(map[499], table[499]);
    std::list<int, strata::allocator<int>> one{1, 2, 3}, two{4};
    two.splice(two.end(), one);
    EXPECT_EQ(two.size(), 4u);
}

TEST(Allocator, IsStateless) {
    static_assert(std::allocator_traits<strata::allocator<int>>::is_always_equal::value);
    static_assert(std::is_empty_v<strata::allocator<int>>);
    const strata::allocator<int> one;
    const strata::allocator<char> two(one);
    EXPECT_TRUE(one == strata::allocator<int>(two));
    EXPECT_FALSE(one != two);
}

TEST(Allocator, KeepsTheTypesAlignment) {
    std::vector<Aligned, strata::allocator<Aligned>> blocks(100);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks.data()) % 64, 0u);
    const auto shared = std::allocate_shared<Aligned>(strata::allocator<Aligned>());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(shared.get()) % 64, 0u);
}

TEST(Allocator, Throws) {
    strata::allocator<int> ints;
    EXPECT_THROW(static_cast<void>(ints.allocate(SIZE_MAX / 2)), std::bad_array_new_length);
    EXPECT_THROW(static_cast<void>(ints.allocate(SIZE_MAX)), std::bad_array_new_length);
    EXPECT_THROW(static_cast<void>(ints.allocate(PTRDIFF_MAX / sizeof(int))), std::bad_alloc);
    int* const none = ints.allocate(0);
    EXPECT_NE(none, nullptr);
    ints.deallocate(none, 0);
}

}  // namespace
