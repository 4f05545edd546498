// The address-space contract of the system, and the books kept over it.
//
// The contract, the same on both platforms:
//  - Reserve takes addresses, no memory. Touching a reserved page faults. They lie at or above 4 GiB, unless
//    others were asked for, or there are none (high_addresses.h).
//  - Commit gives pages memory, zero-filled unless they were committed already. It can fail.
//  - Decommit takes the memory away; the addresses stay reserved, touching them faults again.
//  - Release gives back a whole reservation, committed or not.
// No function has a policy, but for where addresses lie. All preserve the last error / errno.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace strata::os {

enum class Access : uint8_t { kNone, kRead, kReadWrite, kReadWriteExecute };

inline constexpr uint32_t kAnyNode = UINT32_MAX;

// Finds out what the system offers to Reserve. It takes the loader's lock, under which others may
// allocate: call it before the first Reserve, with no lock held, any number of times and in any
// thread. Who did not call it can reserve, too, by simpler means.
void PrepareMemory() noexcept;

// One past the highest address that the process can have, as far as is known (PrepareMemory).
uintptr_t AddressLimit() noexcept;

// The NUMA node of the processor this thread runs on; kAnyNode when there is only one, or none was
// found (PrepareMemory).
uint32_t PreferredNumaNode() noexcept;

// Addresses below this one are left to those who can use no others.
inline constexpr uintptr_t kLowAddressEnd = uintptr_t{1} << 32;
// No process of today's systems has addresses from here on.
inline constexpr uintptr_t kAddressEnd = uintptr_t{1} << 47;

struct ReserveRequest {
    void* address = nullptr;             // exactly there or not at all; nullptr: anywhere
    size_t bytes = 0;                    // a multiple of kSliceSize
    size_t alignment = 0;                // a power of two >= kSliceSize, or 0
    uint32_t node = kAnyNode;            // preferred NUMA node
    Access access = Access::kReadWrite;  // what its pages will be committed for
};

// What a platform provides; SystemMemory below is checked against it where it is defined.
template <typename T>
concept VirtualMemory = requires(const ReserveRequest& request, void* p, size_t n, Access access) {
    { T::Reserve(request) } noexcept -> std::same_as<void*>;  // nullptr on failure
    // Page multiples, in one reservation; kReadWrite or kReadWriteExecute.
    { T::Commit(p, n, access) } noexcept -> std::same_as<bool>;
    { T::Decommit(p, n) } noexcept -> std::same_as<bool>;
    { T::Release(p, n) } noexcept -> std::same_as<bool>;          // what Reserve gave, whole
    { T::Protect(p, n, access) } noexcept -> std::same_as<bool>;  // committed pages
};

// Memory that somebody else reserved.
struct RangeInfo {
    bool usable = false;   // all of it is reserved, and what is committed of it can be written
    size_t committed = 0;  // bytes from its start on, without a gap
};
RangeInfo QueryRange(const void* address, size_t bytes) noexcept;

struct SystemMemory {
    static void* Reserve(const ReserveRequest& request) noexcept;
    static bool Commit(void* address, size_t bytes, Access access = Access::kReadWrite) noexcept;
    static bool Decommit(void* address, size_t bytes) noexcept;
    static bool Release(void* address, size_t bytes) noexcept;
    static bool Protect(void* address, size_t bytes, Access access) noexcept;
};
static_assert(VirtualMemory<SystemMemory>);

// Zeroed pages for those who keep no books; nullptr when there are none. Whole slices of addresses.
void* AllocatePages(size_t bytes) noexcept;
void FreePages(void* pages, size_t bytes) noexcept;

// SystemMemory as a table, so that tests can put a fault-injecting one in its place. These calls
// cost microseconds; an indirect call costs nothing beside them.
struct MemoryCalls {
    void* (*reserve)(const ReserveRequest&) noexcept;
    bool (*commit)(void*, size_t, Access) noexcept;
    bool (*decommit)(void*, size_t) noexcept;
    bool (*release)(void*, size_t) noexcept;
    bool (*protect)(void*, size_t, Access) noexcept;
};

template <VirtualMemory T>
inline constexpr MemoryCalls kCallsOf = {&T::Reserve, &T::Commit, &T::Decommit, &T::Release,
                                         &T::Protect};

// A snapshot of the books.
struct MemoryCounters {
    size_t reserved;        // bytes of address space now
    size_t committed;       // bytes of commit charge now
    size_t peak_committed;  // its highest value
    size_t reserve_calls;   // failed calls are counted too
    size_t commit_calls;
    size_t decommit_calls;
    size_t release_calls;
};

// Memory calls with books. Thread-safe.
class Memory {
public:
    explicit constexpr Memory(const MemoryCalls& calls) noexcept : calls_(&calls) {}

    void* Reserve(const ReserveRequest& request) noexcept;
    // `fresh_bytes` of the range were not committed before; only they enter the books.
    bool Commit(void* address, size_t bytes, size_t fresh_bytes,
                Access access = Access::kReadWrite) noexcept;
    // `committed_bytes` of the range are committed. A failed call leaves them so.
    bool Decommit(void* address, size_t bytes, size_t committed_bytes) noexcept;
    // `committed_bytes` of the reservation are committed.
    bool Release(void* address, size_t bytes, size_t committed_bytes) noexcept;
    // Changes nothing in the books.
    bool Protect(void* address, size_t bytes, Access access) noexcept {
        return calls_->protect(address, bytes, access);
    }

    MemoryCounters Counters() const noexcept;

    // How often the system refused addresses or memory so far.
    size_t refusals() const noexcept { return refusals_.load(std::memory_order_relaxed); }

    // For tests: replaces the table. No other thread may be inside a call.
    void UseCalls(const MemoryCalls& calls) noexcept { calls_ = &calls; }

private:
    const MemoryCalls* calls_;
    std::atomic<size_t> reserved_{0};
    std::atomic<size_t> committed_{0};
    std::atomic<size_t> peak_committed_{0};
    std::atomic<size_t> reserve_calls_{0};
    std::atomic<size_t> commit_calls_{0};
    std::atomic<size_t> decommit_calls_{0};
    std::atomic<size_t> release_calls_{0};
    std::atomic<size_t> refusals_{0};
};

}  // namespace strata::os
