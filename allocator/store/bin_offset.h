// Where in a thread's cache the bins lie: what the slice map says of a slab, so that a free finds
// the bin of its block by one addition. Behind the bins of all size classes lies one more, which
// never holds a magazine: the blocks of private heaps are led there.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/size_classes.h"

namespace strata::store {

// The fast path of malloc scales by it.
inline constexpr size_t kBinBytes = 32;

constexpr uint16_t BinOffset(SizeClass size_class) noexcept {
    return static_cast<uint16_t>(Index(size_class) * kBinBytes);
}
inline constexpr uint16_t kNoBinOffset = static_cast<uint16_t>(kSizeClasses * kBinBytes);

}  // namespace strata::store
