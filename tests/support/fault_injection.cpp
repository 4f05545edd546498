#include "support/fault_injection.h"

#include <bit>
#include <cstdio>
#include <cstdlib>

namespace strata::test {

namespace {

std::atomic<FaultInjector*> g_injector{nullptr};

bool Refused(CallSet kind) noexcept {
    FaultInjector* const injector = g_injector.load(std::memory_order_acquire);
    return injector != nullptr && injector->Refuses(kind);
}

struct FaultyMemory {
    static void* Reserve(const os::ReserveRequest& request) noexcept {
        return Refused(kReserve) ? nullptr : os::SystemMemory::Reserve(request);
    }
    static bool Commit(void* address, size_t bytes, os::Access access) noexcept {
        // All of the range counts as fresh: a little stricter than the system.
        const FaultInjector* const injector = g_injector.load(std::memory_order_acquire);
        if (injector != nullptr && injector->IsAboveLimit(bytes)) return false;
        return !Refused(kCommit) && os::SystemMemory::Commit(address, bytes, access);
    }
    static bool Decommit(void* address, size_t bytes) noexcept {
        return !Refused(kDecommit) && os::SystemMemory::Decommit(address, bytes);
    }
    static bool Release(void* address, size_t bytes) noexcept {
        return !Refused(kRelease) && os::SystemMemory::Release(address, bytes);
    }
    static bool Protect(void* address, size_t bytes, os::Access access) noexcept {
        return !Refused(kProtect) && os::SystemMemory::Protect(address, bytes, access);
    }
};

}  // namespace

FaultInjector::FaultInjector(os::Memory& memory) : memory_(memory) {
    FaultInjector* none = nullptr;
    if (!g_injector.compare_exchange_strong(none, this)) {
        std::fputs("two fault injectors at once\n", stderr);
        std::abort();
    }
    memory_.UseCalls(os::kCallsOf<FaultyMemory>);
}

FaultInjector::~FaultInjector() {
    memory_.UseCalls(os::kCallsOf<os::SystemMemory>);
    g_injector.store(nullptr);
}

void FaultInjector::Order(CallSet set, size_t first, size_t count) noexcept {
    set_.store(0, std::memory_order_relaxed);
    first_.store(first, std::memory_order_relaxed);
    count_.store(count, std::memory_order_relaxed);
    seen_.store(0, std::memory_order_relaxed);
    failures_.store(0, std::memory_order_relaxed);
    set_.store(set, std::memory_order_release);
}

bool FaultInjector::Refuses(CallSet kind) noexcept {
    calls_[std::countr_zero(kind)].fetch_add(1, std::memory_order_relaxed);
    if ((set_.load(std::memory_order_acquire) & kind) == 0) return false;
    const size_t position = seen_.fetch_add(1, std::memory_order_relaxed) + 1;
    const size_t first = first_.load(std::memory_order_relaxed);
    if (position < first || position - first >= count_.load(std::memory_order_relaxed))
        return false;
    failures_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

size_t FaultInjector::Calls(CallSet set) const noexcept {
    size_t sum = 0;
    for (size_t i = 0; i < kCallKinds; ++i) {
        if ((set >> i & 1) != 0) sum += calls_[i].load(std::memory_order_relaxed);
    }
    return sum;
}

void FaultInjector::ResetCounts() noexcept {
    for (std::atomic<size_t>& count : calls_) count.store(0, std::memory_order_relaxed);
}

}  // namespace strata::test
