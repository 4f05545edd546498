#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include "os/stack.h"
#include "os/thread.h"
#include "os/windows/thread_exit.h"

namespace {

void (*g_on_exit)(void*) noexcept = nullptr;

void NTAPI OnTlsCallback(PVOID, DWORD reason, PVOID) {
    if (reason != DLL_THREAD_DETACH || g_on_exit == nullptr) return;
    g_on_exit(strata::os::GetThreadSlot());
}

}  // namespace

// The linker sorts these sections between the start and the end of the image's array of callbacks.
#if defined(_MSC_VER)  // clang-cl as well: nothing else refers to the runtime's TLS directory
#pragma comment(linker, "/INCLUDE:_tls_used")
#pragma comment(linker, "/INCLUDE:strata_tls_callback")
#pragma const_seg(".CRT$XLC")
extern "C" const PIMAGE_TLS_CALLBACK strata_tls_callback = OnTlsCallback;
#pragma const_seg()
#else
extern "C" __attribute__((section(".CRT$XLC"), used))
const PIMAGE_TLS_CALLBACK strata_tls_callback = OnTlsCallback;
#endif

namespace strata::os {

void RegisterThreadExit(void (*on_exit)(void* value) noexcept) noexcept { g_on_exit = on_exit; }

bool IsOwnCode(const void*) noexcept { return false; }

}  // namespace strata::os
