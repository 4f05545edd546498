#include "slab/slab.h"

#include <atomic>
#include <cstring>

#include "base/fill.h"
#include "os/process.h"
#include "slab/hardened_slab.h"
#include "slab/run_cache.h"

namespace strata::slab {

namespace {

constexpr size_t Words(uint32_t blocks) noexcept { return (size_t{blocks} + 63) / 64; }

constexpr size_t RecordBytes(uint32_t blocks) noexcept {
    return offsetof(Slab, bits) + Words(blocks) * sizeof(uint64_t) + blocks + 1;
}
static_assert(RecordBytes(kSliceSize / kSmallStep) <= arena::Metadata::kMaxChunk);

// Puts blocks [from, to), which were never there, in the bitmap.
void AddFresh(Slab& slab, uint32_t from, uint32_t to) noexcept {
    if (from == to) return;
    if (from / 64 < slab.first_word) slab.first_word = from / 64;
    slab.free += to - from;
    while (from < to) {
        const uint32_t bit = from % 64;
        const uint32_t here = to - from < 64 - bit ? to - from : 64 - bit;
        slab.bits[from / 64] |= (~uint64_t{0} >> (64 - here)) << bit;
        from += here;
    }
}

// Commits the pages of more blocks and adds them to the bitmap.
bool Grow(Slab& slab, bool grow_fast) noexcept {
    const size_t spacing = slab.spacing();
    const size_t used = slab.limit * spacing;
    const size_t all = slab.blocks * spacing;
    size_t step = used < kFirstSlabCommit ? kFirstSlabCommit : used;
    if (grow_fast && step < kGrownSlabCommit) step = kGrownSlabCommit;
    if (step < spacing) step = spacing;
    if (slab.hardened) step = all;  // there is more to choose from
    // Whole steps end at a page; the last one at the end of the last block.
    size_t end = RoundUp(used + step, kPageSize);
    size_t have = arena::g_arenas.CommittedPrefix(slab.base, slab.slices);
    if (grow_fast && have < end && arena::g_arenas.CommitAhead(slab.base, slab.slices)) have = all;
    if (end < have) end = have;
    if (end > all) end = all;
    if (!arena::g_arenas.Commit(slab.base, slab.base + end)) {
        // Perhaps less is to be had: just the next block.
        end = RoundUp(used + spacing, kPageSize);
        if (end > all) end = all;
        if (!arena::g_arenas.Commit(slab.base, slab.base + end)) return false;
    }
    const uint32_t limit = static_cast<uint32_t>(end / spacing);
    AddFresh(slab, slab.limit, limit);
    for (uint32_t i = slab.limit; slab.fill_free && i < limit; ++i) {
        const bool zero = LoadState(slab.states + i) == static_cast<uint8_t>(State::kFreeZero);
        if (!zero) FillFree(slab.BlockAt(i), slab.usable());
    }
    slab.limit = limit;
    return true;
}

// ---- holes -------------------------------------------------------------------------------------

size_t HolesEnd(const Slab& slab) noexcept {
    return RoundUp(slab.limit * slab.spacing(), kPageSize);
}

// The blocks that have a byte in these pages.
struct BlockRange {
    uint32_t first;
    uint32_t end;
};
BlockRange BlocksOf(const Slab& slab, size_t page, size_t pages) noexcept {
    const size_t spacing = slab.spacing();
    const size_t end = DivideUp((page + pages) * kPageSize, spacing);
    return {static_cast<uint32_t>(page * kPageSize / spacing),
            end < slab.limit ? static_cast<uint32_t>(end) : slab.limit};
}

bool Listed(const Slab& slab, uint32_t index) noexcept {
    return (slab.bits[index / 64] >> (index % 64) & 1) != 0;
}

// Whether all blocks of this page are free; those that were hidden for a page beside it are.
bool IsFreePage(const Slab& slab, size_t page) noexcept {
    const BlockRange range = BlocksOf(slab, page, 1);
    for (uint32_t i = range.first; i < range.end; ++i) {
        if (!Listed(slab, i) && !HasHole(slab, i)) return false;
    }
    return range.first != range.end;
}

// Takes the blocks of these pages out of the bitmap. Those that lie in them whole will be zero.
void HideBlocks(Slab& slab, size_t page, size_t pages) noexcept {
    const BlockRange range = BlocksOf(slab, page, pages);
    for (uint32_t i = range.first; i < range.end; ++i) {
        if (!Listed(slab, i)) continue;
        slab.bits[i / 64] &= ~(uint64_t{1} << (i % 64));
        --slab.free;
        ++slab.absent;
        const size_t begin = size_t{i} * slab.spacing();
        const bool whole =
            begin >= page * kPageSize && begin + slab.spacing() <= (page + pages) * kPageSize;
        if (whole) StoreState(slab.states + i, static_cast<uint8_t>(State::kFreeZero));
    }
}

// Commits all pages again, and puts the blocks back in the bitmap.
bool CloseHoles(Slab& slab) noexcept {
    if (!arena::g_arenas.FillHoles(slab.base, HolesEnd(slab), HoleBytes(slab))) return false;
    const size_t pages = HolesEnd(slab) / kPageSize;
    for (size_t page = slab.holes.FindSet(0); page < pages; page = slab.holes.FindSet(page + 1)) {
        const BlockRange range = BlocksOf(slab, page, 1);
        for (uint32_t i = range.first; i < range.end; ++i) {
            if (!Listed(slab, i)) PutBlock(slab, i);
        }
    }
    slab.holes.ClearRange(0, pages);
    slab.absent = 0;
    slab.quiet = 0;
    return true;
}

void FreeSlices(const Slab& slab) noexcept {
    if (slab.hardened) return FreeBetweenGuards(slab.base, slab.slices);
    arena::g_arenas.Free(slab.base, slab.slices);
}

}  // namespace

bool IsHole(const Slab& slab, size_t page) noexcept {
    return slab.absent != 0 && page < HolesEnd(slab) / kPageSize && slab.holes.Test(page);
}

// Such blocks are not in the bitmap.
bool HasHole(const Slab& slab, uint32_t index) noexcept {
    if (slab.absent == 0) return false;
    const size_t begin = size_t{index} * slab.spacing();
    const size_t page = begin / kPageSize;
    return slab.holes.AnyInRange(page, DivideUp(begin + slab.spacing(), kPageSize) - page);
}

size_t HoleBytes(const Slab& slab) noexcept { return HolesEnd(slab) - slab.committed(); }

void PurgePages(Slab& slab) noexcept {
    if (slab.free != slab.seen_free) {
        slab.seen_free = slab.free;
        slab.quiet = 0;
        return;
    }
    if (slab.quiet > kQuietLooks || ++slab.quiet != kQuietLooks) return;
    if (slab.fill_free) return;
    const size_t pages = slab.limit * slab.spacing() / kPageSize;  // whole ones
    for (size_t page = 0; page < pages; ++page) {
        size_t end = page;
        while (end < pages && !slab.holes.Test(end) && IsFreePage(slab, end)) ++end;
        const size_t count = end - page;
        if (count < kLeastHolePages) {
            page = end;
            continue;
        }
        char* const from = slab.base + page * kPageSize;
        if (!arena::g_arenas.DecommitHole(from, count * kPageSize)) return;
        slab.holes.SetRange(page, count);
        HideBlocks(slab, page, count);
        page = end;
    }
    slab.seen_free = slab.free;
}

size_t SlabRecordBytes(SizeClass size_class) noexcept {
    return RecordBytes(InfoOf(size_class).blocks);
}

static char* PlaceSlab(const SlabRequest& request, size_t slices) noexcept {
    if (request.hardened) return AllocateBetweenGuards(slices, request.owner, request.access);
    if (request.rare) {
        return arena::g_arenas.AllocateSparse(slices, request.owner, request.access);
    }
    ReleaseRunsToArenas(slices);
    return arena::g_arenas.Allocate(slices, 1, request.owner, request.access);
}

Slab* CreateSlab(const SlabRequest& request) noexcept {
    const ClassInfo& info = InfoOf(request.size_class);
    void* chunk = arena::g_metadata.Allocate(SlabRecordBytes(request.size_class));
    if (chunk == nullptr) return nullptr;
    char* const base = PlaceSlab(request, info.slices);
    if (base == nullptr) {
        arena::g_metadata.Free(chunk, SlabRecordBytes(request.size_class));
        return nullptr;
    }
    Slab* slab = static_cast<Slab*>(chunk);
    *slab = Slab{};
    slab->heap = request.heap;
    slab->store = request.store;
    slab->base = base;
    slab->blocks = info.blocks;
    slab->size_class = request.size_class;
    slab->slices = info.slices;
    slab->fill_free = request.fill_free;
    slab->hardened = request.hardened;
    slab->first_word = static_cast<uint32_t>(Words(info.blocks));
    std::memset(slab->bits, 0, Words(info.blocks) * sizeof(uint64_t));
    slab->states = reinterpret_cast<StateByte*>(slab->bits + Words(info.blocks));
    const bool dirty = arena::g_arenas.IsDirty(base, info.slices);
    std::memset(slab->states, static_cast<int>(dirty ? State::kFreeDirty : State::kFreeZero),
                size_t{info.blocks} + 1);
    if (!Grow(*slab, request.grow_fast)) {
        FreeSlices(*slab);
        arena::g_metadata.Free(chunk, SlabRecordBytes(request.size_class));
        return nullptr;
    }
    arena::g_slice_map.SetSlab(AddressOf(base), info.slices, slab, slab->states, request.size_class,
                               request.bin_offset);
    return slab;
}

namespace {

// Slabs that ended and could not be made whole: their slices are nobody's until that succeeds.
constinit std::atomic<Slab*> g_lost{nullptr};

void Lose(Slab* slab) noexcept {
    Slab* head = g_lost.load(std::memory_order_relaxed);
    do {
        slab->next = head;
        // Pairs with FindLostSlabs, which takes the whole list and reads the records in it.
    } while (!g_lost.compare_exchange_weak(head, slab, std::memory_order_release,
                                           std::memory_order_relaxed));
}

// The arena takes the pages of a slice for a prefix. False when the system refuses both ways to
// that.
bool MakeWhole(const Slab& slab) noexcept {
    return slab.absent == 0 ||
           arena::g_arenas.Decommit(slab.base, slab.base + slab.size(), HoleBytes(slab)) ||
           arena::g_arenas.FillHoles(slab.base, HolesEnd(slab), HoleBytes(slab));
}

void GiveBack(Slab* slab) noexcept {
    FreeSlices(*slab);
    arena::g_metadata.Free(slab, SlabRecordBytes(slab->size_class));
}

}  // namespace

void DestroySlab(Slab* slab) noexcept {
    arena::g_arenas.NoteUse(os::Milliseconds());
    const bool whole = MakeWhole(*slab);
    arena::g_slice_map.Clear(AddressOf(slab->base), slab->slices, arena::Former::kSlab);
    if (whole) return GiveBack(slab);
    arena::g_arenas.SetOwner(slab->base, slab->slices, kLostOwner);
    Lose(slab);
}

void FindLostSlabs() noexcept {
    Slab* slab = g_lost.exchange(nullptr, std::memory_order_acquire);
    while (slab != nullptr) {
        Slab* const next = slab->next;
        if (MakeWhole(*slab)) {
            GiveBack(slab);
        } else {
            Lose(slab);
        }
        slab = next;
    }
}

void ResetSlab(Slab& slab) noexcept {
    std::memset(slab.states, static_cast<int>(State::kFreeDirty), slab.limit);
    const uint32_t whole = slab.limit / 64;
    std::memset(slab.bits, 0xff, whole * sizeof(uint64_t));
    if (slab.limit % 64 != 0) slab.bits[whole] = (uint64_t{1} << (slab.limit % 64)) - 1;
    slab.free = slab.limit;
    slab.first_word = 0;
}

uint32_t TakeBlocks(Slab& slab, FreeBlock* out, uint32_t want, bool grow_fast) noexcept {
    if (slab.free == 0) {
        const bool more = slab.absent != 0           ? CloseHoles(slab)
                          : slab.limit < slab.blocks ? Grow(slab, grow_fast)
                                                     : false;
        if (!more) return 0;
    }
    if (STRATA_UNLIKELY(slab.hardened)) return TakeRandomBlock(slab, *out);
    const size_t spacing = slab.spacing();
    const uint32_t taken = want < slab.free ? want : slab.free;
    uint32_t word = slab.first_word;
    uint64_t bits = slab.bits[word];
    char* first = slab.base + size_t{word} * 64 * spacing;  // the word's first block
    StateByte* states = slab.states + size_t{word} * 64;
    // Backwards, as magazines hand out their last block first.
    for (FreeBlock* block = out + taken; block != out;) {
        while (bits == 0) {
            slab.bits[word] = 0;
            bits = slab.bits[++word];
            first += 64 * spacing;
            states += 64;
        }
        const auto index = static_cast<size_t>(std::countr_zero(bits));
        bits &= bits - 1;
        --block;
        block->block = first + index * spacing;
        block->state = states + index;
    }
    slab.bits[word] = bits;
    slab.first_word = word;
    slab.free -= taken;
    return taken;
}

bool IsConsistent(const Slab& slab) noexcept {
    uint32_t free = 0;
    for (uint32_t i = 0; i < slab.blocks; ++i) {
        const bool listed = (slab.bits[i / 64] >> (i % 64) & 1) != 0;
        if (listed) ++free;
        if (i >= slab.limit) {  // behind the committed pages
            if (listed || IsLive(LoadState(slab.states + i))) return false;
            continue;
        }
        uint32_t slack;
        const bool live = ReadSlack(slab.states + i, slab.BlockAt(i) + slab.usable(), slack);
        if (live && (listed || slack > slab.usable())) return false;
        // A heap that fills has no magazines; what is not listed waits in its quarantine.
        const bool filled = slab.fill_free && IsFreeDirty(LoadState(slab.states + i));
        if (filled && FindChangedFill(slab.BlockAt(i), slab.usable()) != slab.usable()) {
            return false;
        }
    }
    return free == slab.free && slab.limit <= slab.blocks && !IsLive(slab.states[slab.blocks]);
}

}  // namespace strata::slab
