// Redirects entry points of loaded modules to functions of ours, several as one transaction: either
// all are redirected, or no byte of the process has changed.
//
// Order of work: decode and relocate every entry, write stubs and trampolines into one block within
// reach, make the block executable and no longer writable, publish the trampolines' addresses, and
// only then overwrite each entry by `jmp rel32` to its stub (`jmp [rip]` to the replacement). Each
// entry is overwritten by one locked instruction, so that a thread which calls it meanwhile finds
// the old function or the new one. A thread that stands between the first instructions of an entry
// at that moment is the caller's concern: redirect while the process is being loaded, or with the
// other threads suspended and looked at.
//
// Nothing here allocates from a heap or takes a lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "override/relocate.h"

namespace strata::override {

struct RedirectRequest {
    const char* name;         // for messages
    void* entry;              // what to redirect
    const void* replacement;  // where to
    void** original;          // receives the trampoline: the function as it was; may be nullptr
};

struct RedirectResult {
    Refusal refusal = Refusal::kNone;
    const char* name = nullptr;  // the request that failed
    uint32_t system_error = 0;   // GetLastError of the call that failed, or 0
    void* memory = nullptr;      // done: the stubs and trampolines; see ForgetRedirects

    bool Done() const noexcept { return refusal == Refusal::kNone; }
};

struct RedirectOptions {
    uint32_t fail_at_write = 0;  // for tests: the Nth write, counted from 1, fails; 0: none
};

inline constexpr size_t kMaxRedirects = 64;

// All or nothing. The entries must lie within 1 GiB of each other: one module, as a rule.
// Call it from one thread at a time.
RedirectResult RedirectAll(const RedirectRequest* requests, size_t count,
                           const RedirectOptions& options = {}) noexcept;

// Whether one entry could be redirected; changes nothing. Without `calls`, an entry is refused that
// has a call in the bytes to be moved: what that calls returns into the trampoline, which has no unwind
// data, so that no exception can pass.
Refusal CheckEntry(const void* entry, bool calls = true) noexcept;

// Gives the memory of redirects back whose module is no longer mapped, together with the functions that
// led to it.
void ForgetRedirects(const RedirectResult& result) noexcept;

}  // namespace strata::override
