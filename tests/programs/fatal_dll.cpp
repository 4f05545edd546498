// A library that frees a block twice while it is being loaded: the loader lock is held then.
#include <windows.h>

extern "C" BOOL WINAPI DllMain(HINSTANCE, DWORD reason, LPVOID) {
    if (reason == DLL_PROCESS_ATTACH) {
        // Freed once by another way in than the second time, so that no compiler looks through it.
        void* const volatile block = HeapAlloc(GetProcessHeap(), 0, 100);
        void* const kept = HeapAlloc(GetProcessHeap(), 0, 100);  // the slab stays
        HeapFree(GetProcessHeap(), 0, block);
        HeapFree(GetProcessHeap(), 0, block);
        HeapFree(GetProcessHeap(), 0, kept);
    }
    return TRUE;
}
