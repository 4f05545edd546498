// The tick: what happens once in an epoch, from whatever slow path a thread comes to first. Memory that has
// decayed goes back to the system, depots' surplus to the slabs, and the thread's bins are veiled.
// Internal to this folder.
#pragma once

#include "cache/veil.h"
#include "heap/heap_record.h"

namespace strata::heap {

// Lets memory go that has decayed, in the calling thread's bins, in `heap`'s depots and everywhere below;
// without any lock held but possibly the whole heap's. Cheap when nothing is due.
void PurgeTick(Heap& heap) noexcept;

// The part of it that no heap has for itself. `now` in milliseconds.
void PurgeProcess(uint64_t now) noexcept;

// A slow path's hold on a bin of the calling thread: lifts the veil, if it has one, and puts it back
// afterwards on the side that was not needed; and on the other, too, if the thread does not come here often.
// A pass in between leaves the bin alone.
class BinInHand {
public:
    // `heap`: whose bin it is. `side`: what it is needed for.
    STRATA_INLINE BinInHand(Heap& heap, SizeClass size_class, cache::Sides side) noexcept {
        if (!heap.is_process_heap) return;
        cache_ = cache::CurrentCache();
        if (STRATA_UNLIKELY(cache::IsVeiled(*cache_, size_class))) {
            veil_ = LiftVeilFor(heap, *cache_, size_class, side);
        }
        cache_->in_hand = static_cast<uint8_t>(Index(size_class) + 1);
    }
    STRATA_INLINE ~BinInHand() {
        if (cache_ == nullptr) return;
        if (STRATA_UNLIKELY(cache_->passed_meanwhile || veil_ != cache::Sides::kNone)) {
            PutVeilBack();
        }
        cache_->in_hand = 0;
    }
    BinInHand(const BinInHand&) = delete;
    BinInHand& operator=(const BinInHand&) = delete;

private:
    // Returns the sides that are to be veiled again.
    STRATA_COLD static cache::Sides LiftVeilFor(Heap& heap, cache::ThreadCache& cache,
                                                SizeClass size_class, cache::Sides side) noexcept;
    STRATA_COLD void PutVeilBack() noexcept;

    cache::ThreadCache* cache_ = nullptr;
    cache::Sides veil_ = cache::Sides::kNone;
};

}  // namespace strata::heap
