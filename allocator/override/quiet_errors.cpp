#include "override/quiet_errors.h"

namespace strata::override {

ErrorModes QuietErrors::Enter() noexcept {
    os::LockGuard guard(lock_);
    if (inside_++ == 0) {
        const ErrorModeCalls calls = calls_ != nullptr ? *calls_ : ErrorModeCalls{};
        modes_.right = calls.get();
        modes_.quiet = modes_.right | kQuietErrors;
        calls.set(modes_.quiet);
    }
    return modes_;
}

void QuietErrors::Leave() noexcept {
    os::LockGuard guard(lock_);
    const ErrorModeCalls calls = calls_ != nullptr ? *calls_ : ErrorModeCalls{};
    if (--inside_ == 0 && calls.get() == modes_.quiet) calls.set(modes_.right);
}

}  // namespace strata::override
