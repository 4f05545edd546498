// A fixed-size set of small integers, with searches for runs.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace strata {

template <size_t kBits>
class Bitmap {
    static_assert(kBits % 64 == 0);

public:
    static constexpr size_t kNone = kBits;

    bool Test(size_t i) const noexcept { return (words_[i / 64] >> (i % 64) & 1) != 0; }

    void SetRange(size_t first, size_t count) noexcept {
        ForEachMask(first, count, [](uint64_t& word, uint64_t mask) { word |= mask; });
    }
    void ClearRange(size_t first, size_t count) noexcept {
        ForEachMask(first, count, [](uint64_t& word, uint64_t mask) { word &= ~mask; });
    }
    bool AnyInRange(size_t first, size_t count) const noexcept {
        bool any = false;
        const_cast<Bitmap*>(this)->ForEachMask(
            first, count, [&](const uint64_t& word, uint64_t mask) { any |= (word & mask) != 0; });
        return any;
    }

    size_t CountInRange(size_t first, size_t count) const noexcept {
        size_t members = 0;
        const_cast<Bitmap*>(this)->ForEachMask(
            first, count, [&](const uint64_t& word, uint64_t mask) {
                members += static_cast<size_t>(std::popcount(word & mask));
            });
        return members;
    }

    // The first member at or above `from`; kNone when there is none.
    size_t FindSet(size_t from) const noexcept { return Find(from, 0); }
    // The first non-member at or above `from`.
    size_t FindClear(size_t from) const noexcept { return Find(from, ~uint64_t{0}); }

    // The first of `count` consecutive non-members, at a multiple of `alignment`.
    size_t FindClearRun(size_t count, size_t alignment) const noexcept {
        size_t start = 0;
        for (;;) {
            start = FindClear(start);
            start = (start + alignment - 1) & ~(alignment - 1);
            if (start + count > kBits) return kNone;
            const size_t obstacle = FindSet(start);
            if (obstacle >= start + count) return start;
            start = obstacle + 1;
        }
    }

private:
    template <typename F>
    void ForEachMask(size_t first, size_t count, F f) noexcept {
        while (count > 0) {
            const size_t bit = first % 64;
            const size_t here = count < 64 - bit ? count : 64 - bit;
            const uint64_t mask = (here == 64 ? ~uint64_t{0} : (uint64_t{1} << here) - 1) << bit;
            f(words_[first / 64], mask);
            first += here;
            count -= here;
        }
    }

    size_t Find(size_t from, uint64_t invert) const noexcept {
        if (from >= kBits) return kNone;
        size_t i = from / 64;
        uint64_t word = (words_[i] ^ invert) & (~uint64_t{0} << (from % 64));
        while (word == 0) {
            if (++i == kBits / 64) return kNone;
            word = words_[i] ^ invert;
        }
        return i * 64 + static_cast<size_t>(std::countr_zero(word));
    }

    uint64_t words_[kBits / 64] = {};
};

}  // namespace strata
