// The entry of strata.dll, which links no C runtime. Nothing here waits or loads.
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include "heap/heap.h"

extern "C" BOOL WINAPI StrataDllEntry(HINSTANCE, DWORD reason, LPVOID reserved) {
    switch (reason) {
        case DLL_PROCESS_ATTACH:
            // A failure is not final: the first call tries again.
            strata::heap::Initialize();
            break;
        case DLL_THREAD_DETACH:
            strata::heap::ThreadDetach();
            break;
        case DLL_PROCESS_DETACH:
            // With `reserved` the process ends, and other threads may have died holding locks.
            if (reserved != nullptr) strata::heap::ProcessDetach();
            break;
        default:
            break;
    }
    return TRUE;
}
