// A DLL in whose DllMain the program does something, under the loader's lock.
#include <windows.h>

BOOL WINAPI DllMain(HINSTANCE, DWORD reason, void*) {
    if (reason != DLL_PROCESS_ATTACH) return TRUE;
    const auto call = reinterpret_cast<int (*)()>(
        reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(nullptr), "FirstCallInDllMain")));
    return call != nullptr && call() != 0 ? TRUE : FALSE;
}
