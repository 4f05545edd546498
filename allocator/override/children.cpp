#include "override/children.h"

#include <atomic>
#include <initializer_list>

#include "override/loadable.h"
#include "override/quiet_errors.h"
#include "override/redirect.h"
#include "override/status.h"

namespace strata::override {

namespace {

constinit const char* g_dll_name = nullptr;
constinit bool g_verbose = false;
constinit wchar_t g_dll_path[kLongestPath] = {};
constinit DllTraits g_dll;
constinit LoadCalls g_load_calls;
constinit QuietErrors g_quiet_errors;
constinit void* g_create_process_a = nullptr;
constinit void* g_create_process_w = nullptr;
constinit void* g_create_as_user_a = nullptr;
constinit void* g_create_as_user_w = nullptr;

// CreateProcessA may come to CreateProcessW by its exported name, and both are ours. What the inner
// one has done the outer one finds done, and what the inner one left alone it hears of here. A
// thread that is ended in between keeps its place; without a place a child is spoken of twice,
// which is all.
struct Creation {
    std::atomic<DWORD> thread{0};
    DWORD left_alone = 0;  // process id
};
constinit Creation g_creations[32];

class CreationScope {
public:
    CreationScope() noexcept {
        const DWORD thread = GetCurrentThreadId();
        for (Creation& creation : g_creations) {
            if (creation.thread.load(std::memory_order_relaxed) == thread) outer_ = &creation;
        }
        if (outer_ != nullptr) return;
        for (Creation& creation : g_creations) {
            DWORD nobody = 0;
            if (!creation.thread.compare_exchange_strong(nobody, thread)) continue;
            own_ = &creation;
            own_->left_alone = 0;
            return;
        }
    }
    ~CreationScope() {
        if (own_ != nullptr) own_->thread.store(0);
    }
    CreationScope(const CreationScope&) = delete;
    CreationScope& operator=(const CreationScope&) = delete;

