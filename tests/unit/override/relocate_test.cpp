#include "override/relocate.h"

#include <gtest/gtest.h>

#include "code_memory.h"

namespace strata::override {
namespace {

using IntFunction = int (*)(int);  // the argument is in ecx, the result in eax

// Functions are written to `code`, their trampolines to `far_`, which is another allocation.
class RelocateTest : public testing::Test {
protected:
    Refusal Relocate(const uint8_t* entry, size_t readable = 64) {
        const Refusal refusal = RelocateEntry(entry, readable, kNearJumpBytes,
                                              reinterpret_cast<uintptr_t>(away_.at()), relocated_);
        if (refusal == Refusal::kNone) {
            std::memcpy(away_.at(), relocated_.code, relocated_.code_bytes);
        }
        return refusal;
    }
    int Call(const uint8_t* function, int argument = 0) {
        return reinterpret_cast<IntFunction>(reinterpret_cast<uintptr_t>(function))(argument);
    }
    // The trampoline gives what the function gives.
    void ExpectSame(const uint8_t* function, std::initializer_list<int> arguments) {
        ASSERT_EQ(Refusal::kNone, Relocate(function));
        for (const int argument : arguments) {
            const int expected = Call(function, argument);
            // The entry itself must not be needed any more.
            uint8_t saved[kNearJumpBytes];
            std::memcpy(saved, function, sizeof saved);
            std::memset(const_cast<uint8_t*>(function), 0xcc, sizeof saved);
            EXPECT_EQ(expected, Call(away_.at(), argument)) << "argument " << argument;
            std::memcpy(const_cast<uint8_t*>(function), saved, sizeof saved);
        }
    }

