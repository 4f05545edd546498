#include "store/magazine.h"

#include "arena/process_arenas.h"

namespace strata::store {

Magazine* CreateMagazine(uint32_t capacity) noexcept {
    auto* magazine = static_cast<Magazine*>(arena::g_metadata.Allocate(MagazineBytes(capacity)));
    if (magazine == nullptr) return nullptr;
    magazine->next = nullptr;
    magazine->capacity = capacity;
    magazine->count = 0;
    return magazine;
}

void DestroyMagazine(Magazine* magazine) noexcept {
    arena::g_metadata.Free(magazine, MagazineBytes(magazine->capacity));
}

}  // namespace strata::store
