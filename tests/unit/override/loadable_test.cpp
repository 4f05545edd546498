// What forbids a process to load the DLL. Wine has hardly any of it, so the system's answers are
// given here.
#include "override/loadable.h"

#include <gtest/gtest.h>

#include <string>

namespace strata::override {
namespace {

// The policy that is set, and its flags.
int g_policy = -1;
DWORD g_flags = 0;
bool g_contained = false;
BOOL g_allowed = TRUE;

// This program stands for the DLL.
std::wstring OwnPath() {
    wchar_t path[MAX_PATH];
    GetModuleFileNameW(nullptr, path, MAX_PATH);
    return path;
}

class Loadable : public testing::Test {
protected:
    Loadable() : path_(OwnPath()) {
        g_policy = -1;
        g_contained = false;
        g_allowed = TRUE;
        dll_.path = path_.c_str();
        calls_ = FindLoadCalls();
        calls_.get_policy = [](HANDLE, int policy, void* flags, SIZE_T bytes) -> BOOL {
            EXPECT_EQ(sizeof(DWORD), bytes);
            if (policy != g_policy) return FALSE;
            *static_cast<DWORD*>(flags) = g_flags;
            return TRUE;
        };
        calls_.get_token_information = [](HANDLE, TOKEN_INFORMATION_CLASS what, void* answer, DWORD,
                                          DWORD*) -> BOOL {
            EXPECT_EQ(29, what) << "TokenIsAppContainer";
            *static_cast<DWORD*>(answer) = g_contained;
            return TRUE;
        };
        calls_.access_check = [](PSECURITY_DESCRIPTOR, HANDLE, DWORD wanted, PGENERIC_MAPPING,
                                 PPRIVILEGE_SET, LPDWORD, LPDWORD, LPBOOL allowed) -> BOOL {
            EXPECT_EQ(DWORD{FILE_GENERIC_READ | FILE_GENERIC_EXECUTE}, wanted);
            *allowed = g_allowed;
            return TRUE;
        };
    }

    LoadProblem Find() const { return FindLoadProblem(GetCurrentProcess(), dll_, calls_); }
    std::string Reason() const {
        const LoadProblem problem = Find();
        return problem ? problem.reason : "";
    }
    std::string ReasonFor(int policy, DWORD flags) const {
        g_policy = policy;
        g_flags = flags;
        const std::string reason = Reason();
        g_policy = -1;
        return reason;
    }

