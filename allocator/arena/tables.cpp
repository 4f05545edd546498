#include "arena/tables.h"

#include "base/bits.h"
#include "base/constants.h"

namespace strata::arena {

bool InitializeTables(os::Memory& memory, uintptr_t limit, SliceMap* map, ArenaSet* const* sets,
                      size_t count) noexcept {
    const size_t addressed = DivideUp(limit, kArenaSize);
    const size_t arenas = addressed < kMapArenas ? addressed : kMapArenas;
    const size_t map_bytes = map != nullptr ? SliceMap::BytesFor(arenas) : 0;
    const size_t set_bytes = ArenaSet::BytesFor(arenas);
    os::ReserveRequest request;
    request.bytes = RoundUp(map_bytes + count * set_bytes, kSliceSize);
    char* const base = static_cast<char*>(memory.Reserve(request));
    if (base == nullptr) return false;
    if (map != nullptr) map->Initialize(base, arenas);
    for (size_t i = 0; i < count; ++i) {
        sets[i]->Initialize(base + map_bytes + i * set_bytes, arenas);
    }
    return true;
}

}  // namespace strata::arena