    void LeaveAlone(DWORD child) const noexcept {
        if (outer_ != nullptr) outer_->left_alone = child;
    }
    bool IsLeftAlone(DWORD child) const noexcept {
        return own_ != nullptr && own_->left_alone == child;
    }

private:
    Creation* own_ = nullptr;
    Creation* outer_ = nullptr;
};

void SayWithout(DWORD child, const char* reason, const char* call, uint32_t error) noexcept {
    os::TextBuffer<256> text;
    text.Put("child ").PutDecimal(child).Put(" runs without Strata: ").Put(reason);
    if (call != nullptr) text.Put(": ").Put(call).Put(" (error ").PutDecimal(error).Put(")");
    Say(text.text());
}

// Whether the child has the DLL now; otherwise one line says why not.
bool Inject(const PROCESS_INFORMATION& child, const ErrorModes& error_modes) noexcept {
    const LoadProblem problem = FindLoadProblem(child.hProcess, g_dll, g_load_calls);
    if (problem) {
        SayWithout(child.dwProcessId, problem.reason, problem.call, problem.system_error);
        return false;
    }
    InjectRequest request = {};
    request.dll_name = g_dll_name;
    request.flags = kInjectChildren;
    request.error_modes = error_modes;
    const InjectResult result = InjectImport(child.hProcess, request);
    if (result.error == InjectError::kNone || result.error == InjectError::kAlreadyThere)
        return true;
    SayWithout(child.dwProcessId, InjectErrorText(result.error), result.call, result.system_error);
    return false;
}

void Prepare(const CreationScope& scope, const PROCESS_INFORMATION& child, DWORD flags,
             const ErrorModes& error_modes) noexcept {
    if (scope.IsLeftAlone(child.dwProcessId)) return;
    const bool inherited = (flags & CREATE_DEFAULT_ERROR_MODE) == 0;
    if (Inject(child, inherited ? error_modes : ErrorModes{})) return;
    scope.LeaveAlone(child.dwProcessId);
    if (inherited) GiveErrorMode(child.hProcess, error_modes);
}

// `create(flags)` makes the child; ours is suspended until it has the DLL.
template <typename Create>
BOOL CreateChild(DWORD flags, LPPROCESS_INFORMATION child, Create create) noexcept {
    const CreationScope scope;
    const ErrorModes error_modes = g_quiet_errors.Enter();
    const BOOL created = create(flags | CREATE_SUSPENDED);
    const DWORD error = GetLastError();
    g_quiet_errors.Leave();
    if (created) {
        Prepare(scope, *child, flags, error_modes);
        if ((flags & CREATE_SUSPENDED) == 0) ResumeThread(child->hThread);
    }
    SetLastError(error);
    return created;
}

// CreateProcess, for either kind of text.
template <void* const* kOriginal, typename Text, typename Startup>
BOOL WINAPI CreateProcessEntry(const Text* application, Text* command_line,
                               LPSECURITY_ATTRIBUTES process_attributes,
                               LPSECURITY_ATTRIBUTES thread_attributes, BOOL inherit, DWORD flags,
                               LPVOID environment, const Text* folder, Startup* startup,
                               LPPROCESS_INFORMATION child) {
    using Function =
        BOOL(WINAPI*)(const Text*, Text*, LPSECURITY_ATTRIBUTES, LPSECURITY_ATTRIBUTES, BOOL, DWORD,
                      LPVOID, const Text*, Startup*, LPPROCESS_INFORMATION);
    return CreateChild(flags, child, [&](DWORD all_flags) {
        return reinterpret_cast<Function>(*kOriginal)(application, command_line, process_attributes,
                                                      thread_attributes, inherit, all_flags,
                                                      environment, folder, startup, child);
    });
}

// CreateProcessAsUser: the same with the token that the child is to run under.
template <void* const* kOriginal, typename Text, typename Startup>
BOOL WINAPI CreateProcessAsUserEntry(HANDLE token, const Text* application, Text* command_line,
                                     LPSECURITY_ATTRIBUTES process_attributes,
                                     LPSECURITY_ATTRIBUTES thread_attributes, BOOL inherit,
                                     DWORD flags, LPVOID environment, const Text* folder,
                                     Startup* startup, LPPROCESS_INFORMATION child) {
    using Function =
        BOOL(WINAPI*)(HANDLE, const Text*, Text*, LPSECURITY_ATTRIBUTES, LPSECURITY_ATTRIBUTES,
                      BOOL, DWORD, LPVOID, const Text*, Startup*, LPPROCESS_INFORMATION);
    return CreateChild(flags, child, [&](DWORD all_flags) {
        return reinterpret_cast<Function>(*kOriginal)(
            token, application, command_line, process_attributes, thread_attributes, inherit,
            all_flags, environment, folder, startup, child);
    });
}

// kernelbase has the function itself; kernel32 has a jump to it, or, on systems without
// kernelbase's, the function.
void* FindFunction(const char* name) noexcept {
    for (const wchar_t* const module : {L"kernelbase.dll", L"kernel32.dll"}) {
        const HMODULE handle = GetModuleHandleW(module);
        if (handle == nullptr) continue;
        if (const FARPROC function = GetProcAddress(handle, name)) {
            return reinterpret_cast<void*>(function);
        }
    }
    return nullptr;
}

// Programs that start children under another token, as servers do, are few, and older systems have
// these functions elsewhere: where they cannot be redirected, such children run without.
void FollowUsers() noexcept {
    const RedirectRequest requests[] = {
        {"CreateProcessAsUserW", FindFunction("CreateProcessAsUserW"),
         reinterpret_cast<const void*>(
             &CreateProcessAsUserEntry<&g_create_as_user_w, wchar_t, STARTUPINFOW>),
         &g_create_as_user_w},
        {"CreateProcessAsUserA", FindFunction("CreateProcessAsUserA"),
         reinterpret_cast<const void*>(
             &CreateProcessAsUserEntry<&g_create_as_user_a, char, STARTUPINFOA>),
         &g_create_as_user_a},
    };
    for (const RedirectRequest& request : requests) {
        const RedirectResult result = RedirectAll(&request, 1);
        if (result.Done() || !g_verbose) continue;
        os::TextBuffer<256> text;
        text.Put("children of ").Put(request.name).Put(" run without Strata: ");
        text.Put(RefusalText(result.refusal));
        Say(text.text());
    }
}

}  // namespace

bool FollowChildren(HINSTANCE dll, const char* dll_name, bool verbose) noexcept {
    GetModuleFileNameW(dll, g_dll_path, kLongestPath);
    g_dll = TraitsOf(dll, g_dll_path);
    g_load_calls = FindLoadCalls();
    g_dll_name = dll_name;
    g_verbose = verbose;
    const RedirectRequest requests[] = {
        {"CreateProcessW", FindFunction("CreateProcessW"),
         reinterpret_cast<const void*>(
             &CreateProcessEntry<&g_create_process_w, wchar_t, STARTUPINFOW>),
         &g_create_process_w},
        {"CreateProcessA", FindFunction("CreateProcessA"),
         reinterpret_cast<const void*>(
             &CreateProcessEntry<&g_create_process_a, char, STARTUPINFOA>),
         &g_create_process_a},
    };
    const RedirectResult result = RedirectAll(requests, 2);
    if (result.Done()) {
        FollowUsers();
        return true;
    }
    os::TextBuffer<256> text;
    text.Put("child processes run without Strata: ");
    PutRefusal(text, result);
    Say(text.text());
    return false;
}

}  // namespace strata::override
