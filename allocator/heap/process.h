// What the end of a thread, the end of the process, and fork mean to heaps.
#pragma once

namespace strata::heap {

// The calling thread ends: its magazines are flushed. It may still allocate and free, more slowly.
void ThreadDetach() noexcept;

// The process ends, other threads are gone: nothing is freed, nothing waited for.
void ProcessDetach() noexcept;

// For fork in the POSIX build: takes and gives back every lock; what the child calls is told apart.
void LockEverything() noexcept;
void UnlockEverything() noexcept;
void UnlockEverythingInChild() noexcept;

}  // namespace strata::heap
