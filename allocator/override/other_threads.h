// Holding the other threads of this process still while code is overwritten, and looking where they
// stand: a thread between the first instructions of a function would go on in the middle of the
// jump that is written over them.
//
// While threads are held, nothing may be called that takes a lock or allocates: its holder may be
// among them. What is called here and in redirect.cpp meanwhile are system calls alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "override/windows_api.h"

namespace strata::override {

// Code that is about to be overwritten. A thread may stand at `begin`, where it will find the new
// code, and not behind it.
struct CodeRange {
    uint64_t begin;
    uint64_t end;
};

enum class HoldOutcome : uint8_t {
    kHeld,
    kInside,  // a thread stood in one of the ranges, each time it was looked at
    kFailed,  // `call` failed with `system_error`, each time it was tried
};

struct HoldResult {
    HoldOutcome outcome = HoldOutcome::kHeld;
    const char* call = nullptr;
    uint32_t system_error = 0;
};

class OtherThreads {
public:
    OtherThreads() noexcept = default;
    ~OtherThreads();
    OtherThreads(const OtherThreads&) = delete;
    OtherThreads& operator=(const OtherThreads&) = delete;

    // Suspends every thread of the process but this one, those that start meanwhile too. When one
    // stands in a range, all go on for a moment and it is tried again, `tries` times altogether.
    // Unless the outcome is kHeld, no thread is held afterwards.
    HoldResult Hold(const CodeRange* ranges, size_t count, uint32_t tries) noexcept;

    // Lets them go on. Without effect when none is held.
    void Release() noexcept;

    // How many are held.
    size_t count() const noexcept { return count_; }

private:
    struct Thread {
        HANDLE handle;
        DWORD id;
    };

    HoldResult Prepare() noexcept;
    HoldResult SuspendAll() noexcept;
    HoldResult SuspendNew(bool& found) noexcept;
    HoldResult Look(const CodeRange* ranges, size_t count) noexcept;
    bool Has(DWORD id) const noexcept;
    bool Grow() noexcept;
    void DropTable() noexcept;

    using NextThread = LONG(NTAPI*)(HANDLE process, HANDLE previous, ACCESS_MASK access,
                                    ULONG attributes, ULONG flags, HANDLE* next);
    using QueryThread = LONG(NTAPI*)(HANDLE thread, ULONG information_class, void* information,
                                     ULONG bytes, ULONG* returned);
    NextThread next_thread_ = nullptr;
    QueryThread query_thread_ = nullptr;
    Thread* threads_ = nullptr;
    size_t capacity_ = 0;
    size_t count_ = 0;
    bool full_ = false;
};

}  // namespace strata::override
