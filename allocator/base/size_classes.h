// Size classes: 16-byte steps to 1 KiB, then eight per doubling to 64 KiB.
//
// Class 0 is for requests of 0 bytes: its blocks lie 16 bytes apart and have no usable byte, so
// that slack = usable - requested holds there too and malloc needs no special case.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "base/constants.h"
#include "base/multiply.h"

namespace strata {

enum class SizeClass : uint8_t {};

inline constexpr size_t kSmallStep = 16;
inline constexpr size_t kLinearLimit = 1024;
inline constexpr size_t kLinearClasses = kLinearLimit / kSmallStep + 1;
inline constexpr size_t kClassesPerDoubling = 8;
inline constexpr size_t kMaxSlabBlock = 64 * 1024;
inline constexpr size_t kSizeClasses =
    kLinearClasses + kClassesPerDoubling * (FloorLog2(kMaxSlabBlock) - FloorLog2(kLinearLimit));

constexpr size_t Index(SizeClass size_class) noexcept { return static_cast<size_t>(size_class); }

// A class above kLinearLimit, found without a table.
struct LogarithmicClass {
    size_t index;
    uint32_t usable;

    // REQUIRES: kLinearLimit < size <= kMaxSlabBlock.
    constexpr explicit LogarithmicClass(size_t size) noexcept {
        const unsigned log = FloorLog2(size - 1);
        // The doubling's eighths up to the one that `size` lies in: 8 to 15.
        const unsigned eighths = static_cast<unsigned>((size - 1) >> (log - 3));
        index = kLinearClasses + (log - FloorLog2(kLinearLimit)) * kClassesPerDoubling + eighths -
                kClassesPerDoubling;
        usable = (eighths + 1) << (log - 3);
    }
};

// REQUIRES: size <= kMaxSlabBlock.
constexpr SizeClass ClassOf(size_t size) noexcept {
    if (size <= kLinearLimit) return static_cast<SizeClass>((size + kSmallStep - 1) / kSmallStep);
    return static_cast<SizeClass>(LogarithmicClass(size).index);
}

struct ClassInfo {
    uint64_t reciprocal;    // of spacing; see multiply.h
    uint32_t spacing;       // distance of two blocks: the block size, 16 for class 0
    uint32_t usable;        // bytes of a block: spacing, 0 for class 0
    uint32_t blocks;        // per slab
    uint16_t magazine_max;  // entries of a magazine when it is fully grown
    uint16_t refill;        // blocks that a magazine takes from the slabs at once
    uint16_t swap_max;      // entries that magazines grow to by changing places alone
    uint8_t slices;         // per slab
};

namespace internal {

constexpr uint32_t SpacingOf(size_t index) noexcept {
    if (index == 0) return kSmallStep;
    if (index < kLinearClasses) return static_cast<uint32_t>(index * kSmallStep);
    const size_t k = index - kLinearClasses;
    const size_t base = kLinearLimit << (k / kClassesPerDoubling);
    return static_cast<uint32_t>(base +
                                 (k % kClassesPerDoubling + 1) * (base / kClassesPerDoubling));
}

// The fewest slices that hold at least four blocks with at most 1/8 of the addresses lost. (Only
// addresses: the tail of a slab is never committed.)
constexpr uint8_t SlicesOf(size_t spacing) noexcept {
    for (size_t slices = 1; slices < kMaxSlabSlices; ++slices) {
        const size_t bytes = slices * kSliceSize;
        if (bytes / spacing >= 4 && bytes % spacing <= bytes / 8)
            return static_cast<uint8_t>(slices);
    }
    return kMaxSlabSlices;
}

// `most` entries or (n - 1) / 2, (n - 3) / 4 ... of them, as many as `bytes` hold, but `least`.
// REQUIRES: both are powers of two less one.
constexpr uint16_t EntriesOf(size_t spacing, size_t most, size_t bytes, size_t least) noexcept {
    size_t entries = most;
    while (entries > least && entries * spacing > bytes) entries /= 2;
    return static_cast<uint16_t>(entries);
}

constexpr std::array<ClassInfo, kSizeClasses> MakeClassTable() noexcept {
    std::array<ClassInfo, kSizeClasses> table{};
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const uint32_t spacing = SpacingOf(i);
        const uint8_t slices = SlicesOf(spacing);
        table[i] = {Reciprocal(spacing),
                    spacing,
                    i == 0 ? 0 : spacing,
                    static_cast<uint32_t>(slices * kSliceSize / spacing),
                    EntriesOf(spacing, kMaxMagazineEntries, kMaxMagazineBytes, 1),
                    EntriesOf(spacing, kMaxRefillEntries, kMaxRefillBytes, 1),
                    EntriesOf(spacing, kMaxSwapEntries, kMaxSwapBytes, kFirstMagazineEntries),
                    slices};
    }
    return table;
}

}  // namespace internal

