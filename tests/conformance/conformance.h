// The conformance program: one table of rules of the Win32 heap, run against one heap. A rule
// performs an experiment and puts what it saw into a few canonical words, without addresses or
// numbers that change from run to run; beside them stands what Windows documents. How to run it:
// docs/conformance.md.
//
// Nothing here may ask which system it runs on: what differs between systems is what is observed.
#pragma once

#include <windows.h>

#include <cstddef>
#include <cstdint>

namespace conformance {

// What HeapSummary fills in; older SDKs lack the name.
struct HeapSummaryData {
    DWORD cb;
    SIZE_T cbAllocated;
    SIZE_T cbCommitted;
    SIZE_T cbReserved;
    SIZE_T cbMaxReserve;
};

// A C runtime's functions. All of them are set, but for recalloc, which older ones lack.
struct CRuntime {
    void*(__cdecl* malloc)(size_t);
    void*(__cdecl* calloc)(size_t, size_t);
    void*(__cdecl* realloc)(void*, size_t);
    void*(__cdecl* recalloc)(void*, size_t, size_t);
    void*(__cdecl* expand)(void*, size_t);
    size_t(__cdecl* msize)(void*);
    void(__cdecl* free)(void*);
};

// The heap that the rules are run against: kernel32's functions, or those of strata.dll. The second
// group may be null: not every system exports them.
struct HeapApi {
    bool is_strata;

    HANDLE(WINAPI* create)(DWORD, SIZE_T, SIZE_T);
    BOOL(WINAPI* destroy)(HANDLE);
    LPVOID(WINAPI* alloc)(HANDLE, DWORD, SIZE_T);
    LPVOID(WINAPI* realloc)(HANDLE, DWORD, LPVOID, SIZE_T);
    BOOL(WINAPI* free)(HANDLE, DWORD, LPVOID);
    SIZE_T(WINAPI* size)(HANDLE, DWORD, LPCVOID);
    BOOL(WINAPI* validate)(HANDLE, DWORD, LPCVOID);
    SIZE_T(WINAPI* compact)(HANDLE, DWORD);
    BOOL(WINAPI* lock)(HANDLE);
    BOOL(WINAPI* unlock)(HANDLE);
    BOOL(WINAPI* walk)(HANDLE, LPPROCESS_HEAP_ENTRY);
    BOOL(WINAPI* set_information)(HANDLE, HEAP_INFORMATION_CLASS, PVOID, SIZE_T);
    BOOL(WINAPI* query_information)(HANDLE, HEAP_INFORMATION_CLASS, PVOID, SIZE_T, PSIZE_T);
    HANDLE(WINAPI* process_heap)();
    DWORD(WINAPI* process_heaps)(DWORD, PHANDLE);

    BOOL(WINAPI* summary)(HANDLE, DWORD, HeapSummaryData*);
    BOOL(WINAPI* set_user_value)(HANDLE, DWORD, LPVOID, LPVOID);
    BOOL(WINAPI* get_user_info)(HANDLE, DWORD, LPCVOID, LPVOID*, DWORD*);
    BOOL(WINAPI* set_user_flags)(HANDLE, DWORD, LPVOID, DWORD, DWORD);
    HANDLE(WINAPI* create_in_region)(DWORD, LPVOID, SIZE_T);
    // A growable heap with flags that HeapCreate does not document, such as tail checking.
    HANDLE(WINAPI* create_with_flags)(DWORD);
    const CRuntime* msvcrt;
    const CRuntime* ucrtbase;
};

// kernel32's and ntdll's heap.
HeapApi SystemApi();
// strata.dll's. False when the DLL or one of the functions of the first group is missing.
bool StrataApi(HeapApi& api);

// What a rule saw.
class Observed {
public:
    Observed() : text_{} {}
    Observed(const char* text);  // not explicit: a rule returns its words
    const char* text() const { return text_; }

private:
    char text_[240];
};

// An Observed made like printf makes a line.
#ifdef __MINGW_PRINTF_FORMAT
__attribute__((format(__MINGW_PRINTF_FORMAT, 1, 2)))
#endif
Observed
Say(const char* format, ...);

inline constexpr char kNotExported[] = "not exported";
inline constexpr char kNotApplicable[] = "not applicable";

enum class Scope {
    kEverywhere,
    kSystemOnly,  // about functions that have no counterpart among StrataHeap*
    kStrataOnly,  // Windows leaves the behaviour undefined, often with a crash
};

struct Rule {
    const char* id;
    const char* title;
    const char* expected;  // what Windows documents
    const char* source;    // the Microsoft page that says so, or the tests that show it
    Observed (*run)(const HeapApi& api);
    Scope scope = Scope::kEverywhere;
};

struct Topic {
    const char* name;
    const Rule* rules;
    size_t count;
};

template <size_t n>
constexpr Topic MakeTopic(const char* name, const Rule (&rules)[n]) {
    return {name, rules, n};
}

// All topics, in the order of the output; one .cpp file each.
extern const Topic kSizes, kZeroing, kFailures, kInPlaceResizing, kFlags, kExceptions, kExecutable,
    kChecking, kFixedHeaps, kWalking, kWalkMerging, kWalkEntries, kEnumeration, kValidation,
    kHandles, kBadHandles, kLocks, kSerialization, kInformation, kUserValues, kGlobalMemory,
    kLocalMemory, kErrors, kRegions, kCRuntimes;
extern const Topic* const kTopics[];
extern const size_t kTopicCount;

}  // namespace conformance
