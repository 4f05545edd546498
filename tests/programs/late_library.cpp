// Loads a library late, many times, and lets blocks cross between it and the program.
#include <windows.h>

#include <cstring>
#include <initializer_list>

#include "check.h"

namespace {

template <typename Function>
Function Find(HMODULE library, const char* name) {
    const FARPROC function = GetProcAddress(library, name);
    CHECK(function != nullptr);
    return reinterpret_cast<Function>(reinterpret_cast<void*>(function));
}

void Once(const wchar_t* path) {
    const HMODULE library = LoadLibraryW(path);
    CHECK(library != nullptr);
    const auto allocate = Find<void* (*)(SIZE_T)>(library, "LibraryAllocate");
    const auto release = Find<BOOL (*)(void*)>(library, "LibraryFree");
    const auto duplicate = Find<char* (*)(const char*)>(library, "LibraryDuplicate");
    const auto release_text = Find<void (*)(char*)>(library, "LibraryRelease");

    void* block = allocate(100);
    CHECK(HeapSize(GetProcessHeap(), 0, block) == 100);
    block = HeapReAlloc(GetProcessHeap(), 0, block, 70000);
    CHECK(release(block));
    CHECK(release(HeapAlloc(GetProcessHeap(), 0, 33)));
    CHECK(HeapFree(GetProcessHeap(), 0, allocate(44)));

    char* const text = duplicate("across");
    CHECK(std::strcmp(text, "across") == 0);
    char* const outlives = duplicate("outlives its library");
    release_text(text);
    CHECK(FreeLibrary(library));
    CHECK(std::strcmp(outlives, "outlives its library") == 0);
    free(outlives);  // the same C runtime
}

}  // namespace

int main(int count, char** arguments) {
    const int number = count > 1 ? std::atoi(arguments[1]) : 100;
    wchar_t path[MAX_PATH];
    GetModuleFileNameW(nullptr, path, MAX_PATH);
    wchar_t* name = path;
    for (wchar_t* c = path; *c != 0; ++c) {
        if (*c == L'\\') name = c + 1;
    }
    wcscpy(name, L"strata_program_late_library_dll.dll");
    for (int i = 0; i < number; ++i) Once(path);
    std::printf("loaded and freed %d times\n", number);
    for (const wchar_t* system : {L"ucrtbase.dll", L"oleaut32.dll", L"msvcp140.dll"}) {
        if (const HMODULE library = LoadLibraryW(system)) FreeLibrary(library);
    }
    CHECK(HeapValidate(GetProcessHeap(), 0, nullptr));
    std::puts("done");
    return 0;
}
