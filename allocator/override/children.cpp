#include "override/children.h"

#include <initializer_list>

#include "override/redirect.h"
#include "override/status.h"

namespace strata::override {

namespace {

constinit const char* g_dll_name = nullptr;
constinit bool g_verbose = false;
constinit void* g_create_process_a = nullptr;
constinit void* g_create_process_w = nullptr;

void Inject(const PROCESS_INFORMATION& child) noexcept {
    InjectRequest request = {};
    request.dll_name = g_dll_name;
    request.flags = kInjectChildren;
    const InjectResult result = InjectImport(child.hProcess, request);
    // CreateProcessA may come to CreateProcessW by its exported name: then the inner one did it.
    if (result.error == InjectError::kNone || result.error == InjectError::kAlreadyThere) return;
    if (!g_verbose) return;
    os::TextBuffer<256> text;
    text.Put("child ").PutDecimal(child.dwProcessId).Put(" runs without Strata: ");
    text.Put(InjectErrorText(result.error));
    if (result.call != nullptr) {
        text.Put(": ").Put(result.call).Put(" (error ").PutDecimal(result.system_error).Put(")");
    }
    Say(text.text());
}

// Both have the same parameters but for the kind of text.
template <typename Text, typename Startup>
BOOL CreateChild(void* original, const Text* application, Text* command_line,
                 LPSECURITY_ATTRIBUTES process_attributes, LPSECURITY_ATTRIBUTES thread_attributes,
                 BOOL inherit, DWORD flags, LPVOID environment, const Text* folder,
                 Startup* startup, LPPROCESS_INFORMATION child) noexcept {
    using Function =
        BOOL(WINAPI*)(const Text*, Text*, LPSECURITY_ATTRIBUTES, LPSECURITY_ATTRIBUTES, BOOL, DWORD,
                      LPVOID, const Text*, Startup*, LPPROCESS_INFORMATION);
    const BOOL created = reinterpret_cast<Function>(original)(
        application, command_line, process_attributes, thread_attributes, inherit,
        flags | CREATE_SUSPENDED, environment, folder, startup, child);
    if (!created) return created;
    const DWORD error = GetLastError();
    Inject(*child);
    if ((flags & CREATE_SUSPENDED) == 0) ResumeThread(child->hThread);
    SetLastError(error);
    return created;
}

BOOL WINAPI CreateProcessWEntry(LPCWSTR application, LPWSTR command_line,
                                LPSECURITY_ATTRIBUTES process_attributes,
                                LPSECURITY_ATTRIBUTES thread_attributes, BOOL inherit, DWORD flags,
                                LPVOID environment, LPCWSTR folder, LPSTARTUPINFOW startup,
                                LPPROCESS_INFORMATION child) {
    return CreateChild<wchar_t>(g_create_process_w, application, command_line, process_attributes,
                                thread_attributes, inherit, flags, environment, folder, startup,
                                child);
}

BOOL WINAPI CreateProcessAEntry(LPCSTR application, LPSTR command_line,
                                LPSECURITY_ATTRIBUTES process_attributes,
                                LPSECURITY_ATTRIBUTES thread_attributes, BOOL inherit, DWORD flags,
                                LPVOID environment, LPCSTR folder, LPSTARTUPINFOA startup,
                                LPPROCESS_INFORMATION child) {
    return CreateChild<char>(g_create_process_a, application, command_line, process_attributes,
                             thread_attributes, inherit, flags, environment, folder, startup,
                             child);
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

}  // namespace

bool FollowChildren(const char* dll_name, bool verbose) noexcept {
    g_dll_name = dll_name;
    g_verbose = verbose;
    const RedirectRequest requests[] = {
        {"CreateProcessW", FindFunction("CreateProcessW"),
         reinterpret_cast<const void*>(&CreateProcessWEntry), &g_create_process_w},
        {"CreateProcessA", FindFunction("CreateProcessA"),
         reinterpret_cast<const void*>(&CreateProcessAEntry), &g_create_process_a},
    };
    const RedirectResult result = RedirectAll(requests, 2);
    if (result.Done()) return true;
    os::TextBuffer<256> text;
    text.Put("child processes run without Strata: ").Put(result.name);
    text.Put(" cannot be redirected: ").Put(RefusalText(result.refusal));
    Say(text.text());
    return false;
}

}  // namespace strata::override
