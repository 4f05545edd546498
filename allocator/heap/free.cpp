#include "heap/free.h"

#include "cache/parked_runs.h"

namespace strata::heap {

void FreeAt(Place place, Heap* expected, void* pointer) noexcept {
    os::RequireStack(os::kStackForCall);
    const Block block = RequireBlock(os::Operation::kFree, pointer, place, expected);
    RequireTail(os::Operation::kFree, block, place);
    ByKind(block, [&](auto kind) noexcept { kind.Free(block); });
}

void FreeSlow(void* block) noexcept {
    const Place place = Place::Of(block);
    if (place.Kind() == arena::SliceKind::kRun &&
        cache::ParkIfFast(*slab::RunOf(place.entry()), block)) {
        return;
    }
    if (block != nullptr) FreeAt(place, nullptr, block);
}

}  // namespace strata::heap
