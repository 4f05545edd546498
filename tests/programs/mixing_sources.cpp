// Where blocks come from.
#include <objbase.h>
#include <oleauto.h>
#include <string.h>

#include "check.h"
#include "mixing.h"

namespace mixing {

Runtime g_runtimes[kRuntimes] = {};
HANDLE g_private_heap = nullptr;

namespace {

template <typename Function>
void Find(HMODULE module, const char* name, Function& function) {
    function = reinterpret_cast<Function>(reinterpret_cast<void*>(GetProcAddress(module, name)));
}

void FindFunctions(HMODULE module, Runtime& runtime) {
    Find(module, "malloc", runtime.malloc);
    Find(module, "calloc", runtime.calloc);
    Find(module, "realloc", runtime.realloc);
    Find(module, "free", runtime.free);
    Find(module, "_msize", runtime.msize);
    Find(module, "_recalloc", runtime.recalloc);
    Find(module, "_expand", runtime.expand);
    Find(module, "_malloc_base", runtime.malloc_base);
    Find(module, "_calloc_base", runtime.calloc_base);
    Find(module, "_realloc_base", runtime.realloc_base);
    Find(module, "_free_base", runtime.free_base);
    Find(module, "_strdup", runtime.strdup);
    Find(module, "_wcsdup", runtime.wcsdup);
    Find(module, "_fullpath", runtime.fullpath);
    Find(module, "??2@YAPEAX_K@Z", runtime.operator_new);
    Find(module, "??3@YAXPEAX@Z", runtime.operator_delete);
    Find(module, "_aligned_malloc", runtime.aligned_malloc);
    Find(module, "_aligned_offset_malloc", runtime.aligned_offset_malloc);
    Find(module, "_aligned_realloc", runtime.aligned_realloc);
    // Wine exports it and ends the process when it is called.
    if (GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") == nullptr) {
        Find(module, "_aligned_recalloc", runtime.aligned_recalloc);
    }
    Find(module, "_aligned_msize", runtime.aligned_msize);
    Find(module, "_aligned_free", runtime.aligned_free);
}

void* FromMalloc(const Source& s, size_t bytes) { return s.runtime->malloc(bytes); }
void* FromCalloc(const Source& s, size_t bytes) { return s.runtime->calloc(1, bytes); }
void* FromRealloc(const Source& s, size_t bytes) { return s.runtime->realloc(nullptr, bytes); }
void* FromRecalloc(const Source& s, size_t bytes) { return s.runtime->recalloc(nullptr, bytes, 1); }
void* FromMallocBase(const Source& s, size_t bytes) { return s.runtime->malloc_base(bytes); }
void* FromCallocBase(const Source& s, size_t bytes) { return s.runtime->calloc_base(bytes, 1); }
void* FromReallocBase(const Source& s, size_t bytes) {
    return s.runtime->realloc_base(nullptr, bytes);
}
void* FromNew(const Source& s, size_t bytes) { return s.runtime->operator_new(bytes); }
void* FromAligned(const Source& s, size_t bytes) { return s.runtime->aligned_malloc(bytes, 64); }
void* FromAlignedOffset(const Source& s, size_t bytes) {
    return s.runtime->aligned_offset_malloc(bytes, 64, 0);
}

// Texts that with their end take `bytes` bytes, or what comes next to it.
void* FromStrdup(const Source& s, size_t bytes) {
    static char text[2000001];
    memset(text, 't', bytes - 1);
    text[bytes - 1] = 0;
    return s.runtime->strdup(text);
}
void* FromWcsdup(const Source& s, size_t bytes) {
    static wchar_t text[1000001];
    const size_t length = bytes / 2;
    for (size_t i = 0; i < length; ++i) text[i] = L't';
    text[length] = 0;
    return s.runtime->wcsdup(text);
}
void* FromFullpath(const Source& s, size_t) { return s.runtime->fullpath(nullptr, ".", 0); }

#ifdef STRATA_WITH_NEW
void* FromOwnNew(const Source&, size_t bytes) { return ::operator new(bytes); }
#endif

void* FromHeap(const Source& s, size_t bytes) { return HeapAlloc(s.heap, 0, bytes); }
void* FromLocal(const Source&, size_t bytes) { return LocalAlloc(LMEM_FIXED, bytes); }
void* FromGlobal(const Source&, size_t bytes) { return GlobalAlloc(GMEM_FIXED, bytes); }
void* FromMoveable(const Source&, size_t bytes) { return GlobalAlloc(GMEM_MOVEABLE, bytes); }
void* FromTask(const Source&, size_t bytes) { return CoTaskMemAlloc(bytes); }
void* FromString(const Source&, size_t bytes) {
    return SysAllocStringLen(nullptr, static_cast<UINT>(bytes / 2));
}

class List {
public:
    explicit List(Source* sources) : sources_(sources) {}
    int count() const { return count_; }

