// Every tuning constant of the allocator, each with its reason. Sizes are in bytes unless named
// otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata {

static_assert(sizeof(void*) == 8, "Strata is 64-bit only");

// An OS page on x86-64.
inline constexpr size_t kPageSize = 4096;

// A slice is Windows' allocation granularity: the smallest address range with its own reservation.
inline constexpr size_t kSliceShift = 16;
inline constexpr size_t kSliceSize = size_t{1} << kSliceShift;
inline constexpr size_t kPagesPerSlice = kSliceSize / kPageSize;

// An arena is one reservation. 64 MiB: large enough that a reserve call (11 us under Wine) is
// nothing, small enough that whole arenas become free again and are released, and that the slice
// map of one (32 KiB) is no burden for a small process.
inline constexpr size_t kArenaShift = 26;
inline constexpr size_t kArenaSize = size_t{1} << kArenaShift;
inline constexpr size_t kSlicesPerArena = kArenaSize / kSliceSize;

// The slice map knows 2^14 arenas, 1 TiB of address space, told apart by address bits 26..39; the
// bits above are compared as the arena's tag (slice_map.h).
inline constexpr size_t kMapArenaBits = 14;
inline constexpr size_t kMapArenas = size_t{1} << kMapArenaBits;
inline constexpr size_t kTagShift = kArenaShift + kMapArenaBits;

// The longest large run inside a shared arena; longer blocks are direct blocks. Half an arena: two
// fit, and what a growing buffer leaves behind serves for others. With a quarter, buffers of just
// over 16 MiB were reserved, touched and released anew each time, a third of the time of a recorded
// program (ADR 26).
inline constexpr size_t kMaxRunSlices = kSlicesPerArena / 2;

// No request above this can be met; sizes below cannot overflow the arithmetic on them.
inline constexpr size_t kMaxRequest = PTRDIFF_MAX;

// Windows' MEMORY_ALLOCATION_ALIGNMENT on x64.
inline constexpr size_t kMinAlignment = 16;

// ---- slabs --------------------------------------------------------------------------------------
// A slab commits its pages in steps as blocks are needed: this much at first, then double. One
// commit call costs 2-3 us whatever its size, as much as the first touch of one page, while commit
// charge that nobody uses is what the default heap is better at.
inline constexpr size_t kFirstSlabCommit = 2 * kPageSize;
// A class that already has full slabs will fill this one too: commit it in larger steps.
inline constexpr size_t kGrownSlabCommit = 8 * kPageSize;
inline constexpr size_t kMaxSlabSlices = 8;
// The first slab of a class, of which perhaps a single block will be used, goes where at most so
// many pages of a slice are committed.
inline constexpr size_t kSparsePages = 4;

// ---- magazines ----------------------------------------------------------------------------------
// A magazine of n entries and its 16-byte header fill 16 * (n + 1) bytes: a power of two. With 31,
// a burst of 32 blocks spent a quarter to a third of its time exchanging magazines (ADR 23).
inline constexpr uint32_t kMaxMagazineEntries = 127;
inline constexpr uint32_t kFirstMagazineEntries = 3;
// As large as magazines get by changing places; only bursts make larger ones. Blocks whose
// addresses differ by whole pages share one set of the first cache level, which holds eight: few of
// those.
inline constexpr uint32_t kMaxSwapEntries = 15;
inline constexpr size_t kMaxSwapBytes = 32 * 1024;
// At most this many bytes of blocks in one magazine.
inline constexpr size_t kMaxMagazineBytes = 256 * 1024;
// What a magazine takes from the slabs at once: blocks that nobody has used yet need not lie in it.
inline constexpr uint32_t kMaxRefillEntries = 31;
inline constexpr size_t kMaxRefillBytes = 32 * 1024;
// What a depot keeps; more goes back to the slabs, so that slabs can become empty. Eight of full
// size hold what a burst of 1000 small blocks frees; with 64 nothing was faster.
inline constexpr uint32_t kMaxDepotMagazines = 8;
inline constexpr size_t kMaxDepotBytes = 1024 * 1024;
// All depots of a heap together: this share of what may be committed and idle (kFreeCommitShare).
// One magazine of this size is always kept.
inline constexpr size_t kDepotShare = 2;
// All magazines of a thread: they grow as long as they have room for less than this share of it.
inline constexpr size_t kRoomShare = 2;
inline constexpr size_t kLeastRoom = 8 * 1024;
inline constexpr size_t kLeastDepotBytes = 32 * 1024;
// What a depot did not need for so many epochs goes back to the slabs, too.
inline constexpr uint32_t kDepotEpochs = 2;
// A private heap gets magazines in a thread after this many of the thread's operations on it.
inline constexpr uint32_t kPrivateHeapWarmUp = 64;

// A size class gets slabs of its own when it is asked for more often than this within an epoch;
// until then blocks of a coarser class serve.
inline constexpr uint8_t kRareUses = 32;

