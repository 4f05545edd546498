#include "override/entry_point.h"

#include <gtest/gtest.h>

#include "code_memory.h"
#include "override/redirect.h"

namespace strata::override {
namespace {

using IntFunction = int (*)(int);

int Replacement(int value) { return value + 1000; }

// A module, and what is not part of it: the code of a hotpatch, or somebody else's.
class EntryPointTest : public testing::Test {
protected:
    // Answers as the system would about a hotpatch of the module.
    static ModuleImage TheOther(const void* address) noexcept {
        return s_other.Contains(address) ? s_other : ModuleImage{};
    }
    void SetUp() override {
        s_other = {reinterpret_cast<uintptr_t>(other_.at()), CodeMemory::kBytes};
    }
    EntryPoint Find(size_t offset, HotpatchFinder finder = FindHotpatch) {
        return FindEntryPoint(image_, code_.at(offset), finder);
    }
    // jmp [rip + …], through a pointer at 0x8000 to `target`.
    void WriteThunk(size_t at, void* target) {
        const int distance = 0x8000 - static_cast<int>(at) - 6;
        code_.Write(at, {0xff, 0x25, distance & 0xff, distance >> 8 & 0xff, 0, 0});
        std::memcpy(code_.at(0x8000), &target, sizeof target);
    }
    // As a hotpatched function of ntdll is: jmp -7, to a jmp that leads to a thunk.
    uint8_t* WriteHotpatched(size_t at) {
        WriteThunk(0x1000, other_.at());
        const int distance = 0x1000 - static_cast<int>(at);
        code_.Write(at - 5, {0xe9, distance & 0xff, distance >> 8 & 0xff, distance >> 16 & 0xff,
                             distance >> 24 & 0xff, 0xeb, 0xf9, 0x90, 0x90, 0x90});
        other_.Write(0, {0x8d, 0x41, 7, 0x90, 0x90, 0xc3});  // lea eax, [rcx + 7]; …; ret
        return code_.at(at);
    }
    static int Call(const void* function, int argument) {
        return reinterpret_cast<IntFunction>(reinterpret_cast<uintptr_t>(function))(argument);
    }

