// Loads the override DLL, with its path as the first argument, into a process in which redirecting
// is forbidden or unsafe in the manner of the second. It must decline as a whole: prints the
// reason, and that ntdll is as it was and the heap goes on. With "--later", only makes the process
// so, and waits to be attached to.
#include <windows.h>
#include <strata/override.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"

namespace {

// Code that is not written to while the program runs.
std::vector<unsigned char> CodeOf(HMODULE module) {
    std::vector<unsigned char> code;
    auto at = reinterpret_cast<uintptr_t>(module);
    for (;;) {
        MEMORY_BASIC_INFORMATION information = {};
        if (VirtualQuery(reinterpret_cast<void*>(at), &information, sizeof information) == 0 ||
            information.AllocationBase != module) {
            return code;
        }
        constexpr DWORD kCode = PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
        if (information.State == MEM_COMMIT && (information.Protect & kCode) != 0) {
            const auto* const bytes = static_cast<const unsigned char*>(information.BaseAddress);
            code.insert(code.end(), bytes, bytes + information.RegionSize);
        }
        at = reinterpret_cast<uintptr_t>(information.BaseAddress) + information.RegionSize;
    }
}

void Overwrite(const char* module, const char* function, const void* bytes, size_t size) {
    auto* const at = reinterpret_cast<unsigned char*>(
        reinterpret_cast<void*>(GetProcAddress(GetModuleHandleA(module), function)));
    CHECK(at != nullptr);
    DWORD old;
    CHECK(VirtualProtect(at, size, PAGE_EXECUTE_READWRITE, &old));
    std::memcpy(at, bytes, size);
    VirtualProtect(at, size, old, &old);
    FlushInstructionCache(GetCurrentProcess(), at, size);
}

void AnswerBy(const char* function, const void* target) {
    unsigned char jump[14] = {0xff, 0x25};
    std::memcpy(jump + 6, &target, sizeof target);
    Overwrite("kernel32.dll", function, jump, sizeof jump);
}

// Answers for systems that accept the policy without keeping to it.
BOOL WINAPI GuardedPolicy(HANDLE, PROCESS_MITIGATION_POLICY policy, PVOID buffer, SIZE_T bytes) {
    std::memset(buffer, 0, bytes);
    if (policy == ProcessDynamicCodePolicy) *static_cast<DWORD*>(buffer) = 1;
    return TRUE;
}

void ForbidDynamicCode() {
    PROCESS_MITIGATION_DYNAMIC_CODE_POLICY policy = {};
    const auto ask = [&] {
        policy = {};
        return GetProcessMitigationPolicy(GetCurrentProcess(), ProcessDynamicCodePolicy, &policy,
                                          sizeof policy) &&
               policy.ProhibitDynamicCode != 0;
    };
    policy.ProhibitDynamicCode = 1;
    SetProcessMitigationPolicy(ProcessDynamicCodePolicy, &policy, sizeof policy);
    if (ask()) return;
    // Wine knows no such policy. Then the question is answered here.
    AnswerBy("GetProcessMitigationPolicy", reinterpret_cast<const void*>(&GuardedPolicy));
    CHECK(ask());
}

// What Windows on ARM64 says of an x64 program.
BOOL WINAPI EmulatedMachines(HANDLE, USHORT* process, USHORT* native) {
    *process = IMAGE_FILE_MACHINE_UNKNOWN;
    *native = IMAGE_FILE_MACHINE_ARM64;
    return TRUE;
}

// RtlWalkHeap, because nobody calls it meanwhile.
void Prepare(const std::string& manner) {
    const unsigned char unknown[] = {0x06, 0x06, 0x06, 0x06, 0x06};  // no instruction
    const unsigned char breakpoint[] = {0xcc};                       // a debugger's
    const unsigned char jump[] = {0xe9, 0x00, 0x10, 0x00, 0x00};     // somebody else's
    const unsigned char far_jump[] = {0xff, 0x25, 0x00, 0x10, 0x00, 0x00};
    const unsigned char branch[] = {0xff, 0xc9, 0x75, 0xfd, 0xc3};  // to its second byte
    if (manner == "guard") return ForbidDynamicCode();
    if (manner == "arm64") {
        return AnswerBy("IsWow64Process2", reinterpret_cast<const void*>(&EmulatedMachines));
    }
    if (manner == "slots") {  // TlsAlloc's, of which 64 lie in the TEB
        while (TlsAlloc() < 64) {
        }
        return;
    }
    if (manner == "unknown") return Overwrite("ntdll.dll", "RtlWalkHeap", unknown, 5);
    if (manner == "breakpoint") return Overwrite("ntdll.dll", "RtlWalkHeap", breakpoint, 1);
    if (manner == "jump") return Overwrite("ntdll.dll", "RtlWalkHeap", jump, 5);
    if (manner == "far-jump") return Overwrite("ntdll.dll", "RtlWalkHeap", far_jump, 6);
    CHECK(manner == "branch");
    Overwrite("ntdll.dll", "RtlWalkHeap", branch, 5);
}

void UseHeap() {
    for (SIZE_T size = 0; size < 3000000; size = size * 2 + 7) {
        void* block = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, size);
        CHECK(block != nullptr && HeapSize(GetProcessHeap(), 0, block) == size);
        block = HeapReAlloc(GetProcessHeap(), 0, block, size + 100);
        CHECK(block != nullptr && HeapFree(GetProcessHeap(), 0, block));
    }
    free(malloc(100));
}

}  // namespace

int main(int count, char** arguments) {
    CHECK(count == 3);
    LoadLibraryA("ucrtbase.dll");
    Prepare(arguments[2]);
    const HMODULE ntdll = GetModuleHandleA("ntdll.dll");
    const HMODULE kernelbase = GetModuleHandleA("kernelbase.dll");
    const std::vector<unsigned char> before = CodeOf(ntdll);
    const std::vector<unsigned char> kernelbase_before = CodeOf(kernelbase);
    if (std::strcmp(arguments[1], "--later") == 0) {
        std::printf("process %lu\n", GetCurrentProcessId());
        std::fflush(stdout);
        char byte;
        DWORD read;
        ReadFile(GetStdHandle(STD_INPUT_HANDLE), &byte, 1, &read, nullptr);
        CHECK(GetModuleHandleA("strata-override.dll") == nullptr);
        std::puts("not loaded");
    } else {
        const HMODULE dll = LoadLibraryA(arguments[1]);
        CHECK(dll != nullptr);
        const auto status = reinterpret_cast<StrataOverrideStatusFunction*>(
            reinterpret_cast<void*>(GetProcAddress(dll, "StrataOverrideStatus")));
        StrataOverrideInfo info = {};
        info.size = sizeof info;
        CHECK(status(&info) == STRATA_OVERRIDE_DECLINED && info.redirected == 0);
        std::puts(info.reason);
        CHECK(FreeLibrary(dll));
        CHECK(GetModuleHandleA("strata-override.dll") == nullptr);  // nothing holds it
    }
    CHECK(CodeOf(ntdll) == before);
    CHECK(CodeOf(kernelbase) == kernelbase_before);
    UseHeap();
    std::puts("as it was");
    return 0;
}
