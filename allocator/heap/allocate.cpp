// Allocation: everything that the fast path does not do.
#include <cstring>

#include "heap/bins.h"
#include "heap/fast_path.h"
#include "heap/guarded.h"
#include "heap/heap.h"
#include "heap/parked_runs.h"
#include "heap/parts.h"
#include "heap/reclaim.h"
#include "heap/runs.h"
#include "heap/sampling.h"
#include "heap/tail.h"
#include "heap/tick.h"
#include "os/process.h"

namespace strata::heap {

namespace {

void* FailWithNoMemory() noexcept {
    os::SetOutOfMemoryError();
    return nullptr;
}

// What a block has behind the requested bytes.
size_t OverheadOf(const Heap& heap, const AllocateOptions& options) noexcept {
    return heap.TailOf() + (options.user != nullptr ? sizeof(UserRecord) : size_t{0});
}

// Makes `block` a live block of `bytes`, zeroed when asked for and not known to be zero.
void* Finish(const slab::FreeBlock& block, SizeClass size_class, size_t bytes, bool zero) noexcept {
    const uint32_t usable = InfoOf(size_class).usable;
    if (zero && LoadState(block.state) != static_cast<uint8_t>(State::kFreeZero)) {
        std::memset(block.block, 0, bytes);
    }
    StoreLive(block.state, At<char>(block.block, usable), static_cast<uint32_t>(usable - bytes));
    return block.block;
}

// The same with a user record and in heaps with checks.
void* FinishWith(Heap& heap, const slab::FreeBlock& block, SizeClass size_class, size_t bytes,
                 const AllocateOptions& options) noexcept {
    const uint32_t usable = InfoOf(size_class).usable;
    if (heap.check_free && IsFreeDirty(LoadState(block.state))) {
        const size_t changed = FindChangedFill(block.block, usable);
        if (changed != usable) os::FatalWriteAfterFree(block.block, &heap, changed);
    }
    Finish(block, size_class, bytes, options.zero);
    if (options.user != nullptr) {
        StoreLiveUser(block.state, At<char>(block.block, usable), options.user->value,
                      options.user->flags, static_cast<uint32_t>(usable - bytes));
    }
    if (heap.check_tail) {
        FillTailOf(heap, {static_cast<char*>(block.block), bytes, usable, options.user != nullptr});
    }
    return block.block;
}

}  // namespace

namespace {

// A block of a plain heap, through the thread's magazines; false when memory is short.
STRATA_COLD bool TakeBlockAfterReclaim(Heap& heap, SizeClass size_class,
                                       slab::FreeBlock& block) noexcept {
    return ReclaimIfRefused(&heap) && TakeBlock(heap, BinFor(heap, size_class), size_class, block);
}
STRATA_INLINE bool TakeBlockOrReclaim(Heap& heap, SizeClass size_class,
                                      slab::FreeBlock& block) noexcept {
    return STRATA_LIKELY(TakeBlock(heap, BinFor(heap, size_class), size_class, block)) ||
           TakeBlockAfterReclaim(heap, size_class, block);
}

}  // namespace

void* AllocateFromSlab(Heap& heap, SizeClass size_class, size_t bytes, bool zero) noexcept {
    os::RequireStack(os::kStackForCall);
    slab::FreeBlock block;
    if (!TakeBlockOrReclaim(heap, size_class, block)) return FailWithNoMemory();
    return Finish(block, size_class, bytes, zero);
}

namespace {

// A live block in a run of its own, linked; nullptr when memory is short.
void* AllocateInRun(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    os::RequireStack(os::kStackForCall);
    PurgeTick(heap);
    slab::RunRequest request;
    request.bytes = bytes;
    request.alignment = options.alignment;
    request.zero = options.zero;
    request.tail = heap.TailOf();
    request.access = heap.access;
    request.heap = &heap;
    request.grows = options.grows;
    slab::LargeRun* run = slab::AllocateRun(request);
    if (run == nullptr && ReclaimIfRefused(&heap)) run = slab::AllocateRun(request);
    if (run == nullptr) return nullptr;
    if (options.user != nullptr) {
        run->user = *options.user;
        run->has_user.store(true, std::memory_order_relaxed);
    }
    if (heap.check_tail) FillTail(run->base + bytes);
    LinkRun(heap, *run);
    return run->base;
}

void* TryAllocateInRegion(Heap& heap, const slab::RegionBlockRequest& request,
                          const AllocateOptions& options) noexcept {
    const PartGuard guard(heap, heap.runs_lock);
    void* const block = slab::AllocateInRegion(*heap.region, request, options.zero);
    if (block == nullptr) return nullptr;
    if (options.user != nullptr) {
        *slab::FindInRegion(*heap.region, block, heap.TailOf()).user = *options.user;
    }
    if (heap.check_tail) FillTail(At<char>(block, request.bytes));
    return block;
}

void* AllocateInRegion(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    slab::RegionBlockRequest request;
    request.bytes = bytes;
    request.alignment = options.alignment;
    request.tail = heap.TailOf();
    request.user = options.user != nullptr;
    PurgeTick(heap);
    void* const block = TryAllocateInRegion(heap, request, options);
    if (block != nullptr || !ReclaimIfRefused(&heap)) return block;
    return TryAllocateInRegion(heap, request, options);
}

// A block of a heap whose blocks are looked at one by one. Under the lock from the slab to the
// tail: who looks at the heap sees all of it, or nothing.
void* TryAllocateChecked(Heap& heap, SizeClass size_class, size_t bytes,
                         const AllocateOptions& options) noexcept {
    slab::FreeBlock block;
    const PartGuard guard(heap, size_class);
    slab::SlabSet& slabs = heap.classes[Index(size_class)].slabs;
    if (slabs.Take(heap.RequestFor(size_class), &block, 1) != 1) return nullptr;
    return FinishWith(heap, block, size_class, bytes, options);
}

}  // namespace

void* AllocateLarge(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    void* const block = AllocateInRun(heap, bytes, options);
    return STRATA_LIKELY(block != nullptr) ? block : FailWithNoMemory();
}

void* TryAllocateWith(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    os::RequireStack(os::kStackForCall);
    const size_t overhead = OverheadOf(heap, options);
    if (bytes > kMaxRequest - overhead) return nullptr;
    if (heap.region != nullptr) return AllocateInRegion(heap, bytes, options);
    if (STRATA_UNLIKELY(heap.has_door)) {
        if (void* const guarded = AllocateGuarded(heap, bytes, options)) return guarded;
    }
    const size_t needed = bytes + overhead;
    SizeClass size_class;
    if (options.alignment <= kMinAlignment && needed <= kMaxSlabBlock) {
        size_class = ClassOf(needed);
        if (heap.is_plain) size_class = heap.ClassToUse(size_class);
    } else if (!AlignedClassOf(needed, options.alignment, size_class)) {
        return AllocateInRun(heap, bytes, options);
    }
    if (!heap.is_plain) {
        PurgeTick(heap);
        void* const block = TryAllocateChecked(heap, size_class, bytes, options);
        if (block != nullptr || !ReclaimIfRefused(&heap)) return block;
        return TryAllocateChecked(heap, size_class, bytes, options);
    }
    slab::FreeBlock block;
    if (!TakeBlockOrReclaim(heap, size_class, block)) return nullptr;
    return FinishWith(heap, block, size_class, bytes, options);
}

void* AllocateWith(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    void* const block = TryAllocateWith(heap, bytes, options);
    return STRATA_LIKELY(block != nullptr) ? block : FailWithNoMemory();
}

void* Allocate(Heap& heap, size_t bytes, bool zero) noexcept {
    if (STRATA_UNLIKELY(bytes > kMaxSlabBlock || heap.has_door)) {
        AllocateOptions options;
        options.zero = zero;
        return heap.has_door ? AllocateWith(heap, bytes, options)
                             : AllocateLarge(heap, bytes, options);
    }
    return AllocateFromSlab(heap, heap.ClassToUse(ClassOf(bytes)), bytes, zero);
}

namespace {

// Of a bin with nothing to hand out: the magazine of freed blocks takes the other's place, if there
// is anything in it. A full one that can still grow is a reason to grow: Refill does it. What a
// veil hides is not to be touched here, and now and then Refill is to look at the clock.
STRATA_INLINE bool TakeFreed(cache::ThreadCache& cache, cache::Bin& bin,
                             size_t class_index) noexcept {
    const ClassInfo& info = kClassTable[class_index];
    if (bin.free_top == bin.free_base ||
        (bin.free_top == bin.free_end && bin.free_capacity() < info.swap_max)) {
        return false;
    }
    if (STRATA_UNLIKELY(cache.swaps_left < bin.free_count() ||
                        cache::IsVeiled(cache, static_cast<SizeClass>(class_index)))) {
        return false;
    }
    cache.swaps_left -= bin.free_count();
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

}  // namespace

// From the thread's own bin of the process heap, as the fast path does it; else AllocateFromSlab.
static void* AllocateAlignedFromSlab(Heap& heap, SizeClass size_class, size_t bytes,
                                     bool zero) noexcept {
    cache::ThreadCache* const cache = cache::TryCurrentCache();
    if (STRATA_LIKELY(heap.is_process_heap && cache != nullptr)) {
        cache::Bin& bin = cache->bins[Index(size_class)];
        slab::FreeBlock block;
        if (STRATA_LIKELY(bin.Pop(block))) return Finish(block, size_class, bytes, zero);
        if (!IsSampling() && TakeFreed(*cache, bin, Index(size_class)) && bin.Pop(block)) {
            return Finish(block, size_class, bytes, zero);
        }
    }
    return AllocateFromSlab(heap, size_class, bytes, zero);
}

void* AllocateAligned(Heap& heap, size_t alignment, size_t bytes, bool zero) noexcept {
    if (alignment <= kMinAlignment) return Allocate(heap, bytes, zero);
    SizeClass size_class;
    if (STRATA_LIKELY(heap.is_plain && AlignedClassOf(bytes, alignment, size_class))) {
        return AllocateAlignedFromSlab(heap, size_class, bytes, zero);
    }
    AllocateOptions options;
    options.alignment = alignment;
    options.zero = zero;
    return AllocateWith(heap, bytes, options);
}

// Large runs that the thread has parked, and bins whose other magazine has the blocks. Bins with
// anything in them are those of the process heap, which is then plain.
void* AllocateSlow(size_t bytes, bool zero) noexcept {
    os::RequireStack(os::kStackForCall);
    cache::ThreadCache* const cache = cache::TryCurrentCache();
    if (cache != nullptr && bytes > kMaxSlabBlock) {
        if (IsSampling() && MaySampleLarge(*cache)) return AllocateSampling(bytes, zero);
        slab::LargeRun* const run = TakeParkedRun(*cache, bytes, zero);
        if (run != nullptr) return run->base;
    }
    if (STRATA_LIKELY(cache != nullptr && bytes <= kMaxSlabBlock)) {
        const SizeClass size_class = ClassOf(bytes);
        cache::Bin& bin = cache->bins[Index(size_class)];
        slab::FreeBlock block;
        if (TakeFreed(*cache, bin, Index(size_class)) && bin.Pop(block)) {
            return Finish(block, size_class, bytes, zero);
        }
        if (IsSampling() && MaySample(*cache, bin.free_count())) {
            return AllocateSampling(bytes, zero);
        }
    }
    Heap* heap = ProcessHeap();
    return heap == nullptr ? FailWithNoMemory() : Allocate(*heap, bytes, zero);
}

void* AllocateMedium(size_t bytes) noexcept { return PopMedium<false>(bytes); }
void* AllocateMediumZeroed(size_t bytes) noexcept { return PopMedium<true>(bytes); }

void FreeSlow(void* block) noexcept {
    os::RequireStack(os::kStackForCall);
    if (block != nullptr && !ParkIfFast(block)) Free(nullptr, block);
}

}  // namespace strata::heap
