// The os layer for threads that the scheduler runs: instead of os/posix/process_posix.cpp.
#include <cstdlib>
#include <unistd.h>

#include "os/fatal.h"
#include "os/lock.h"
#include "os/process.h"
#include "os/thread.h"
#include "scheduler.h"
#include "test_os.h"

namespace strata::interleave {

uint64_t g_now = 1'000'000;

namespace {

struct PointsAtCalls {
    static void* Reserve(const os::ReserveRequest& request) noexcept {
        SystemPoint();
        return os::SystemMemory::Reserve(request);
    }
    static bool Commit(void* address, size_t bytes, os::Access access) noexcept {
        SystemPoint();
        return os::SystemMemory::Commit(address, bytes, access);
    }
    static bool Decommit(void* address, size_t bytes) noexcept {
        SystemPoint();
        return os::SystemMemory::Decommit(address, bytes);
    }
    static bool Release(void* address, size_t bytes) noexcept {
        SystemPoint();
        return os::SystemMemory::Release(address, bytes);
    }
    static bool Protect(void* address, size_t bytes, os::Access access) noexcept {
        SystemPoint();
        return os::SystemMemory::Protect(address, bytes, access);
    }
};

}  // namespace

const os::MemoryCalls& CallsWithPoints() { return os::kCallsOf<PointsAtCalls>; }

}  // namespace strata::interleave

namespace strata::os {

constinit thread_local void* t_slot __attribute__((tls_model("initial-exec"))) = nullptr;

// Nobody ends without saying so.
SystemSlot AllocateSystemSlot() noexcept { return 0; }
void FreeSystemSlot(SystemSlot) noexcept {}
void UseThreadSlot(SystemSlot, void (*)(void*) noexcept) noexcept {}
void SetThreadSlot(void* value) noexcept { t_slot = value; }
bool SetThreadSlotAtEnd(void* value) noexcept {
    t_slot = value;
    return true;
}

bool WaitOnWord(std::atomic<uint32_t>& word, uint32_t value) noexcept {
    // Between the last point, in this load, and the wait nobody else runs.
    if (word.load(std::memory_order_acquire) == value) interleave::Wait(&word);
    return true;
}
void RequireHolder(uint32_t) noexcept {}
void WakeOneOnWord(std::atomic<uint32_t>& word) noexcept { interleave::Wake(&word); }
void SpinPause() noexcept { interleave::Yield(); }

uint64_t Milliseconds() noexcept { return interleave::g_now; }
uint64_t RandomBits() noexcept { return 0x9E3779B97F4A7C15u; }
void WriteStandardError(const char* text, size_t length) noexcept {
    if (write(STDERR_FILENO, text, length) < 0) std::abort();
}
bool GetOption(const char*, char*, size_t) noexcept { return false; }
bool HasOption(const char*) noexcept { return false; }
void ForEachOption(const char*, void (*)(const char*, void*) noexcept, void*) noexcept {}
void FailFast() noexcept { std::abort(); }
void SetOutOfMemoryError() noexcept {}
void SetInvalidArgumentError() noexcept {}
uint32_t GetLastErrorCode() noexcept { return 0; }
void SetLastErrorCode(uint32_t) noexcept {}
void RaiseNoMemory(size_t bytes) { FatalOutOfMemory(bytes); }
void RaiseAccessViolation(const void* handle) { FatalInvalidHeap(handle); }
uint32_t ProcessId() noexcept { return 1; }

}  // namespace strata::os
