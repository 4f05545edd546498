// The fill patterns of heaps that are created with checks: those of the Windows debug heap, so that
// people and debuggers know them by sight (Microsoft, "CRT debug heap details" and "GFlags" pages).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace strata {

// Behind the requested bytes of a live block (HEAP_TAIL_CHECKING_ENABLED).
inline constexpr uint8_t kTailFill = 0xAB;
inline constexpr uint32_t kTailBytes = 16;

// In a free block (HEAP_FREE_CHECKING_ENABLED): the bytes EE FE, over and over.
inline constexpr uint16_t kFreeFill = 0xFEEE;
inline constexpr uint64_t kFreeFillWord = 0xFEEEFEEEFEEEFEEE;

inline void FillTail(void* tail) noexcept { std::memset(tail, kTailFill, kTailBytes); }

inline bool IsTailIntact(const void* tail) noexcept {
    const auto* bytes = static_cast<const uint8_t*>(tail);
    for (uint32_t i = 0; i < kTailBytes; ++i) {
        if (bytes[i] != kTailFill) return false;
    }
    return true;
}

// REQUIRES: an even number of bytes.
inline void FillFree(void* block, size_t bytes) noexcept {
    char* const to = static_cast<char*>(block);
    size_t i = 0;
    for (; bytes - i >= sizeof kFreeFillWord; i += sizeof kFreeFillWord) {
        std::memcpy(to + i, &kFreeFillWord, sizeof kFreeFillWord);
    }
    for (; i < bytes; i += sizeof kFreeFill) std::memcpy(to + i, &kFreeFill, sizeof kFreeFill);
}

// The offset of the first byte that is not as FillFree left it; `bytes` when all are.
inline size_t FindChangedFill(const void* block, size_t bytes) noexcept {
    const char* const from = static_cast<const char*>(block);
    size_t i = 0;
    for (uint64_t word; bytes - i >= sizeof word; i += sizeof word) {
        std::memcpy(&word, from + i, sizeof word);
        if (word != kFreeFillWord) break;
    }
    for (; i < bytes; i += sizeof kFreeFill) {
        if (std::memcmp(from + i, &kFreeFill, sizeof kFreeFill) != 0) return i;
    }
    return bytes;
}

}  // namespace strata
