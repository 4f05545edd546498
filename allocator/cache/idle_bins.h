// Bins that lie idle: a thread on a slow path closes its bins now and then, and returns the blocks
// of those that it has not used for kIdleEpochs; and takes what sleeping threads have in theirs.
#pragma once

#include "cache/closed_bins.h"

namespace strata::cache {

// How the owner used a bin since it last closed it.
enum class BinUse : uint8_t { kEmpty, kInUse, kIdle };
BinUse NoteUse(ThreadCache& cache, SizeClass size_class, uint64_t epoch) noexcept;

// The calling thread is on a slow path of the process heap: notes that, and closes its bins if it
// is time to; true when it did. No bin of it is open (OpenBin). `now` in milliseconds.
bool LookAtBins(Heap& process_heap, uint64_t now) noexcept;

// Puts what is in closed bins of threads that were at no slow path since epoch `before` into the
// slabs.
void FlushSleepers(Heap& process_heap, uint32_t before) noexcept;

}  // namespace strata::cache
