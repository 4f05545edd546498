// Locks taken and given back as no contract allows it: by the wrong thread, in the wrong order, or
// perhaps. The compiler's analysis does not see through these.
#pragma once

#include "os/lock.h"

namespace strata::test {

inline void Take(os::Lock& lock) STRATA_NO_THREAD_SAFETY_ANALYSIS { lock.Acquire(); }
inline bool TryTake(os::Lock& lock) STRATA_NO_THREAD_SAFETY_ANALYSIS { return lock.TryAcquire(); }
inline void Give(os::Lock& lock) STRATA_NO_THREAD_SAFETY_ANALYSIS { lock.Release(); }
inline void GiveOfGone(os::Lock& lock) STRATA_NO_THREAD_SAFETY_ANALYSIS { lock.ReleaseOfGone(); }

}  // namespace strata::test
