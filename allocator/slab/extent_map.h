// Which 16-byte granules of a region belong together: one byte per granule, kept away from the
// region.
//
// A region is divided into extents, each live or free, without gaps; two free ones never touch. The
// first byte of an extent is its head:
//
//   bit 7       1: head (all other bytes of an extent have 0 here)
//   bit 6       1: live
//   bits 5..0   the owner's mark: whatever it wants to remember of a live extent
//
// The bytes behind the head say how long the extent is, from both ends, so that a free finds both
// neighbours at once. Up to 12 granules they are 0. A longer extent has its length right behind the
// head and again at its end: six bytes of six bits each, with 01 in front.
//
// Free space is found first-fit, lowest address first, from a hint per power of two: no free extent
// of at least 2^k granules begins before hint k.
//
// No function here locks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bits.h"

namespace strata::slab {

class ExtentMap {
public:
    static constexpr size_t kGranule = 16;
    static constexpr size_t kNone = SIZE_MAX;
    static constexpr uint8_t kMarkBits = 0x3F;
    // Lengths are stored in 36 bits.
    static constexpr size_t kMaxGranules = size_t{1} << 36;

    struct Extent {
        size_t first = 0;
        size_t count = 0;
        bool live = false;
        size_t end() const noexcept { return first + count; }
    };

    ExtentMap() noexcept = default;
    // `bytes`: one byte per granule. Only those of granules that Grow has added are read and
    // written.
    explicit ExtentMap(uint8_t* bytes) noexcept : bytes_(bytes) {}

    // Granules so far.
    size_t size() const noexcept { return size_; }

    // Adds free granules at the end.
    void Grow(size_t count) noexcept;

    // Takes granules away from the end. REQUIRES: 0 < count <= FreeAtEnd().
    void Shrink(size_t count) noexcept;

    // Free granules at the very end.
    size_t FreeAtEnd() const noexcept;

    // The lowest place for `count` granules at which (granule + `phase`) is a multiple of `step`, a
    // power of two; kNone when there is none.
    size_t Find(size_t count, size_t step, size_t phase) noexcept;

    // Makes [first, first + count) live. REQUIRES: it lies in one free extent.
    void Take(size_t first, size_t count, uint8_t mark) noexcept;

    // Makes a live extent free. REQUIRES: IsLive(first).
    void Release(size_t first) noexcept;

    // Changes a live extent's length in place, at its end. False when what follows is not free, or
    // not long enough, and nothing has changed.
    bool Resize(size_t first, size_t count) noexcept;

    // The extent that begins at `first`. REQUIRES: IsHead(first).
    Extent At(size_t first) const noexcept;
    bool IsHead(size_t granule) const noexcept {
        return granule < size_ && (bytes_[granule] & kHead) != 0;
    }
    bool IsLive(size_t granule) const noexcept {
        return IsHead(granule) && (bytes_[granule] & kLive) != 0;
    }
    // The extent that a granule lies in. Slow: for messages. REQUIRES: granule < size().
    Extent Around(size_t granule) const noexcept;

    // REQUIRES: IsLive(first).
    uint8_t Mark(size_t first) const noexcept { return bytes_[first] & kMarkBits; }
    void SetMark(size_t first, uint8_t mark) noexcept {
        bytes_[first] = static_cast<uint8_t>(kHead | kLive | mark);
    }

    // True when extents follow each other without gaps and the hints hold.
    bool IsConsistent() const noexcept;

private:
    static constexpr uint8_t kHead = 0x80;
    static constexpr uint8_t kLive = 0x40;
    static constexpr uint8_t kLengthMask = 0xC0;
    static constexpr uint8_t kLength = 0x40;  // in bytes that are no heads: a part of a length
    static constexpr size_t kLengthBytes = 6;
    static constexpr size_t kMostShort = 2 * kLengthBytes;
    static constexpr size_t kHints = 37;

    size_t ReadLength(size_t from) const noexcept;
    void WriteLength(size_t from, size_t count) noexcept;
    void WriteExtent(size_t first, size_t count, uint8_t head) noexcept;
    void WriteFree(size_t first, size_t count) noexcept;
    // The extent that ends before `granule`. REQUIRES: granule is a head or size(), and not 0.
    Extent Before(size_t granule) const noexcept;

    uint8_t* bytes_ = nullptr;
    size_t size_ = 0;
    size_t hints_[kHints] = {};
};

}  // namespace strata::slab
