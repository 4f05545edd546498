/* How the functions of Strata are exported. Included by the other headers. */
#ifndef STRATA_EXPORT_H
#define STRATA_EXPORT_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(STRATA_BUILDING_DLL)
#define STRATA_API __declspec(dllexport)
#elif defined(_WIN32) && defined(STRATA_USING_DLL)
#define STRATA_API __declspec(dllimport)
#elif !defined(_WIN32) && (defined(__GNUC__) || defined(__clang__))
#define STRATA_API __attribute__((visibility("default")))
#else
#define STRATA_API
#endif

#ifdef __cplusplus
#define STRATA_EXTERN_C_BEGIN extern "C" {
#define STRATA_EXTERN_C_END }
#define STRATA_NOEXCEPT noexcept
#else
#define STRATA_EXTERN_C_BEGIN
#define STRATA_EXTERN_C_END
#define STRATA_NOEXCEPT
#endif

#endif