    void Add(const char* name, Kind kind, HANDLE heap, void* (*allocate)(const Source&, size_t),
             bool exact = true, const Runtime* runtime = nullptr) {
        CHECK(count_ < kMostSources);
        sources_[count_++] = {name, runtime, kind, heap, allocate, exact};
    }
    // Only where the runtime exports it.
    template <typename Function>
    void AddOf(const Runtime& r, Function exported, const char* name, Kind kind,
               void* (*allocate)(const Source&, size_t), bool exact = true) {
        const HANDLE heap = kind == Kind::kCrt || kind == Kind::kNew ? r.heap : nullptr;
        if (exported != nullptr) Add(name, kind, heap, allocate, exact, &r);
    }

private:
    Source* sources_;
    int count_ = 0;
};

void AddRuntime(List& list, const Runtime& r) {
    list.AddOf(r, r.malloc, "malloc", Kind::kCrt, FromMalloc);
    list.AddOf(r, r.calloc, "calloc", Kind::kCrt, FromCalloc);
    list.AddOf(r, r.realloc, "realloc", Kind::kCrt, FromRealloc);
    list.AddOf(r, r.recalloc, "_recalloc", Kind::kCrt, FromRecalloc);
    list.AddOf(r, r.malloc_base, "_malloc_base", Kind::kCrt, FromMallocBase);
    list.AddOf(r, r.calloc_base, "_calloc_base", Kind::kCrt, FromCallocBase);
    list.AddOf(r, r.realloc_base, "_realloc_base", Kind::kCrt, FromReallocBase);
    list.AddOf(r, r.strdup, "_strdup", Kind::kCrt, FromStrdup);
    list.AddOf(r, r.wcsdup, "_wcsdup", Kind::kCrt, FromWcsdup, false);
    list.AddOf(r, r.fullpath, "_fullpath", Kind::kCrt, FromFullpath, false);
    list.AddOf(r, r.operator_new, "exported operator new", Kind::kNew, FromNew);
    list.AddOf(r, r.aligned_malloc, "_aligned_malloc", Kind::kAligned, FromAligned);
    list.AddOf(r, r.aligned_offset_malloc, "_aligned_offset_malloc", Kind::kAligned,
               FromAlignedOffset);
}

}  // namespace

void FindRuntimes() {
    static const char* const kNames[kRuntimes] = {"msvcrt", "ucrtbase"};
    for (int i = 0; i < kRuntimes; ++i) {
        const HMODULE module = LoadLibraryA(kNames[i]);
        CHECK(module != nullptr);
        g_runtimes[i].name = kNames[i];
        FindFunctions(module, g_runtimes[i]);
        intptr_t (*get_heap_handle)();
        Find(module, "_get_heap_handle", get_heap_handle);
        if (get_heap_handle != nullptr) {
            g_runtimes[i].heap = reinterpret_cast<HANDLE>(get_heap_handle());
        }
    }
}

int MakeSources(Source* sources) {
    List list(sources);
    for (const Runtime& runtime : g_runtimes) AddRuntime(list, runtime);
#ifdef STRATA_WITH_NEW
    list.Add("operator new in the program", Kind::kOwnNew, nullptr, FromOwnNew);
#endif
    list.Add("HeapAlloc, process heap", Kind::kHeap, GetProcessHeap(), FromHeap);
    list.Add("HeapAlloc, private heap", Kind::kHeap, g_private_heap, FromHeap);
    list.Add("LocalAlloc, fixed", Kind::kHeap, GetProcessHeap(), FromLocal);
    list.Add("GlobalAlloc, fixed", Kind::kHeap, GetProcessHeap(), FromGlobal);
    list.Add("GlobalAlloc, moveable", Kind::kMoveable, nullptr, FromMoveable);
    list.Add("CoTaskMemAlloc", Kind::kTask, nullptr, FromTask);
    list.Add("SysAllocString", Kind::kString, nullptr, FromString, false);
    return list.count();
}

void Free(const Source& source, void* block) {
    switch (source.kind) {
        case Kind::kCrt:
            return source.runtime->free(block);
        case Kind::kNew:
            return source.runtime->operator_delete(block);
        case Kind::kOwnNew:
#ifdef STRATA_WITH_NEW
            return ::operator delete(block);
#else
            return;
#endif
        case Kind::kAligned:
            return source.runtime->aligned_free(block);
        case Kind::kHeap:
            CHECK(HeapFree(source.heap, 0, block));
            return;
        case Kind::kMoveable:
            CHECK(GlobalFree(block) == nullptr);
            return;
        case Kind::kTask:
            return CoTaskMemFree(block);
        case Kind::kString:
            return SysFreeString(static_cast<BSTR>(block));
    }
}

}  // namespace mixing
