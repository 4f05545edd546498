// Before a request is refused, everything that lies idle goes back to the system, and the request
// is tried once more. That is the one rule for all requests: who is refused pages or addresses
// below this layer says so and does nothing about it.
#pragma once

#include "heap/block.h"

namespace strata::heap {

// Called when a request to `heap`, or for a heap (nullptr), has failed, with no lock held but
// possibly the whole heap's. True when it is to be tried again: the system refused something, and
// what lay idle has gone back to it. What other threads hold at that moment is left alone; nothing
// is waited for but what the request itself would wait for. Thread caches' bins, and with them
// magazines in hand, may be gone afterwards. Cost: what the calling thread and the process keep for
// later, each time; what all heaps keep, in proportion to heaps and large runs, each time where
// that takes less than the clock's step, else a ninth of the time at most.
STRATA_COLD bool ReclaimIfRefused(Heap* heap) noexcept;

}  // namespace strata::heap
