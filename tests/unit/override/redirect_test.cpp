#include "override/redirect.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "code_memory.h"

namespace strata::override {
namespace {

using IntFunction = int (*)(int);

IntFunction AsFunction(const void* code) {
    return reinterpret_cast<IntFunction>(reinterpret_cast<uintptr_t>(code));
}

const void* Address(IntFunction function) {
    return reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(function));
}

int Replacement(int value) { return value + 1000; }

// `count` functions of different shapes, 64 bytes apart; the Nth returns its argument plus N.
class RedirectTest : public testing::Test {
protected:
    static constexpr size_t kFunctions = 12;

    void SetUp() override {
        for (size_t i = 0; i < kFunctions; ++i) {
            const int n = static_cast<int>(i);
            switch (i % 3) {
                case 0:  // lea eax, [rcx + n]; nop; nop; ret
                    code_.Write(i * 64, {0x8d, 0x41, n, 0x90, 0x90, 0xc3});
                    break;
                case 1:  // push rbx; mov ebx, n; lea eax, [rcx + rbx]; pop rbx; ret
                    code_.Write(i * 64, {0x53, 0xbb, n, 0, 0, 0, 0x8d, 0x04, 0x19, 0x5b, 0xc3});
                    break;
                default:  // mov eax, [rip + 0x1a]; add eax, ecx; ret; at 0x20: n
                    code_.Write(i * 64, {0x8b, 0x05, 0x1a, 0, 0, 0, 0x01, 0xc8, 0xc3});
                    code_.Write(i * 64 + 0x20, {n, 0, 0, 0});
            }
        }
        for (size_t i = 0; i < kFunctions; ++i) {
            requests_.push_back({"f", Entry(i), Address(Replacement), &originals_[i]});
        }
        // As code usually is.
        DWORD ignored;
        ASSERT_TRUE(VirtualProtect(code_.at(), CodeMemory::kBytes, PAGE_EXECUTE_READ, &ignored));
    }

    uint8_t* Entry(size_t i) { return code_.at(i * 64); }
    DWORD ProtectionOf(const void* address) {
        MEMORY_BASIC_INFORMATION information = {};
        VirtualQuery(address, &information, sizeof information);
        return information.Protect;
    }

    CodeMemory code_;
    void* originals_[kFunctions] = {};
    std::vector<RedirectRequest> requests_;
};

TEST_F(RedirectTest, LeadsToTheReplacementAndKeepsTheOriginal) {
    const RedirectResult result = RedirectAll(requests_.data(), requests_.size());
    ASSERT_TRUE(result.Done()) << RefusalText(result.refusal);
    for (size_t i = 0; i < kFunctions; ++i) {
        EXPECT_EQ(1005, AsFunction(Entry(i))(5));
        EXPECT_EQ(5 + static_cast<int>(i), AsFunction(originals_[i])(5));
        // Neither the code nor the trampolines are left writable.
        EXPECT_EQ(DWORD{PAGE_EXECUTE_READ}, ProtectionOf(Entry(i)));
        EXPECT_EQ(DWORD{PAGE_EXECUTE_READ}, ProtectionOf(originals_[i]));
    }
}

TEST_F(RedirectTest, RollsBackByteExactlyAtEveryWrite) {
    const std::vector<uint8_t> before(code_.at(), code_.at() + CodeMemory::kBytes);
    for (uint32_t n = 1; n <= kFunctions; ++n) {
        RedirectOptions options;
        options.fail_at_write = n;
        const RedirectResult result = RedirectAll(requests_.data(), requests_.size(), options);
        EXPECT_EQ(Refusal::kInjectedFault, result.refusal);
        ASSERT_EQ(0, std::memcmp(before.data(), code_.at(), before.size())) << "write " << n;
        for (size_t i = 0; i < kFunctions; ++i) {
            EXPECT_EQ(5 + static_cast<int>(i), AsFunction(Entry(i))(5));
            EXPECT_EQ(5 + static_cast<int>(i), AsFunction(originals_[i])(5));
        }
    }
    EXPECT_TRUE(RedirectAll(requests_.data(), requests_.size()).Done());
}

TEST_F(RedirectTest, OneRefusalLeavesEverythingAlone) {
    DWORD ignored;
    VirtualProtect(code_.at(), CodeMemory::kBytes, PAGE_EXECUTE_READWRITE, &ignored);
    code_.Write(7 * 64, {0xe9, 0, 1, 0, 0});
    requests_[7].name = "seventh";
    const std::vector<uint8_t> before(code_.at(), code_.at() + CodeMemory::kBytes);
    const RedirectResult result = RedirectAll(requests_.data(), requests_.size());
    EXPECT_EQ(Refusal::kAlreadyRedirected, result.refusal);
    EXPECT_STREQ("seventh", result.name);
    EXPECT_EQ(0, std::memcmp(before.data(), code_.at(), before.size()));
}

TEST_F(RedirectTest, RefusesASecondTime) {
    ASSERT_TRUE(RedirectAll(requests_.data(), requests_.size()).Done());
    EXPECT_EQ(Refusal::kAlreadyRedirected, RedirectAll(requests_.data(), requests_.size()).refusal);
}

TEST_F(RedirectTest, RefusesOverlappingRequests) {
    requests_[1].entry = Entry(0);
    EXPECT_EQ(Refusal::kOverlap, RedirectAll(requests_.data(), requests_.size()).refusal);
}

TEST_F(RedirectTest, RefusesWhatIsNotCode) {
    static int data = 0;
    requests_[0].entry = &data;
    EXPECT_EQ(Refusal::kNotCode, RedirectAll(requests_.data(), 1).refusal);
    EXPECT_EQ(Refusal::kNotCode, CheckEntry(nullptr));
}

TEST_F(RedirectTest, RefusesTooManyAndAcceptsNone) {
    EXPECT_TRUE(RedirectAll(nullptr, 0).Done());
    std::vector<RedirectRequest> many(kMaxRedirects + 1, requests_[0]);
    EXPECT_FALSE(RedirectAll(many.data(), many.size()).Done());
}

TEST_F(RedirectTest, WritesEntriesAtEveryOffsetInACacheLine) {
    DWORD ignored;
    VirtualProtect(code_.at(), CodeMemory::kBytes, PAGE_EXECUTE_READWRITE, &ignored);
    for (size_t offset = 0; offset < 64; ++offset) {
        uint8_t* const entry = code_.at(0x1000 + offset * 128 + offset);
        const uint8_t body[] = {0x8d, 0x41, 0x07, 0x90, 0x90, 0xc3};
        std::memcpy(entry, body, sizeof body);
        entry[-1] = 0x5a;
        entry[6] = 0xa5;
        void* original = nullptr;
        const RedirectRequest request = {"f", entry, Address(Replacement), &original};
        ASSERT_TRUE(RedirectAll(&request, 1).Done());
        EXPECT_EQ(1005, AsFunction(entry)(5));
        EXPECT_EQ(12, AsFunction(original)(5));
        EXPECT_EQ(0x5a, entry[-1]);
        EXPECT_EQ(0xc3, entry[5]);
        EXPECT_EQ(0xa5, entry[6]);
    }
}

TEST_F(RedirectTest, CallersMeanwhileSeeTheOldFunctionOrTheNewOne) {
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::atomic<int> replaced{0};
    std::vector<std::thread> threads;
    // One whole first instruction of five bytes: no thread can stand inside the entry.
    DWORD ignored;
    VirtualProtect(code_.at(), CodeMemory::kBytes, PAGE_EXECUTE_READWRITE, &ignored);
    code_.Write(0, {0xb8, 0x11, 0, 0, 0, 0x01, 0xc8, 0xc3});  // mov eax, 17; add eax, ecx; ret
    for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] {
            while (!stop) {
                const int result = AsFunction(Entry(0))(5);
                if (result == 1005) {
                    ++replaced;
                } else if (result != 22) {
                    ++wrong;
                }
            }
        });
    }
    Sleep(20);
    EXPECT_TRUE(RedirectAll(requests_.data(), 1).Done());
    while (replaced == 0) Sleep(1);
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(0, wrong);
}

