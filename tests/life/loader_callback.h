// A callback of the program's own for the events of the loader (PE format, ".tls": TLS callbacks).
// At a thread's or the process's end it comes after DllMain of all DLLs.
#ifndef STRATA_TESTS_PROGRAMS_LOADER_CALLBACK_H
#define STRATA_TESTS_PROGRAMS_LOADER_CALLBACK_H

#include <windows.h>

// STRATA_LOADER_CALLBACK(function): once in a program, in no namespace.
#if defined(_MSC_VER)
#pragma comment(linker, "/INCLUDE:_tls_used")
#pragma comment(linker, "/INCLUDE:g_strata_loader_callback")
#pragma section(".CRT$XLC", read)
#define STRATA_CALLBACK_SECTION __declspec(allocate(".CRT$XLC"))
#else
#define STRATA_CALLBACK_SECTION __attribute__((section(".CRT$XLC"), used))
#endif
#define STRATA_LOADER_CALLBACK(function)                                                   \
    extern "C" {                                                                           \
    extern const PIMAGE_TLS_CALLBACK g_strata_loader_callback;                             \
    STRATA_CALLBACK_SECTION const PIMAGE_TLS_CALLBACK g_strata_loader_callback = function; \
    }

#endif
