#include "override/module_image.h"

#include <gtest/gtest.h>

#include "override/windows_api.h"

namespace strata::override {
namespace {

void* Loaders(const wchar_t* module, const char* name) {
    return reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(module), name));
}

TEST(ModuleImageTest, FindsWhatTheLoaderFinds) {
    const ModuleImage ntdll = FindImage(L"ntdll.dll");
    ASSERT_TRUE(ntdll.Exists());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(GetModuleHandleW(L"ntdll.dll")), ntdll.begin);
    for (const char* const name :
         {"RtlAllocateHeap", "RtlFreeHeap", "RtlZeroHeap", "LdrLoadDll", "NtClose", "memcpy",
          "RtlAcquireSRWLockExclusive", "qsort", "_strnicmp", "wcstoul"}) {
        EXPECT_EQ(Loaders(L"ntdll.dll", name), FindExport(ntdll, name)) << name;
    }
    EXPECT_TRUE(ntdll.Contains(FindExport(ntdll, "RtlFreeHeap")));
    const ModuleImage crt = FindImage(L"msvcrt.dll");
    ASSERT_TRUE(crt.Exists());
    EXPECT_EQ(Loaders(L"msvcrt.dll", "malloc"), FindExport(crt, "malloc"));
    EXPECT_EQ(Loaders(L"msvcrt.dll", "??2@YAPEAX_K@Z"), FindExport(crt, "??2@YAPEAX_K@Z"));
}

TEST(ModuleImageTest, EveryNameOfATable) {
    const ModuleImage image = FindImage(L"msvcrt.dll");
    const auto* const dos = reinterpret_cast<const IMAGE_DOS_HEADER*>(image.begin);
    const auto* const headers = reinterpret_cast<const IMAGE_NT_HEADERS64*>(
        image.begin + static_cast<ULONG>(dos->e_lfanew));
    const auto* const exports = reinterpret_cast<const IMAGE_EXPORT_DIRECTORY*>(
        image.begin + headers->OptionalHeader.DataDirectory[0].VirtualAddress);
    const auto* const names =
        reinterpret_cast<const uint32_t*>(image.begin + exports->AddressOfNames);
    ASSERT_GT(exports->NumberOfNames, 500u);
    size_t found = 0;
    for (uint32_t i = 0; i < exports->NumberOfNames; ++i) {
        const auto* const name = reinterpret_cast<const char*>(image.begin + names[i]);
        const void* const function = FindExport(image, name);
        if (function == nullptr) continue;  // a forwarder
        EXPECT_EQ(Loaders(L"msvcrt.dll", name), function) << name;
        ++found;
    }
    EXPECT_GT(found, 500u);
}

TEST(ModuleImageTest, NothingWhereNothingIs) {
    const ModuleImage ntdll = FindImage(L"ntdll.dll");
    for (const char* const name :
         {"", "A", "RtlAllocateHea", "RtlAllocateHeapX", "rtlallocateheap", "zzzzzz", "\xff"}) {
        EXPECT_EQ(nullptr, FindExport(ntdll, name)) << name;
    }
    EXPECT_FALSE(FindImage(L"there is no such module.dll").Exists());
    EXPECT_FALSE(ImageAt(nullptr).Exists());
    EXPECT_FALSE(ModuleImage{}.Contains(nullptr));
}

TEST(ModuleImageTest, ForwardersAreTheOtherModules) {
    ASSERT_NE(nullptr, Loaders(L"kernel32.dll", "HeapAlloc"));
    EXPECT_EQ(nullptr, FindExport(FindImage(L"kernel32.dll"), "HeapAlloc"));
}

}  // namespace
}  // namespace strata::override
