// The slice map: for every slice of every arena, one entry that says what lies there. It answers
// who owns any pointer value whatever, in constant time and without touching what the value points
// to.
//
//   address bits   63 ........ 40 | 39 ....... 26 | 25 ...... 16 | 15 ..... 0
//                       tag       |  arena index  |    slice     |  offset
//
// tags_[arena index] holds the complement of the tag of the arena that lies there, or 0, which is
// the complement of no tag: so NULL and other small values need no test of their own. Arenas can be
// anywhere, as long as no two have the same index; where the system's choice collides, another
// place is asked for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "base/compiler.h"
#include "base/constants.h"
#include "base/size_classes.h"
#include "base/state_byte.h"
#include "os/memory.h"

namespace strata::arena {

enum class SliceKind : uint8_t {
    kNone,         // no block here
    kSlab,         // part of a slab
    kRun,          // the first slice of a large run or direct block
    kRunInterior,  // a later slice of a large run
    kRegion,       // part of a heap of fixed size
    kGuarded,      // part of a guarded block
    kGuardBehind,  // where the guard of one with a reservation of its own begins
};

// What a free slice was part of last: `record` of its entry.
enum class Former : uintptr_t { kNothing, kSlab, kRun };
inline bool IsFormer(const void* record) noexcept {
    return reinterpret_cast<uintptr_t>(record) <= static_cast<uintptr_t>(Former::kRun);
}

// All that a free needs to know of a small block: half a cache line. Written under the lock of the
// owning heap, read without it, hence the relaxed atomics.
struct alignas(32) SliceEntry {
    std::atomic<uint64_t> reciprocal;  // of the slab's spacing; 0 when this is no slab
    std::atomic<StateByte*> states;    // of the slab's first block
    std::atomic<void*> record;         // slab::Slab*, LargeRun*, Region* …; kNone: a Former
    std::atomic<uint32_t>
        slab_base;  // low half of the address of the slab's first block, or of the run
    std::atomic<uint16_t>
        bin_offset;  // of the bin in a thread's cache that takes this slab's blocks
    std::atomic<SliceKind> kind;
    std::atomic<uint8_t> size_class;
};
static_assert(sizeof(SliceEntry) == 32);

class SliceMap {
public:
    constexpr SliceMap() noexcept = default;

    // The entries of `arenas` arenas lie in BytesFor(arenas) at `reserved`, which nothing of is
    // committed. Call it once. REQUIRES: arenas <= kMapArenas; if less, the process has no
    // addresses beyond so many.
    static constexpr size_t BytesFor(size_t arenas) noexcept {
        return arenas * kSlicesPerArena * sizeof(SliceEntry);
    }
    void Initialize(char* reserved, size_t arenas) noexcept;
    bool IsInitialized() const noexcept { return entries_ != nullptr; }

    // The entry of the slice that `address` lies in; nullptr when it is in no arena.
    STRATA_INLINE SliceEntry* Find(uintptr_t address) const noexcept {
        return STRATA_LIKELY(Knows(address)) ? EntryAt(address) : nullptr;
    }

    // True when `address` lies in an arena.
    STRATA_INLINE bool Knows(uintptr_t address) const noexcept {
        const size_t arena = (address >> kArenaShift) & (kMapArenas - 1);
        return tags_[arena].load(std::memory_order_relaxed) == MarkOf(address);
    }
    // True when the entry of `address` can be read, because it is in the window: then the entry is
    // of that address and no other. False says nothing.
    STRATA_INLINE bool IsInWindow(uintptr_t address) const noexcept {
        // In this order: the window is moved by changing its start first.
        const size_t bytes = window_bytes_.load(std::memory_order_acquire);
        return address - window_start_.load(std::memory_order_relaxed) < bytes;
    }
    // REQUIRES: Knows(address) or IsInWindow(address).
    STRATA_INLINE SliceEntry* EntryAt(uintptr_t address) const noexcept {
        return &entries_[(address >> kSliceShift) & (kMapArenas * kSlicesPerArena - 1)];
    }

    // True when an arena may be put at [base, base + bytes). REQUIRES: kArenaSize multiples.
    bool HasRoomFor(uintptr_t base, size_t bytes) const noexcept;
    // Makes the entries of [base, base + bytes) usable, all kNone. False when memory is short.
    // REQUIRES: HasRoomFor; the caller serialises Add and Remove.
    bool Add(os::Memory& memory, uintptr_t base, size_t bytes) noexcept;
    // REQUIRES: all entries are kNone.
    void Remove(uintptr_t base, size_t bytes) noexcept;

    // Entries of one slab or run. REQUIRES: added; no other thread writes these entries.
    void SetSlab(uintptr_t base, size_t slices, void* record, StateByte* states,
                 SizeClass size_class, uint16_t bin_offset) noexcept;
    void SetRun(uintptr_t base, size_t slices, void* record) noexcept;
    void SetRegion(uintptr_t base, size_t slices, void* record) noexcept {
        SetKind(base, slices, record, SliceKind::kRegion);
    }
    void SetGuarded(uintptr_t base, size_t slices, void* record) noexcept {
        SetKind(base, slices, record, SliceKind::kGuarded);
    }
    void SetGuardBehind(uintptr_t slice, void* record) noexcept {
        SetKind(slice, 1, record, SliceKind::kGuardBehind);
    }
    void Clear(uintptr_t base, size_t slices, Former former = Former::kNothing) noexcept;
    // Whether a block began at `address`, in a slice that is free now. REQUIRES: Knows(address).
    bool WasBlock(uintptr_t address) const noexcept;

    // Where the next arena would lengthen the window: behind its end, and before its start; 0: not
    // known.
    uintptr_t window_end() const noexcept { return window_start() + window_bytes(); }
    uintptr_t window_start() const noexcept {
        return window_start_.load(std::memory_order_relaxed);
    }
    size_t window_bytes() const noexcept { return window_bytes_.load(std::memory_order_relaxed); }

private:
    // So many arenas' room between the window and a new arena is bridged: their entries get memory,
    // too.
    static constexpr size_t kMaxGap = 4;

    bool CommitEntries(os::Memory& memory, uintptr_t base, size_t bytes) noexcept;
    void ExtendWindow(os::Memory& memory, uintptr_t base, size_t bytes) noexcept;
    void SetKind(uintptr_t base, size_t slices, void* record, SliceKind kind) noexcept;
    static uint32_t MarkOf(uintptr_t address) noexcept {
        return ~static_cast<uint32_t>(address >> kTagShift);
    }

    SliceEntry* entries_ = nullptr;
    size_t arenas_ = 0;  // that have room for entries
    // Multiples of kArenaSize. Change under the caller's lock only.
    std::atomic<uintptr_t> window_start_{0};
    std::atomic<size_t> window_bytes_{0};
    std::atomic<uint64_t> committed_[kMapArenas / 64] = {};  // arenas whose entries have memory
    std::atomic<uint32_t> tags_[kMapArenas] = {};            // complemented; 0: no arena
};

}  // namespace strata::arena
