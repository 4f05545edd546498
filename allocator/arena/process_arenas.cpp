#include "arena/process_arenas.h"

#include "arena/tables.h"
#include "os/process.h"

namespace strata::arena {

constinit os::Memory g_memory{os::kCallsOf<os::SystemMemory>};
constinit SliceMap g_slice_map;
constinit ArenaSet g_arenas{g_memory, &g_slice_map};
constinit ArenaSet g_metadata_arenas{g_memory, nullptr};
constinit Metadata g_metadata{g_metadata_arenas};

bool InitializeProcessArenas() noexcept {
    if (g_slice_map.IsInitialized()) return true;
    ArenaSet* const sets[] = {&g_arenas, &g_metadata_arenas};
    return InitializeTables(g_memory, os::AddressLimit(), &g_slice_map, sets, 2);
}

void PurgeTick() noexcept {
    const uint64_t now = os::Milliseconds();
    if (g_arenas.WantsPurge(now)) g_arenas.Purge(now, false);
    if (g_metadata_arenas.WantsPurge(now)) g_metadata_arenas.Purge(now, false);
}

void PurgeEverything() noexcept {
    g_metadata.Purge();
    const uint64_t now = os::Milliseconds();
    g_arenas.Purge(now, true);
    g_metadata_arenas.Purge(now, true);
}

}  // namespace strata::arena
