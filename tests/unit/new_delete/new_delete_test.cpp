// The replaced operator new and delete: this program is linked with strata::new_delete.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <strata/strata.h>

namespace {

struct alignas(256) Wide {
    char bytes[256];
};

// Calls that the compiler may not leave out.
template <typename T>
T* Keep(T* pointer) {
    T* volatile kept = pointer;
    return kept;
}

bool IsStrata(const void* block, size_t bytes) {
    return strata_owns(block) == 1 && strata_requested_size(block) == bytes;
}

TEST(NewDelete, EveryFormIsReplaced) {
    void* block = Keep(::operator new(100));
    EXPECT_TRUE(IsStrata(block, 100));
    ::operator delete(block);
    block = Keep(::operator new[](101));
    EXPECT_TRUE(IsStrata(block, 101));
    ::operator delete[](block);
    block = Keep(::operator new(102, std::nothrow));
    EXPECT_TRUE(IsStrata(block, 102));
    ::operator delete(block, std::nothrow);
    block = Keep(::operator new[](103, std::nothrow));
    EXPECT_TRUE(IsStrata(block, 103));
    ::operator delete[](block, std::nothrow);
    block = Keep(::operator new(104));
    ::operator delete(block, size_t{104});
    EXPECT_EQ(strata_owns(block), 0);
    block = Keep(::operator new[](105));
    ::operator delete[](block, size_t{105});
    EXPECT_EQ(strata_owns(block), 0);
}

TEST(NewDelete, EveryAlignedFormIsReplaced) {
    constexpr std::align_val_t kAlignment{4096};
    const auto check = [](void* block, size_t bytes) {
        EXPECT_TRUE(IsStrata(block, bytes));
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 4096, 0u);
    };
    void* block = Keep(::operator new(100, kAlignment));
    check(block, 100);
    ::operator delete(block, kAlignment);
    block = Keep(::operator new[](101, kAlignment));
    check(block, 101);
    ::operator delete[](block, kAlignment);
    block = Keep(::operator new(102, kAlignment, std::nothrow));
    check(block, 102);
    ::operator delete(block, kAlignment, std::nothrow);
    block = Keep(::operator new[](103, kAlignment, std::nothrow));
    check(block, 103);
    ::operator delete[](block, kAlignment, std::nothrow);
    block = Keep(::operator new(104, kAlignment));
    ::operator delete(block, size_t{104}, kAlignment);
    block = Keep(::operator new[](105, kAlignment));
    ::operator delete[](block, size_t{105}, kAlignment);
    EXPECT_EQ(strata_owns(block), 0);
}

TEST(NewDelete, ExpressionsAndContainers) {
    const auto wide = std::make_unique<Wide>();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(Keep(wide.get())) % 256, 0u);
    EXPECT_EQ(strata_owns(Keep(wide.get())), 1);
    std::vector<std::string> texts;
    for (int i = 0; i < 1000; ++i) texts.push_back(std::string(static_cast<size_t>(i), 'x'));
    EXPECT_EQ(strata_owns(texts.data()), 1);
    std::thread([moved = std::move(texts)] { EXPECT_EQ(moved.back().size(), 999u); }).join();
    const auto array = std::make_unique<std::string[]>(100);
    EXPECT_TRUE(array[99].empty());
    delete Keep<int>(nullptr);
}

TEST(NewDelete, ThrowsWithoutHandler) {
    ASSERT_EQ(std::get_new_handler(), nullptr);
    const size_t too_much = SIZE_MAX / 2 + 1;
    EXPECT_THROW(Keep(::operator new(too_much)), std::bad_alloc);
    EXPECT_THROW(Keep(::operator new[](too_much, std::align_val_t{64})), std::bad_alloc);
    EXPECT_EQ(Keep(::operator new(too_much, std::nothrow)), nullptr);
    EXPECT_EQ(Keep(::operator new[](too_much, std::align_val_t{64}, std::nothrow)), nullptr);
}

int g_handler_calls = 0;

TEST(NewDelete, AsksTheHandlerUntilItGivesUp) {
    g_handler_calls = 0;
    std::set_new_handler([] {
        if (++g_handler_calls == 3) std::set_new_handler(nullptr);
    });
    EXPECT_THROW(Keep(::operator new(SIZE_MAX / 2 + 1)), std::bad_alloc);
    EXPECT_EQ(g_handler_calls, 3);
}

TEST(NewDelete, HandlerMayThrow) {
    std::set_new_handler([] { throw std::bad_alloc(); });
    EXPECT_THROW(Keep(::operator new(SIZE_MAX / 2 + 1)), std::bad_alloc);
    EXPECT_EQ(Keep(::operator new(SIZE_MAX / 2 + 1, std::nothrow)), nullptr);
    std::set_new_handler(nullptr);
}

}  // namespace
