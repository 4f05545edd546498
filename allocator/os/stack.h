// Stacks of calls: taken down in a few addresses, told in words when they are needed. Nothing here
// allocates, and nothing takes the loader lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "os/text.h"

namespace strata::os {

// 20 calls reach from an allocation well into a program; two traces and a guarded block's other
// fields then fill one chunk of metadata.
inline constexpr size_t kStackFrames = 20;

struct StackTrace {
    uint32_t thread;  // the system's number of it; 0: nothing was taken down
    uint32_t depth;
    const void* frames[kStackFrames];  // return addresses, innermost first

    // Drops what was called from `code` on, if that is there: the way into a handler.
    void BeginAt(const void* code) noexcept {
        uint32_t first = 0;
        while (first < depth && frames[first] != code) ++first;
        if (first == depth) return;
        for (uint32_t i = first; i < depth; ++i) frames[i - first] = frames[i];
        depth -= first;
    }
};

// The calling thread's stack, without this function. Take it without holding a lock: the walk reads
// tables that the loader changes under a lock of its own.
void CaptureStack(StackTrace& trace) noexcept;

// Appends the module's name and the offset in it, and the nearest exported symbol where there is
// one: "program.exe+0x1234 (Function+0x12)". The address alone when it lies in no module.
void PutCodeAddress(TextSink& text, const void* address) noexcept;

// Whether the code is Strata's own: in its DLLs. In a program that has Strata linked into it that
// cannot be told.
bool IsOwnCode(const void* address) noexcept;

// The system's number of the calling thread, never 0.
uint32_t CurrentThreadId() noexcept;

}  // namespace strata::os
