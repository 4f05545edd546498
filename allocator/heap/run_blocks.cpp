#include "heap/run_blocks.h"

#include "base/fill.h"
#include "cache/parked_runs.h"
#include "heap/purge.h"
#include "heap/reclaim.h"
#include "os/fatal.h"
#include "store/run_list.h"

namespace strata::heap {

using slab::LargeRun;
using store::PartGuard;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

void SetUser(LargeRun& run, const UserRecord& record) noexcept {
    run.user = record;
    run.has_user.store(true, kRelaxed);
}

}  // namespace

BlockInfo RunBlocks::Describe(const LargeRun& run, const void* pointer) noexcept {
    BlockInfo info;
    info.heap = run.heap;
    info.block = run.base;
    info.usable = run.usable();
    info.requested = run.requested.load(kRelaxed);
    info.status = !run.IsLive()         ? BlockStatus::kFreed
                  : run.base != pointer ? BlockStatus::kInterior
                                        : BlockStatus::kLive;
    return info;
}

void* RunBlocks::Allocate(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept {
    os::RequireStack(os::kStackForCall);
    PurgeTick(heap);
    const slab::RunRequest request = {
        .bytes = bytes,
        .alignment = options.alignment,
        .zero = options.zero,
        .grows = options.grows,
        .tail = heap.TailOf(),
        .access = heap.access,
        .heap = &heap,
        .store = &heap.home(),
    };
    LargeRun* run = slab::AllocateRun(request);
    if (run == nullptr && ReclaimIfRefused(&heap)) run = slab::AllocateRun(request);
    if (run == nullptr) return nullptr;
    if (options.user != nullptr) SetUser(*run, *options.user);
    if (heap.check_tail) FillTail(run->base + bytes);
    store::LinkRun(*run->store, *run);
    return run->base;
}

void RunBlocks::FreeRun(LargeRun& run) noexcept {
    if (STRATA_UNLIKELY(!store::MarkRunFree(run))) {
        os::FatalDoubleFree(os::Operation::kFree, run.base, run.heap, run.usable());
    }
    PurgeTick(*run.heap);
    if (cache::ParkRun(run)) return;
    store::UnlinkRun(run);
    slab::FreeRun(&run);
}

bool RunBlocks::ResizeInPlace(Block block, size_t bytes, const ResizeOptions& options) noexcept {
    // Those who walk the heap see the run before or after, never in between.
    LargeRun& run = block.run();
    const PartGuard guard(*run.store, run.store->runs_lock);
    if (!slab::ResizeRun(run, bytes, options.zero)) return false;
    if (block.heap->check_tail) FillTail(run.base + bytes);
    if (!options.user) return true;
    if (!run.has_user.load(kRelaxed)) run.user = UserRecord{};
    run.has_user.store(true, kRelaxed);
    ChangeFlags(run.user, block, bytes, options);
    return true;
}

// A run gives its pages back where it is, but needs a slice for itself: it moves to where it would
// share one; and out of a reservation of its own, if hardly anything of that is left in use.
bool RunBlocks::ShouldStay(Block block, size_t bytes, const ResizeOptions& options) noexcept {
    if (bytes > block.requested || !options.may_move_smaller) return true;
    if (bytes > kMaxSlabBlock) {
        return !block.run().direct || bytes > block.run().capacity() / kReservationShare;
    }
    return !SavesEnough(block.usable, bytes);
}

bool RunBlocks::AddUserRecord(Block& block) noexcept {
    SetUser(block.run(), UserRecord{});
    block.user = &block.run().user;
    return true;
}

}  // namespace strata::heap
