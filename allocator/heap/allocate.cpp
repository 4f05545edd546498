#include "heap/allocate.h"

#include <cstring>

#include "cache/closed_bins.h"
#include "cache/parked_runs.h"
#include "cache/sampling.h"
#include "heap/block_kinds.h"
#include "heap/lifetime.h"
#include "heap/out_of_memory.h"

namespace strata::heap {

namespace {

void* OrFail(void* block) noexcept {
    return STRATA_LIKELY(block != nullptr) ? block : FailWithNoMemory();
}

}  // namespace

void* TryAllocateWith(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    os::RequireStack(os::kStackForCall);
    const size_t overhead =
        heap.TailOf() + (options.user != nullptr ? sizeof(UserRecord) : size_t{0});
    if (bytes > kMaxRequest - overhead) return nullptr;
    if (heap.region != nullptr) return RegionBlocks::Allocate(heap, bytes, options);
    if (STRATA_UNLIKELY(heap.may_be_guarded) && GuardedBlocks::Wants(heap, bytes, options)) {
        if (void* const guarded = GuardedBlocks::Allocate(heap, bytes, options)) return guarded;
    }
    SizeClass size_class;
    if (SlabBlocks::ClassFor(heap, bytes + overhead, options.alignment, size_class)) {
        return SlabBlocks::AllocateOf(heap, size_class, bytes, options);
    }
    return RunBlocks::Allocate(heap, bytes, options);
}

void* AllocateWith(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    return OrFail(TryAllocateWith(heap, bytes, options));
}

void* Allocate(Heap& heap, size_t bytes, bool zero) noexcept {
    if (STRATA_UNLIKELY(bytes > kMaxSlabBlock || heap.may_be_guarded)) {
        AllocateOptions options;
        options.zero = zero;
        return heap.may_be_guarded ? AllocateWith(heap, bytes, options)
                                   : OrFail(RunBlocks::Allocate(heap, bytes, options));
    }
    const SizeClass size_class = heap.home().ClassToUse(ClassOf(bytes));
    return OrFail(SlabBlocks::AllocateUnchecked(heap, size_class, bytes, zero));
}

namespace {

// Of a bin with nothing to hand out: the magazine of freed blocks takes the other's place, if there
// is anything in it. A full one that can still grow is a reason to grow: Refill does it. What a
// closed bin hides is not to be touched here, and now and then the slow path is to look at the
// clock.
STRATA_INLINE bool TakeFreed(cache::ThreadCache& cache, cache::Bin& bin,
                             size_t class_index) noexcept {
    const ClassInfo& info = kClassTable[class_index];
    if (bin.free_top == bin.free_base ||
        (bin.free_top == bin.free_end && bin.free_capacity() < info.swap_max)) {
        return false;
    }
    if (STRATA_UNLIKELY(cache.budgets.swaps_left < bin.free_count() ||
                        cache::IsClosed(cache, static_cast<SizeClass>(class_index)))) {
        return false;
    }
    cache.budgets.swaps_left -= bin.free_count();
    bin.SwapEmpty();
    return true;
}

template <bool kZero>
STRATA_INLINE void* FinishMedium(const slab::FreeBlock& block, const LogarithmicClass& found,
                                 size_t bytes) noexcept {
    if (kZero && LoadState(block.state) != static_cast<uint8_t>(State::kFreeZero)) {
        std::memset(block.block, 0, bytes);
    }
    StoreLive(block.state, At<char>(block.block, found.usable),
              static_cast<uint32_t>(found.usable - bytes));
    return block.block;
}

template <bool kZero>
STRATA_INLINE void* PopMedium(size_t bytes) noexcept {
    cache::ThreadCache* const cache = cache::TryCurrentCache();
    if (STRATA_UNLIKELY(cache == nullptr || bytes > kMaxSlabBlock)) {
        return AllocateSlow(bytes, kZero);
    }
    const LogarithmicClass found(bytes);
    cache::Bin& bin = cache->bins[found.index];
    slab::FreeBlock block;
    if (STRATA_UNLIKELY(!bin.Pop(block))) {
        const bool found_some = TakeFreed(*cache, bin, found.index) && bin.Pop(block);
        if (STRATA_UNLIKELY(!found_some)) return AllocateSlow(bytes, kZero);
    }
    return FinishMedium<kZero>(block, found, bytes);
}

// What a thread whose bin has nothing to hand out gets of the process heap, and large blocks, while
// sampling. REQUIRES: the thread has a cache.
STRATA_COLD void* AllocateSampling(size_t bytes, bool zero) noexcept {
    Heap& heap = *ProcessHeap();
    AllocateOptions options;
    options.zero = zero;
    if (!heap.is_unchecked) return AllocateWith(heap, bytes, options);
    if (GuardedBlocks::Wants(heap, bytes, options)) {
        if (void* const sample = GuardedBlocks::Allocate(heap, bytes, options)) return sample;
    }
    if (bytes <= kMaxSlabBlock) {
        return OrFail(SlabBlocks::AllocateUnchecked(heap, ClassOf(bytes), bytes, zero));
    }
    slab::LargeRun* const run = cache::TakeParkedRun(*cache::CurrentCache(), bytes, zero);
    return run != nullptr ? run->base : OrFail(RunBlocks::Allocate(heap, bytes, options));
}

// From the thread's own bin of the process heap, as the fast path does it; else as any heap does.
void* AllocateAlignedFromSlab(Heap& heap, SizeClass size_class, size_t bytes, bool zero) noexcept {
    cache::ThreadCache* const cache = cache::TryCurrentCache();
    if (STRATA_LIKELY(heap.is_process_heap && cache != nullptr)) {
        cache::Bin& bin = cache->bins[Index(size_class)];
        slab::FreeBlock block;
        if (STRATA_LIKELY(bin.Pop(block))) {
            return SlabBlocks::Finish(block, size_class, bytes, zero);
        }
        if (!cache::IsSampling() && TakeFreed(*cache, bin, Index(size_class)) && bin.Pop(block)) {
            return SlabBlocks::Finish(block, size_class, bytes, zero);
        }
    }
    return OrFail(SlabBlocks::AllocateUnchecked(heap, size_class, bytes, zero));
}

}  // namespace

void* AllocateAligned(Heap& heap, size_t alignment, size_t bytes, bool zero) noexcept {
    if (alignment <= kMinAlignment) return Allocate(heap, bytes, zero);
    SizeClass size_class;
    if (STRATA_LIKELY(heap.is_unchecked && AlignedClassOf(bytes, alignment, size_class))) {
        return AllocateAlignedFromSlab(heap, size_class, bytes, zero);
    }
    AllocateOptions options;
    options.alignment = alignment;
    options.zero = zero;
    return AllocateWith(heap, bytes, options);
}

// Large runs that the thread has parked, and bins whose other magazine has the blocks. Bins with
// anything in them are those of the process heap, which has no checks then.
void* AllocateSlow(size_t bytes, bool zero) noexcept {
    os::RequireStack(os::kStackForCall);
    cache::ThreadCache* const cache = cache::TryCurrentCache();
    if (cache != nullptr && bytes > kMaxSlabBlock) {
        if (cache::IsSampling() && cache::MaySampleLarge(*cache)) {
            return AllocateSampling(bytes, zero);
        }
        slab::LargeRun* const run = cache::TakeParkedRun(*cache, bytes, zero);
        if (run != nullptr) return run->base;
    }
    if (STRATA_LIKELY(cache != nullptr && bytes <= kMaxSlabBlock)) {
        const SizeClass size_class = ClassOf(bytes);
        cache::Bin& bin = cache->bins[Index(size_class)];
        slab::FreeBlock block;
        if (TakeFreed(*cache, bin, Index(size_class)) && bin.Pop(block)) {
            return SlabBlocks::Finish(block, size_class, bytes, zero);
        }
        if (cache::IsSampling() && cache::MaySample(*cache, bin.free_count())) {
            return AllocateSampling(bytes, zero);
        }
    }
    Heap* const heap = ProcessHeap();
    return heap == nullptr ? FailWithNoMemory() : Allocate(*heap, bytes, zero);
}

void* AllocateMedium(size_t bytes) noexcept { return PopMedium<false>(bytes); }
void* AllocateMediumZeroed(size_t bytes) noexcept { return PopMedium<true>(bytes); }

}  // namespace strata::heap
