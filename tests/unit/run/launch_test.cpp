// Starting programs when something goes wrong. That it works is tests/e2e/launcher_test.py's
// business.
#include "run/launch.h"

#include <gtest/gtest.h>

#include <string>

#include "override/error_mode.h"
#include "run/errors.h"

namespace strata::run {
namespace {

constexpr UINT kQuiet = override::kQuietErrors;
constexpr DWORD kPatience = 10000;

// This program again; `filter` is what it does.
TEST(Launched, DISABLED_WaitsForever) { Sleep(INFINITE); }
TEST(Launched, DISABLED_Ends) {}

LaunchRequest RequestFor(const char* name) {
    wchar_t path[MAX_PATH];
    GetModuleFileNameW(nullptr, path, MAX_PATH);
    LaunchRequest request;
    request.program = path;
    const std::string text = name;
    request.command_line = L"\"" + request.program +
                           L"\" --gtest_brief=1 --gtest_also_run_disabled_tests --gtest_filter=" +
                           std::wstring(text.begin(), text.end());
    // Stands for the override: the loader has it already, and it never reports.
    request.dll = L"kernel32.dll";
    return request;
}

UINT g_mode_at_creation = 0;
HANDLE g_process = nullptr;  // of the last one that was created
bool g_terminated = false;

ProcessCalls Watching() {
    g_terminated = false;
    ProcessCalls calls;
    calls.create_process = [](LPCWSTR program, LPWSTR line, LPSECURITY_ATTRIBUTES process,
                              LPSECURITY_ATTRIBUTES thread, BOOL inherit, DWORD flags,
                              LPVOID environment, LPCWSTR folder, LPSTARTUPINFOW startup,
                              LPPROCESS_INFORMATION result) -> BOOL {
        g_mode_at_creation = GetErrorMode();
        const BOOL done = CreateProcessW(program, line, process, thread, inherit, flags,
                                         environment, folder, startup, result);
        if (!done) return FALSE;
        DuplicateHandle(GetCurrentProcess(), result->hProcess, GetCurrentProcess(), &g_process, 0,
                        FALSE, DUPLICATE_SAME_ACCESS);
        return TRUE;
    };
    calls.terminate = [](HANDLE process, UINT code) -> BOOL {
        g_terminated = true;
        return TerminateProcess(process, code);
    };
    return calls;
}

ProcessCalls NeverHearing() {
    ProcessCalls calls = Watching();
    calls.wait = [](DWORD, const HANDLE*, BOOL, DWORD timeout) -> DWORD {
        EXPECT_EQ(1234u, timeout);
        return WAIT_TIMEOUT;
    };
    return calls;
}

std::string Failing(const LaunchRequest& request, int exit_code, const ProcessCalls& calls) {
    try {
        Launch(request, calls);
    } catch (const Failure& failure) {
        EXPECT_EQ(exit_code, failure.exit_code()) << failure.what();
        return failure.what();
    }
    ADD_FAILURE() << "did not fail";
    return "";
}

TEST(Launch, IsQuietWhileItCreatesTheProcess) {
    const UINT before = SetErrorMode(SEM_NOOPENFILEERRORBOX);
    LaunchRequest request = RequestFor("Launched.DISABLED_Ends");
    Launch(request, Watching());
    EXPECT_EQ(SEM_NOOPENFILEERRORBOX | kQuiet, g_mode_at_creation);
    EXPECT_EQ(UINT{SEM_NOOPENFILEERRORBOX}, GetErrorMode());
    // Not for a program that is run as it is.
    request.dll.clear();
    EXPECT_EQ(0u, Launch(request, Watching()));
    EXPECT_EQ(UINT{SEM_NOOPENFILEERRORBOX}, g_mode_at_creation);
    request.dll = L"kernel32.dll";
    request.program = L"C:\\no such program.exe";
    Failing(request, kExitNotFound, Watching());
    EXPECT_EQ(UINT{SEM_NOOPENFILEERRORBOX}, GetErrorMode());
    SetErrorMode(before);
}

TEST(Launch, EndsARequiredProcessThatDoesNotReportInTime) {
    LaunchRequest request = RequestFor("Launched.DISABLED_WaitsForever");
    request.require = true;
    request.timeout_ms = 1234;
    const std::string text = Failing(request, kExitLauncher, NeverHearing());
    EXPECT_NE(std::string::npos, text.find("has not reported within 1234 ms")) << text;
    EXPECT_TRUE(g_terminated);
    EXPECT_EQ(DWORD{WAIT_OBJECT_0}, WaitForSingleObject(g_process, kPatience));
}

TEST(Launch, WaitsForAnyOtherOne) {
    LaunchRequest request = RequestFor("Launched.DISABLED_Ends");
    request.timeout_ms = 1234;
    testing::internal::CaptureStderr();
    Launch(request, NeverHearing());
    testing::internal::GetCapturedStderr();
    EXPECT_FALSE(g_terminated);
    EXPECT_EQ(DWORD{WAIT_OBJECT_0}, WaitForSingleObject(g_process, 0));
}

TEST(Launch, EndsARequiredProcessThatEndedWithoutAWord) {
    LaunchRequest request = RequestFor("Launched.DISABLED_Ends");
    request.require = true;
    const std::string text = Failing(request, kExitLauncher, Watching());
    EXPECT_NE(std::string::npos, text.find("before the override could report")) << text;
}

ProcessCalls ForbiddingCode() {
    ProcessCalls calls = Watching();
    calls.load.get_policy = [](HANDLE, int policy, void* flags, SIZE_T) -> BOOL {
        if (policy != ProcessDynamicCodePolicy) return FALSE;
        *static_cast<DWORD*>(flags) = 1;
        return TRUE;
    };
    return calls;
}

TEST(Launch, EndsARequiredProcessThatMayNotLoadTheDll) {
    LaunchRequest request = RequestFor("Launched.DISABLED_Ends");
    request.require = true;
    const std::string text = Failing(request, kExitLauncher, ForbiddingCode());
    EXPECT_EQ("it cannot have Strata: it forbids dynamic code (arbitrary code guard)", text);
    DWORD exit_code = 0;
    GetExitCodeProcess(g_process, &exit_code);
    EXPECT_EQ(DWORD{kExitLauncher}, exit_code) << "it has run";
}

TEST(Launch, LeavesAnyOtherProcessAloneThatMayNotLoadTheDll) {
    LaunchRequest request = RequestFor("Launched.DISABLED_Ends");
    request.dll = L"no-such.dll";  // with it in its imports it would not start
    const UINT before = SetErrorMode(0);
    EXPECT_EQ(0u, Launch(request, ForbiddingCode()));
    EXPECT_EQ(0u, SetErrorMode(before));
    EXPECT_FALSE(g_terminated);
}

TEST(Launch, StartsNothingWhenTheDllHasNoNameForImports) {
    LaunchRequest request = RequestFor("Launched.DISABLED_Ends");
    request.dll = L"C:\\no such \u00e4\\strata-override.dll";
    ProcessCalls calls;
    calls.create_process = [](LPCWSTR, LPWSTR, LPSECURITY_ATTRIBUTES, LPSECURITY_ATTRIBUTES, BOOL,
                              DWORD, LPVOID, LPCWSTR, LPSTARTUPINFOW,
                              LPPROCESS_INFORMATION) -> BOOL {
        ADD_FAILURE() << "it was started";
        return FALSE;
    };
    const std::string text = Failing(request, kExitLauncher, calls);
    EXPECT_NE(std::string::npos, text.find("its path is not ASCII")) << text;
}

}  // namespace
}  // namespace strata::run
