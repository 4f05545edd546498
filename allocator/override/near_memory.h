// Memory within reach of a rel32 operand of a given module: where trampolines have to lie.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::override {

// Addresses [low, high) that a block may lie in.
struct AddressRange {
    uint64_t low = 0;
    uint64_t high = 0;
};

// The addresses from which, and to which, every byte of [begin, end) can be reached.
AddressRange ReachOf(uint64_t begin, uint64_t end) noexcept;

// `bytes` bytes of fresh, writable memory inside `range`, as near to `begin` or `end` as is wise:
// at least kSystemGap away where that can be had, because the system places DLLs that are loaded
// later beside those that are there, and a DLL whose place is taken must be relocated, privately,
// in this process. nullptr when there is none. Free it with FreeNear.
void* AllocateNear(AddressRange range, uint64_t begin, uint64_t end, size_t bytes) noexcept;
void FreeNear(void* block) noexcept;

inline constexpr uint64_t kSystemGap = uint64_t{512} << 20;

}  // namespace strata::override
