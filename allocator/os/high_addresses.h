// Where reservations go that may go anywhere: at or above 4 GiB.
//
// Addresses below are scarce, and some programs need them: a JIT whose code refers to its data by
// 32 bits, or to a module by a signed 32-bit distance, asks for memory there and for no other
// (VirtualAlloc2 with a highest address). Where the system hands out addresses from the bottom, as
// Windows does for programs without high-entropy address randomisation, what may go anywhere would
// take them all.
//
// The first reservation lies at a random place far above, and each that follows is tried behind the
// one before it: one call, the same on every system. Where something lies in the way, a system that
// can be asked for addresses above a certain one (VirtualAlloc2) is asked, and elsewhere the next
// place is looked for (ADR 30).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "os/memory.h"

namespace strata::os {

// One of the ranges that the system divides the addresses into; end 0: it does not say.
struct AddressRange {
    uintptr_t end = 0;
    bool free = false;
};

// The system's calls, as a table so that tests can simulate an address space.
struct AddressCalls {
    // At or above `lowest`, as the system likes; nullptr when it has no room there, or cannot be
    // asked. Some systems that can be asked take no notice of `lowest`.
    void* (*reserve_above)(const ReserveRequest&, uintptr_t lowest) noexcept;
    void* (*reserve_at)(const ReserveRequest&, uintptr_t address) noexcept;  // there or nullptr
    void* (*reserve_anywhere)(const ReserveRequest&) noexcept;
    void (*release)(void* address) noexcept;
    AddressRange (*range_of)(uintptr_t address) noexcept;
};

// Thread-safe, without a lock: what threads write over each other is where a search begins, and no
// more.
class HighAddresses {
public:
    // Far enough above 4 GiB that the 2 GiB on both sides of programs and DLLs at their linkers'
    // usual places (0x140000000, 0x180000000) stay free, too.
    static constexpr uintptr_t kLowestStart = uintptr_t{64} << 30;
    // Room for 28 random bits of slices.
    static constexpr uintptr_t kHighestStart = uintptr_t{16} << 40;

    explicit constexpr HighAddresses(const AddressCalls& calls) noexcept : calls_(calls) {}

    // The process's addresses end at `limit`, its first reservation goes where `random` says, and
    // `can_ask`: the system has reserve_above. The first call counts. Before it, the first place is
    // kLowestStart.
    void Use(uintptr_t limit, uint64_t random, bool can_ask) noexcept;

    // REQUIRES: no wanted address. Lies below 4 GiB only where the process has no others, or none
    // is free.
    void* Reserve(const ReserveRequest& request) noexcept;
    // Somebody got the place that he wanted; something was given back.
    void Taken(const void* address, size_t bytes) noexcept;
    void Released(const void* address, size_t bytes) noexcept;

    uintptr_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }

private:
    void* TryAt(const ReserveRequest& request, uintptr_t place) noexcept;
    void* Ask(const ReserveRequest& request) noexcept;
    void* Search(const ReserveRequest& request) noexcept;
    uintptr_t FindFree(const ReserveRequest& request, uintptr_t from) const noexcept;
    bool Fits(const ReserveRequest& request, uintptr_t place) const noexcept;

    const AddressCalls& calls_;
    std::atomic<uintptr_t> limit_{kAddressEnd};
    std::atomic<uintptr_t> start_{kLowestStart};
    std::atomic<bool> used_{false};
    std::atomic<bool> asks_{false};
    // Where the next one is tried: behind the last, or where something was given back. And behind
    // all of them.
    std::atomic<uintptr_t> next_{kLowestStart};
    std::atomic<uintptr_t> top_{kLowestStart};
};

}  // namespace strata::os
