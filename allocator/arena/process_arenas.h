// The arenas of this process, all of them: one set for user blocks, one for metadata. Everything
// above uses these; tests of this layer make their own.
#pragma once

#include "arena/arena_set.h"
#include "arena/metadata.h"
#include "arena/slice_map.h"
#include "os/memory.h"

namespace strata::arena {

extern constinit os::Memory g_memory;
extern constinit SliceMap g_slice_map;
extern constinit ArenaSet g_arenas;           // user blocks
extern constinit ArenaSet g_metadata_arenas;  // records
extern constinit Metadata g_metadata;

// Reserves what all of these need. Call it once, before anything else of this layer; false when the
// system refuses, and then it may be called again.
bool InitializeProcessArenas() noexcept;

// Lets decayed memory go, when an epoch has passed. Call it now and then, without any lock held.
void PurgeTick() noexcept;

// Decommits all free slices at once.
void PurgeEverything() noexcept;

}  // namespace strata::arena
