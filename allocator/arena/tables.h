// The tables that a process's arenas have: the slice map's entries, and the records of each set of
// arenas. One reservation for all of them, no larger than the process's addresses can fill.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arena/arena_set.h"
#include "arena/slice_map.h"
#include "os/memory.h"

namespace strata::arena {

// Call it once for each map and set; `map` may be nullptr. The addresses end at `limit`: where that
// is less than the slice map's 1 TiB, as in a program that is not linked for large addresses (2
// GiB), the tables have room for fewer arenas. False, with nothing done, when the system has no
// room.
bool InitializeTables(os::Memory& memory, uintptr_t limit, SliceMap* map, ArenaSet* const* sets,
                      size_t count) noexcept;

}  // namespace strata::arena
