// Which sanitizers the tests are built with.
#pragma once

#if defined(__has_feature)
#define STRATA_TEST_HAS_FEATURE(name) __has_feature(name)
#else
#define STRATA_TEST_HAS_FEATURE(name) 0
#endif

namespace strata::test {

#if defined(__SANITIZE_THREAD__) || STRATA_TEST_HAS_FEATURE(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

#if defined(__SANITIZE_ADDRESS__) || STRATA_TEST_HAS_FEATURE(address_sanitizer)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

}  // namespace strata::test
