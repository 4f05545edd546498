// Reports while the loader's lock is held, by this thread or by one that never gives it back: the
// stacks in them, and the names of modules and functions, must not take it.
#include <windows.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "children.h"

#include <strata/strata.h>

namespace strata::life {
namespace {

constexpr wchar_t kFileVariable[] = L"STRATA_TEST_REPORT";
constexpr unsigned kSeconds = 30;
constexpr int kAfterFault = 77;

// Standard error becomes the file that the parent names.
void ReportToFile() {
    wchar_t path[MAX_PATH];
    if (GetEnvironmentVariableW(kFileVariable, path, MAX_PATH) == 0) std::_Exit(2);
    const HANDLE file = CreateFileW(path, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_DELETE,
                                    nullptr, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file == INVALID_HANDLE_VALUE || !SetStdHandle(STD_ERROR_HANDLE, file)) std::_Exit(3);
}

void LockLoader() {
    using Lock = LONG(NTAPI*)(ULONG, ULONG*, ULONG_PTR*);
    const auto lock = reinterpret_cast<Lock>(reinterpret_cast<void*>(
        GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "LdrLockLoaderLock")));
    ULONG_PTR cookie = 0;
    if (lock == nullptr || lock(0, nullptr, &cookie) != 0) std::_Exit(4);
}

DWORD WINAPI HoldLoaderLock(void* locked) {
    LockLoader();
    SetEvent(locked);
    Sleep(INFINITE);
    return 0;
}

void LockLoaderElsewhere() {
    const HANDLE locked = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    CreateThread(nullptr, 0, HoldLoaderLock, locked, 0, nullptr);
    WaitForSingleObject(locked, INFINITE);
}

int FreeTwice(void (*lock)()) {
    ReportToFile();
    void* const block = strata_malloc(100);
    strata_free(block);
    lock();
    strata_free(block);
    return 1;
}

LONG CALLBACK EndAfterFault(EXCEPTION_POINTERS* pointers) {
    if (pointers->ExceptionRecord->ExceptionCode == EXCEPTION_ACCESS_VIOLATION) {
        TerminateProcess(GetCurrentProcess(), kAfterFault);
    }
    return EXCEPTION_CONTINUE_SEARCH;
}

// What comes after the report is not ours: it ends here.
int UseAfterFree(void (*lock)()) {
    ReportToFile();
    auto* const block = static_cast<volatile char*>(strata_malloc(100));
    strata_free(const_cast<char*>(block));
    AddVectoredExceptionHandler(0, EndAfterFault);
    lock();
    block[5] = 1;
    return 1;
}

const Registered kFreeHere("report_free_here", [] { return FreeTwice(LockLoader); });
const Registered kFreeElsewhere("report_free_elsewhere",
                                [] { return FreeTwice(LockLoaderElsewhere); });
const Registered kUseHere("report_use_here", [] { return UseAfterFree(LockLoader); });
const Registered kUseElsewhere("report_use_elsewhere",
                               [] { return UseAfterFree(LockLoaderElsewhere); });

std::string ReadAndRemove(const std::wstring& path) {
    std::string text;
    const HANDLE file = CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr,
                                    OPEN_EXISTING, 0, nullptr);
    char part[4096];
    for (DWORD got = 0; ReadFile(file, part, sizeof part, &got, nullptr) && got > 0;) {
        text.append(part, got);
    }
    CloseHandle(file);
    DeleteFileW(path.c_str());
    return text;
}

// The report of a child that is a page heap, so that there are three stacks to tell.
std::string ReportOf(const char* child, uint32_t& code) {
    wchar_t folder[MAX_PATH], path[MAX_PATH];
    GetTempPathW(MAX_PATH, folder);
    GetTempFileNameW(folder, L"str", 0, path);
    SetEnvironmentVariableW(kFileVariable, path);
    SetEnvironmentVariableW(L"STRATA_PAGE_HEAP", L"1");
    code = RunChild(child, kSeconds);
    SetEnvironmentVariableW(L"STRATA_PAGE_HEAP", nullptr);
    return ReadAndRemove(path);
}

void ExpectStacks(const std::string& report, const char* last) {
    for (const char* part : {"  allocated by thread ", "  freed by thread ", last}) {
        const size_t at = report.find(part);
        ASSERT_NE(at, std::string::npos) << part << "\n" << report;
        // The first call of the stack, by its module.
        const size_t line = report.find('\n', at) + 1;
        EXPECT_NE(
            report.substr(line, report.find('\n', line) - line).find("strata_life_test.exe+0x"),
            std::string::npos)
            << report;
    }
    EXPECT_NE(report.find("kernel32.dll+0x"), std::string::npos) << report;
    EXPECT_NE(report.find(" (BaseThreadInitThunk+0x"), std::string::npos) << report;
}

TEST(ReportUnderTheLoaderLock, OfADoubleFree) {
    for (const char* child : {"report_free_here", "report_free_elsewhere"}) {
        uint32_t code = 0;
        const std::string report = ReportOf(child, code);
        EXPECT_TRUE(IsFailFast(code)) << child << ": " << code;
        EXPECT_EQ(report.find("strata: fatal: double free of block 0x"), 0u) << report;
        ExpectStacks(report, "  found by thread ");
    }
}

TEST(ReportUnderTheLoaderLock, OfAnAccessViolation) {
    for (const char* child : {"report_use_here", "report_use_elsewhere"}) {
        uint32_t code = 0;
        const std::string report = ReportOf(child, code);
        EXPECT_EQ(code, static_cast<uint32_t>(kAfterFault)) << child;
        EXPECT_EQ(report.find("strata: use after free: write to 0x"), 0u) << report;
        ExpectStacks(report, "  accessed by thread ");
    }
}

}  // namespace
}  // namespace strata::life
