// Empty magazines that a thread keeps at hand: it gives one to the depot with every full one it
// takes from there, the other way round, and would else make and end one each time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "store/magazine.h"

namespace strata::cache {

using store::Magazine;

class Spares {
public:
    // As store::CreateMagazine and store::DestroyMagazine.
    Magazine* Create(uint32_t capacity) noexcept;
    void Destroy(Magazine* magazine) noexcept;
    // Ends all of them.
    void Clear() noexcept;
    size_t size() const noexcept;

private:
    static constexpr size_t kCapacities = FloorLog2(kMaxMagazineEntries + 1) + 1;
    Magazine* lists_[kCapacities];
    uint8_t counts_[kCapacities];
};

}  // namespace strata::cache
