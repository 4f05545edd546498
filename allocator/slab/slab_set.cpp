#include "slab/slab_set.h"

#include "os/fatal.h"

namespace strata::slab {

namespace {

// Behind the last of a circular list; a new front when `front`.
void Link(Slab*& list, Slab* slab, bool front) noexcept {
    if (list == nullptr) {
        slab->next = slab->previous = slab;
        list = slab;
        return;
    }
    slab->next = list;
    slab->previous = list->previous;
    list->previous->next = slab;
    list->previous = slab;
    if (front) list = slab;
}

void Unlink(Slab*& list, Slab* slab) noexcept {
    if (slab->next == slab) {
        list = nullptr;
        return;
    }
    slab->previous->next = slab->next;
    slab->next->previous = slab->previous;
    if (list == slab) list = slab->next;
}

}  // namespace

uint32_t SlabSet::Take(const SlabRequest& request, FreeBlock* out, uint32_t want) noexcept {
    SlabRequest sized = request;
    sized.grow_fast = full_ != nullptr;
    sized.rare = request.rare && IsEmpty();
    uint32_t taken = 0;
    Slab* slab = partial_;
    while (taken < want) {
        if (slab == nullptr) {
            // Enough for now, rather than a new slab for a magazine that is not empty.
            if (taken > 0) break;
            slab = CreateSlab(sized);
            if (slab == nullptr) break;
            slab->in_partial = true;
            Link(partial_, slab, true);
        }
        Slab* const next = slab->next == partial_ ? nullptr : slab->next;
        const uint32_t got = TakeBlocks(*slab, out + taken, want - taken, sized.grow_fast);
        taken += got;
        if (slab->IsFull()) {
            Unlink(partial_, slab);
            slab->in_partial = false;
            Link(full_, slab, true);
        } else if (got != 0) {
            continue;
        }
        slab = next;  // full, or its next pages cannot be committed now
    }
    return taken;
}

// Only where two threads freed the block at the same time (cache/returned_blocks.h).
[[noreturn]] STRATA_COLD static void DieOfSecondReturn(const Slab& slab,
                                                       const void* block) noexcept {
    os::FatalDoubleFree(os::Operation::kFree, block, slab.heap, slab.usable());
}

// Puts `slab` where it belongs now that blocks were put back; `before` of them were free.
void SlabSet::Settle(Slab& slab, uint32_t before) noexcept {
    Slab*& list = slab.in_partial ? partial_ : full_;
    if (slab.IsEmpty()) {
        Unlink(list, &slab);
        DestroySlab(&slab);
        return;
    }
    const bool drained = before < slab.limit / 2 && slab.free >= slab.limit / 2;
    if (slab.in_partial && !drained) return;
    Unlink(list, &slab);
    slab.in_partial = true;
    Link(partial_, &slab, !drained);
}

void SlabSet::Put(Slab& slab, const void* block) noexcept {
    const uint32_t before = slab.free;
    if (STRATA_UNLIKELY(!PutBlock(slab, slab.IndexOf(block)))) DieOfSecondReturn(slab, block);
    Settle(slab, before);
}

// Puts the first of these blocks back, and those behind it that are of the same slab: blocks that
// were freed together often lie together. Returns how many.
static uint32_t PutRun(Slab& slab, const FreeBlock* blocks, uint32_t count) noexcept {
    const StateByte* const states = slab.states;
    auto index = static_cast<size_t>(blocks[0].state - states);
    size_t word = index / 64;
    uint64_t bits = slab.bits[word];
    size_t first = slab.first_word;
    if (word < first) first = word;
    uint32_t done = 0;
    do {
        const size_t its_word = index / 64;
        if (its_word != word) {
            slab.bits[word] = bits;
            word = its_word;
            bits = slab.bits[word];
            if (word < first) first = word;
        }
        const uint64_t bit = uint64_t{1} << (index % 64);
        if (STRATA_UNLIKELY((bits & bit) != 0)) DieOfSecondReturn(slab, blocks[done].block);
        bits |= bit;
        if (++done == count) break;
        index = static_cast<size_t>(blocks[done].state - states);
    } while (index < slab.blocks);
    slab.bits[word] = bits;
    slab.first_word = static_cast<uint32_t>(first);
    slab.free += done;
    return done;
}

void SlabSet::PutAll(const FreeBlock* blocks, uint32_t count) noexcept {
    for (uint32_t i = 0; i < count;) {
        const arena::SliceEntry* const entry =
            arena::g_slice_map.EntryAt(AddressOf(blocks[i].block));
        void* const record = entry->record.load(std::memory_order_relaxed);
        if (STRATA_UNLIKELY(
                arena::IsFormer(record))) {  // it ended with the same block's first return
            os::FatalEndedBlock(os::Operation::kFree, blocks[i].block);
        }
        auto& slab = *static_cast<Slab*>(record);
        const uint32_t before = slab.free;
        i += PutRun(slab, blocks + i, count - i);
        Settle(slab, before);
    }
}

Slab* SlabSet::DestroyAllButOne(size_t budget) noexcept {
    Slab* kept = partial_ != nullptr ? partial_ : full_;
    if (kept != nullptr && (kept->absent != 0 || kept->committed() > budget)) kept = nullptr;
    if (kept != nullptr) Unlink(kept->in_partial ? partial_ : full_, kept);
    DestroyAll();
    if (kept == nullptr) return nullptr;
    ResetSlab(*kept);
    kept->in_partial = true;
    Link(partial_, kept, true);
    return kept;
}

void SlabSet::DestroyAll() noexcept {
    for (Slab** list : {&partial_, &full_}) {
        while (*list != nullptr) {
            Slab* slab = *list;
            Unlink(*list, slab);
            DestroySlab(slab);
        }
    }
}

void SlabSet::PurgeSparsePages() noexcept {
    if (partial_ == nullptr) return;
    Slab* slab = partial_->previous;
    for (uint32_t i = 0; i < kHoleLooks; ++i, slab = slab->previous) {
        if (slab->free + slab->absent >= slab->limit / 4) PurgePages(*slab);
        if (slab == partial_) return;
    }
}

}  // namespace strata::slab
