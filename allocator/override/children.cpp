#include "override/children.h"

#include <initializer_list>

#include "override/quiet_errors.h"
#include "override/redirect.h"
#include "override/status.h"

namespace strata::override {

namespace {

constinit const char* g_dll_name = nullptr;
constinit bool g_verbose = false;
constinit QuietErrors g_quiet_errors;
constinit void* g_create_process_a = nullptr;
constinit void* g_create_process_w = nullptr;
constinit void* g_create_as_user_a = nullptr;
constinit void* g_create_as_user_w = nullptr;

void SayWithout(const PROCESS_INFORMATION& child, const InjectResult& result) noexcept {
    os::TextBuffer<256> text;
    text.Put("child ").PutDecimal(child.dwProcessId).Put(" runs without Strata: ");
    text.Put(InjectErrorText(result.error));
    if (result.call != nullptr) {
        text.Put(": ").Put(result.call).Put(" (error ").PutDecimal(result.system_error).Put(")");
    }
    Say(text.text());
}

// Whether the child has the DLL now.
bool Inject(const PROCESS_INFORMATION& child, const ErrorModes& error_modes) noexcept {
    InjectRequest request = {};
    request.dll_name = g_dll_name;
    request.flags = kInjectChildren;
    request.error_modes = error_modes;
    const InjectResult result = InjectImport(child.hProcess, request);
    // CreateProcessA may come to CreateProcessW by its exported name: then the inner one did it.
    if (result.error == InjectError::kNone || result.error == InjectError::kAlreadyThere)
        return true;
    if (g_verbose) SayWithout(child, result);
    return false;
}

// `create(flags)` makes the child; ours is suspended until it has the DLL.
template <typename Create>
BOOL CreateChild(DWORD flags, LPPROCESS_INFORMATION child, Create create) noexcept {
    const ErrorModes error_modes = g_quiet_errors.Enter();
    const BOOL created = create(flags | CREATE_SUSPENDED);
    const DWORD error = GetLastError();
    g_quiet_errors.Leave();
    if (created) {
        const bool inherited = (flags & CREATE_DEFAULT_ERROR_MODE) == 0;
        const ErrorModes none;
        const bool injected = Inject(*child, inherited ? error_modes : none);
        if (inherited && !injected) GiveErrorMode(child->hProcess, error_modes);
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

// kernelbase has the function itself; kernel32 has a jump to it, or, on systems without kernelbase's,
// the function.
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

// Programs that start children under another token, as servers do, are few, and older systems have these
// functions elsewhere: where they cannot be redirected, such children run without.
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

bool FollowChildren(const char* dll_name, bool verbose) noexcept {
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
