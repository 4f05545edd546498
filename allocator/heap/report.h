// What a person needs besides a message's first line: the block, and the stacks.
#pragma once

namespace strata::heap {

// From now on fatal messages are followed by what is known of their pointer. Call it once.
void StartReports() noexcept;

// From now on accesses to guarded blocks' guards and freed pages, and to guards of slabs, are
// reported before they crash the program. Cheap when it is so already.
void WatchGuards() noexcept;

}  // namespace strata::heap
