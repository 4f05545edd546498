#include "arena/slice_map.h"

namespace strata::arena {

namespace {

constexpr size_t kEntryBytesPerArena = SliceMap::BytesFor(1);
static_assert(kEntryBytesPerArena % kPageSize == 0);

size_t IndexOf(uintptr_t base) noexcept { return (base >> kArenaShift) & (kMapArenas - 1); }

}  // namespace

void SliceMap::Initialize(char* reserved, size_t arenas) noexcept {
    entries_ = reinterpret_cast<SliceEntry*>(reserved);
    arenas_ = arenas;
}

bool SliceMap::HasRoomFor(uintptr_t base, size_t bytes) const noexcept {
    if (bytes > kMapArenas * kArenaSize) return false;
    const size_t window_first = IndexOf(window_start());
    for (size_t offset = 0; offset < bytes; offset += kArenaSize) {
        const uintptr_t address = base + offset;
        const size_t index = IndexOf(address);
        if (index >= arenas_ || tags_[index].load(std::memory_order_relaxed) != 0) return false;
        // An entry that the window reads is of the window's address.
        const size_t in_window = (index - window_first) & (kMapArenas - 1);
        if (in_window < window_bytes() / kArenaSize && !IsInWindow(address)) return false;
    }
    return true;
}

bool SliceMap::CommitEntries(os::Memory& memory, uintptr_t base, size_t bytes) noexcept {
    for (size_t offset = 0; offset < bytes; offset += kArenaSize) {
        const size_t index = IndexOf(base + offset);
        std::atomic<uint64_t>& word = committed_[index / 64];
        const uint64_t bit = uint64_t{1} << (index % 64);
        if ((word.load(std::memory_order_relaxed) & bit) != 0) continue;
        // Never decommitted: a reader with a wild pointer may be inside at any time.
        if (!memory.Commit(entries_ + index * kSlicesPerArena, kEntryBytesPerArena,
                           kEntryBytesPerArena)) {
            return false;
        }
        word.fetch_or(bit, std::memory_order_relaxed);
    }
    return true;
}

// [base, base + bytes) has entries: takes it into the window if it lies beside it, or nearly so.
void SliceMap::ExtendWindow(os::Memory& memory, uintptr_t base, size_t bytes) noexcept {
    const uintptr_t start = window_bytes() == 0 ? base : window_start();
    const uintptr_t end = window_bytes() == 0 ? base : window_end();
    const bool above = base >= end;
    if (!above && base + bytes > start) return;  // inside
    const uintptr_t gap = above ? end : base + bytes;
    const size_t gap_bytes = above ? base - end : start - (base + bytes);
    const uintptr_t new_start = above ? start : base;
    const size_t new_bytes = (above ? base + bytes : end) - new_start;
    if (gap_bytes > kMaxGap * kArenaSize || new_bytes > kMapArenas * kArenaSize) return;
    // Between them lies somebody else's memory, for whose entries nothing else may be using the
    // index.
    for (size_t offset = 0; offset < gap_bytes; offset += kArenaSize) {
        if (tags_[IndexOf(gap + offset)].load(std::memory_order_relaxed) != 0) return;
    }
    if (!CommitEntries(memory, gap, gap_bytes)) return;
    // Readers load the length first, with acquire (IsInWindow): with this one they see the new
    // start. The new start with the old length is a part of the new window, whose entries have
    // memory by now.
    window_start_.store(new_start, std::memory_order_relaxed);
    window_bytes_.store(new_bytes, std::memory_order_release);
}

bool SliceMap::Add(os::Memory& memory, uintptr_t base, size_t bytes) noexcept {
    if (!CommitEntries(memory, base, bytes)) return false;
    ExtendWindow(memory, base, bytes);
    for (size_t offset = 0; offset < bytes; offset += kArenaSize) {
        const uintptr_t address = base + offset;
        // After the entries have memory. Readers load it relaxed (Knows): who has a block came to
        // it after this in any case; who asks about anything else gets either answer, and the
        // entries of an arena that it learns of here are zeroes from the system.
        tags_[IndexOf(address)].store(MarkOf(address), std::memory_order_release);
    }
    return true;
}

void SliceMap::Remove(uintptr_t base, size_t bytes) noexcept {
    for (size_t offset = 0; offset < bytes; offset += kArenaSize) {
        tags_[IndexOf(base + offset)].store(0, std::memory_order_release);
    }
}

void SliceMap::SetSlab(uintptr_t base, size_t slices, void* record, StateByte* states,
                       SizeClass size_class, uint16_t bin_offset) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    for (size_t i = 0; i < slices; ++i) {
        SliceEntry& entry = *EntryAt(base + i * kSliceSize);
        entry.states.store(states, relaxed);
        entry.record.store(record, relaxed);
        entry.slab_base.store(static_cast<uint32_t>(base), relaxed);
        entry.bin_offset.store(bin_offset, relaxed);
        entry.size_class.store(static_cast<uint8_t>(size_class), relaxed);
        entry.kind.store(SliceKind::kSlab, relaxed);
        // Last, as it alone makes the entry a slab's. The fast path of free loads it relaxed: the
        // block came from here to whoever frees it, by whatever made it known to him.
        entry.reciprocal.store(InfoOf(size_class).reciprocal, std::memory_order_release);
    }
}

void SliceMap::SetRun(uintptr_t base, size_t slices, void* record) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    for (size_t i = 0; i < slices; ++i) {
        SliceEntry& entry = *EntryAt(base + i * kSliceSize);
        entry.record.store(record, relaxed);
        entry.slab_base.store(static_cast<uint32_t>(base), relaxed);
        // Pairs with the acquire of who asks what is at an address: the record is there.
        entry.kind.store(i == 0 ? SliceKind::kRun : SliceKind::kRunInterior,
                         std::memory_order_release);
    }
}

void SliceMap::SetKind(uintptr_t base, size_t slices, void* record, SliceKind kind) noexcept {
    for (size_t i = 0; i < slices; ++i) {
        SliceEntry& entry = *EntryAt(base + i * kSliceSize);
        entry.record.store(record, std::memory_order_relaxed);
        // As in SetRun.
        entry.kind.store(kind, std::memory_order_release);
    }
}

void SliceMap::Clear(uintptr_t base, size_t slices, Former former) noexcept {
    for (size_t i = 0; i < slices; ++i) {
        SliceEntry& entry = *EntryAt(base + i * kSliceSize);
        entry.reciprocal.store(0, std::memory_order_relaxed);
        entry.kind.store(SliceKind::kNone, std::memory_order_relaxed);
        entry.record.store(reinterpret_cast<void*>(former), std::memory_order_relaxed);
    }
}

bool SliceMap::WasBlock(uintptr_t address) const noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    const SliceEntry& entry = *EntryAt(address);
    if (entry.kind.load(relaxed) != SliceKind::kNone) return false;
    const uint32_t offset = static_cast<uint32_t>(address) - entry.slab_base.load(relaxed);
    switch (static_cast<Former>(reinterpret_cast<uintptr_t>(entry.record.load(relaxed)))) {
        case Former::kSlab:
            return offset %
                       InfoOf(static_cast<SizeClass>(entry.size_class.load(relaxed))).spacing ==
                   0;
        case Former::kRun:
            return offset == 0;
        case Former::kNothing:
            break;
    }
    return false;
}

}  // namespace strata::arena
