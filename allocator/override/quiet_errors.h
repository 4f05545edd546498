// Keeps this process' error mode quiet while it creates others (see error_mode.h).
#pragma once

#include "base/thread_safety.h"
#include "os/lock.h"
#include "override/error_mode.h"

namespace strata::override {

// The mode belongs to the process, and any number of its threads may be creating others: the first
// makes it quiet, the last puts it back, unless somebody else has changed it in between.
class QuietErrors {
public:
    constexpr QuietErrors() noexcept = default;
    // For tests; kept by pointer.
    constexpr explicit QuietErrors(const ErrorModeCalls& calls) noexcept : calls_(&calls) {}

    ErrorModes Enter() noexcept STRATA_EXCLUDES(lock_);
    void Leave() noexcept STRATA_EXCLUDES(lock_);

private:
    // nullptr: the system's, whose addresses are not known before the DLL is loaded.
    const ErrorModeCalls* calls_ = nullptr;
    os::Lock lock_{os::LockRank::kErrorMode};
    uint32_t inside_ STRATA_GUARDED_BY(lock_) = 0;
    ErrorModes modes_ STRATA_GUARDED_BY(lock_);
};

}  // namespace strata::override
