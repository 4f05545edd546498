#include "store/quarantine.h"

#include <cstring>

#include "arena/process_arenas.h"
#include "os/fatal.h"
#include "os/random.h"
#include "slab/slice_records.h"
#include "store/heap_lock.h"

namespace strata::store {

namespace {

// One class's part. The ring and the pool have room for `half` blocks each.
struct ClassQuarantine {
    uint32_t half;
    uint32_t oldest;  // in the ring
    uint32_t ring;    // how many are there
    uint32_t pool;
    void* blocks[1];  // the ring's places, then the pool's

    void** ring_begin() noexcept { return blocks; }
    void** pool_begin() noexcept { return blocks + half; }
};

constexpr uint32_t HalfOf(SizeClass size_class) noexcept {
    const size_t blocks = kQuarantineBytes / InfoOf(size_class).spacing;
    const size_t all = blocks < kMinQuarantineBlocks   ? kMinQuarantineBlocks
                       : blocks > kMaxQuarantineBlocks ? kMaxQuarantineBlocks
                                                       : blocks;
    return static_cast<uint32_t>(all / 2);
}
constexpr size_t BytesFor(uint32_t half) noexcept {
    return offsetof(ClassQuarantine, blocks) + 2 * size_t{half} * sizeof(void*);
}
static_assert(BytesFor(kMaxQuarantineBlocks / 2) <= arena::Metadata::kMaxChunk);

ClassQuarantine* CreateFor(SizeClass size_class) noexcept {
    const uint32_t half = HalfOf(size_class);
    void* const chunk = arena::g_metadata.Allocate(BytesFor(half));
    if (chunk == nullptr) return nullptr;
    auto* const created = static_cast<ClassQuarantine*>(chunk);
    *created = ClassQuarantine{};
    created->half = half;
    return created;
}

// Both are full up to what they hold; the block leaves, or nullptr.
void* Exchange(ClassQuarantine& quarantine, void* block) noexcept {
    if (quarantine.ring < quarantine.half) {
        quarantine.ring_begin()[(quarantine.oldest + quarantine.ring++) % quarantine.half] = block;
        return nullptr;
    }
    void*& place = quarantine.ring_begin()[quarantine.oldest];
    void* const oldest = place;
    place = block;
    quarantine.oldest = (quarantine.oldest + 1) % quarantine.half;
    if (quarantine.pool < quarantine.half) {
        quarantine.pool_begin()[quarantine.pool++] = oldest;
        return nullptr;
    }
    void*& drawn = quarantine.pool_begin()[os::FastRandom() % quarantine.half];
    void* const leaving = drawn;
    drawn = oldest;
    return leaving;
}

void Check(const Heap& heap, SizeClass size_class, const void* block) noexcept {
    const size_t usable = InfoOf(size_class).usable;
    const size_t changed = FindChangedFill(block, usable);
    if (changed != usable) os::FatalWriteAfterFree(block, &heap, changed);
}

void PutBack(Store& store, ClassStore& part, SizeClass size_class, void* block) noexcept
    STRATA_REQUIRES(part.depot.lock) {
    Check(*store.heap, size_class, block);
    slab::Slab& slab = *slab::SlabOf(*arena::g_slice_map.EntryAt(AddressOf(block)));
    part.slabs.Put(slab, block);
}

}  // namespace

struct Quarantine {
    ClassQuarantine* classes[kSizeClasses];  // made when they are needed
};

Quarantine* CreateQuarantine() noexcept {
    void* const chunk = arena::g_metadata.Allocate(sizeof(Quarantine));
    if (chunk == nullptr) return nullptr;
    auto* const created = static_cast<Quarantine*>(chunk);
    *created = Quarantine{};
    return created;
}

void DestroyQuarantine(Quarantine* quarantine) noexcept {
    for (ClassQuarantine* part : quarantine->classes) {
        if (part != nullptr) arena::g_metadata.Free(part, BytesFor(part->half));
    }
    arena::g_metadata.Free(quarantine, sizeof(Quarantine));
}

void* PutInQuarantine(Store& store, SizeClass size_class, void* block) noexcept {
    ClassQuarantine*& part = store.quarantine->classes[Index(size_class)];
    if (part == nullptr) part = CreateFor(size_class);
    void* const leaving = part == nullptr ? block : Exchange(*part, block);
    if (leaving != nullptr && leaving != block) Check(*store.heap, size_class, leaving);
    return leaving;
}

void DrainQuarantine(Store& store) noexcept {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const auto size_class = static_cast<SizeClass>(i);
        ClassStore& part = store.classes[i];
        const PartGuard guard(store, part);
        ClassQuarantine* const resting = store.quarantine->classes[i];
        if (resting == nullptr) continue;
        for (; resting->pool > 0; --resting->pool) {
            PutBack(store, part, size_class, resting->pool_begin()[resting->pool - 1]);
        }
        for (; resting->ring > 0; --resting->ring) {
            PutBack(store, part, size_class, resting->ring_begin()[resting->oldest]);
            resting->oldest = (resting->oldest + 1) % resting->half;
        }
    }
}

}  // namespace strata::store
