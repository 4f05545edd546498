// The thread slot: one pointer per thread, and word of a thread's end.
//
// Windows: a TlsAlloc slot read straight from the TEB. Heap calls come before the thread's
// DLL_THREAD_ATTACH and after its DLL_THREAD_DETACH, when thread_local variables do not exist (and
// MinGW's thread_local allocates); a TEB slot is usable from the first instruction to the last.
#pragma once

#include <cstdint>

#include "base/compiler.h"

#if defined(_WIN32) && defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace strata::os {

// The slot is made in two steps, as the system's part takes a lock of the system's (Windows: the
// PEB's), under which others may allocate: first a slot of the system's, then its use as the slot
// of this module.
using SystemSlot = uint32_t;
inline constexpr SystemSlot kNoSystemSlot = UINT32_MAX;

// kNoSystemSlot when the system has none left. Call both with no lock held.
SystemSlot AllocateSystemSlot() noexcept;
void FreeSystemSlot(SystemSlot slot) noexcept;

// `on_exit(value)` is called on each thread that ends from now on, where the build has no DllMain
// to do so: with what is in its slot; where the system does not tell of threads that never had
// anything there (POSIX), on the others. Call it once; it takes no lock.
void UseThreadSlot(SystemSlot slot, void (*on_exit)(void* value) noexcept) noexcept;

void SetThreadSlot(void* value) noexcept;

// The same at the end of a thread that never had anything in its slot: never with a heap call, and
// on_exit is not called for it. False, with nothing done, where that cannot be.
bool SetThreadSlotAtEnd(void* value) noexcept;

// A second slot, for whoever watches the heap. False when the system has none that can be read and
// written without a heap call. Later calls do nothing.
bool CreateObserverSlot() noexcept;
void* GetObserverSlot() noexcept;
void SetObserverSlot(void* value) noexcept;

#ifdef _WIN32
// Whether a slot is left that lies in the TEB: the others' memory comes from the process heap, at a
// thread's first use of one. Call it with no lock held.
bool HasSlotInTeb() noexcept;

// Offset of the slot in the TEB; 0 before UseThreadSlot, or when the slot is not among the 64
// that lie in the TEB itself.
extern constinit uint32_t g_slot_offset;
void* GetThreadSlotSlow() noexcept;

STRATA_INLINE uintptr_t ReadTeb(uint32_t offset) noexcept {
#if defined(_MSC_VER) && !defined(__clang__)
    return __readgsqword(offset);
#else
    uintptr_t value;
    const uintptr_t wide = offset;
    __asm__ volatile("movq %%gs:(%1), %0" : "=r"(value) : "r"(wide));
    return value;
#endif
}

STRATA_INLINE void* GetThreadSlot() noexcept {
    const uint32_t offset = g_slot_offset;
    if (STRATA_UNLIKELY(offset == 0)) return GetThreadSlotSlow();
    return reinterpret_cast<void*>(ReadTeb(offset));
}

// GetThreadSlot for fast paths: nullptr also when it would take a call to find out.
STRATA_INLINE void* TryGetThreadSlot() noexcept {
    const uint32_t offset = g_slot_offset;
    if (STRATA_UNLIKELY(offset == 0)) return nullptr;
    return reinterpret_cast<void*>(ReadTeb(offset));
}

// Tells living threads apart: the TEB's own address.
STRATA_INLINE uintptr_t ThreadToken() noexcept { return ReadTeb(0x30); }

// What a lock is marked with while this thread holds it: its thread id, a multiple of four
// (TEB::ClientId.UniqueThread).
STRATA_INLINE uint32_t HolderMark() noexcept { return static_cast<uint32_t>(ReadTeb(0x48)); }
#else
extern constinit thread_local void* t_slot __attribute__((tls_model("initial-exec")));

STRATA_INLINE void* GetThreadSlot() noexcept { return t_slot; }
STRATA_INLINE void* TryGetThreadSlot() noexcept { return t_slot; }

STRATA_INLINE uintptr_t ThreadToken() noexcept { return reinterpret_cast<uintptr_t>(&t_slot); }

// Threads do not end by another's hand here: one mark for all.
STRATA_INLINE constexpr uint32_t HolderMark() noexcept { return 4; }
#endif

}  // namespace strata::os
