/* What every test program needs: a check that ends the program with a line that says where. Plain C,
   so that each C runtime can have it. Programs print only what is the same in every run. */
#ifndef STRATA_TESTS_PROGRAMS_CHECK_H
#define STRATA_TESTS_PROGRAMS_CHECK_H

#ifdef __cplusplus
#include <cstdio>
#include <cstdlib>
#else
#include <stdio.h>
#include <stdlib.h>
#endif

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            exit(3);                                                                \
        }                                                                           \
    } while (0)

#endif
