// Which number an address has: blocks by their stamp, heap handles by theirs. Open addressing in
// memory of its own, in parts with a lock each; an entry is found in its own part only, so threads
// seldom meet.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/thread_safety.h"
#include "os/lock.h"
#include "os/memory.h"

namespace strata::observe {

struct Named {
    uint64_t id = 0;    // 0: the address has none
    uint32_t heap = 0;  // of a block: the heap it is in
};

class BlockIds {
public:
    explicit constexpr BlockIds(os::Memory& memory) noexcept : memory_(&memory) {}
    BlockIds(const BlockIds&) = delete;
    BlockIds& operator=(const BlockIds&) = delete;

    // Replaces what the address had. False when there is no memory for it. REQUIRES: `address` and
    // `named.id` are not 0.
    bool Set(const void* address, Named named) noexcept;

    Named Find(const void* address) noexcept;

    // Finds it and takes it out.
    Named Remove(const void* address) noexcept;

    // How many addresses have one.
    size_t Count() noexcept;

    // For tests: gives the memory back. No other thread may be inside a call.
    void Clear() noexcept;

private:
    static constexpr size_t kParts = 32;

    struct Slot {
        uintptr_t address;  // 0: free
        uint64_t id;
        uint32_t heap;
        uint32_t unused;
    };
    struct Part {
        os::Lock lock{os::LockRank::kBlockIds};
        Slot* slots STRATA_GUARDED_BY(lock) = nullptr;
        size_t capacity STRATA_GUARDED_BY(lock) = 0;  // a power of two, or 0
        size_t used STRATA_GUARDED_BY(lock) = 0;
    };

    static size_t BytesOf(size_t capacity) noexcept;
    static uint64_t Hash(uintptr_t address) noexcept;
    static Slot* FindSlot(Part& part, uint64_t hash, uintptr_t address) noexcept
        STRATA_REQUIRES(part.lock);
    static void Erase(Part& part, Slot* slot) noexcept STRATA_REQUIRES(part.lock);
    Part& PartOf(uint64_t hash) noexcept { return parts_[hash % kParts]; }
    bool Grow(Part& part) noexcept STRATA_REQUIRES(part.lock);

    os::Memory* memory_;
    Part parts_[kParts];
};

}  // namespace strata::observe
