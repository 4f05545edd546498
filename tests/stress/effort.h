// How much work the stress tests do: less where every step costs more.
#pragma once

#include <cstddef>
#include <cstdlib>

namespace strata::test {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr size_t kUsualEffort = 1;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
inline constexpr size_t kUsualEffort = 1;
#elif defined(_WIN32)
inline constexpr size_t kUsualEffort = 3;
#else
inline constexpr size_t kUsualEffort = 8;
#endif
#elif defined(_WIN32)
inline constexpr size_t kUsualEffort = 3;
#else
inline constexpr size_t kUsualEffort = 8;
#endif

// Built with AddressSanitizer or ThreadSanitizer.
inline constexpr bool kSanitized = kUsualEffort == 1;

// STRATA_TEST_EFFORT, a number, makes it so many times as much: tools/soak.sh.
inline const size_t kEffort = [] {
    const char* const times = std::getenv("STRATA_TEST_EFFORT");
    const size_t number = times != nullptr ? std::strtoull(times, nullptr, 10) : 1;
    return kUsualEffort * (number == 0 ? 1 : number);
}();

}  // namespace strata::test
