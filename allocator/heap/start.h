// What the process heap needs to know and to have of the system before it is made.
//
// The system's answers stand under locks of its own: the loader's (GetProcAddress), the PEB's (the
// environment, TlsAlloc). Others may allocate while they hold one of them, from DllMain for one,
// and then wait for the heap that is being made. So all of it is asked with no lock of ours held;
// the making itself, under the registry's lock, asks for nothing but addresses and memory. Several
// threads may ask; one of them makes the heap.
#pragma once

#include "arena/purge_policy.h"
#include "os/text.h"
#include "os/thread.h"
#include "store/modes.h"

namespace strata::heap {

class Start {
public:
    // Asks. REQUIRES: no lock is held.
    Start() noexcept;
    // Gives back what was not used, and says which options were not understood, if this was the
    // heap's start.
    ~Start();
    Start(const Start&) = delete;
    Start& operator=(const Start&) = delete;

    // False when the system has no thread slot left.
    bool HasSlot() const noexcept { return slot_ != os::kNoSystemSlot; }

    // These go with the making of the heap. REQUIRES: the registry's lock.
    // Before: what the heap is made by.
    void SetModes() const noexcept;
    // When it cannot fail any more.
    void Complete(void (*on_thread_exit)(void*) noexcept) noexcept;

private:
    os::TextBuffer<2048> complaints_;  // one of every option has room
    store::Modes modes_;
    arena::PurgePolicy purge_;
    os::SystemSlot slot_;
    bool complete_ = false;
};

}  // namespace strata::heap
