/* What every test program needs: a check that ends the program with a line that says where, and the
   last error. Plain C, so that each C runtime can have it. Programs print only what is the same in
   every run. */
#ifndef STRATA_TESTS_PROGRAMS_CHECK_H
#define STRATA_TESTS_PROGRAMS_CHECK_H

#ifdef __cplusplus
#include <cstdio>
#include <cstdlib>
#else
#include <stdio.h>
#include <stdlib.h>
#endif

#ifdef _WIN32
#ifdef __cplusplus
extern "C"
#endif
    __declspec(dllimport) unsigned long __stdcall GetLastError(void);
#define CHECK_LAST_ERROR() GetLastError()
#else
#define CHECK_LAST_ERROR() 0ul
#endif

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            const unsigned long error = CHECK_LAST_ERROR();                                    \
            fprintf(stderr, "%s:%d: failed: %s (error %lu)\n", __FILE__, __LINE__, #condition, \
                    error);                                                                    \
            exit(3);                                                                           \
        }                                                                                      \
    } while (0)

#endif
