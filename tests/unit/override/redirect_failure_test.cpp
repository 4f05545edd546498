// What is left behind when redirecting fails: nothing. With functions of ntdll itself, which the
// process uses meanwhile.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "code_memory.h"
#include "override/entry_table.h"
#include "override/module_image.h"
#include "override/redirect.h"

namespace strata::override {
namespace {

// The bytes of a module that are not written to while it runs, and how each of its regions is
// protected.
class ModuleState {
public:
    explicit ModuleState(const ModuleImage& image) {
        for (uintptr_t at = image.begin; at < image.begin + image.bytes;) {
            MEMORY_BASIC_INFORMATION information = {};
            if (VirtualQuery(reinterpret_cast<void*>(at), &information, sizeof information) == 0)
                break;
            const auto* const bytes = static_cast<const uint8_t*>(information.BaseAddress);
            protections_.push_back({at, information.Protect});
            constexpr DWORD kCode =
                PAGE_READONLY | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
            if (information.State == MEM_COMMIT && (information.Protect & kCode) != 0) {
                bytes_.insert(bytes_.end(), bytes, bytes + information.RegionSize);
            }
            at = reinterpret_cast<uintptr_t>(bytes) + information.RegionSize;
        }
    }
    size_t size() const { return bytes_.size(); }
    bool operator==(const ModuleState&) const = default;

private:
    std::vector<std::pair<uintptr_t, DWORD>> protections_;
    std::vector<uint8_t> bytes_;
};

class NtdllTest : public testing::Test {
protected:
    void SetUp() override {
        image_ = FindImage(L"ntdll.dll");
        ASSERT_TRUE(image_.Exists());
        for (size_t i = 0; i < kEntryCount; ++i) {
            void* const entry = FindExport(image_, kEntries[i].name);
            if (entry == nullptr || CheckEntry(entry) != Refusal::kNone) continue;
            // What replaces it hands each call on, so that the process can go on meanwhile.
            uint8_t* const forward = code_.at(i * 16);
            const uint8_t jump[] = {0xff, 0x25, 0, 0, 0, 0};  // jmp [rip + …]
            std::memcpy(forward, jump, sizeof jump);
            const auto distance = static_cast<int32_t>(reinterpret_cast<uint8_t*>(&table()[i]) -
                                                       (forward + sizeof jump));
            std::memcpy(forward + 2, &distance, sizeof distance);
            table()[i] = entry;
            requests_.push_back({kEntries[i].name, entry, forward, &table()[i]});
            std::memcpy(before_.emplace_back().data(), entry, kNearJumpBytes);
        }
        ASSERT_GE(requests_.size(), 16u);
    }
    // In the code's own block, within reach of it.
    void** table() { return reinterpret_cast<void**>(code_.at(0x8000)); }

    ModuleImage image_;
    CodeMemory code_;
    std::vector<RedirectRequest> requests_;
    std::vector<std::array<uint8_t, kNearJumpBytes>> before_;  // the entries' bytes
};

TEST_F(NtdllTest, IsByteIdenticalAfterAFailureAtEveryWrite) {
    const ModuleState before(image_);
    for (uint32_t n = 1; n <= requests_.size(); ++n) {
        RedirectOptions options;
        options.fail_at_write = n;
        const RedirectResult result = RedirectAll(requests_.data(), requests_.size(), options);
        EXPECT_EQ(Refusal::kInjectedFault, result.refusal);
        EXPECT_STREQ(requests_[n - 1].name, result.name);
        for (const RedirectRequest& request : requests_)
            EXPECT_EQ(request.entry, *request.original);
        ASSERT_TRUE(before == ModuleState(image_)) << "write " << n;
        void* const block = HeapAlloc(GetProcessHeap(), 0, 100);
        EXPECT_EQ(100u, HeapSize(GetProcessHeap(), 0, block));
        EXPECT_TRUE(HeapFree(GetProcessHeap(), 0, block));
    }
    std::printf("  %zu redirects, each failed once, %zu bytes of ntdll compared\n",
                requests_.size(), before.size());
}

// VirtualProtect, failing at its Nth call.
uint32_t g_calls = 0;
uint32_t g_fail_at = 0;

BOOL WINAPI FailingProtect(void* address, SIZE_T bytes, DWORD protection, DWORD* old) {
    if (++g_calls == g_fail_at) {
        SetLastError(ERROR_COMMITMENT_LIMIT);
        return FALSE;
    }
    return VirtualProtect(address, bytes, protection, old);
}

TEST_F(NtdllTest, IsByteIdenticalAfterAFailureOfVirtualProtect) {
    const ModuleState before(image_);
    RedirectOptions options;
    options.protect = FailingProtect;
    // The first call is for the trampolines; then all entries are made writable, and put back.
    for (uint32_t n = 0; n <= requests_.size(); ++n) {
        g_calls = 0;
        g_fail_at = n + 1;
        const RedirectResult result = RedirectAll(requests_.data(), requests_.size(), options);
        EXPECT_EQ(Refusal::kProtect, result.refusal);
        ASSERT_TRUE(before == ModuleState(image_)) << "call " << g_fail_at;
        os::TextBuffer<200> text;
        PutRefusal(text, result);
        EXPECT_NE(nullptr, std::strstr(text.text(), "VirtualProtect failed (error 1455)"))
            << text.text();
    }
}

TEST_F(NtdllTest, WorksRedirected) {
    ASSERT_TRUE(RedirectAll(requests_.data(), requests_.size()).Done());
    for (size_t size = 0; size < 100000; size = size * 2 + 1) {
        void* block = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, size);
        ASSERT_NE(nullptr, block);
        block = HeapReAlloc(GetProcessHeap(), 0, block, size + 10);
        EXPECT_EQ(size + 10, HeapSize(GetProcessHeap(), 0, block));
        EXPECT_TRUE(HeapValidate(GetProcessHeap(), 0, block));
        EXPECT_TRUE(HeapFree(GetProcessHeap(), 0, block));
    }
    const HANDLE heap = HeapCreate(0, 0, 0);
    EXPECT_TRUE(HeapLock(heap) && HeapUnlock(heap));
    EXPECT_TRUE(HeapDestroy(heap));
    // For the tests that follow, and because the code here goes: as it was before.
    for (size_t i = 0; i < requests_.size(); ++i) {
        void* const entry = requests_[i].entry;
        DWORD old;
        ASSERT_TRUE(VirtualProtect(entry, kNearJumpBytes, PAGE_EXECUTE_READWRITE, &old));
        std::memcpy(entry, before_[i].data(), kNearJumpBytes);
        VirtualProtect(entry, kNearJumpBytes, old, &old);
    }
}

}  // namespace
}  // namespace strata::override
