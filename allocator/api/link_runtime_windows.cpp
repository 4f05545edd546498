#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include "api/link_runtime.h"

#include <malloc.h>

#include <atomic>

namespace strata::api {

namespace {

constexpr size_t kFunctions = static_cast<size_t>(RuntimeFunction::kCount);

// msvcrt.dll exports the new mode as C++ does, ucrtbase.dll as C.
constexpr const char* kNames[kFunctions][2] = {
    {"free", nullptr},           {"_msize", nullptr},
    {"realloc", nullptr},        {"_expand", nullptr},
    {"_aligned_free", nullptr},  {"_aligned_offset_realloc", nullptr},
    {"_aligned_msize", nullptr}, {"_query_new_mode", "?_query_new_mode@@YAHXZ"},
};

// What stands in g_functions when there is none; 0 when it was not looked for yet.
constexpr uintptr_t kNone = 1;
constinit std::atomic<uintptr_t> g_functions[kFunctions] = {};

// A program can have several runtimes in it. Its own is the one that a function was found in which nobody
// replaces: declared as imported, so that this is its address in the DLL, not that of a stub here. Where
// the runtime is linked statically it lies in the program, which exports nothing of this.
uintptr_t Find(const char* const (&names)[2]) noexcept {
    HMODULE module;
    if (GetModuleHandleExW(
            GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
            reinterpret_cast<const wchar_t*>(&_get_heap_handle), &module) == 0) {
        return kNone;
    }
    for (const char* const name : names) {
        const FARPROC found = name != nullptr ? GetProcAddress(module, name) : nullptr;
        if (found != nullptr) return reinterpret_cast<uintptr_t>(found);
    }
    return kNone;
}

}  // namespace

void* FindRuntimeFunction(RuntimeFunction function) noexcept {
    const auto index = static_cast<size_t>(function);
    uintptr_t address = g_functions[index].load(std::memory_order_relaxed);
    if (address == 0) {
        const DWORD last_error = GetLastError();
        address = Find(kNames[index]);
        SetLastError(last_error);
        g_functions[index].store(address, std::memory_order_relaxed);
    }
    return address == kNone ? nullptr : reinterpret_cast<void*>(address);
}

}  // namespace strata::api
