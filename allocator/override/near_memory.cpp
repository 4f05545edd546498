#include "override/near_memory.h"

#include "override/windows_api.h"

namespace strata::override {

namespace {

constexpr uint64_t kReach = uint64_t{1} << 31;
// The block itself, the operands' own length, and room for a wrong guess about either.
constexpr uint64_t kMargin = uint64_t{1} << 20;
constexpr uint64_t kGranularity = 0x10000;  // of reservations, on every Windows
constexpr uint64_t kLowest = 0x10000;       // below is never user memory
constexpr uint64_t kHighest = 0x7FFFFFFF0000;

uint64_t Up(uint64_t value) noexcept { return (value + kGranularity - 1) & ~(kGranularity - 1); }
uint64_t Down(uint64_t value) noexcept { return value & ~(kGranularity - 1); }

bool Query(uint64_t address, MEMORY_BASIC_INFORMATION& information) noexcept {
    return VirtualQuery(reinterpret_cast<void*>(address), &information, sizeof information) != 0;
}

void* TryAt(uint64_t address, size_t bytes) noexcept {
    return VirtualAlloc(reinterpret_cast<void*>(address), bytes, MEM_RESERVE | MEM_COMMIT,
                        PAGE_READWRITE);
}

// The highest free place in `range`, searched downwards.
void* AllocateDownwards(AddressRange range, size_t bytes) noexcept {
    uint64_t top = range.high;
    while (top > range.low) {
        MEMORY_BASIC_INFORMATION information;
        if (!Query(top - 1, information)) return nullptr;
        const auto base = reinterpret_cast<uintptr_t>(information.BaseAddress);
        if (information.State == MEM_FREE && top >= bytes) {
            const uint64_t place = Down(top - bytes);
            const uint64_t lowest = Up(base > range.low ? base : range.low);
            if (place >= lowest) {
                if (void* const block = TryAt(place, bytes)) return block;
            }
        }
        if (base >= top) return nullptr;
        top = base;
    }
    return nullptr;
}

// The lowest free place in `range`, searched upwards.
void* AllocateUpwards(AddressRange range, size_t bytes) noexcept {
    uint64_t at = range.low;
    while (at < range.high) {
        MEMORY_BASIC_INFORMATION information;
        if (!Query(at, information)) return nullptr;
        const uint64_t region_end =
            reinterpret_cast<uintptr_t>(information.BaseAddress) + information.RegionSize;
        if (information.State == MEM_FREE) {
            const uint64_t place = Up(at);
            const uint64_t limit = region_end < range.high ? region_end : range.high;
            if (place + bytes <= limit) {
                if (void* const block = TryAt(place, bytes)) return block;
            }
        }
        if (region_end <= at) return nullptr;
        at = region_end;
    }
    return nullptr;
}

void* AllocateWithGap(AddressRange range, uint64_t begin, uint64_t end, uint64_t gap,
                      size_t bytes) noexcept {
    if (begin > gap && begin - gap > range.low) {
        if (void* const block = AllocateDownwards({range.low, begin - gap}, bytes)) return block;
    }
    if (end + gap < range.high) return AllocateUpwards({end + gap, range.high}, bytes);
    return nullptr;
}

}  // namespace

AddressRange ReachOf(uint64_t begin, uint64_t end) noexcept {
    AddressRange range;
    range.low = end > kReach - kMargin + kLowest ? end - (kReach - kMargin) : kLowest;
    range.high = begin + (kReach - kMargin);
    if (range.high > kHighest) range.high = kHighest;
    return range;
}

void* AllocateNear(AddressRange range, uint64_t begin, uint64_t end, size_t bytes) noexcept {
    if (void* const block = AllocateWithGap(range, begin, end, kSystemGap, bytes)) return block;
    return AllocateWithGap(range, begin, end, 0, bytes);
}

void FreeNear(void* block) noexcept {
    if (block != nullptr) VirtualFree(block, 0, MEM_RELEASE);
}

}  // namespace strata::override
