#include "override/entry_point.h"

#include <cstring>

#include "override/code_patch.h"
#include "override/instruction.h"
#include "override/windows_api.h"

#define PSAPI_VERSION 2  // in kernel32
#include <psapi.h>

namespace strata::override {

namespace {

constexpr int kMostJumps = 4;
constexpr wchar_t kHotpatchEnd[] = L"_hotpatch.dll";
constexpr size_t kHotpatchEndLength = sizeof kHotpatchEnd / sizeof kHotpatchEnd[0] - 1;

// A jump that says where it leads, by itself or by a pointer beside it.
struct Jump {
    uint8_t* target = nullptr;
    size_t bytes = 0;
};

Jump JumpAt(const uint8_t* at) noexcept {
    const Decoder decoder;
    ZydisDecodedInstruction instruction;
    const size_t readable = ReadableCode(at);
    Jump jump;
    if (readable == 0 || !decoder.Decode(at, readable, instruction) || !IsJump(instruction)) {
        return jump;
    }
    if (IsRelativeBranch(instruction)) {
        jump.target = reinterpret_cast<uint8_t*>(BranchTarget(instruction, at));
    } else if (IsRipRelative(instruction)) {
        const auto* const pointer = reinterpret_cast<const void*>(OperandOf(instruction, at));
        MEMORY_BASIC_INFORMATION information;
        if (VirtualQuery(pointer, &information, sizeof information) == 0 ||
            information.State != MEM_COMMIT || information.Protect == PAGE_NOACCESS) {
            return jump;
        }
        memcpy(&jump.target, pointer, sizeof jump.target);
    }
    jump.bytes = instruction.length;
    return jump;
}

// Behind its first instruction, as far as the unwind data tells: nobody enters a function there.
bool IsInsideFunction(const uint8_t* code) noexcept {
    DWORD64 base = 0;
    const auto address = reinterpret_cast<uintptr_t>(code);
    const RUNTIME_FUNCTION* const function = RtlLookupFunctionEntry(address, &base, nullptr);
    return function != nullptr && base + function->BeginAddress != address;
}

bool EndsLikeHotpatch(const wchar_t* name, size_t length) noexcept {
    if (length < kHotpatchEndLength) return false;
    for (size_t i = 0; i < kHotpatchEndLength; ++i) {
        wchar_t c = name[length - kHotpatchEndLength + i];
        if (c >= L'A' && c <= L'Z') c = static_cast<wchar_t>(c - L'A' + L'a');
        if (c != kHotpatchEnd[i]) return false;
    }
    return true;
}

}  // namespace

// By the name of its file: the loader does not list it among the modules.
ModuleImage FindHotpatch(const void* address) noexcept {
    MEMORY_BASIC_INFORMATION information;
    if (VirtualQuery(address, &information, sizeof information) == 0 ||
        information.State != MEM_COMMIT || information.Type != MEM_IMAGE) {
        return {};
    }
    wchar_t name[512];
    const DWORD length = GetMappedFileNameW(GetCurrentProcess(), information.AllocationBase, name,
                                            sizeof name / sizeof name[0]);
    return EndsLikeHotpatch(name, length) ? ImageAt(information.AllocationBase) : ModuleImage{};
}

EntryPoint FindEntryPoint(const ModuleImage& image, void* exported,
                          HotpatchFinder find_hotpatch) noexcept {
    auto* at = static_cast<uint8_t*>(exported);
    uint8_t* wide = nullptr;  // the first jump that is long enough to be overwritten
    for (int jumps = 0; jumps < kMostJumps; ++jumps) {
        const Jump jump = JumpAt(at);
        if (jump.target == nullptr) break;
        if (wide == nullptr && jump.bytes >= kNearJumpBytes) wide = at;
        if (!image.Contains(jump.target)) {
            const ModuleImage hotpatch = find_hotpatch(jump.target);
            if (hotpatch.Exists() && wide != nullptr) return {wide, FirstJump::kMoved, hotpatch};
            break;
        }
        // A short one may lead into the function that it begins, to the end of a loop for instance.
        if (jump.bytes < kNearJumpBytes && JumpAt(jump.target).target == nullptr) break;
        if (IsInsideFunction(jump.target)) break;
        at = jump.target;
    }
    return {at};
}

}  // namespace strata::override
