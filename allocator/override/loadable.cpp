#include "override/loadable.h"

#include <initializer_list>

namespace strata::override {

namespace {

// Values of PROCESS_MITIGATION_POLICY and bits of the structures' flags (winnt.h), of which not
// every compiler's headers have all.
constexpr int kDynamicCodePolicy = 2;
constexpr int kControlFlowGuardPolicy = 7;
constexpr int kSignaturePolicy = 8;
constexpr int kImageLoadPolicy = 10;
constexpr int kShadowStackPolicy = 15;

constexpr DWORD kProhibitDynamicCode = 0x1;
constexpr DWORD kEnableControlFlowGuard = 0x1;
constexpr DWORD kControlFlowGuardStrict = 0x4;
constexpr DWORD kMicrosoftSigned = 0x1;
constexpr DWORD kStoreSigned = 0x2;
constexpr DWORD kSignedByOptIn = 0x4;
constexpr DWORD kNoRemoteImages = 0x1;
constexpr DWORD kNoLowImages = 0x2;
constexpr DWORD kShadowStackStrict = 0x10;
constexpr DWORD kBlockNonCet = 0x20;
constexpr DWORD kBlockNonCetNonEhcont = 0x40;

constexpr auto kTokenIsAppContainer = static_cast<TOKEN_INFORMATION_CLASS>(29);
// All that an access check looks at; the last is LABEL_SECURITY_INFORMATION.
constexpr SECURITY_INFORMATION kSecurity =
    OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | 0x10;
constexpr BYTE kLabelAce = 0x11;                // SYSTEM_MANDATORY_LABEL_ACE_TYPE
constexpr DWORD kLowIntegrity = 0x1000;         // SECURITY_MANDATORY_LOW_RID
constexpr DWORD kDebugDllCharacteristics = 20;  // IMAGE_DEBUG_TYPE_EX_DLLCHARACTERISTICS
constexpr DWORD kCetCompatible = 0x1;

// Larger ones are hardly seen, and "cannot be told" then.
constexpr DWORD kDescriptorBytes = 4096;

constexpr char kCannotBeTold[] = "whether it may load the DLL cannot be told";

template <typename Function>
void Find(Function& function, const char* name) noexcept {
    // kernelbase has what advapi32 and kernel32 only hand on.
    for (const wchar_t* const module : {L"kernelbase.dll", L"kernel32.dll"}) {
        const HMODULE handle = GetModuleHandleW(module);
        const FARPROC found = handle != nullptr ? GetProcAddress(handle, name) : nullptr;
        if (found == nullptr) continue;
        function = reinterpret_cast<Function>(reinterpret_cast<void*>(found));
        return;
    }
}

class Token {
public:
    Token() noexcept = default;
    ~Token() {
        if (handle != nullptr) CloseHandle(handle);
    }
    Token(const Token&) = delete;
    Token& operator=(const Token&) = delete;
    HANDLE handle = nullptr;
};

// Asks about one process.
class Question {
public:
    Question(HANDLE process, const DllTraits& dll, const LoadCalls& calls) noexcept
        : process_(process), dll_(dll), calls_(calls) {}

    LoadProblem Machine() const noexcept;
    LoadProblem Policies() const noexcept;
    LoadProblem Access() const noexcept;

private:
    // 0 where the system does not know the policy.
    DWORD Policy(int policy) const noexcept {
        DWORD flags = 0;
        const bool known = calls_.get_policy != nullptr &&
                           calls_.get_policy(process_, policy, &flags, sizeof flags);
        return known ? flags : 0;
    }
    LoadProblem ImageLoadPolicy() const noexcept;
    bool IsRemote() const noexcept;
    bool IsOfLowIntegrity() const noexcept;
    LoadProblem CheckAccess(HANDLE token, bool& allowed) const noexcept;

