#include "override/originals.h"

#include <gtest/gtest.h>

#include <vector>

#include "code_memory.h"
#include "override/redirect.h"

namespace strata::override {
namespace {

using IntFunction = int (*)(int);

int Call(const void* function, int argument) {
    return reinterpret_cast<IntFunction>(reinterpret_cast<uintptr_t>(function))(argument);
}

// What a replacement of several entries does in a case that it leaves to the original.
void* g_shared = nullptr;
int g_depth = 0;
int LeavesToTheOriginal(int value) {
    if (++g_depth > 100) return -1;
    return Call(g_shared, value);
}

class OriginalsTest : public testing::Test {
protected:
    void SetUp() override { g_depth = 0; }
    // `offset` of a function of a number of entries that share an original.
    void Add(size_t offset, void** original = &g_shared) {
        requests_.push_back(
            {"f", code_.at(offset),
             reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(&LeavesToTheOriginal)),
             original});
    }
    Originals Prove() { return ProveOriginals(requests_.data(), requests_.size()); }
    // lea eax, [rcx + 7]; nop; nop; ret
    void WriteInner(size_t at) { code_.Write(at, {0x8d, 0x41, 7, 0x90, 0x90, 0xc3}); }

    CodeMemory code_;
    std::vector<RedirectRequest> requests_;
    void* other_ = nullptr;
};

// `free` of Microsoft's ucrtbase: mov dword [rsp + 16], 0; mov eax, [rsp + 16]; jmp _free_base.
TEST_F(OriginalsTest, ThatOfMicrosoftsFreeIsItsBase) {
    code_.Write(0,
                {0xc7, 0x44, 0x24, 0x10, 0, 0, 0, 0, 0x8b, 0x44, 0x24, 0x10, 0xe9, 0xef, 0, 0, 0});
    WriteInner(0x100);
    for (const bool outer_first : {true, false}) {
        requests_.clear();
        Add(outer_first ? 0 : 0x100);
        Add(outer_first ? 0x100 : 0);
        EXPECT_EQ(outer_first ? 2u : 1u, Prove().published);
        EXPECT_EQ(0u, Prove().unproven);
    }
    ASSERT_TRUE(RedirectAll(requests_.data(), requests_.size()).Done());
    EXPECT_EQ(12, Call(code_.at(0), 5));
    EXPECT_EQ(12, Call(code_.at(0x100), 5));
    EXPECT_EQ(2, g_depth);
}

// Whatever the way from one to the other.
TEST_F(OriginalsTest, EveryWayIntoTheOtherIsSeen) {
    WriteInner(0x100);
    const std::vector<std::initializer_list<int>> shapes = {
        {0x31, 0xc0, 0x31, 0xc0, 0x90, 0xe9, 0xf6, 0, 0, 0},                 // jmp
        {0x85, 0xc9, 0x90, 0x90, 0x90, 0x0f, 0x84, 0xf5, 0, 0, 0, 0xc3},     // je
        {0x85, 0xc9, 0x90, 0x90, 0x90, 0x74, 1, 0xc3, 0xe9, 0xf3, 0, 0, 0},  // je to a jmp
        {0x48, 0x83, 0xec, 0x28, 0x90, 0xe8, 0xf6, 0, 0, 0, 0x48, 0x83, 0xc4, 0x28, 0xc3},  // call
        {0x31, 0xc0, 0x31, 0xc0, 0x90, 0xff, 0x25, 0xf5, 0x0f, 0, 0},        // jmp [0x1000]
        {0x48, 0x83, 0xec, 0x28, 0x90, 0xff, 0x15, 0xf5, 0x0f, 0, 0, 0xc3},  // call [0x1000]
        {0x31, 0xc0, 0x31, 0xc0, 0x90, 0xe9, 0xf6, 1, 0, 0},                 // jmp to a jmp
        {0x48, 0x83, 0xec, 0x28, 0x90, 0xe8, 0xf6, 1, 0, 0, 0xc3},           // call of a jmp
    };
    code_.Write(0x200, {0xe9, 0xfb, 0xfe, 0xff, 0xff});  // jmp 0x100
    void* const inner = code_.at(0x100);
    std::memcpy(code_.at(0x1000), &inner, sizeof inner);
    Add(0);
    Add(0x100);
    for (const auto& shape : shapes) {
        std::memset(code_.at(0), 0xcc, 0x40);
        code_.Write(0, shape);
        EXPECT_EQ(2u, Prove().published) << &shape - shapes.data();
        EXPECT_EQ(0u, Prove().unproven) << &shape - shapes.data();
    }
}

// Each leads to the other: only one of them can be redirected.
TEST_F(OriginalsTest, ARingIsRefused) {
    code_.Write(0, {0x85, 0xc9, 0x90, 0x90, 0x90, 0x0f, 0x84, 0xf5, 0, 0, 0, 0xc3});
    code_.Write(0x100, {0x85, 0xc9, 0x90, 0x90, 0x90, 0x0f, 0x85, 0xf5, 0xfe, 0xff, 0xff, 0xc3});
    Add(0);
    Add(0x100);
    EXPECT_EQ(0u, Prove().published);
    EXPECT_EQ(2u, Prove().unproven);
    EXPECT_EQ(Refusal::kLeadsBack, RedirectAll(requests_.data(), 2).refusal);
    requests_.pop_back();
    EXPECT_EQ(1u, Prove().published);
    EXPECT_TRUE(RedirectAll(requests_.data(), 1).Done());
}

// Two kinds of functions, of which each is led to by the other's original.
TEST_F(OriginalsTest, ARingOfTwoKindsIsRefused) {
    WriteInner(0x300);
    code_.Write(0, {0x85, 0xc9, 0x90, 0x90, 0x90, 0x0f, 0x84, 0xf5, 0, 0, 0, 0xc3});  // 0x100
    code_.Write(0x100, {0x85, 0xc9, 0x90, 0x90, 0x90, 0x0f, 0x85, 0xf5, 0xfe, 0xff, 0xff, 0xc3});
    Add(0);
    Add(0x300);
    Add(0x100, &other_);
    // With an original of its own, 0x100 is as it was before.
    EXPECT_EQ(1u | 4u, Prove().published);
    Add(0x200, &other_);
    code_.Write(0x200, {0x31, 0xc0, 0x31, 0xc0, 0x90, 0xe9, 0xf6, 0, 0, 0});  // jmp 0x300
    // The second kind's first leads to the first kind, which is settled.
    EXPECT_EQ(2u | 4u, Prove().published);
    code_.Write(0x300, {0x85, 0xc9, 0x90, 0x90, 0x90, 0x0f, 0x84, 0xf5, 0xfe, 0xff, 0xff, 0xc3});
    EXPECT_EQ(0u, Prove().published);  // 0x300 leads to 0x200 now
    EXPECT_EQ(2u | 8u, Prove().unproven);
}

TEST_F(OriginalsTest, WhatCannotBeFollowedIsNoOriginal) {
    WriteInner(0x100);
    code_.Write(0, {0x31, 0xc0, 0x31, 0xc0, 0x90, 0x06, 0xc3});  // push es: no instruction
    Add(0);
    Add(0x100);
    EXPECT_EQ(2u, Prove().published);
    requests_.pop_back();
    EXPECT_EQ(1u, Prove().published);  // with an original of its own it does not matter
}

// Loops, and a jump through a table, which ends what can be known.
TEST_F(OriginalsTest, LoopsAndTablesEnd) {
    code_.Write(0, {0x31, 0xc0, 0x31, 0xc0, 0x90, 0xff, 0xc8, 0x75, 0xfc, 0xff, 0xe0});
    WriteInner(0x100);
    Add(0);
    Add(0x100);
    EXPECT_EQ(1u, Prove().published);
    EXPECT_EQ(0u, Prove().unproven);
}

}  // namespace
}  // namespace strata::override
