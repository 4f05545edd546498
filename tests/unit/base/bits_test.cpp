#include "base/bits.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

TEST(Bits, IsPowerOfTwo) {
    EXPECT_FALSE(IsPowerOfTwo(0));
    for (unsigned bit = 0; bit < 64; ++bit) {
        const size_t power = size_t{1} << bit;
        EXPECT_TRUE(IsPowerOfTwo(power));
        EXPECT_EQ(IsPowerOfTwo(power + 1), power == 1);
        EXPECT_EQ(IsPowerOfTwo(power - 1), power == 2);
    }
    EXPECT_FALSE(IsPowerOfTwo(SIZE_MAX));
}

TEST(Bits, RoundUpAndDown) {
    for (size_t unit : {size_t{1}, size_t{16}, size_t{4096}, size_t{1} << 40}) {
        EXPECT_EQ(RoundUp(0, unit), 0u);
        EXPECT_EQ(RoundUp(1, unit), unit);
        EXPECT_EQ(RoundUp(unit, unit), unit);
        EXPECT_EQ(RoundUp(unit + 1, unit), unit == 1 ? 2 : 2 * unit);
        EXPECT_EQ(RoundDown(unit - 1, unit), 0u);
        EXPECT_EQ(RoundDown(unit, unit), unit);
        EXPECT_EQ(RoundDown(3 * unit - 1, unit), unit == 1 ? 2 : 2 * unit);
    }
    EXPECT_EQ(RoundUp(SIZE_MAX - 4095, 4096), SIZE_MAX - 4095);
    EXPECT_EQ(RoundDown(SIZE_MAX, 4096), SIZE_MAX - 4095);
}

TEST(Bits, DivideUp) {
    for (size_t unit : {1, 2, 3, 7, 16, 48, 65536}) {
        for (size_t value = 0; value < 5 * unit; ++value) {
            EXPECT_EQ(DivideUp(value, unit), value / unit + (value % unit != 0));
        }
    }
}

TEST(Bits, FloorLog2) {
    for (unsigned bit = 0; bit < 64; ++bit) {
        const size_t power = size_t{1} << bit;
        EXPECT_EQ(FloorLog2(power), bit);
        EXPECT_EQ(FloorLog2(power | (power - 1)), bit);
    }
}

TEST(Bits, MultiplySizesFindsEveryOverflow) {
    size_t product = 0;
    EXPECT_TRUE(MultiplySizes(0, SIZE_MAX, product));
    EXPECT_EQ(product, 0u);
    EXPECT_TRUE(MultiplySizes(SIZE_MAX, 1, product));
    EXPECT_EQ(product, SIZE_MAX);
    EXPECT_TRUE(MultiplySizes(1000, 48, product));
    EXPECT_EQ(product, 48'000u);
    EXPECT_FALSE(MultiplySizes(SIZE_MAX, 2, product));
    EXPECT_FALSE(MultiplySizes(2, SIZE_MAX, product));
    EXPECT_FALSE(MultiplySizes(size_t{1} << 32, size_t{1} << 32, product));
    EXPECT_TRUE(MultiplySizes(size_t{1} << 32, (size_t{1} << 32) - 1, product));
    for (size_t size = 2; size < 1000; ++size) {
        EXPECT_TRUE(MultiplySizes(SIZE_MAX / size, size, product));
        EXPECT_EQ(product, SIZE_MAX / size * size);
        EXPECT_FALSE(MultiplySizes(SIZE_MAX / size + 1, size, product)) << size;
    }
}

TEST(Bits, AddressAndOffset) {
    char bytes[32] = {};
    EXPECT_EQ(AddressOf(bytes + 5) - AddressOf(bytes), 5u);
    EXPECT_EQ(AddressOf(nullptr), 0u);
    EXPECT_EQ(At(bytes, 7), static_cast<void*>(bytes + 7));
    *At<char>(bytes, 9) = 'x';
    EXPECT_EQ(bytes[9], 'x');
}

}  // namespace
}  // namespace strata
