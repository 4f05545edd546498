// The library of late_library.cpp. It allocates from the process heap, from a heap of its own, and
// from its C runtime, from the moment it is loaded to the moment it goes.
#include <windows.h>

#include <cstdlib>
#include <cstring>

namespace {

HANDLE g_heap = nullptr;
char* g_kept = nullptr;

}  // namespace

extern "C" {

__declspec(dllexport) void* LibraryAllocate(SIZE_T size) {
    return HeapAlloc(GetProcessHeap(), 0, size);
}

__declspec(dllexport) BOOL LibraryFree(void* block) { return HeapFree(GetProcessHeap(), 0, block); }

__declspec(dllexport) char* LibraryDuplicate(const char* text) { return _strdup(text); }

__declspec(dllexport) void LibraryRelease(char* text) { free(text); }

BOOL WINAPI DllMain(HINSTANCE, DWORD reason, LPVOID) {
    if (reason == DLL_PROCESS_ATTACH) {
        g_heap = HeapCreate(0, 0, 0);
        g_kept = static_cast<char*>(HeapAlloc(g_heap, 0, 1000));
        std::strcpy(g_kept, "kept");
    } else if (reason == DLL_PROCESS_DETACH) {
        if (std::strcmp(g_kept, "kept") != 0) TerminateProcess(GetCurrentProcess(), 4);
        HeapDestroy(g_heap);
    }
    return TRUE;
}

}  // extern "C"
