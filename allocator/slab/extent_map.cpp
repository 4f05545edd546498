#include "slab/extent_map.h"

#include <cstring>

namespace strata::slab {

size_t ExtentMap::ReadLength(size_t from) const noexcept {
    size_t count = 0;
    for (size_t i = 0; i < kLengthBytes; ++i) {
        count = count << 6 | (bytes_[from + i] & kMarkBits);
    }
    return count;
}

void ExtentMap::WriteLength(size_t from, size_t count) noexcept {
    for (size_t i = kLengthBytes; i-- > 0; count >>= 6) {
        bytes_[from + i] = static_cast<uint8_t>(kLength | (count & kMarkBits));
    }
}

// The bytes in between, of a long extent, are left as they are: none of them is a head.
void ExtentMap::WriteExtent(size_t first, size_t count, uint8_t head) noexcept {
    bytes_[first] = head;
    if (count <= kMostShort) {
        std::memset(bytes_ + first + 1, 0, count - 1);
        return;
    }
    WriteLength(first + 1, count);
    WriteLength(first + count - kLengthBytes, count);
}

// A free extent, with the hints adjusted. Heads that lay inside it are gone, and hints at them
// would be no heads any more: they go back to its start, too.
void ExtentMap::WriteFree(size_t first, size_t count) noexcept {
    WriteExtent(first, count, kHead);
    const unsigned order = FloorLog2(count);
    for (unsigned i = 0; i < kHints; ++i) {
        const bool inside = hints_[i] > first && hints_[i] < first + count;
        if (inside || (i <= order && hints_[i] > first)) hints_[i] = first;
    }
}

ExtentMap::Extent ExtentMap::At(size_t first) const noexcept {
    Extent extent;
    extent.first = first;
    extent.live = (bytes_[first] & kLive) != 0;
    if (first + 1 < size_ && (bytes_[first + 1] & kLengthMask) == kLength) {
        extent.count = ReadLength(first + 1);
        return extent;
    }
    size_t end = first + 1;
    while (end < size_ && (bytes_[end] & kHead) == 0) ++end;
    extent.count = end - first;
    return extent;
}

ExtentMap::Extent ExtentMap::Before(size_t granule) const noexcept {
    size_t last = granule - 1;
    if ((bytes_[last] & kLengthMask) == kLength) {
        return At(granule - ReadLength(granule - kLengthBytes));
    }
    while ((bytes_[last] & kHead) == 0) --last;
    return At(last);
}

ExtentMap::Extent ExtentMap::Around(size_t granule) const noexcept {
    while ((bytes_[granule] & kHead) == 0) --granule;
    return At(granule);
}

void ExtentMap::Grow(size_t count) noexcept {
    size_t first = size_;
    const size_t free = FreeAtEnd();
    std::memset(bytes_ + size_, 0, count);
    size_ += count;
    first -= free;
    WriteFree(first, free + count);
}

void ExtentMap::Shrink(size_t count) noexcept {
    const Extent last = Before(size_);
    size_ -= count;
    if (count != last.count) WriteExtent(last.first, last.count - count, kHead);
    for (size_t& hint : hints_) {
        if (hint > size_) hint = size_;
    }
}

size_t ExtentMap::FreeAtEnd() const noexcept {
    if (size_ == 0) return 0;
    const Extent last = Before(size_);
    return last.live ? 0 : last.count;
}

size_t ExtentMap::Find(size_t count, size_t step, size_t phase) noexcept {
    const unsigned order = FloorLog2(count);
    const size_t least = size_t{1} << order;
    bool seen = false;  // a free extent of this order: the hint stays there
    for (size_t i = hints_[order]; i < size_;) {
        const Extent extent = At(i);
        i = extent.end();
        if (extent.live || extent.count < least) continue;
        if (!seen) hints_[order] = extent.first;
        seen = true;
        const size_t place = RoundUp(extent.first + phase, step) - phase;
        if (place + count <= extent.end()) return place;
    }
    if (!seen) hints_[order] = size_;
    return kNone;
}

void ExtentMap::Take(size_t first, size_t count, uint8_t mark) noexcept {
    const Extent free = Around(first);
    if (first != free.first) WriteExtent(free.first, first - free.first, kHead);
    const size_t end = first + count;
    WriteExtent(first, count, static_cast<uint8_t>(kHead | kLive | mark));
    if (end != free.end()) WriteFree(end, free.end() - end);
}

void ExtentMap::Release(size_t first) noexcept {
    Extent extent = At(first);
    if (extent.end() < size_) {
        const Extent next = At(extent.end());
        if (!next.live) {
            bytes_[next.first] = 0;
            extent.count += next.count;
        }
    }
    if (first != 0) {
        const Extent previous = Before(first);
        if (!previous.live) {
            bytes_[first] = 0;
            extent.first = previous.first;
            extent.count += previous.count;
        }
    }
    WriteFree(extent.first, extent.count);
}

bool ExtentMap::Resize(size_t first, size_t count) noexcept {
    const Extent extent = At(first);
    const uint8_t head = bytes_[first];
    Extent next;
    if (extent.end() < size_) next = At(extent.end());
    const size_t spare = next.count != 0 && !next.live ? next.count : 0;
    if (count > extent.count + spare) return false;
    if (count == extent.count) return true;
    if (spare != 0) bytes_[next.first] = 0;
    const size_t end = extent.end() + spare;
    WriteExtent(first, count, head);
    // The head of what was taken is gone: a hint at it goes on behind.
    for (size_t& hint : hints_) {
        if (hint > first && hint < first + count) hint = first + count;
    }
    if (first + count != end) WriteFree(first + count, end - first - count);
    return true;
}

bool ExtentMap::IsConsistent() const noexcept {
    bool last_free = false;
    size_t at = 0;
    while (at < size_) {
        if ((bytes_[at] & kHead) == 0) return false;
        const Extent extent = At(at);
        if (extent.count == 0 || extent.end() > size_ || Before(extent.end()).first != at) {
            return false;
        }
        if (!extent.live) {
            if (last_free) return false;
            for (unsigned i = 0; i <= FloorLog2(extent.count); ++i) {
                if (hints_[i] > at) return false;
            }
        }
        last_free = !extent.live;
        at = extent.end();
    }
    for (const size_t hint : hints_) {
        if (hint != size_ && hint < size_ && (bytes_[hint] & kHead) == 0) return false;
    }
    return true;
}

}  // namespace strata::slab
