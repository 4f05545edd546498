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

constinit std::atomic<void*> g_functions[kFunctions] = {};
constinit std::atomic<bool> g_looked{false};

// A program can have several runtimes in it. Its own is the one that a function was found in which
// nobody replaces: declared as imported, so that this is its address in the DLL, not that of a stub
// here. Where the runtime is linked statically it lies in the program, which exports nothing of
// this.
HMODULE FindRuntime() noexcept {
    HMODULE module = nullptr;
    GetModuleHandleExW(
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
        reinterpret_cast<const wchar_t*>(&_get_heap_handle), &module);
    return module;
}

void FindAll() noexcept {
    const DWORD error = GetLastError();
    const HMODULE module = FindRuntime();
    for (size_t i = 0; module != nullptr && i < kFunctions; ++i) {
        for (const char* const name : kNames[i]) {
            const FARPROC found = name != nullptr ? GetProcAddress(module, name) : nullptr;
            if (found == nullptr) continue;
            g_functions[i].store(reinterpret_cast<void*>(found), std::memory_order_relaxed);
            break;
        }
    }
    SetLastError(error);
    // Pairs with FindRuntimeFunction: who sees it sees the functions. Two threads may look; they
    // find the same.
    g_looked.store(true, std::memory_order_release);
}

// When the program's objects are initialised: to look for a function takes the loader's lock, for
// which no function of a heap's may wait, as its caller may hold what a DllMain waits for.
struct AtStart {
    AtStart() noexcept { FindAll(); }
};
const AtStart g_at_start;

}  // namespace

void* FindRuntimeFunction(RuntimeFunction function) noexcept {
    const size_t index = static_cast<size_t>(function);
    // Called by an object that is initialised before this one.
    if (!g_looked.load(std::memory_order_acquire)) FindAll();
    return g_functions[index].load(std::memory_order_relaxed);
}

}  // namespace strata::api
