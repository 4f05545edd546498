// Rows of the malloc-style interface and of the operators new and delete.
#include <strata/strata.h>

#include <new>

#include "counts.h"

namespace strata::counts {

namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kGrownSize = 32 * kKiB;
constexpr size_t kGrowthSteps = 11;  // 16 bytes, doubled until it is kGrownSize
static_assert(size_t{16} << kGrowthSteps == kGrownSize);

// The check of the checks: it has to be 0.
void Empty() {
    const Counted counted;
    for (size_t i = 0; i < kOperations; ++i) Keep(nullptr);
}

template <size_t kSize>
void Pair() {
    Pairs([] { return strata_malloc(kSize); }, strata_free);
}

template <size_t kSize, Part kPart>
void Burst() {
    Bursts<kSize, kPart>([] { return strata_malloc(kSize); }, strata_free);
}

// Blocks are not freed here, so that each comes from memory that no block was in before.
template <size_t kSize>
void MallocFresh() {
    const Counted counted;
    for (size_t i = 0; i < kOperations; ++i) Keep(strata_malloc(kSize));
}
template <size_t kSize>
void CallocFresh() {
    const Counted counted;
    for (size_t i = 0; i < kOperations; ++i) Keep(strata_calloc(1, kSize));
}

template <size_t kSize>
void CallocDirty() {
    Bursts<kSize, Part::kAllocate>([] { return strata_calloc(1, kSize); }, strata_free);
}

// Both sizes are of the same class.
template <size_t kSize>
void ReallocInPlace() {
    void* block = strata_malloc(kSize);
    {
        const Counted counted;
        for (size_t i = 0; i < kOperations; ++i) {
            block = strata_realloc(block, kSize - i % 2);
            Keep(block);
        }
    }
    strata_free(block);
}

void ReallocGrow() {
    for (size_t i = 0; i < kOperations; ++i) {
        void* block = strata_malloc(16);
        {
            const Counted counted;
            for (size_t size = 32; size <= kGrownSize; size *= 2) {
                block = strata_realloc(block, size);
                Keep(block);
            }
        }
        strata_free(block);
    }
}

template <size_t kSize>
void UsableSize() {
    void* const block = strata_malloc(kSize);
    {
        const Counted counted;
        for (size_t i = 0; i < kOperations; ++i) {
            Keep(reinterpret_cast<void*>(strata_usable_size(block)));
        }
    }
    strata_free(block);
}

template <size_t kSize>
void New() {
    Bursts<kSize, Part::kAllocate>([] { return ::operator new(kSize); },
                                   [](void* block) { ::operator delete(block); });
}
template <size_t kSize>
void Delete() {
    Bursts<kSize, Part::kFree>([] { return ::operator new(kSize); },
                               [](void* block) { ::operator delete(block); });
}
template <size_t kSize>
void DeleteSized() {
    Bursts<kSize, Part::kFree>([] { return ::operator new(kSize); },
                               [](void* block) { ::operator delete(block, kSize); });
}

}  // namespace

const Row kMallocRows[] = {
    {"empty_loop", Empty},
    {"pair_16", Pair<16>},
    {"pair_48", Pair<48>},
    {"pair_1k", Pair<kKiB>},
    {"pair_2k", Pair<2 * kKiB>},
    {"pair_16k", Pair<16 * kKiB>},
    {"pair_64k", Pair<64 * kKiB>},
    {"pair_256k", Pair<256 * kKiB>},
    {"pair_1m", Pair<1024 * kKiB>},
    {"malloc_16", Burst<16, Part::kAllocate>, BurstOperations(16)},
    {"malloc_48", Burst<48, Part::kAllocate>, BurstOperations(48)},
    {"malloc_1k", Burst<kKiB, Part::kAllocate>, BurstOperations(kKiB)},
    {"malloc_2k", Burst<2 * kKiB, Part::kAllocate>, BurstOperations(2 * kKiB)},
    {"malloc_fresh_48", MallocFresh<48>},
    {"free_16", Burst<16, Part::kFree>, BurstOperations(16)},
    {"free_48", Burst<48, Part::kFree>, BurstOperations(48)},
    {"free_1k", Burst<kKiB, Part::kFree>, BurstOperations(kKiB)},
    {"free_2k", Burst<2 * kKiB, Part::kFree>, BurstOperations(2 * kKiB)},
    {"calloc_fresh_48", CallocFresh<48>},
    {"calloc_dirty_48", CallocDirty<48>, BurstOperations(48)},
    {"calloc_dirty_1k", CallocDirty<kKiB>, BurstOperations(kKiB)},
    {"realloc_in_place_48", ReallocInPlace<48>},
    {"realloc_in_place_2k", ReallocInPlace<2 * kKiB>},
    {"realloc_grow_x2", ReallocGrow, kGrowthSteps* kOperations},
    {"usable_size_48", UsableSize<48>},
    {"new_48", New<48>, BurstOperations(48)},
    {"delete_48", Delete<48>, BurstOperations(48)},
    {"delete_sized_48", DeleteSized<48>, BurstOperations(48)},
    {},
};

}  // namespace strata::counts
