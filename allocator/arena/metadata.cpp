#include "arena/metadata.h"

#include <bit>

#include "base/bitmap.h"
#include "base/bits.h"
#include "base/constants.h"

namespace strata::arena {

namespace {
constexpr Owner kMetadataOwner = 1;
constexpr size_t kHeaderBytes = 64;
constexpr size_t kLinearStep = 64;
constexpr size_t kLinearLimit = 512;
}  // namespace

// At the start of its slice.
struct Metadata::Slice {
    struct FreeChunk {
        FreeChunk* next;
    };

    Slice* next;
    Slice* previous;
    FreeChunk* free;
    uint32_t used;   // chunks handed out
    uint32_t fresh;  // offset of the first byte never handed out
    uint32_t limit;  // offset of the end of the committed pages
    uint16_t holes;  // a one for each page before the limit that is none; `free` has no chunk there
    uint16_t seen_used;  // `used` when PurgePages last looked
    uint8_t quiet;       // how often it was the same

    void Put(void* chunk) noexcept {
        auto* const node = static_cast<FreeChunk*>(chunk);
        node->next = free;
        free = node;
    }
};
static_assert(kPagesPerSlice == 16, "holes has so many bits");

size_t Metadata::ClassOf(size_t bytes) noexcept {
    if (bytes <= kLinearLimit) return (bytes + kLinearStep - 1) / kLinearStep - 1;
    const unsigned log = FloorLog2(bytes - 1);
    return kLinearLimit / kLinearStep + (log - FloorLog2(kLinearLimit)) * 4 +
           (((bytes - 1) >> (log - 2)) & 3);
}

size_t Metadata::ChunkBytes(size_t chunk_class) noexcept {
    if (chunk_class < kLinearLimit / kLinearStep) return (chunk_class + 1) * kLinearStep;
    const size_t k = chunk_class - kLinearLimit / kLinearStep;
    const size_t base = kLinearLimit << (k / 4);
    return base + (k % 4 + 1) * (base / 4);
}

void Metadata::Link(size_t chunk_class, Slice* slice) noexcept {
    slice->previous = nullptr;
    slice->next = partial_[chunk_class];
    if (slice->next != nullptr) slice->next->previous = slice;
    partial_[chunk_class] = slice;
}

void Metadata::Unlink(size_t chunk_class, Slice* slice) noexcept {
    if (slice->previous != nullptr) {
        slice->previous->next = slice->next;
    } else {
        partial_[chunk_class] = slice->next;
    }
    if (slice->next != nullptr) slice->next->previous = slice->previous;
}

// ---- holes -------------------------------------------------------------------------------------

bool Metadata::HasHole(const Slice& slice, size_t begin, size_t end) noexcept {
    for (size_t page = begin / kPageSize; page * kPageSize < end; ++page) {
        if ((slice.holes >> page & 1) != 0) return true;
    }
    return false;
}

// Commits the pages again; the chunks in them can be had.
bool Metadata::CloseHoles(Slice& slice, size_t chunk_bytes) noexcept {
    char* const base = reinterpret_cast<char*>(&slice);
    const auto missing = static_cast<size_t>(std::popcount(slice.holes)) * kPageSize;
    if (!arenas_.FillHoles(base, slice.limit, missing)) return false;
    for (size_t at = kHeaderBytes; at < slice.fresh; at += chunk_bytes) {
        if (!HasHole(slice, at, at + chunk_bytes)) continue;
        slice.Put(base + at);
    }
    slice.holes = 0;
    slice.quiet = 0;
    return true;
}

void Metadata::PurgePagesIn(Slice& slice, size_t chunk_bytes) noexcept {
    char* const base = reinterpret_cast<char*>(&slice);
    Bitmap<kSliceSize / kLinearStep> free_chunks = {};
    for (const Slice::FreeChunk* chunk = slice.free; chunk != nullptr; chunk = chunk->next) {
        const auto at = static_cast<size_t>(reinterpret_cast<const char*>(chunk) - base);
        free_chunks.SetRange((at - kHeaderBytes) / chunk_bytes, 1);
    }
    // A one for each page with a chunk in use, or the header; and for those that went before.
    uint32_t needed = 1;
    for (size_t at = kHeaderBytes; at < slice.fresh; at += chunk_bytes) {
        if (free_chunks.Test((at - kHeaderBytes) / chunk_bytes)) continue;
        if (HasHole(slice, at, at + chunk_bytes)) continue;
        for (size_t page = at / kPageSize; page * kPageSize < at + chunk_bytes; ++page) {
            needed |= 1u << page;
        }
    }
    needed |= slice.holes;
    const size_t pages = slice.limit / kPageSize;
    for (size_t page = 1; page < pages; ++page) {
        size_t end = page;
        while (end < pages && (needed >> end & 1) == 0) ++end;
        if (end == page) continue;
        if (!arenas_.DecommitHole(base + page * kPageSize, (end - page) * kPageSize)) break;
        slice.holes |= static_cast<uint16_t>((1u << end) - (1u << page));
        page = end;
    }
    if (slice.holes == 0) return;
    // Chunks that have a byte in a hole leave the list.
    slice.free = nullptr;
    for (size_t at = kHeaderBytes; at < slice.fresh; at += chunk_bytes) {
        if (!free_chunks.Test((at - kHeaderBytes) / chunk_bytes)) continue;
        if (HasHole(slice, at, at + chunk_bytes)) continue;
        slice.Put(base + at);
    }
}

void Metadata::PurgePages() noexcept {
    const os::LockGuard guard(lock_, os::kStackForMetadata);
    for (size_t i = 0; i < kClasses; ++i) {
        for (Slice* slice = partial_[i]; slice != nullptr; slice = slice->next) {
            if (slice->used != slice->seen_used) {
                slice->seen_used = static_cast<uint16_t>(slice->used);
                slice->quiet = 0;
            } else if (slice->quiet <= kQuietLooks && ++slice->quiet == kQuietLooks) {
                PurgePagesIn(*slice, ChunkBytes(i));
            }
        }
    }
}

// Gives back a slice without a chunk in use; or not, when the system refuses to make its pages what
// the arenas take them for, a prefix of it.
void Metadata::FreeSlice(size_t chunk_class, Slice* slice) noexcept {
    Unlink(chunk_class, slice);
    char* const base = reinterpret_cast<char*>(slice);
    const auto missing = static_cast<size_t>(std::popcount(slice->holes)) * kPageSize;
    if (missing != 0 && !arenas_.Decommit(base, base + slice->limit, missing) &&
        !arenas_.FillHoles(base, slice->limit, missing)) {
        return Link(chunk_class, slice);
    }
    arenas_.Free(base, 1);
}

bool Metadata::IsFull(const Slice& slice, size_t chunk_bytes) noexcept {
    return slice.free == nullptr && slice.holes == 0 && slice.fresh + chunk_bytes > kSliceSize;
}

// Makes room for one more fresh chunk.
bool Metadata::Grow(Slice& slice, size_t chunk_bytes) noexcept {
    if (slice.holes != 0 && CloseHoles(slice, chunk_bytes) && slice.free != nullptr) return true;
    if (slice.holes != 0 && HasHole(slice, slice.fresh, slice.fresh + chunk_bytes)) return false;
    if (slice.fresh + chunk_bytes <= slice.limit) return true;
    if (slice.fresh + chunk_bytes > kSliceSize) return false;
    // One page at first, then a quarter of the slice at a time.
    size_t limit = RoundUp(slice.fresh + chunk_bytes, kPageSize);
    if (slice.limit > kPageSize) limit = RoundUp(limit, kSliceSize / 4);
    char* const base = reinterpret_cast<char*>(&slice);
    if (!arenas_.Commit(base + slice.limit, base + limit)) return false;
    slice.limit = static_cast<uint32_t>(limit);
    return true;
}

Metadata::Slice* Metadata::AddSlice(size_t chunk_class) noexcept {
    char* base = arenas_.Allocate(1, 1, kMetadataOwner);
    if (base == nullptr) return nullptr;
    const size_t offset = AddressOf(base) & (kArenaSize - 1);
    if (offset == 0 || offset == kArenaSize - kSliceSize) {
        // The first and the last slice of an arena stay reserved for good, as guards.
        Slice* slice = AddSlice(chunk_class);
        if (slice == nullptr) arenas_.Free(base, 1);
        return slice;
    }
    const size_t have = arenas_.CommittedPrefix(base, 1);
    if (have == 0 && !arenas_.Commit(base, base + kPageSize)) {
        arenas_.Free(base, 1);
        return nullptr;
    }
    Slice* slice = reinterpret_cast<Slice*>(base);
    *slice = Slice{};
    slice->fresh = kHeaderBytes;
    slice->limit = static_cast<uint32_t>(have == 0 ? kPageSize : have);
    Link(chunk_class, slice);
    return slice;
}

// A slice with a chunk to give: the first that needs no more memory for it, or can have it.
Metadata::Slice* Metadata::SliceWithRoom(size_t chunk_class) noexcept {
    const size_t chunk_bytes = ChunkBytes(chunk_class);
    for (Slice* slice = partial_[chunk_class]; slice != nullptr; slice = slice->next) {
        if (slice->free != nullptr || Grow(*slice, chunk_bytes)) return slice;
    }
    Slice* slice = AddSlice(chunk_class);
    if (slice == nullptr || Grow(*slice, chunk_bytes)) return slice;
    Unlink(chunk_class, slice);
    arenas_.Free(reinterpret_cast<char*>(slice), 1);
    return nullptr;
}

void* Metadata::Allocate(size_t bytes) noexcept {
    const size_t chunk_class = ClassOf(bytes);
    const size_t chunk_bytes = ChunkBytes(chunk_class);
    const os::LockGuard guard(lock_, os::kStackForMetadata);
    Slice* slice = SliceWithRoom(chunk_class);
    if (slice == nullptr) return nullptr;
    void* chunk = slice->free;
    if (chunk != nullptr) {
        slice->free = slice->free->next;
    } else {
        chunk = reinterpret_cast<char*>(slice) + slice->fresh;
        slice->fresh += static_cast<uint32_t>(chunk_bytes);
    }
    ++slice->used;
    if (IsFull(*slice, chunk_bytes)) Unlink(chunk_class, slice);
    return chunk;
}

void Metadata::Free(void* chunk, size_t bytes) noexcept {
    const size_t chunk_class = ClassOf(bytes);
    const size_t chunk_bytes = ChunkBytes(chunk_class);
    Slice* slice = reinterpret_cast<Slice*>(RoundDown(AddressOf(chunk), kSliceSize));
    const os::LockGuard guard(lock_, os::kStackForMetadata);
    const bool was_full = IsFull(*slice, chunk_bytes);
    slice->Put(chunk);
    if (was_full) Link(chunk_class, slice);
    if (--slice->used == 0 && (slice->next != nullptr || slice->previous != nullptr)) {
        FreeSlice(chunk_class, slice);
    }
}

char* Metadata::AllocateSlices(size_t slices) noexcept {
    for (;;) {
        char* const base = arenas_.Allocate(slices, 1, kMetadataOwner);
        if (base == nullptr) return nullptr;
        const size_t offset = AddressOf(base) & (kArenaSize - 1);
        // As in AddSlice: the first and the last slice stay behind as guards.
        if (offset == 0) {
            if (slices > 1) arenas_.Free(base + kSliceSize, slices - 1);
        } else if (offset + slices * kSliceSize == kArenaSize) {
            if (slices > 1) arenas_.Free(base, slices - 1);
        } else {
            return base;
        }
    }
}

void Metadata::Purge() noexcept {
    const os::LockGuard guard(lock_, os::kStackForMetadata);
    for (size_t i = 0; i < kClasses; ++i) {
        Slice* next = nullptr;
        for (Slice* slice = partial_[i]; slice != nullptr; slice = next) {
            next = slice->next;
            if (slice->used == 0) FreeSlice(i, slice);
        }
    }
}

}  // namespace strata::arena
