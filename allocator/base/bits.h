// Small arithmetic on sizes and addresses.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace strata {

constexpr bool IsPowerOfTwo(size_t value) noexcept { return std::has_single_bit(value); }

// REQUIRES: `unit` is a power of two, and the result fits.
constexpr size_t RoundUp(size_t value, size_t unit) noexcept {
    return (value + unit - 1) & ~(unit - 1);
}
constexpr size_t RoundDown(size_t value, size_t unit) noexcept { return value & ~(unit - 1); }

// ceil(value / unit). REQUIRES: unit > 0; value + unit does not overflow.
constexpr size_t DivideUp(size_t value, size_t unit) noexcept { return (value + unit - 1) / unit; }

// The position of the highest set bit. REQUIRES: value > 0.
constexpr unsigned FloorLog2(size_t value) noexcept {
    return 63u - static_cast<unsigned>(std::countl_zero(static_cast<uint64_t>(value)));
}

// `count * size` into `product`; false when it overflows.
inline bool MultiplySizes(size_t count, size_t size, size_t& product) noexcept {
#if defined(__GNUC__) || defined(__clang__)
    return !__builtin_mul_overflow(count, size, &product);
#else
    if (size != 0 && count > SIZE_MAX / size) return false;
    product = count * size;
    return true;
#endif
}

inline uintptr_t AddressOf(const void* pointer) noexcept {
    return reinterpret_cast<uintptr_t>(pointer);
}

template <typename T = void>
inline T* At(void* base, size_t offset) noexcept {
    return reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}

}  // namespace strata
