#include "arena/metadata.h"

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
};

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

// Makes room for one more fresh chunk.
bool Metadata::Grow(Slice& slice, size_t chunk_bytes) noexcept {
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
    const os::LockGuard guard(lock_);
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
    if (slice->free == nullptr && slice->fresh + chunk_bytes > kSliceSize) {
        Unlink(chunk_class, slice);
    }
    return chunk;
}

void Metadata::Free(void* chunk, size_t bytes) noexcept {
    const size_t chunk_class = ClassOf(bytes);
    const size_t chunk_bytes = ChunkBytes(chunk_class);
    Slice* slice = reinterpret_cast<Slice*>(RoundDown(AddressOf(chunk), kSliceSize));
    const os::LockGuard guard(lock_);
    const bool was_full = slice->free == nullptr && slice->fresh + chunk_bytes > kSliceSize;
    auto* const node = static_cast<Slice::FreeChunk*>(chunk);
    node->next = slice->free;
    slice->free = node;
    if (was_full) Link(chunk_class, slice);
    if (--slice->used == 0 && (slice->next != nullptr || slice->previous != nullptr)) {
        Unlink(chunk_class, slice);
        arenas_.Free(reinterpret_cast<char*>(slice), 1);
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
    const os::LockGuard guard(lock_);
    for (size_t i = 0; i < kClasses; ++i) {
        Slice* next = nullptr;
        for (Slice* slice = partial_[i]; slice != nullptr; slice = next) {
            next = slice->next;
            if (slice->used != 0) continue;
            Unlink(i, slice);
            arenas_.Free(reinterpret_cast<char*>(slice), 1);
        }
    }
}

}  // namespace strata::arena