// A block that becomes smaller stays where it is, as on Windows. Only who asks for a move by name
// (strata_realloc) gets one, if it saves so much, and a quarter.
inline constexpr size_t kLeastSaving = 16 * 1024;
// The same of a direct block, if it becomes smaller than this share of its reservation.
inline constexpr size_t kReservationShare = 16;

// ---- private heaps ------------------------------------------------------------------------------
// What heaps that ended leave for those that are made next (heap/dormant.h): so many heaps, and so
// many bytes of slabs each. 1 MiB in all, as nobody else can use it for kDecayEpochs.
inline constexpr uint32_t kDormantHeaps = 8;
inline constexpr size_t kDormantBytes = 128 * 1024;

// ---- purge --------------------------------------------------------------------------------------
// The clock of decay: free slices keep their pages for kDecayEpochs epochs of this many
// milliseconds.
inline constexpr uint64_t kEpochMilliseconds = 128;
inline constexpr uint32_t kDecayEpochs = 4;
// When memory is committed, free memory that is committed may be this much, and so large a share of
// what was in use at most of late (ADR 26); beyond, it is decommitted first. (Decommitting and
// committing anew costs about a fifth of what the first touch of the pages does.)
inline constexpr size_t kFreeCommitFloor = size_t{1} << 20;
inline constexpr size_t kFreeCommitShare = 8;
// In slabs of which little is in use, so many free pages side by side are worth a system call.
inline constexpr size_t kLeastHolePages = 1;
// After so many looks that found nothing changed, one every kDepotEpochs; at so many slabs of a
// class at once.
inline constexpr uint8_t kQuietLooks = 2;
inline constexpr uint32_t kHoleLooks = 32;
// Slabs that need pages take this share of what is committed at once, up to so many slices.
inline constexpr size_t kCommitAheadShare = 64;
inline constexpr size_t kCommitAheadSlices = 16;
// Free slices kept committed whatever their age: the next allocation needs a few.
inline constexpr size_t kRetainedSlices = 2;

// ---- closed bins -------------------------------------------------------------------------------
// A thread on a slow path closes its bins when it last did so this long ago: two ticks of Windows'
// clock. Some 60 bins in use then take a slow path once more, 3 us in all.
inline constexpr uint32_t kPassMilliseconds = 32;
// Or when so much more memory is free than at the last time, as a burst of frees may be over
// sooner.
inline constexpr size_t kPassSlices = 64;
// A thread whose slow paths are no further apart than this is busy, and a bin that it used so many
// times since the last pass stays open.
inline constexpr uint32_t kOftenMilliseconds = 20;
inline constexpr uint8_t kClosedUses = 8;
// A bin that its thread has not used for so many epochs goes back to the slabs; a thread that was
// at no slow path for so many lets others have what is in its bins.
inline constexpr uint32_t kIdleEpochs = 4;
inline constexpr uint32_t kSleepEpochs = 8;
// One in so many exchanges of a bin's two magazines looks at the clock.
inline constexpr uint32_t kSwapsPerTick = 16;

// ---- large runs ---------------------------------------------------------------------------------
// A thread keeps ("parks") one freed run of the process heap for each length up to so many slices,
// and so many bytes of them in all: the next request of that length takes no lock and no list
// operation.
inline constexpr size_t kParkedSlices = 8;
inline constexpr size_t kParkedBytes = 512 * 1024;
// One in so many is freed with a look at the clock, which the purge needs.
inline constexpr uint32_t kParksPerTick = 32;
// A run has so many slices of addresses to grow into, without pages, if they are free: a block that
// has grown once gets a share of its size more, 5/4: it grows by halves twice before it has to move
// again.
inline constexpr size_t kSpareSlices = 1;
// Runs of up to so many slices are placed where they get that, though another place may have more
// pages.
inline constexpr size_t kRoomySlices = 8;
inline constexpr size_t kGrowthNumerator = 5;
inline constexpr size_t kGrowthDenominator = 4;
// And no more than this, whatever its size.
inline constexpr size_t kMostSpareBytes = size_t{4} << 30;
// So many live runs of a heap are looked at every kDepotEpochs, whether they have pages behind
// their end.
inline constexpr uint32_t kRunLooks = 64;
// Freed runs kept whole, committed and recorded, for the next request of about their size.
inline constexpr size_t kRunCacheEntries = 16;
inline constexpr size_t kRunCacheBytes = size_t{32} << 20;

// ---- hardened modes -----------------------------------------------------------------------------
// What a class's quarantine holds in a hardened heap: many small blocks, a few large ones. All
// classes together then hold some 20 MB at most, and a small block stays away for the next 256
// frees at least.
inline constexpr size_t kQuarantineBytes = 128 * 1024;
inline constexpr size_t kMinQuarantineBlocks = 8;
inline constexpr size_t kMaxQuarantineBlocks = 512;
// Freed guarded blocks whose addresses are not used again: bounded by their records (2 MB) and by
// the addresses themselves.
inline constexpr size_t kGuardedQueueBlocks = 4096;
inline constexpr size_t kGuardedQueueBytes = size_t{4} << 30;

}  // namespace strata