    std::wstring path_;
    DllTraits dll_;
    LoadCalls calls_;
};

// With the system's own answers.
TEST_F(Loadable, ThisProcessMayLoadIt) {
    calls_ = FindLoadCalls();
    const LoadProblem problem = Find();
    EXPECT_FALSE(problem) << problem.reason;
}

TEST_F(Loadable, Machines) {
    EXPECT_EQ(nullptr, MachineProblem(IMAGE_FILE_MACHINE_UNKNOWN, IMAGE_FILE_MACHINE_AMD64));
    EXPECT_STREQ("it is a 32-bit process; Strata is 64-bit only",
                 MachineProblem(IMAGE_FILE_MACHINE_I386, IMAGE_FILE_MACHINE_AMD64));
    EXPECT_NE(nullptr, MachineProblem(IMAGE_FILE_MACHINE_ARMNT, IMAGE_FILE_MACHINE_ARM64));
    // An x64 program there, in both forms that the system may answer in.
    for (const USHORT machine : {IMAGE_FILE_MACHINE_UNKNOWN, IMAGE_FILE_MACHINE_AMD64}) {
        EXPECT_STREQ("this system is not x86-64; Strata's override is for x86-64 only",
                     MachineProblem(machine, IMAGE_FILE_MACHINE_ARM64));
    }
    calls_.is_wow64_process = [](HANDLE, USHORT* process, USHORT* native) -> BOOL {
        *process = IMAGE_FILE_MACHINE_UNKNOWN;
        *native = IMAGE_FILE_MACHINE_ARM64;
        return TRUE;
    };
    EXPECT_EQ("this system is not x86-64; Strata's override is for x86-64 only", Reason());
}

TEST_F(Loadable, Policies) {
    for (const DWORD flag : {1, 2, 4}) {
        EXPECT_EQ("it loads signed DLLs only (its binary signature policy)",
                  ReasonFor(ProcessSignaturePolicy, flag));
    }
    EXPECT_EQ("it forbids dynamic code (arbitrary code guard)",
              ReasonFor(ProcessDynamicCodePolicy, 1));
    EXPECT_EQ("", ReasonFor(ProcessDynamicCodePolicy, 8)) << "it is audited only";
    EXPECT_EQ("", ReasonFor(ProcessControlFlowGuardPolicy, 1)) << "without the strict mode";
    EXPECT_EQ("it loads DLLs with control flow guard only (strict mode), and the DLL has none",
              ReasonFor(ProcessControlFlowGuardPolicy, 5));
    constexpr int kShadowStackPolicy = 15;
    EXPECT_EQ("", ReasonFor(kShadowStackPolicy, 1)) << "the compatible mode";
    for (const DWORD flag : {0x10, 0x20, 0x40}) {
        EXPECT_EQ("it demands DLLs for shadow stacks (CET), and the DLL is not marked as one",
                  ReasonFor(kShadowStackPolicy, flag));
    }
    dll_.control_flow_guard = dll_.shadow_stack = true;
    EXPECT_EQ("", ReasonFor(ProcessControlFlowGuardPolicy, 5));
    EXPECT_EQ("", ReasonFor(kShadowStackPolicy, 0x31));
}

TEST_F(Loadable, ImagesFromOtherMachines) {
    EXPECT_EQ("", ReasonFor(ProcessImageLoadPolicy, 1));
    calls_.get_final_path = [](HANDLE, wchar_t* path, DWORD, DWORD) -> DWORD {
        return static_cast<DWORD>(
            std::wstring(L"\\\\?\\UNC\\server\\share\\x.dll").copy(path, 100));
    };
    const std::string expected =
        "it loads no DLLs from other machines (its image load policy), and the DLL is there";
    EXPECT_EQ(expected, ReasonFor(ProcessImageLoadPolicy, 1));
    EXPECT_EQ("", Reason()) << "any other process may load it";
    calls_.get_final_path = [](HANDLE, wchar_t*, DWORD, DWORD) -> DWORD { return 0; };
    EXPECT_EQ(expected, ReasonFor(ProcessImageLoadPolicy, 1)) << "it cannot be told";
}

// A descriptor with a mandatory label only.
template <DWORD kLevel>
BOOL WINAPI GetLabel(LPCWSTR, SECURITY_INFORMATION, PSECURITY_DESCRIPTOR descriptor, DWORD,
                     LPDWORD) {
    struct {
        SECURITY_DESCRIPTOR_RELATIVE header;
        ACL list;
        SYSTEM_MANDATORY_LABEL_ACE ace;
        SID sid;
    } label = {};
    label.header.Revision = 1;
    label.header.Control = SE_SELF_RELATIVE | SE_SACL_PRESENT;
    label.header.Sacl = offsetof(decltype(label), list);
    label.list = {2, 0, sizeof label.list + sizeof label.ace + sizeof label.sid - sizeof(DWORD), 1,
                  0};
    label.ace.Header = {0x11, 0, sizeof label.ace + sizeof label.sid - sizeof(DWORD)};
    SID sid = {1, 1, {{0, 0, 0, 0, 0, 16}}, {kLevel}};
    memcpy(&label.ace.SidStart, &sid, sizeof sid);
    memcpy(descriptor, &label, sizeof label);
    return TRUE;
}

TEST_F(Loadable, ImagesOfLowIntegrity) {
    const std::string expected =
        "it loads no DLLs of low integrity (its image load policy), and the DLL is one";
    EXPECT_EQ("", ReasonFor(ProcessImageLoadPolicy, 2));
    calls_.get_file_security = &GetLabel<0x1000>;
    EXPECT_EQ(expected, ReasonFor(ProcessImageLoadPolicy, 2));
    EXPECT_EQ("", Reason()) << "any other process may load it";
    calls_.get_file_security = &GetLabel<0x2000>;
    EXPECT_EQ("", ReasonFor(ProcessImageLoadPolicy, 2));
}

TEST_F(Loadable, Access) {
    g_contained = true;
    EXPECT_EQ("", Reason());
    g_allowed = FALSE;
    EXPECT_EQ("it is in an AppContainer that may not read and execute the DLL", Reason());
    g_contained = false;
    EXPECT_EQ("its user or token may not read and execute the DLL", Reason());
}

TEST_F(Loadable, AccessThatCannotBeTold) {
    calls_.get_file_security = [](LPCWSTR, SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, DWORD,
                                  LPDWORD) -> BOOL {
        SetLastError(ERROR_INSUFFICIENT_BUFFER);
        return FALSE;
    };
    EXPECT_EQ("", Reason()) << "like the process that asks";
    g_contained = true;
    const LoadProblem contained = Find();
    ASSERT_TRUE(contained);
    EXPECT_STREQ("whether it may load the DLL cannot be told", contained.reason);
    EXPECT_STREQ("GetFileSecurityW", contained.call);
    EXPECT_EQ(DWORD{ERROR_INSUFFICIENT_BUFFER}, contained.system_error);
    calls_.open_token = [](HANDLE, DWORD, PHANDLE) -> BOOL {
        SetLastError(ERROR_ACCESS_DENIED);
        return FALSE;
    };
    EXPECT_STREQ("OpenProcessToken", Find().call);
}

TEST_F(Loadable, MarksOfTheDll) {
    // An image as it is mapped, made by hand.
    struct {
        IMAGE_DOS_HEADER dos = {};
        IMAGE_NT_HEADERS64 headers = {};
        IMAGE_DEBUG_DIRECTORY debug[2] = {};
        DWORD flags = 1;
    } image;
    image.dos.e_lfanew = sizeof image.dos;
    image.headers.OptionalHeader.DllCharacteristics = IMAGE_DLLCHARACTERISTICS_GUARD_CF;
    image.headers.OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_DEBUG] = {
        offsetof(decltype(image), debug), sizeof image.debug};
    image.debug[1].Type = 20;  // IMAGE_DEBUG_TYPE_EX_DLLCHARACTERISTICS
    image.debug[1].AddressOfRawData = offsetof(decltype(image), flags);
    EXPECT_TRUE(TraitsOf(&image, L"").control_flow_guard);
    EXPECT_TRUE(TraitsOf(&image, L"").shadow_stack);
    image.flags = 0;
    image.headers.OptionalHeader.DllCharacteristics = 0;
    EXPECT_FALSE(TraitsOf(&image, L"").control_flow_guard);
    EXPECT_FALSE(TraitsOf(&image, L"").shadow_stack);
}

}  // namespace
}  // namespace strata::override
