// Where the functions come from: kernel32 by import, what a system may lack by GetProcAddress, and
// strata.dll by LoadLibrary.
#include "conformance.h"

namespace conformance {

namespace {

template <typename Function>
bool Find(HMODULE library, const char* name, Function& function) {
    // By way of a plain function type: compilers warn of a cast between unrelated ones.
    function = library == nullptr ? nullptr
                                  : reinterpret_cast<Function>(reinterpret_cast<void (*)()>(
                                        GetProcAddress(library, name)));
    return function != nullptr;
}

// --- ntdll's functions, in the shape of ours ---

constexpr DWORD kGrowable = 2;  // HEAP_GROWABLE

BOOLEAN(NTAPI* rtl_set_user_value)(PVOID, ULONG, PVOID, PVOID);
BOOLEAN(NTAPI* rtl_get_user_info)(PVOID, ULONG, const void*, PVOID*, PULONG);
BOOLEAN(NTAPI* rtl_set_user_flags)(PVOID, ULONG, PVOID, ULONG, ULONG);
PVOID(NTAPI* rtl_create_heap)(ULONG, PVOID, SIZE_T, SIZE_T, PVOID, PVOID);

BOOL WINAPI SetUserValue(HANDLE heap, DWORD flags, LPVOID block, LPVOID value) {
    return rtl_set_user_value(heap, flags, block, value);
}
BOOL WINAPI GetUserInfo(HANDLE heap, DWORD flags, LPCVOID block, LPVOID* value, DWORD* user_flags) {
    return rtl_get_user_info(heap, flags, block, value, user_flags);
}
BOOL WINAPI SetUserFlags(HANDLE heap, DWORD flags, LPVOID block, DWORD reset, DWORD set) {
    return rtl_set_user_flags(heap, flags, block, reset, set);
}
HANDLE WINAPI CreateInRegion(DWORD options, LPVOID base, SIZE_T bytes) {
    return rtl_create_heap(options, base, bytes, bytes, nullptr, nullptr);
}
HANDLE WINAPI CreateWithFlags(DWORD options) {
    return rtl_create_heap(options | kGrowable, nullptr, 0, 0, nullptr, nullptr);
}

// --- strata.dll's, likewise ---

HANDLE(WINAPI* strata_heap_create)(DWORD, SIZE_T, SIZE_T);

HANDLE WINAPI StrataCreateWithFlags(DWORD options) { return strata_heap_create(options, 0, 0); }

// --- C runtimes ---

const CRuntime* Load(CRuntime& runtime, const wchar_t* name) {
    HMODULE library = LoadLibraryW(name);
    Find(library, "_recalloc", runtime.recalloc);
    return Find(library, "malloc", runtime.malloc) && Find(library, "calloc", runtime.calloc) &&
                   Find(library, "realloc", runtime.realloc) &&
                   Find(library, "_expand", runtime.expand) &&
                   Find(library, "_msize", runtime.msize) && Find(library, "free", runtime.free)
               ? &runtime
               : nullptr;
}

const CRuntime* LoadStrata(CRuntime& runtime, HMODULE library) {
    return Find(library, "strata_malloc", runtime.malloc) &&
                   Find(library, "strata_calloc", runtime.calloc) &&
                   Find(library, "strata_realloc", runtime.realloc) &&
                   Find(library, "strata_recalloc", runtime.recalloc) &&
                   Find(library, "strata_expand", runtime.expand) &&
                   Find(library, "strata_requested_size", runtime.msize) &&
                   Find(library, "strata_free", runtime.free)
               ? &runtime
               : nullptr;
}

CRuntime msvcrt, ucrtbase, strata_functions;

}  // namespace

HeapApi SystemApi() {
    HeapApi api = {};
    api.create = HeapCreate;
    api.destroy = HeapDestroy;
    api.alloc = HeapAlloc;
    api.realloc = HeapReAlloc;
    api.free = HeapFree;
    api.size = HeapSize;
    api.validate = HeapValidate;
    api.compact = HeapCompact;
    api.lock = HeapLock;
    api.unlock = HeapUnlock;
    api.walk = HeapWalk;
    api.set_information = HeapSetInformation;
    api.query_information = HeapQueryInformation;
    api.process_heap = GetProcessHeap;
    api.process_heaps = GetProcessHeaps;
    if (!Find(GetModuleHandleW(L"kernel32.dll"), "HeapSummary", api.summary)) {
        Find(GetModuleHandleW(L"kernelbase.dll"), "HeapSummary", api.summary);
    }
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    if (Find(ntdll, "RtlSetUserValueHeap", rtl_set_user_value)) api.set_user_value = SetUserValue;
    if (Find(ntdll, "RtlGetUserInfoHeap", rtl_get_user_info)) api.get_user_info = GetUserInfo;
    if (Find(ntdll, "RtlSetUserFlagsHeap", rtl_set_user_flags)) api.set_user_flags = SetUserFlags;
    if (Find(ntdll, "RtlCreateHeap", rtl_create_heap)) {
        api.create_in_region = CreateInRegion;
        api.create_with_flags = CreateWithFlags;
    }
    api.msvcrt = Load(msvcrt, L"msvcrt.dll");
    api.ucrtbase = Load(ucrtbase, L"ucrtbase.dll");
    return api;
}

bool StrataApi(HeapApi& api) {
    api = {};
    api.is_strata = true;
    HMODULE library = LoadLibraryW(L"strata.dll");
    const bool whole = Find(library, "StrataHeapCreate", api.create) &&
                       Find(library, "StrataHeapDestroy", api.destroy) &&
                       Find(library, "StrataHeapAlloc", api.alloc) &&
                       Find(library, "StrataHeapReAlloc", api.realloc) &&
                       Find(library, "StrataHeapFree", api.free) &&
                       Find(library, "StrataHeapSize", api.size) &&
                       Find(library, "StrataHeapValidate", api.validate) &&
                       Find(library, "StrataHeapCompact", api.compact) &&
                       Find(library, "StrataHeapLock", api.lock) &&
                       Find(library, "StrataHeapUnlock", api.unlock) &&
                       Find(library, "StrataHeapWalk", api.walk) &&
                       Find(library, "StrataHeapSetInformation", api.set_information) &&
                       Find(library, "StrataHeapQueryInformation", api.query_information) &&
                       Find(library, "StrataGetProcessHeap", api.process_heap) &&
                       Find(library, "StrataGetProcessHeaps", api.process_heaps);
    Find(library, "StrataHeapSummary", api.summary);
    Find(library, "StrataHeapSetUserValue", api.set_user_value);
    Find(library, "StrataHeapGetUserInfo", api.get_user_info);
    Find(library, "StrataHeapSetUserFlags", api.set_user_flags);
    Find(library, "StrataHeapCreateInRegion", api.create_in_region);
    strata_heap_create = api.create;
    api.create_with_flags = StrataCreateWithFlags;
    api.msvcrt = LoadStrata(strata_functions, library);
    return whole;
}

}  // namespace conformance