    HANDLE process_;
    const DllTraits& dll_;
    const LoadCalls& calls_;
};

LoadProblem CannotTell(const char* call) noexcept { return {kCannotBeTold, call, GetLastError()}; }

LoadProblem Question::Machine() const noexcept {
    USHORT process_machine = 0;
    USHORT native_machine = 0;
    if (calls_.is_wow64_process == nullptr) return {};
    if (!calls_.is_wow64_process(process_, &process_machine, &native_machine)) {
        return CannotTell("IsWow64Process2");
    }
    return {MachineProblem(process_machine, native_machine), nullptr, 0};
}

LoadProblem Question::Policies() const noexcept {
    if ((Policy(kSignaturePolicy) & (kMicrosoftSigned | kStoreSigned | kSignedByOptIn)) != 0) {
        return {"it loads signed DLLs only (its binary signature policy)", nullptr, 0};
    }
    if ((Policy(kDynamicCodePolicy) & kProhibitDynamicCode) != 0) {
        return {"it forbids dynamic code (arbitrary code guard)", nullptr, 0};
    }
    constexpr DWORD kStrict = kEnableControlFlowGuard | kControlFlowGuardStrict;
    if ((Policy(kControlFlowGuardPolicy) & kStrict) == kStrict && !dll_.control_flow_guard) {
        return {"it loads DLLs with control flow guard only (strict mode), and the DLL has none",
                nullptr, 0};
    }
    constexpr DWORD kCet = kShadowStackStrict | kBlockNonCet | kBlockNonCetNonEhcont;
    if ((Policy(kShadowStackPolicy) & kCet) != 0 && !dll_.shadow_stack) {
        return {"it demands DLLs for shadow stacks (CET), and the DLL is not marked as one",
                nullptr, 0};
    }
    return ImageLoadPolicy();
}

LoadProblem Question::ImageLoadPolicy() const noexcept {
    const DWORD policy = Policy(kImageLoadPolicy);
    if ((policy & kNoRemoteImages) != 0 && IsRemote()) {
        return {
            "it loads no DLLs from other machines (its image load policy), and the DLL is there",
            nullptr, 0};
    }
    if ((policy & kNoLowImages) != 0 && IsOfLowIntegrity()) {
        return {"it loads no DLLs of low integrity (its image load policy), and the DLL is one",
                nullptr, 0};
    }
    return {};
}

// By where the file really is: drive letters and links lead to other machines, too. Also when that
// cannot be told.
bool Question::IsRemote() const noexcept {
    const HANDLE file =
        CreateFileW(dll_.path, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                    OPEN_EXISTING, 0, nullptr);
    if (file == INVALID_HANDLE_VALUE) return true;
    wchar_t path[1024];
    const DWORD length =
        calls_.get_final_path != nullptr ? calls_.get_final_path(file, path, 1024, 0) : 0;
    CloseHandle(file);
    if (length == 0 || length >= 1024) return true;
    const wchar_t kNetwork[] = L"\\\\?\\UNC\\";
    for (size_t i = 0; kNetwork[i] != 0; ++i) {
        if (path[i] != kNetwork[i]) return false;
    }
    return true;
}

// By the mandatory label; a file without one is of medium integrity.
bool Question::IsOfLowIntegrity() const noexcept {
    alignas(8) uint8_t descriptor[kDescriptorBytes];
    DWORD needed = 0;
    if (calls_.get_file_security == nullptr ||
        !calls_.get_file_security(dll_.path, kSecurity, descriptor, sizeof descriptor, &needed)) {
        return true;
    }
    const auto* const header = reinterpret_cast<const SECURITY_DESCRIPTOR_RELATIVE*>(descriptor);
    if ((header->Control & SE_SACL_PRESENT) == 0 || header->Sacl == 0) return false;
    const auto* const list = reinterpret_cast<const ACL*>(descriptor + header->Sacl);
    const uint8_t* at = reinterpret_cast<const uint8_t*>(list + 1);
    for (WORD i = 0; i < list->AceCount; ++i) {
        const auto* const ace = reinterpret_cast<const SYSTEM_MANDATORY_LABEL_ACE*>(at);
        if (ace->Header.AceType == kLabelAce) {
            const auto* const sid = reinterpret_cast<const SID*>(&ace->SidStart);
            return sid->SubAuthority[0] <= kLowIntegrity;
        }
        at += ace->Header.AceSize;
    }
    return false;
}

// Whether the token may read and execute the file.
LoadProblem Question::CheckAccess(HANDLE token, bool& allowed) const noexcept {
    alignas(8) uint8_t descriptor[kDescriptorBytes];
    DWORD bytes = 0;
    if (!calls_.get_file_security(dll_.path, kSecurity, descriptor, sizeof descriptor, &bytes)) {
        return CannotTell("GetFileSecurityW");
    }
    Token copy;  // the kind that can be asked
    if (!calls_.duplicate_token(token, TOKEN_QUERY, nullptr, SecurityIdentification,
                                TokenImpersonation, &copy.handle)) {
        return CannotTell("DuplicateTokenEx");
    }
    GENERIC_MAPPING mapping = {FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_GENERIC_EXECUTE,
                               FILE_ALL_ACCESS};
    PRIVILEGE_SET privileges;
    bytes = sizeof privileges;
    DWORD granted = 0;
    BOOL yes = FALSE;
    if (!calls_.access_check(descriptor, copy.handle, FILE_GENERIC_READ | FILE_GENERIC_EXECUTE,
                             &mapping, &privileges, &bytes, &granted, &yes)) {
        return CannotTell("AccessCheck");
    }
    allowed = yes != FALSE;
    return {};
}

LoadProblem Question::Access() const noexcept {
    if (calls_.open_token == nullptr || calls_.get_token_information == nullptr ||
        calls_.duplicate_token == nullptr || calls_.access_check == nullptr ||
        calls_.get_file_security == nullptr) {
        return {kCannotBeTold, nullptr, 0};
    }
    Token token;
    if (!calls_.open_token(process_, TOKEN_QUERY | TOKEN_DUPLICATE, &token.handle)) {
        return CannotTell("OpenProcessToken");
    }
    DWORD contained = 0;
    DWORD bytes = 0;
    if (!calls_.get_token_information(token.handle, kTokenIsAppContainer, &contained,
                                      sizeof contained, &bytes)) {
        return CannotTell("GetTokenInformation");
    }
    bool allowed = false;
    const LoadProblem problem = CheckAccess(token.handle, allowed);
    // Any other process is much like the one that asks, which has the DLL.
    if (problem) return contained != 0 ? problem : LoadProblem{};
    if (allowed) return {};
    return {contained != 0 ? "it is in an AppContainer that may not read and execute the DLL"
                           : "its user or token may not read and execute the DLL",
            nullptr, 0};
}

}  // namespace

LoadCalls FindLoadCalls() noexcept {
    LoadCalls calls;
    Find(calls.is_wow64_process, "IsWow64Process2");
    Find(calls.get_policy, "GetProcessMitigationPolicy");
    Find(calls.open_token, "OpenProcessToken");
    Find(calls.get_token_information, "GetTokenInformation");
    Find(calls.duplicate_token, "DuplicateTokenEx");
    Find(calls.access_check, "AccessCheck");
    Find(calls.get_file_security, "GetFileSecurityW");
    Find(calls.get_final_path, "GetFinalPathNameByHandleW");
    return calls;
}

DllTraits TraitsOf(const void* image, const wchar_t* path) noexcept {
    DllTraits traits;
    traits.path = path;
    const auto* const base = static_cast<const uint8_t*>(image);
    const auto* const dos = reinterpret_cast<const IMAGE_DOS_HEADER*>(base);
    const auto* const headers =
        reinterpret_cast<const IMAGE_NT_HEADERS64*>(base + static_cast<uint32_t>(dos->e_lfanew));
    const IMAGE_OPTIONAL_HEADER64& optional = headers->OptionalHeader;
    traits.control_flow_guard =
        (optional.DllCharacteristics & IMAGE_DLLCHARACTERISTICS_GUARD_CF) != 0;
    const IMAGE_DATA_DIRECTORY& debug = optional.DataDirectory[IMAGE_DIRECTORY_ENTRY_DEBUG];
    for (DWORD at = 0; at + sizeof(IMAGE_DEBUG_DIRECTORY) <= debug.Size;
         at += sizeof(IMAGE_DEBUG_DIRECTORY)) {
        const auto* const entry =
            reinterpret_cast<const IMAGE_DEBUG_DIRECTORY*>(base + debug.VirtualAddress + at);
        if (entry->Type != kDebugDllCharacteristics || entry->AddressOfRawData == 0) continue;
        const auto* const flags = reinterpret_cast<const DWORD*>(base + entry->AddressOfRawData);
        traits.shadow_stack = (*flags & kCetCompatible) != 0;
    }
    return traits;
}

LoadProblem FindLoadProblem(HANDLE process, const DllTraits& dll, const LoadCalls& calls) noexcept {
    const Question question(process, dll, calls);
    LoadProblem problem = question.Machine();
    if (!problem) problem = question.Policies();
    if (!problem) problem = question.Access();
    return problem;
}

const char* MachineProblem(USHORT process_machine, USHORT native_machine) noexcept {
    if (process_machine == IMAGE_FILE_MACHINE_I386) {
        return "it is a 32-bit process; Strata is 64-bit only";
    }
    if (process_machine != IMAGE_FILE_MACHINE_UNKNOWN &&
        process_machine != IMAGE_FILE_MACHINE_AMD64) {
        return "it is a process for another kind of processor";
    }
    if (native_machine != IMAGE_FILE_MACHINE_AMD64) {
        return "this system is not x86-64; Strata's override is for x86-64 only";
    }
    return nullptr;
}

}  // namespace strata::override