    CodeMemory code_;
    CodeMemory other_{code_.at()};
    ModuleImage image_{reinterpret_cast<uintptr_t>(code_.at()), CodeMemory::kBytes};
    static inline ModuleImage s_other;
};

TEST_F(EntryPointTest, JumpsInsideTheImageAreFollowed) {
    code_.Write(0, {0xe9, 0xfb, 0, 0, 0});               // jmp 0x100
    code_.Write(0x100, {0xe9, 0xfb, 0xff, 0, 0});        // jmp 0x10100, outside
    code_.Write(0x200, {0xe9, 0xfb, 0xfd, 0xff, 0xff});  // jmp 0
    code_.Write(0x300, {0x48, 0x89, 0xc8, 0xc3});        // no jump
    code_.Write(0x400, {0xeb, 0x0e});                    // jmp short 0x410
    code_.Write(0x410, {0xe9, 0xeb, 0xfe, 0xff, 0xff});  // jmp 0x300
    WriteThunk(0x500, code_.at(0x300));
    for (const auto& [from, to] : {std::pair{0, 0x100},
                                   {0x100, 0x100},
                                   {0x200, 0x100},
                                   {0x300, 0x300},
                                   {0x400, 0x300},
                                   {0x410, 0x300},
                                   {0x500, 0x300}}) {
        const EntryPoint found = Find(static_cast<size_t>(from));
        EXPECT_EQ(code_.at(static_cast<size_t>(to)), found.at) << from;
        EXPECT_EQ(FirstJump::kRefused, found.first);
        EXPECT_FALSE(found.hotpatch.Exists());
    }
}

// A loop that begins with a jump to its test: who is redirected there is called in each round.
TEST_F(EntryPointTest, AShortJumpIntoTheFunctionItselfIsNotFollowed) {
    code_.Write(0, {0xeb, 0x02, 0xff, 0xc8, 0x85, 0xc0, 0x75, 0xfa, 0xc3});
    EXPECT_EQ(code_.at(0), Find(0).at);
    EXPECT_EQ(Refusal::kAlreadyRedirected, CheckEntry(Find(0).at, Find(0).first));
}

TEST_F(EntryPointTest, ARingEnds) {
    code_.Write(0, {0xe9, 0xfb, 0xff, 0xff, 0xff});  // jmp to itself
    EXPECT_EQ(code_.at(0), Find(0).at);
    WriteThunk(0x40, code_.at(0x40));
    EXPECT_EQ(code_.at(0x40), Find(0x40).at);
    code_.Write(0x80, {0xff, 0x25, 0, 0, 0, 0x7f});  // through a pointer where nothing is
    EXPECT_EQ(code_.at(0x80), Find(0x80).at);
}

TEST_F(EntryPointTest, AHotpatchedFunctionIsRedirectedInFrontOfIt) {
    uint8_t* const function = WriteHotpatched(0x2005);
    EXPECT_EQ(12, Call(function, 5));
    const EntryPoint found = Find(0x2005, TheOther);
    EXPECT_EQ(code_.at(0x2000), found.at);
    EXPECT_EQ(FirstJump::kMoved, found.first);
    EXPECT_EQ(s_other.begin, found.hotpatch.begin);
    ASSERT_EQ(Refusal::kNone, CheckEntry(found.at, found.first));

    void* original = nullptr;
    const RedirectRequest request = {
        "f", found.at, reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(&Replacement)),
        &original, found.first};
    ASSERT_TRUE(RedirectAll(&request, 1).Done());
    EXPECT_EQ(1005, Call(function, 5));
    EXPECT_EQ(12, Call(original, 5));
    EXPECT_EQ(0xeb, function[0]);  // as it was
}

// A thunk alone is long enough, too.
TEST_F(EntryPointTest, AHotpatchedFunctionThatIsAThunk) {
    WriteThunk(0x1000, other_.at());
    code_.Write(0x40, {0xe9, 0xbb, 0x0f, 0, 0});  // jmp 0x1000
    EXPECT_EQ(code_.at(0x1000), Find(0x1000, TheOther).at);
    EXPECT_EQ(code_.at(0x40), Find(0x40, TheOther).at);
    EXPECT_EQ(FirstJump::kMoved, Find(0x40, TheOther).first);
}

// Memory that is no image, as that of other tools' hooks.
TEST_F(EntryPointTest, SomebodyElsesRedirectIsRefused) {
    WriteHotpatched(0x2005);
    const EntryPoint found = Find(0x2005);
    EXPECT_FALSE(found.hotpatch.Exists());
    EXPECT_EQ(Refusal::kAlreadyRedirected, CheckEntry(found.at, found.first));
}

TEST_F(EntryPointTest, HotpatchesAreToldByTheirFiles) {
    EXPECT_FALSE(FindHotpatch(code_.at()).Exists());
    EXPECT_FALSE(FindHotpatch(nullptr).Exists());
    EXPECT_FALSE(FindHotpatch(GetModuleHandleW(L"ntdll.dll")).Exists());
    // Any DLL, under such a name.
    wchar_t from[MAX_PATH], folder[MAX_PATH];
    ASSERT_NE(0u, GetSystemDirectoryW(from, MAX_PATH));
    ASSERT_NE(0u, GetTempPathW(MAX_PATH, folder));
    const std::wstring copy = std::wstring(folder) + L"Some_HotPatch.dll";
    ASSERT_TRUE(CopyFileW((std::wstring(from) + L"\\version.dll").c_str(), copy.c_str(), FALSE));
    const HMODULE module = LoadLibraryW(copy.c_str());
    ASSERT_NE(nullptr, module);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(module), FindHotpatch(module).begin);
    FreeLibrary(module);
    DeleteFileW(copy.c_str());
}

}  // namespace
}  // namespace strata::override
