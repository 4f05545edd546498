// Redirects entry points of loaded modules to functions of ours, several as one transaction: either
// all are redirected, or no byte of the process has changed.
//
// Order of work: decode and relocate every entry, write stubs, trampolines and their unwind data
// into one block within reach, make the block executable and no longer writable, make the entries
// writable, publish the trampolines' addresses, and only then overwrite each entry by `jmp rel32`
// to its stub (`jmp [rip]` to the replacement). For as long as entries are written, all other
// threads are suspended, none of them between the first instructions of an entry (see
// other_threads.h), and nothing is called: a call may have been redirected by somebody else, whose
// code waits for a thread that is held. Each entry is overwritten by one locked instruction all the
// same: a thread that the system starts meanwhile finds the old function or the new one.
//
// Nothing here allocates from a heap or takes a lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "os/text.h"
#include "override/code_patch.h"
#include "override/originals.h"
#include "override/redirect_request.h"
#include "override/relocate.h"
#include "override/windows_api.h"

namespace strata::override {

struct RedirectResult {
    Refusal refusal = Refusal::kNone;
    const char* name = nullptr;   // the request that failed
    const char* call = nullptr;   // the system call that failed, if one did
    uint32_t system_error = 0;    // and its error
    void* memory = nullptr;       // done: the stubs and trampolines; see ForgetRedirects
    void* unwind_data = nullptr;  // ... and the table for them

    bool Done() const noexcept { return refusal == Refusal::kNone; }
};

struct RedirectOptions {
    // What ProveOriginals said of these requests, where the caller has asked already.
    const Originals* originals = nullptr;
    // Whether other threads may run in the entries' module, so that they must be held. Not, when
    // the system has just mapped it.
    bool hold_threads = true;
    // How often a thread that stands in an entry is let go on, for a millisecond or more each time,
    // before the redirecting is given up.
    uint32_t tries = 500;
    // For tests: the Nth write, counted from 1, fails; 0: none. And who protects pages.
    uint32_t fail_at_write = 0;
    ProtectFunction protect = VirtualProtect;
};

// All or nothing. The entries must lie within 1 GiB of each other: one module, as a rule.
// Call it from one thread at a time.
RedirectResult RedirectAll(const RedirectRequest* requests, size_t count,
                           const RedirectOptions& options = {}) noexcept;

// "RtlFreeHeap cannot be redirected: its entry is a jump already", and the call and the error, if
// any. REQUIRES: !result.Done().
void PutRefusal(os::TextSink& text, const RedirectResult& result) noexcept;

// Whether one entry could be redirected; changes nothing.
Refusal CheckEntry(const void* entry, FirstJump first = FirstJump::kRefused) noexcept;

// Gives the memory of redirects back whose module is no longer mapped, together with the functions
// that led to it.
void ForgetRedirects(const RedirectResult& result) noexcept;

}  // namespace strata::override
