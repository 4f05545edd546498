#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#define PSAPI_VERSION 2  // its functions in kernel32
#include <windows.h>

#include <psapi.h>

#include "base/compiler.h"
#include "os/stack.h"
#include "os/windows/last_error_keeper.h"

namespace strata::os {

namespace {

// A module as it lies in memory. Its headers and tables are read as they are: pages of an image are
// there as long as the image is.
struct Module {
    const unsigned char* base = nullptr;
    const IMAGE_EXPORT_DIRECTORY* exports = nullptr;
    uint32_t bytes = 0;

    template <typename T>
    const T* At(uint32_t offset) const noexcept {
        return reinterpret_cast<const T*>(base + offset);
    }
    bool Holds(uint64_t offset, uint64_t size) const noexcept { return offset + size <= bytes; }
};

// Asks the memory manager, not the loader: whoever holds the loader's lock may be waiting for this
// thread.
bool FindModule(const void* address, Module& module) noexcept {
    MEMORY_BASIC_INFORMATION info;
    if (VirtualQuery(address, &info, sizeof info) == 0 || info.Type != MEM_IMAGE) return false;
    module.base = static_cast<const unsigned char*>(info.AllocationBase);
    const auto* const dos = module.At<IMAGE_DOS_HEADER>(0);
    if (dos->e_magic != IMAGE_DOS_SIGNATURE) return false;
    const auto* const nt = module.At<IMAGE_NT_HEADERS64>(static_cast<uint32_t>(dos->e_lfanew));
    if (nt->Signature != IMAGE_NT_SIGNATURE ||
        nt->OptionalHeader.Magic != IMAGE_NT_OPTIONAL_HDR64_MAGIC) {
        return false;
    }
    module.bytes = nt->OptionalHeader.SizeOfImage;
    const IMAGE_DATA_DIRECTORY& entry =
        nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_EXPORT];
    if (entry.VirtualAddress != 0 &&
        module.Holds(entry.VirtualAddress, sizeof(IMAGE_EXPORT_DIRECTORY))) {
        module.exports = module.At<IMAGE_EXPORT_DIRECTORY>(entry.VirtualAddress);
    }
    return true;
}

// The file's name without its folders; false when the system does not say.
bool PutFileName(TextSink& text, const void* base) noexcept {
    wchar_t path[512];
    const DWORD length = K32GetMappedFileNameW(GetCurrentProcess(), const_cast<void*>(base), path,
                                               sizeof path / sizeof path[0]);
    if (length == 0) return false;
    DWORD first = length;
    while (first > 0 && path[first - 1] != L'\\' && path[first - 1] != L'/') --first;
    for (DWORD i = first; i < length; ++i) {
        text.PutChar(path[i] < 127 ? static_cast<char>(path[i]) : '?');
    }
    return true;
}

void PutModuleName(TextSink& text, const Module& module) noexcept {
    if (PutFileName(text, module.base)) return;
    const bool named = module.exports != nullptr && module.exports->Name != 0 &&
                       module.Holds(module.exports->Name, 64);
    if (named) {
        text.Put(module.At<char>(module.exports->Name));
    } else {
        text.Put("image ").PutAddress(module.base);
    }
}

// The exported function that begins last at or before `offset`.
const char* NearestExport(const Module& module, uint32_t offset, uint32_t& begin) noexcept {
    const IMAGE_EXPORT_DIRECTORY* const exports = module.exports;
    if (exports == nullptr) return nullptr;
    if (!module.Holds(exports->AddressOfNames, uint64_t{exports->NumberOfNames} * 4) ||
        !module.Holds(exports->AddressOfNameOrdinals, uint64_t{exports->NumberOfNames} * 2) ||
        !module.Holds(exports->AddressOfFunctions, uint64_t{exports->NumberOfFunctions} * 4)) {
        return nullptr;
    }
    const auto* const names = module.At<uint32_t>(exports->AddressOfNames);
    const auto* const ordinals = module.At<uint16_t>(exports->AddressOfNameOrdinals);
    const auto* const functions = module.At<uint32_t>(exports->AddressOfFunctions);
    const char* nearest = nullptr;
    for (uint32_t i = 0; i < exports->NumberOfNames; ++i) {
        if (ordinals[i] >= exports->NumberOfFunctions) continue;
        const uint32_t function = functions[ordinals[i]];
        if (function > offset || (nearest != nullptr && function <= begin)) continue;
        if (!module.Holds(names[i], 1)) continue;
        nearest = module.At<char>(names[i]);
        begin = function;
    }
    return nearest;
}

}  // namespace

uint32_t CurrentThreadId() noexcept { return GetCurrentThreadId(); }

STRATA_NOINLINE void CaptureStack(StackTrace& trace) noexcept {
    trace.thread = GetCurrentThreadId();
    const uint32_t depth =
        RtlCaptureStackBackTrace(1, kStackFrames, const_cast<void**>(trace.frames), nullptr);
    // Behind a thread's first function some walks go on into what is no code.
    trace.depth = 0;
    while (trace.depth < depth && trace.frames[trace.depth] != nullptr) ++trace.depth;
}

void PutCodeAddress(TextSink& text, const void* address) noexcept {
    const LastErrorKeeper keeper;
    Module module;
    if (FindModule(address, module)) {
        const auto offset =
            static_cast<uint32_t>(static_cast<const unsigned char*>(address) - module.base);
        PutModuleName(text, module);
        text.Put("+").PutHex(offset);
        uint32_t begin = 0;
        if (const char* const name = NearestExport(module, offset, begin)) {
            text.Put(" (").Put(name).Put("+").PutHex(offset - begin).Put(")");
        }
    } else {
        text.PutAddress(address);
    }
}

}  // namespace strata::os
