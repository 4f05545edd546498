#include "base/size_classes.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

TEST(SizeClasses, TableInvariants) {
    uint32_t previous = 0;
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const ClassInfo& info = kClassTable[i];
        SCOPED_TRACE(i);
        EXPECT_EQ(info.spacing % kMinAlignment, 0u);
        if (i > 1) {
            EXPECT_GT(info.spacing, previous);
        }
        EXPECT_EQ(info.usable, i == 0 ? 0 : info.spacing);
        EXPECT_GE(info.slices, 1);
        EXPECT_LE(info.slices, kMaxSlabSlices);
        EXPECT_EQ(info.blocks, info.slices * kSliceSize / info.spacing);
        EXPECT_GE(info.blocks, 4u);
        EXPECT_LE(info.slices * kSliceSize % info.spacing, info.slices * kSliceSize / 8);
        EXPECT_EQ(info.reciprocal, Reciprocal(info.spacing));
        // A magazine is a power of two with its header, full-grown within its byte limit.
        EXPECT_TRUE(IsPowerOfTwo(size_t{info.magazine_max} + 1));
        EXPECT_LE(info.magazine_max, kMaxMagazineEntries);
        EXPECT_GE(info.magazine_max, 1);
        if (info.magazine_max > 1) {
            EXPECT_LE(info.magazine_max * info.spacing, kMaxMagazineBytes);
        }
        if (info.magazine_max < kMaxMagazineEntries) {
            EXPECT_GT((info.magazine_max * 2u + 1) * info.spacing, kMaxMagazineBytes);
        }
        EXPECT_GE(info.refill, 1);
        EXPECT_LE(info.refill, kMaxRefillEntries);
        if (info.refill > 1) {
            EXPECT_LE(info.refill * info.spacing, kMaxRefillBytes);
        }
        previous = info.spacing;
    }
    EXPECT_EQ(previous, kMaxSlabBlock);
}

// The step between neighbours: 16 bytes to 1 KiB, then an eighth of the power of two below.
TEST(SizeClasses, Spacing) {
    for (size_t i = 2; i < kSizeClasses; ++i) {
        const size_t below = kClassTable[i - 1].spacing;
        const size_t step = kClassTable[i].spacing - below;
        if (below < kLinearLimit) {
            EXPECT_EQ(step, kSmallStep);
        } else {
            EXPECT_EQ(step, (size_t{1} << FloorLog2(below)) / kClassesPerDoubling);
        }
    }
}

TEST(SizeClasses, ClassOfIsTheSmallestThatFits) {
    for (size_t size = 0; size <= kMaxSlabBlock; ++size) {
        const size_t index = Index(ClassOf(size));
        ASSERT_LT(index, kSizeClasses) << size;
        ASSERT_GE(kClassTable[index].usable, size);
        if (index > 0) {
            ASSERT_LT(kClassTable[index - 1].usable, size) << size;
        }
        if (size > kLinearLimit) {
            const LogarithmicClass found(size);
            ASSERT_EQ(found.index, index);
            ASSERT_EQ(found.usable, kClassTable[index].usable);
        }
    }
}

TEST(SizeClasses, WasteIsAtMostAnEighthAboveTheLinearClasses) {
    for (size_t size = kLinearLimit + 1; size <= kMaxSlabBlock; ++size) {
        const size_t slack = InfoOf(ClassOf(size)).usable - size;
        ASSERT_LT(slack * 8, size) << size;
    }
}

// The proof that multiply.h asks for: every class, every byte of its slab. The quotient is the
// index of the block, and the low half says whether the offset is the start of one.
TEST(SizeClasses, CoarseClassesAreFourPerDoubling) {
    size_t coarse = 0;
    for (size_t i = 1; i < kSizeClasses; ++i) {
        const auto size_class = static_cast<SizeClass>(i);
        const SizeClass used = CoarseClassOf(size_class);
        EXPECT_GE(Index(used), i);
        EXPECT_EQ(CoarseClassOf(used), used);
        EXPECT_LE(InfoOf(used).usable, InfoOf(size_class).usable + InfoOf(size_class).usable / 4);
        coarse += used == size_class ? 1 : 0;
    }
    EXPECT_EQ(coarse, 8u + 4u * 9u);
}

TEST(SizeClasses, ReciprocalIsExactForEveryOffsetOfEverySlab) {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const ClassInfo& info = kClassTable[i];
        const size_t bytes = info.slices * kSliceSize;
        uint64_t index = 0;
        uint32_t remainder = 0;
        size_t wrong = 0;
        for (uint64_t offset = 0; offset < bytes; ++offset) {
            const Product product = Multiply(offset, info.reciprocal);
            wrong += product.high != index;
            wrong += (product.low < info.reciprocal) != (remainder == 0);
            if (++remainder == info.spacing) {
                remainder = 0;
                ++index;
            }
        }
        ASSERT_EQ(wrong, 0u) << "class " << i << " with blocks of " << info.spacing;
        // The tail of the slab reaches at most the state byte behind the last block's.
        ASSERT_LE(index, info.blocks);
    }
}

TEST(SizeClasses, AlignedClassOf) {
    for (size_t alignment = 1; alignment <= kSliceSize; alignment *= 2) {
        for (size_t size = 0; size <= kMaxSlabBlock; size += size < 2048 ? 1 : 509) {
            SizeClass found{};
            // Slow: the first class with room whose spacing is a multiple.
            size_t expected = 1;
            while (expected < kSizeClasses && (kClassTable[expected].usable < size ||
                                               kClassTable[expected].spacing % alignment != 0)) {
                ++expected;
            }
            ASSERT_TRUE(AlignedClassOf(size, alignment, found)) << size << ' ' << alignment;
            ASSERT_EQ(Index(found), expected) << size << ' ' << alignment;
        }
    }
}

TEST(SizeClasses, AlignedClassOfRefusesWhatNoClassFits) {
    SizeClass untouched = static_cast<SizeClass>(77);
    EXPECT_FALSE(AlignedClassOf(kMaxSlabBlock + 1, 16, untouched));
    EXPECT_FALSE(AlignedClassOf(16, 2 * kSliceSize, untouched));
    EXPECT_FALSE(AlignedClassOf(SIZE_MAX, 1, untouched));
    EXPECT_EQ(Index(untouched), 77u);
}

}  // namespace
}  // namespace strata