inline constexpr std::array<ClassInfo, kSizeClasses> kClassTable = internal::MakeClassTable();

constexpr const ClassInfo& InfoOf(SizeClass size_class) noexcept {
    return kClassTable[Index(size_class)];
}

static_assert(kSizeClasses == 113);
static_assert(kClassTable[kSizeClasses - 1].spacing == kMaxSlabBlock);
static_assert(InfoOf(ClassOf(0)).usable == 0 && InfoOf(ClassOf(1)).usable == 16);
static_assert(InfoOf(ClassOf(1024)).usable == 1024 && InfoOf(ClassOf(1025)).usable == 1152);

namespace internal {

// The first class from `index` on that ends a quarter of a doubling. Up to 128 bytes, that is each
// of them.
constexpr uint8_t CoarseIndex(size_t index) noexcept {
    const auto is_coarse = [](uint32_t spacing) {
        const unsigned log = FloorLog2(spacing);
        return log < 2 || spacing % (uint32_t{1} << (log - 2)) == 0;
    };
    while (!is_coarse(kClassTable[index].spacing)) ++index;
    return static_cast<uint8_t>(index);
}

constexpr std::array<uint8_t, kSizeClasses> MakeCoarseTable() noexcept {
    std::array<uint8_t, kSizeClasses> table{};
    for (size_t i = 0; i < kSizeClasses; ++i) table[i] = i == 0 ? uint8_t{0} : CoarseIndex(i);
    return table;
}

inline constexpr std::array<uint8_t, kSizeClasses> kCoarseTable = MakeCoarseTable();

}  // namespace internal

// The class that stands in for one that is rarely asked for: one of four per doubling, so that its
// blocks are at most a quarter larger.
constexpr SizeClass CoarseClassOf(SizeClass size_class) noexcept {
    return static_cast<SizeClass>(internal::kCoarseTable[Index(size_class)]);
}
static_assert(CoarseClassOf(ClassOf(0)) == ClassOf(0));
static_assert(CoarseClassOf(ClassOf(144)) == ClassOf(160));
static_assert(CoarseClassOf(ClassOf(1025)) == ClassOf(1280));
static_assert(CoarseClassOf(ClassOf(kMaxSlabBlock)) == ClassOf(kMaxSlabBlock));

namespace internal {

inline constexpr unsigned kLeastAlignedLog = 5;  // 32: every class is good for less
inline constexpr unsigned kMostAlignedLog = kSliceShift;
inline constexpr uint8_t kNoClass = kSizeClasses;

using AlignedClasses = std::array<std::array<uint8_t, kSizeClasses>, kMostAlignedLog + 1>;

// By alignment and class: the next class from there on whose blocks are all multiples of it.
constexpr AlignedClasses MakeAlignedClasses() noexcept {
    AlignedClasses table{};
    for (unsigned log = 0; log <= kMostAlignedLog; ++log) {
        uint8_t next = kNoClass;
        for (size_t i = kSizeClasses; i-- > 0;) {
            const bool good = log < kLeastAlignedLog || kClassTable[i].spacing % (1u << log) == 0;
            if (good) next = static_cast<uint8_t>(i);
            table[log][i] = next;
        }
    }
    return table;
}

inline constexpr AlignedClasses kAlignedClasses = MakeAlignedClasses();

}  // namespace internal

// The smallest class for `size` bytes whose blocks are all multiples of `alignment`; slabs start at
// multiples of kSliceSize. Returns false when no class fits. REQUIRES: alignment is a power of two.
constexpr bool AlignedClassOf(size_t size, size_t alignment, SizeClass& result) noexcept {
    if (size > kMaxSlabBlock || alignment > kSliceSize) return false;
    // Class 0 has no byte to be aligned.
    const size_t least = Index(ClassOf(size == 0 ? 1 : size));
    const uint8_t found = internal::kAlignedClasses[FloorLog2(alignment)][least];
    result = static_cast<SizeClass>(found);
    return found != internal::kNoClass;
}

}  // namespace strata
