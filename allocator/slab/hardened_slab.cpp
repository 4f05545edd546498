#include "slab/hardened_slab.h"

#include <bit>

#include "arena/process_arenas.h"
#include "os/random.h"

namespace strata::slab {

using arena::g_arenas;

bool DecommitAll(char* base, size_t slices) noexcept {
    for (size_t i = 0; i < slices; ++i) {
        char* const slice = base + i * kSliceSize;
        const size_t committed = g_arenas.CommittedPrefix(slice, 1);
        if (committed != 0 && !g_arenas.Decommit(slice, slice + committed)) return false;
    }
    return true;
}

char* AllocateBetweenGuards(size_t slices, arena::Owner owner, os::Access access) noexcept {
    char* const front = g_arenas.Allocate(slices + 2, 1, owner, access);
    if (front == nullptr) return nullptr;
    char* const base = front + kSliceSize;
    char* const back = base + slices * kSliceSize;
    if (!DecommitAll(front, 1) || !DecommitAll(back, 1)) {
        g_arenas.Free(front, slices + 2);
        return nullptr;
    }
    g_arenas.SetOwner(front, 1, kGuardOwner);
    g_arenas.SetOwner(back, 1, kGuardOwner);
    return base;
}

void FreeBetweenGuards(char* base, size_t slices) noexcept {
    g_arenas.Free(base - kSliceSize, slices + 2);
}

uint32_t TakeRandomBlock(Slab& slab, FreeBlock& out) noexcept {
    // From a random word on, the first that has a block; in it, from a random bit on.
    const uint64_t random = os::FastRandom();
    const uint32_t words = (slab.limit + 63) / 64;
    uint32_t word = static_cast<uint32_t>((random >> 32) % words);
    while (slab.bits[word] == 0) word = word + 1 == words ? 0 : word + 1;
    const int turn = static_cast<int>(random & 63);
    const uint64_t turned = std::rotr(slab.bits[word], turn);
    const uint32_t bit = static_cast<uint32_t>(std::countr_zero(turned) + turn) % 64;
    slab.bits[word] &= ~(uint64_t{1} << bit);
    --slab.free;
    const uint32_t index = word * 64 + bit;
    out.block = slab.BlockAt(index);
    out.state = slab.states + index;
    return 1;
}

}  // namespace strata::slab
