// How much work the stress tests do: less where every step costs more.
#pragma once

#include <cstddef>
#include <cstdlib>

#include "support/sanitizers.h"

namespace strata::test {

#ifdef _WIN32
inline constexpr size_t kPlainEffort = 2;
#else
inline constexpr size_t kPlainEffort = 5;
#endif

inline constexpr bool kSanitized = kAddressSanitizer || kThreadSanitizer;
inline constexpr size_t kUsualEffort = kSanitized ? 1 : kPlainEffort;

// STRATA_TEST_EFFORT, a number, makes it so many times as much: tools/soak.sh.
inline const size_t kEffort = [] {
    const char* const times = std::getenv("STRATA_TEST_EFFORT");
    const size_t number = times != nullptr ? std::strtoull(times, nullptr, 10) : 1;
    return kUsualEffort * (number == 0 ? 1 : number);
}();

// Whether ThreadSanitizer leaves tests whose threads follow one another to the other builds: unless
// a longer run is asked for.
inline bool LeavesOneThreadToOthers() { return kThreadSanitizer && kEffort == kUsualEffort; }

// Whether the Windows build, under Wine the slowest, leaves cases that are parts of others to the
// native one.
inline bool LeavesPartsToNative() {
#ifdef _WIN32
    return kEffort == kUsualEffort;
#else
    return false;
#endif
}

}  // namespace strata::test