TEST(NearMemory, LiesWithinReachAndAwayFromTheModule) {
    const auto module = reinterpret_cast<uintptr_t>(GetModuleHandleW(L"ntdll.dll"));
    const uint64_t end = module + 0x200000;
    void* const block = AllocateNear(ReachOf(module, end), module, end, 0x1000);
    ASSERT_NE(nullptr, block);
    const auto address = reinterpret_cast<uintptr_t>(block);
    EXPECT_TRUE(InReach(address, module));
    EXPECT_TRUE(InReach(address + 0x1000, end));
    EXPECT_TRUE(InReach(end, address));
    EXPECT_TRUE(InReach(module, address + 0x1000));
    FreeNear(block);
}

// An exception could not pass through the trampoline's copy of one: the function has no unwind
// data.
TEST_F(RedirectTest, ACallWithoutUnwindDataIsRefused) {
    CodeMemory code;
    code.Write(0, {0x48, 0x83, 0xec, 0x28, 0xe8, 0x10, 0, 0, 0, 0x48, 0x83, 0xc4, 0x28, 0xc3});
    code.Write(0x40, {0x48, 0x83, 0xec, 0x28, 0x31, 0xc0, 0xe8, 0x10, 0, 0, 0, 0x48, 0x83, 0xc4,
                      0x28, 0xc3});
    EXPECT_EQ(Refusal::kCallInEntry, CheckEntry(code.at(0)));
    EXPECT_EQ(Refusal::kNone, CheckEntry(code.at(0x40)));  // behind the moved bytes
    EXPECT_EQ(Refusal::kAlreadyRedirected, CheckEntry(code.Write(0x80, {0xeb, 0x10})));
}

TEST_F(RedirectTest, ForgottenMemoryIsFree) {
    const RedirectResult result = RedirectAll(requests_.data(), requests_.size());
    ASSERT_TRUE(result.Done());
    ASSERT_NE(nullptr, result.memory);
    MEMORY_BASIC_INFORMATION information = {};
    VirtualQuery(result.memory, &information, sizeof information);
    EXPECT_EQ(static_cast<DWORD>(MEM_COMMIT), information.State);
    ForgetRedirects(result);
    VirtualQuery(result.memory, &information, sizeof information);
    EXPECT_EQ(static_cast<DWORD>(MEM_FREE), information.State);
    ForgetRedirects({});  // nothing was redirected
}

}  // namespace
}  // namespace strata::override
