// Overwriting the first bytes of functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "override/relocate.h"
#include "override/windows_api.h"

namespace strata::override {

using ProtectFunction = BOOL(WINAPI*)(void* address, SIZE_T bytes, DWORD protection, DWORD* old);

// Five bytes of code: what they are, and what they become.
class CodePatch {
public:
    // Bytes are as they are now; `after` is to be written.
    void Begin(void* at) noexcept;
    uint8_t* after() noexcept { return after_; }

    // Makes the bytes writable. They stay executable: the functions that change protections live in
    // pages like theirs, perhaps in the same. False, with the error of `protect`, when the system
    // refuses.
    bool Unprotect(ProtectFunction protect) noexcept;
    // As they were before Unprotect. Those that were unprotected last come first: they may share
    // pages.
    void Protect(ProtectFunction protect) const noexcept;

    // By one locked instruction, and without any call. False when the bytes are not the expected
    // ones. REQUIRES: they are writable.
    bool Write() const noexcept { return Replace(before_, after_); }
    void Undo() const noexcept { Replace(after_, before_); }

private:
    bool Replace(const uint8_t* expected, const uint8_t* bytes) const noexcept;

    uint8_t* at_;
    uint8_t before_[kNearJumpBytes];
    uint8_t after_[kNearJumpBytes];
    DWORD protection_;
};

// Bytes from `code` to the end of its committed, executable region; 0 when it is not in one.
size_t ReadableCode(const void* code) noexcept;

}  // namespace strata::override
