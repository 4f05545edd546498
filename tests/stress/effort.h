// How much work the stress tests do: less where every step costs more.
#pragma once

#include <cstddef>

namespace strata::test {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr size_t kEffort = 1;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
inline constexpr size_t kEffort = 1;
#elif defined(_WIN32)
inline constexpr size_t kEffort = 3;
#else
inline constexpr size_t kEffort = 8;
#endif
#elif defined(_WIN32)
inline constexpr size_t kEffort = 3;
#else
inline constexpr size_t kEffort = 8;
#endif

}  // namespace strata::test
