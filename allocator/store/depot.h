// The depot: a store's filled magazines of one size class. Threads exchange whole magazines
// through it (Bonwick and Adams, "Magazines and Vmem", USENIX 2001), so that a producer and a
// consumer pass up to 127 blocks under one short lock and touch no block and no slab.
//
// No function here locks: the caller holds the lock of the size class.
#pragma once

#include <cstdint>

#include "base/size_classes.h"
#include "os/lock.h"
#include "store/magazine.h"

namespace strata::store {

class Depot {
public:
    // A magazine with at least one block, `count` says how many; nullptr when there is none.
    Magazine* Take() noexcept STRATA_REQUIRES(lock) {
        Magazine* magazine = filled_;
        if (magazine != nullptr) {
            filled_ = magazine->next;
            if (--magazines_ < low_) low_ = magazines_;
        }
        return magazine;
    }

    // False when the depot has enough already, and the caller keeps the magazine.
    bool Put(Magazine* magazine, uint32_t count, SizeClass size_class) noexcept
        STRATA_REQUIRES(lock) {
        if (!HasRoom(size_class)) return false;
        magazine->count = count;
        magazine->next = filled_;
        filled_ = magazine;
        ++magazines_;
        return true;
    }

    bool HasRoom(SizeClass size_class) const noexcept STRATA_REQUIRES(lock) {
        return magazines_ < LimitOf(size_class);
    }

    uint32_t magazines() const noexcept STRATA_REQUIRES(lock) { return magazines_; }

    // How many magazines nobody has needed since the last call.
    uint32_t TakeSurplus() noexcept STRATA_REQUIRES(lock) {
        const uint32_t surplus = low_;
        low_ = magazines_;
        return surplus;
    }

    // Magazines that a depot of this class keeps.
    static constexpr uint32_t LimitOf(SizeClass size_class) noexcept {
        const ClassInfo& info = InfoOf(size_class);
        const size_t bytes = size_t{info.magazine_max} * info.spacing;
        const size_t limit = kMaxDepotBytes / bytes;
        return limit < kMaxDepotMagazines ? static_cast<uint32_t>(limit) : kMaxDepotMagazines;
    }

    // The lock of the size class: of this depot and of the slabs beside it. It stands here because
    // here are four bytes to spare, and a store has this 113 times.
    os::Lock lock{os::LockRank::kClass};

private:
    uint16_t magazines_ STRATA_GUARDED_BY(lock) = 0;
    uint16_t low_ STRATA_GUARDED_BY(lock) = 0;  // the fewest since the last TakeSurplus
    Magazine* filled_ STRATA_GUARDED_BY(lock) = nullptr;
};
static_assert(sizeof(Depot) == 16);

}  // namespace strata::store
