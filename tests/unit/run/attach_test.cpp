// Attaching to processes that refuse it, and what is said when a system call fails. That it works
// is tests/e2e/attach_test.py's business.
#include "run/attach.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "override/attach_block.h"
#include "run/errors.h"
#include "run/handle.h"
#include "run/program.h"
#include "run/target.h"

namespace strata::run {
namespace {

// This program again, waiting for its end.
TEST(Child, DISABLED_Waits) {
    std::puts("waiting");
    std::fflush(stdout);
    char byte;
    DWORD read;
    ReadFile(GetStdHandle(STD_INPUT_HANDLE), &byte, 1, &read, nullptr);
}

class Child {
public:
    explicit Child(DWORD flags = 0) {
        SECURITY_ATTRIBUTES inherit = {sizeof inherit, nullptr, TRUE};
        HANDLE in_read = nullptr;
        HANDLE out_write = nullptr;
        CreatePipe(&in_read, &in_, &inherit, 0);
        CreatePipe(&out_, &out_write, &inherit, 0);
        SetHandleInformation(in_, HANDLE_FLAG_INHERIT, 0);
        SetHandleInformation(out_, HANDLE_FLAG_INHERIT, 0);
        wchar_t path[MAX_PATH];
        GetModuleFileNameW(nullptr, path, MAX_PATH);
        std::wstring command = L"\"" + std::wstring(path) +
                               L"\" --gtest_also_run_disabled_tests "
                               L"--gtest_filter=Child.DISABLED_Waits";
        STARTUPINFOW startup = {};
        startup.cb = sizeof startup;
        startup.dwFlags = STARTF_USESTDHANDLES;
        startup.hStdInput = in_read;
        startup.hStdOutput = out_write;
        startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
        EXPECT_TRUE(CreateProcessW(path, command.data(), nullptr, nullptr, TRUE, flags, nullptr,
                                   nullptr, &startup, &process_));
        CloseHandle(in_read);
        CloseHandle(out_write);
        if ((flags & CREATE_SUSPENDED) == 0) WaitUntilItRuns();
    }
    ~Child() {
        TerminateProcess(process_.hProcess, 0);
        WaitForSingleObject(process_.hProcess, INFINITE);
        for (const HANDLE handle : {process_.hProcess, process_.hThread, in_, out_}) {
            CloseHandle(handle);
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    DWORD pid() const { return process_.dwProcessId; }
    HANDLE process() const { return process_.hProcess; }

private:
    void WaitUntilItRuns() const {
        std::string text;
        char piece[256];
        DWORD read = 0;
        while (text.find("waiting") == std::string::npos &&
               ReadFile(out_, piece, sizeof piece, &read, nullptr) && read != 0) {
            text.append(piece, read);
        }
    }

    PROCESS_INFORMATION process_ = {};
    HANDLE in_ = nullptr;
    HANDLE out_ = nullptr;
};

AttachRequest RequestFor(DWORD pid) {
    AttachRequest request;
    request.pid = pid;
    request.dll = FullPath(L"no-such-folder\\strata-override.dll");
    return request;
}

// The message and the exit code with which it fails.
std::string Failing(const AttachRequest& request, int exit_code, const ProcessCalls& calls = {}) {
    try {
        Attach(request, calls);
    } catch (const Failure& failure) {
        EXPECT_EQ(exit_code, failure.exit_code()) << failure.what();
        return failure.what();
    }
    ADD_FAILURE() << "did not fail";
    return "";
}

void ExpectFailing(const AttachRequest& request, int exit_code, const std::string& message,
                   const ProcessCalls& calls = {}) {
    const std::string text = Failing(request, exit_code, calls);
    EXPECT_NE(std::string::npos, text.find(message)) << text;
}

TEST(Attach, RefusesItself) {
    ExpectFailing(RequestFor(GetCurrentProcessId()), kExitCannotRun, "cannot attach to itself");
}

TEST(Attach, RefusesWhatIsNotThere) {
    ExpectFailing(RequestFor(0x7FFFFFF0), kExitNotFound,
                  "process 2147483632: there is no such process: OpenProcess failed: ");
}

TEST(Attach, SaysThatAccessIsDenied) {
    ProcessCalls calls;
    calls.open_process = [](DWORD, BOOL, DWORD) -> HANDLE {
        SetLastError(ERROR_ACCESS_DENIED);
        return nullptr;
    };
    ExpectFailing(RequestFor(4711), kExitCannotRun, "runs with more rights, or is protected",
                  calls);
    ExpectFailing(RequestFor(4711), kExitCannotRun, "(error 5)", calls);
}

TEST(Attach, RefusesAProcessThatHasEnded) {
    const Child child;
    TerminateProcess(child.process(), 77);
    WaitForSingleObject(child.process(), INFINITE);
    ExpectFailing(RequestFor(child.pid()), kExitCannotRun, "it has ended (exit code 77)");
}

TEST(Attach, RefusesAProcessThatIsNotInitialised) {
    const Child child(CREATE_SUSPENDED);
    const std::string text = Failing(RequestFor(child.pid()), kExitCannotRun);
    EXPECT_TRUE(text.find("not initialised yet") != std::string::npos ||
                text.find("not loaded in it (yet)") != std::string::npos)
        << text;
}

TEST(Attach, RefusesOtherMachines) {
    const Child child;
    ProcessCalls calls;
    calls.load.is_wow64_process = [](HANDLE, USHORT* process, USHORT* native) -> BOOL {
        *process = IMAGE_FILE_MACHINE_I386;
        *native = IMAGE_FILE_MACHINE_AMD64;
        return TRUE;
    };
    ExpectFailing(RequestFor(child.pid()), kExitCannotRun, "it is a 32-bit process", calls);
}

TEST(Attach, RefusesAProcessThatLoadsSignedDllsOnly) {
    const Child child;
    ProcessCalls calls;
    calls.load.get_policy = [](HANDLE, int policy, void* buffer, SIZE_T) -> BOOL {
        if (policy != ProcessSignaturePolicy) return FALSE;
        static_cast<PROCESS_MITIGATION_BINARY_SIGNATURE_POLICY*>(buffer)->MicrosoftSignedOnly = 1;
        return TRUE;
    };
    ExpectFailing(RequestFor(child.pid()), kExitCannotRun, "signed DLLs only", calls);
}

TEST(Attach, RefusesASecondTime) {
    const Child child;
    AttachRequest request = RequestFor(child.pid());
    request.dll = L"C:\\elsewhere\\NTDLL.DLL";  // stands for a DLL that is loaded there
    ExpectFailing(request, kExitCannotRun, "attached to already: ntdll.dll is loaded in it");
}

TEST(Attach, SaysWhenTheDllCannotBeLoaded) {
    const Child child;
    ExpectFailing(RequestFor(child.pid()), kExitLauncher, "LoadLibraryW failed in it");
    // The block is gone: nothing is left there.
    MEMORY_BASIC_INFORMATION information = {};
    ASSERT_NE(0u, VirtualQueryEx(child.process(), reinterpret_cast<void*>(override::AttachPlace(0)),
                                 &information, sizeof information));
    EXPECT_EQ(static_cast<DWORD>(MEM_FREE), information.State);
}

TEST(Attach, SaysWhenTheDllIsAnotherOne) {
    const Child child;
    AttachRequest request = RequestFor(child.pid());
    request.dll = L"lz32.dll";  // small, and not loaded so far
    ExpectFailing(request, kExitLauncher, "the DLL is loaded, but does not report");
}

TEST(Attach, RefusesPathsThatAreTooLong) {
    const Child child;
    AttachRequest request = RequestFor(child.pid());
    request.stats_file = std::wstring(override::kAttachPathLength, L'x');
    ExpectFailing(request, kExitLauncher, "too long");
}

TEST(Attach, DoesNotWaitForEver) {
    const Child child;
    ProcessCalls calls;
    calls.wait = [](DWORD, const HANDLE*, BOOL, DWORD timeout) -> DWORD {
        EXPECT_EQ(1234u, timeout);
        return WAIT_TIMEOUT;
    };
    AttachRequest request = RequestFor(child.pid());
    request.timeout_ms = 1234;
    ExpectFailing(request, kExitLauncher, "not loaded the override within 1234 ms", calls);
    // Its thread may still need the block.
    MEMORY_BASIC_INFORMATION information = {};
    VirtualQueryEx(child.process(), reinterpret_cast<void*>(override::AttachPlace(0)), &information,
                   sizeof information);
    EXPECT_EQ(static_cast<DWORD>(MEM_COMMIT), information.State);
}

constexpr DWORD kInjected = ERROR_COMMITMENT_LIMIT;

// Fails whatever its type is.
template <typename Function>
struct Fails;
template <typename Result, typename... Arguments>
struct Fails<Result(WINAPI*)(Arguments...)> {
    static Result WINAPI Call(Arguments...) {
        SetLastError(kInjected);
        return Result{};
    }
};

template <typename Function>
void Break(Function& function) {
    function = &Fails<Function>::Call;
}

TEST(Attach, NamesEveryCallThatFails) {
    const auto expect = [](const char* call, void (*change)(ProcessCalls&)) {
        const Child child;
        ProcessCalls calls;
        change(calls);
        const std::string text = Failing(RequestFor(child.pid()), kExitLauncher, calls);
        EXPECT_NE(std::string::npos, text.find(std::string(call) + " failed: ")) << text;
        EXPECT_NE(std::string::npos, text.find("(error 1455)")) << text;
        EXPECT_NE(std::string::npos, text.find("process " + std::to_string(child.pid()))) << text;
        // It goes on.
        EXPECT_EQ(static_cast<DWORD>(WAIT_TIMEOUT), WaitForSingleObject(child.process(), 0));
    };
    expect("OpenProcess", [](ProcessCalls& calls) { Break(calls.open_process); });
    expect("IsWow64Process2", [](ProcessCalls& calls) { Break(calls.load.is_wow64_process); });
    expect("EnumProcessModulesEx", [](ProcessCalls& calls) { Break(calls.enum_modules); });
    expect("VirtualQueryEx", [](ProcessCalls& calls) { Break(calls.virtual_query); });
    expect("VirtualAllocEx", [](ProcessCalls& calls) { Break(calls.virtual_alloc); });
    expect("WriteProcessMemory", [](ProcessCalls& calls) { Break(calls.write); });
    expect("ReadProcessMemory", [](ProcessCalls& calls) { Break(calls.read); });
    expect("CreateRemoteThread", [](ProcessCalls& calls) { Break(calls.create_thread); });
    expect("GetExitCodeThread", [](ProcessCalls& calls) { Break(calls.get_exit_code); });
    expect("WaitForMultipleObjects", [](ProcessCalls& calls) {
        calls.wait = [](DWORD, const HANDLE*, BOOL, DWORD) -> DWORD {
            SetLastError(kInjected);
            return WAIT_FAILED;
        };
    });
    // The answer, after the function's code.
    expect("ReadProcessMemory", [](ProcessCalls& calls) {
        calls.read = [](HANDLE process, LPCVOID from, LPVOID to, SIZE_T bytes,
                        SIZE_T* done) -> BOOL {
            if (bytes == sizeof(override::AttachBlock)) {
                SetLastError(kInjected);
                return FALSE;
            }
            return ReadProcessMemory(process, from, to, bytes, done);
        };
    });
}

TEST(Attach, TakesTheNextPlaceWhenOneIsTaken) {
    const Child child;
    ASSERT_NE(nullptr,
              VirtualAllocEx(child.process(), reinterpret_cast<void*>(override::AttachPlace(0)),
                             0x1000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
    ExpectFailing(RequestFor(child.pid()), kExitLauncher, "LoadLibraryW failed in it");
}

}  // namespace
}  // namespace strata::run