    CodeMemory code_;
    CodeMemory away_{code_.at()};
    RelocatedEntry relocated_;
};

TEST_F(RelocateTest, CopiesWholeInstructions) {
    // mov eax, 7; lea eax, [rax + rcx]; ret
    const uint8_t* function = code_.Write(0, {0xb8, 7, 0, 0, 0, 0x8d, 0x04, 0x08, 0xc3});
    ExpectSame(function, {0, 5, -7});
    EXPECT_EQ(5u, relocated_.covered_bytes);

    // push rbx; mov rbx, rcx; lea eax, [rbx + 1]; pop rbx; ret: covers 1 + 3 + 3
    function = code_.Write(0x40, {0x53, 0x48, 0x89, 0xcb, 0x8d, 0x43, 0x01, 0x5b, 0xc3});
    ExpectSame(function, {41});
    EXPECT_EQ(7u, relocated_.covered_bytes);
}

TEST_F(RelocateTest, MovesRipRelativeOperands) {
    code_.Write(0x100, {0x78, 0x56, 0x34, 0x12});
    // mov eax, [rip + (0x100 - 6)]; ret
    ExpectSame(code_.Write(0, {0x8b, 0x05, 0xfa, 0, 0, 0, 0xc3}), {0});
    // xor eax, eax; cmp dword [rip + (0x100 - 0x49 - 3)], imm32 12345678; sete al; ret. Behind the
    // displacement stands an immediate, so the operand is not at the instruction's end.
    const uint8_t* function = code_.Write(0x40, {0x31, 0xc0, 0x81, 0x3d, 0xb4, 0, 0, 0, 0x78, 0x56,
                                                 0x34, 0x12, 0x0f, 0x94, 0xc0, 0xc3});
    EXPECT_EQ(1, Call(function));
    ExpectSame(function, {0});
}

TEST_F(RelocateTest, MovesShortConditionalBranches) {
    // test ecx, ecx; je +6; mov eax, 1; ret; mov eax, 2; ret
    ExpectSame(
        code_.Write(0, {0x85, 0xc9, 0x74, 0x06, 0xb8, 1, 0, 0, 0, 0xc3, 0xb8, 2, 0, 0, 0, 0xc3}),
        {0, 1});
}

TEST_F(RelocateTest, MovesNearConditionalBranches) {
    code_.Write(0x200, {0xb8, 2, 0, 0, 0, 0xc3});
    // test ecx, ecx; jg 0x200; mov eax, 1; ret
    ExpectSame(code_.Write(0, {0x85, 0xc9, 0x0f, 0x8f, 0xf8, 0x01, 0, 0, 0xb8, 1, 0, 0, 0, 0xc3}),
               {-1, 0, 1});
}

TEST_F(RelocateTest, MovesCounterBranches) {
    // jrcxz +6; nop; nop; mov eax, 1; (…) ret; at 8: mov eax, 2; ret
    ExpectSame(
        code_.Write(0, {0xe3, 0x08, 0x90, 0x90, 0xb8, 1, 0, 0, 0, 0xc3, 0xb8, 2, 0, 0, 0, 0xc3}),
        {0, 1});
}

TEST_F(RelocateTest, MovesCalls) {
    code_.Write(0x80, {0x8d, 0x41, 0x03, 0xc3});  // lea eax, [rcx + 3]; ret
    // call 0x80; inc eax; ret
    ExpectSame(code_.Write(0, {0xe8, 0x7b, 0, 0, 0, 0xff, 0xc0, 0xc3}), {0, 10});
}

TEST_F(RelocateTest, MovesAJumpBehindOtherInstructions) {
    code_.Write(0x80, {0x8d, 0x41, 0x03, 0xc3});
    // inc ecx; jmp 0x80
    ExpectSame(code_.Write(0, {0xff, 0xc1, 0xe9, 0x79, 0, 0, 0}), {0, 10});
}

TEST_F(RelocateTest, AcceptsAShortFunctionWithPadding) {
    // inc ecx; jmp short 0x20; int3 …
    code_.Write(0x20, {0x8d, 0x41, 0x03, 0xc3});
    ExpectSame(code_.Write(0, {0xff, 0xc1, 0xeb, 0x1c, 0xcc, 0xcc}), {1});
    // xor eax, eax; ret; then no-operations
    ExpectSame(code_.Write(0x40, {0x31, 0xc0, 0xc3, 0x66, 0x90, 0x90}), {1});
}

TEST_F(RelocateTest, RefusesWhatIsTooShort) {
    EXPECT_EQ(Refusal::kTooShort, Relocate(code_.Write(0, {0x31, 0xc0, 0xc3, 0x53, 0x5b, 0xc3})));
    EXPECT_EQ(Refusal::kUnknownInstruction,
              Relocate(code_.Write(0x40, {0x53, 0x53, 0x53, 0x53, 0x53, 0xc3}), 4));
}

TEST_F(RelocateTest, RefusesJumpsAtTheEntry) {
    EXPECT_EQ(Refusal::kAlreadyRedirected, Relocate(code_.Write(0, {0xe9, 0, 1, 0, 0})));
    EXPECT_EQ(Refusal::kAlreadyRedirected, Relocate(code_.Write(0x40, {0xeb, 0x10, 0x90, 0x90})));
    EXPECT_EQ(Refusal::kAlreadyRedirected, Relocate(code_.Write(0x80, {0xff, 0x25, 0, 0, 0, 0})));
    EXPECT_EQ(Refusal::kAlreadyRedirected,
              Relocate(code_.Write(0xc0, {0x48, 0xff, 0x25, 0, 0, 0, 0})));
}

TEST_F(RelocateTest, RefusesBranchesIntoTheEntry) {
    // dec ecx; jnz back to 1: inside the first five bytes
    EXPECT_EQ(Refusal::kBranchIntoEntry,
              Relocate(code_.Write(0, {0xff, 0xc9, 0x75, 0xfd, 0x31, 0xc0, 0xc3})));
    // nop; nop; mov eax, ecx; dec ecx; jnz back to 2; ret: the loop starts among the covered bytes
    const uint8_t* function =
        code_.Write(0x40, {0x90, 0x90, 0x01, 0xc8, 0x90, 0xff, 0xc9, 0x75, 0xf9, 0xc3});
    EXPECT_EQ(Refusal::kNone, Relocate(function));
    EXPECT_TRUE(HasBranchIntoEntry(function, 64, kNearJumpBytes));
    // The same, back to the entry itself: a call of the function, not a branch into it.
    function = code_.Write(0x80, {0x90, 0x90, 0x01, 0xc8, 0x90, 0xff, 0xc9, 0x75, 0xf7, 0xc3});
    EXPECT_FALSE(HasBranchIntoEntry(function, 64, kNearJumpBytes));
}

TEST_F(RelocateTest, FollowsTheBodyBehindEarlyReturns) {
    // test ecx, ecx; jz +5 (0x09); mov eax, ecx; ret; nop; nop; at 9: jmp back to 2
    const uint8_t* function =
        code_.Write(0, {0x85, 0xc9, 0x74, 0x05, 0x89, 0xc8, 0xc3, 0x90, 0x90, 0xeb, 0xf7, 0xcc});
    EXPECT_TRUE(HasBranchIntoEntry(function, 64, kNearJumpBytes));
    // Behind the last return the next function begins; its branches are its own business.
    function = code_.Write(0x40, {0x85, 0xc9, 0x89, 0xc8, 0x90, 0x90, 0xc3, 0xeb, 0xf9});
    EXPECT_FALSE(HasBranchIntoEntry(function, 64, kNearJumpBytes));
}

TEST_F(RelocateTest, RefusesUnsafeAndUnknownInstructions) {
    EXPECT_EQ(Refusal::kUnsafeInstruction, Relocate(code_.Write(0, {0xcc, 0x48, 0x89, 0xc8})));
    EXPECT_EQ(Refusal::kUnsafeInstruction, Relocate(code_.Write(0x40, {0xf4, 0x90, 0x90, 0x90})));
    EXPECT_EQ(Refusal::kUnsafeInstruction,
              Relocate(code_.Write(0x80, {0xc7, 0xf8, 0, 0, 0, 0})));  // xbegin
    EXPECT_EQ(Refusal::kUnknownInstruction, Relocate(code_.Write(0xc0, {0x06, 0x06, 0x06, 0x06})));
}

TEST_F(RelocateTest, RefusesOperandsOutOfReach) {
    // lea rax, [rip + 0x7fffff00] from an address that is 4 GiB higher
    const uint8_t* function = code_.Write(0, {0x48, 0x8d, 0x05, 0x00, 0xff, 0xff, 0x7f, 0xc3});
    const uint64_t address = reinterpret_cast<uintptr_t>(function) + (uint64_t{4} << 30);
    EXPECT_EQ(Refusal::kOutOfReach, RelocateEntry(function, 64, 5, address, relocated_));
}

TEST_F(RelocateTest, JumpsAreNearWhereTheyCanBe) {
    uint8_t jump[kFarJumpBytes];
    EXPECT_EQ(kNearJumpBytes, EmitJump(jump, 0x140000000, 0x140000000 + INT32_MAX));
    EXPECT_EQ(0xe9, jump[0]);
    EXPECT_EQ(kFarJumpBytes, EmitJump(jump, 0x140000000, 0x7ff000000000));
    uint64_t target;
    std::memcpy(&target, jump + 6, sizeof target);
    EXPECT_EQ(0x7ff000000000u, target);
}

}  // namespace
}  // namespace strata::override
