// Memory for the allocator's own records: slabs with their state bytes, runs, magazines, thread
// caches. It lies in arenas of its own, away from user blocks, with a slice that is never committed
// at both ends of each, so that no overflow of a block reaches it.
//
// Chunks of a few sizes are cut from slices; a slice whose chunks are all free goes back and decays
// like any other. Thread-safe; its lock is the innermost but one (only the arenas' comes after it).
#pragma once

#include <cstddef>
#include <cstdint>

#include "arena/arena_set.h"
#include "base/thread_safety.h"
#include "os/lock.h"

namespace strata::arena {

class Metadata {
public:
    static constexpr size_t kMaxChunk = 8 * 1024;

    explicit constexpr Metadata(ArenaSet& arenas) noexcept : arenas_(arenas) {}

    // `bytes` of memory, aligned to 64 bytes, contents unspecified; nullptr when memory is short.
    // REQUIRES: 0 < bytes <= kMaxChunk.
    void* Allocate(size_t bytes) noexcept STRATA_EXCLUDES(lock_);
    // REQUIRES: `chunk` is from Allocate(bytes).
    void Free(void* chunk, size_t bytes) noexcept STRATA_EXCLUDES(lock_);

    // Whole slices, for records that are too large for a chunk; nothing of them need be committed,
    // and what is may hold data. nullptr when memory is short. REQUIRES: slices <= kMaxRunSlices -
    // 2.
    char* AllocateSlices(size_t slices) noexcept;
    void FreeSlices(char* base, size_t slices) noexcept { arenas_.Free(base, slices); }

    // Gives back the slices without a chunk in use that were kept for the next chunk.
    void Purge() noexcept STRATA_EXCLUDES(lock_);

    // To be called now and then: decommits pages without a chunk in use, of slices in which as many
    // chunks were in use at the last kQuietLooks calls. The next need for a chunk commits them
    // again.
    void PurgePages() noexcept STRATA_EXCLUDES(lock_);

    // For fork in the POSIX build.
    os::Lock& lock() noexcept STRATA_RETURN_CAPABILITY(lock_) { return lock_; }

private:
    struct Slice;
    // 64-byte steps to 512, four per doubling to 8 KiB.
    static constexpr size_t kClasses = 8 + 4 * 4;

    static size_t ClassOf(size_t bytes) noexcept;
    static size_t ChunkBytes(size_t chunk_class) noexcept;
    static bool HasHole(const Slice& slice, size_t begin, size_t end) noexcept;
    static bool IsFull(const Slice& slice, size_t chunk_bytes) noexcept;
    bool CloseHoles(Slice& slice, size_t chunk_bytes) noexcept STRATA_REQUIRES(lock_);
    void PurgePagesIn(Slice& slice, size_t chunk_bytes) noexcept STRATA_REQUIRES(lock_);
    void FreeSlice(size_t chunk_class, Slice* slice) noexcept STRATA_REQUIRES(lock_);
    Slice* AddSlice(size_t chunk_class) noexcept STRATA_REQUIRES(lock_);
    Slice* SliceWithRoom(size_t chunk_class) noexcept STRATA_REQUIRES(lock_);
    bool Grow(Slice& slice, size_t chunk_bytes) noexcept STRATA_REQUIRES(lock_);
    void Link(size_t chunk_class, Slice* slice) noexcept STRATA_REQUIRES(lock_);
    void Unlink(size_t chunk_class, Slice* slice) noexcept STRATA_REQUIRES(lock_);

    ArenaSet& arenas_;
    os::Lock lock_{os::LockRank::kMetadata};
    Slice* partial_[kClasses] STRATA_GUARDED_BY(lock_) = {};  // slices with room
};

}  // namespace strata::arena
