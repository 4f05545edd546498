// Unwinding from a trampoline is unwinding from the function it stands for: compared, at every
// instruction, for every function that the system's modules export.
#include "override/unwind.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "trampolines.h"

namespace strata::override {
namespace {

constexpr const wchar_t* kModules[] = {L"ntdll.dll", L"kernel32.dll", L"kernelbase.dll",
                                       L"msvcrt.dll", L"ucrtbase.dll"};

// What is the same for a caller, whatever function it called.
struct Caller {
    DWORD64 rip, rsp, rbx, rbp, rsi, rdi, r12, r13, r14, r15;
    bool operator==(const Caller&) const = default;
};

class UnwindTest : public testing::Test {
protected:
    void SetUp() override {
        // Every word of the stack names itself.
        for (size_t i = 0; i < stack_.size(); ++i) stack_[i] = 0x1000'0000'0000 + i * 8;
    }
    // Where a thread at `address`, with a stack and registers of ours, was called from.
    Caller From(const uint8_t* address) {
        CONTEXT context = {};
        context.Rip = AddressOf(address);
        context.Rsp = AddressOf(&stack_[0x100]);
        context.Rbp = AddressOf(&stack_[0x180]);
        context.Rbx = 1, context.Rsi = 2, context.Rdi = 3;
        context.R12 = 4, context.R13 = 5, context.R14 = 6, context.R15 = 7;
        DWORD64 base = 0;
        RUNTIME_FUNCTION* const function = RtlLookupFunctionEntry(context.Rip, &base, nullptr);
        if (function == nullptr) {
            context.Rip = *reinterpret_cast<const DWORD64*>(context.Rsp);
            context.Rsp += 8;
        } else {
            void* data = nullptr;
            DWORD64 frame = 0;
            RtlVirtualUnwind(UNW_FLAG_NHANDLER, base, context.Rip, function, &context, &data,
                             &frame, nullptr);
        }
        return {context.Rip, context.Rsp, context.Rbx, context.Rbp, context.Rsi,
                context.Rdi, context.R12, context.R13, context.R14, context.R15};
    }

    std::array<DWORD64, 0x8000> stack_;
};

TEST_F(UnwindTest, TrampolinesAreAsTheirFunctions) {
    size_t described = 0;
    for (const wchar_t* const name : kModules) {
        const ModuleImage image = Load(name);
        const std::set<const uint8_t*> functions = FunctionsOf(image);
        constexpr size_t kSlot = kMaxTrampolineBytes + kMaxUnwindBytes;
        static_assert(kSlot % 4 == 0);
        auto* const block = static_cast<uint8_t*>(
            AllocateNear(ReachOf(image.begin, image.begin + image.bytes), image.begin,
                         image.begin + image.bytes, functions.size() * kSlot));
        ASSERT_NE(nullptr, block);
        std::vector<RUNTIME_FUNCTION> table;
        struct Made {
            const uint8_t* function;
            uint8_t* trampoline;
            RelocatedEntry relocated;
        };
        std::vector<Made> all;
        uint8_t* at = block;
        for (const uint8_t* const function : functions) {
            RelocatedEntry relocated;
            if (CheckEntry(function) != Refusal::kNone ||
                RelocateEntry(function, 64, kNearJumpBytes, AddressOf(at), relocated) !=
                    Refusal::kNone) {
                continue;
            }
            std::memcpy(at, relocated.code, relocated.code_bytes);
            uint8_t* const info = at + kMaxTrampolineBytes;
            if (DescribeTrampoline(function, relocated, info) == Unwinding::kDescribed) {
                const auto begin = static_cast<DWORD>(at - block);
                table.push_back({begin,
                                 begin + static_cast<DWORD>(relocated.code_bytes),
                                 {static_cast<DWORD>(info - block)}});
                all.push_back({function, at, relocated});
            }
            at += kSlot;
        }
        ASSERT_TRUE(
            RtlAddFunctionTable(table.data(), static_cast<DWORD>(table.size()), AddressOf(block)));
        for (const Made& made : all) {
            EXPECT_TRUE(From(made.function) == From(made.trampoline));
            for (size_t i = 0; i < made.relocated.moved; ++i) {
                const auto& end = made.relocated.ends[i];
                // The whole of it was moved: what comes behind is another function's.
                if (end.trampoline == made.relocated.code_bytes) continue;
                EXPECT_TRUE(From(made.function + end.entry) ==
                            From(made.trampoline + end.trampoline))
                    << name << "+" << std::hex << AddressOf(made.function) - image.begin << ", "
                    << +end.entry;
            }
        }
        described += all.size();
        EXPECT_TRUE(RtlDeleteFunctionTable(table.data()));
        FreeNear(block);
    }
    std::printf("  %zu functions with unwind data compared\n", described);
    EXPECT_GT(described, 500u);
}

// As the engine does it: the system finds the trampoline's data, and no longer once it was
// forgotten.
TEST_F(UnwindTest, TheSystemKnowsThemAsLongAsTheyExist) {
    const ModuleImage image = Load(L"ucrtbase.dll");
    void* const function = FindExport(image, "_recalloc");
    ASSERT_NE(nullptr, function);
    DWORD64 base;
    if (RtlLookupFunctionEntry(AddressOf(function), &base, nullptr) == nullptr) GTEST_SKIP();
    void* original = nullptr;
    const RedirectRequest request = {"_recalloc", function, &original, &original};
    std::vector<uint8_t> before(static_cast<uint8_t*>(function),
                                static_cast<uint8_t*>(function) + kNearJumpBytes);
    const RedirectResult result = RedirectAll(&request, 1);
    ASSERT_TRUE(result.Done());
    ASSERT_NE(nullptr, result.unwind_data);
    EXPECT_NE(nullptr, RtlLookupFunctionEntry(AddressOf(original), &base, nullptr));
    DWORD protection;
    ASSERT_TRUE(VirtualProtect(function, before.size(), PAGE_EXECUTE_READWRITE, &protection));
    std::memcpy(function, before.data(), before.size());
    VirtualProtect(function, before.size(), protection, &protection);
    ForgetRedirects(result);
    EXPECT_EQ(nullptr, RtlLookupFunctionEntry(AddressOf(original), &base, nullptr));
}

}  // namespace
}  // namespace strata::override
