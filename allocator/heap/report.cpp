// Everything here runs in a process that is about to end, with any lock held by anybody: no lock is
// taken, nothing allocated, and what is read may be half changed.
#include "heap/report.h"

#include <atomic>

#include "heap/find_block.h"
#include "os/fault.h"
#include "os/message.h"
#include "slab/hardened_slab.h"

namespace strata::heap {

namespace {

using arena::SliceEntry;
using arena::SliceKind;
using slab::GuardedBlock;
using Line = os::TextBuffer<384>;

constexpr auto kRelaxed = std::memory_order_relaxed;

// A program that handles its own access violations shall not fill a disk.
constexpr uint32_t kMostFaultReports = 16;

void Write(Line& line) noexcept {
    line.Put("\n");
    os::WriteMessage(line.text(), line.length());
    line.Clear();
}

// One block of lines: who did what, and the calls from the innermost on.
void WriteStack(const char* what, const os::StackTrace& stack) noexcept {
    if (stack.thread == 0) return;
    Line line;
    line.Put("strata:   ").Put(what).Put(" by thread ").PutDecimal(stack.thread);
    line.Put(stack.depth != 0 ? ":" : ", no stack");
    Write(line);
    // The way through Strata tells nobody anything, unless there is nothing else.
    uint32_t first = 0;
    while (first < stack.depth && os::IsOwnCode(stack.frames[first])) ++first;
    if (first == stack.depth) first = 0;
    for (uint32_t i = first; i < stack.depth; ++i) {
        line.Put("strata:     ");
        os::PutCodeAddress(line, stack.frames[i]);
        Write(line);
    }
}

void PutHeap(Line& line, const Heap* heap) noexcept {
    line.Put("heap ").PutAddress(heap);
    const char* between = " (";
    const auto put = [&](bool is, const char* what) {
        if (!is) return;
        line.Put(between).Put(what);
        between = ", ";
    };
    put(heap->life.load(kRelaxed) != Heap::Life::kAlive, "destroyed");
    put(heap->is_process_heap, "the process heap");
    put(heap->page_heap, "page heap");
    put(heap->hardened, "hardened");
    if (between[0] == ',') line.Put(")");
}

const char* NameOf(BlockStatus status) noexcept {
    switch (status) {
        case BlockStatus::kLive:
            return "live";
        case BlockStatus::kFreed:
            return "freed";
        case BlockStatus::kInterior:
            return "the pointer is inside it";
        case BlockStatus::kEnded:
        case BlockStatus::kUnallocated:
        case BlockStatus::kForeign:
            break;
    }
    return "none";
}

// The guarded block whose slices hold `address`, or nullptr.
const GuardedBlock* GuardedAt(const void* address) noexcept {
    const SliceEntry* const entry = arena::g_slice_map.Find(AddressOf(address));
    const SliceKind kind = entry == nullptr ? SliceKind::kNone : entry->kind.load(kRelaxed);
    if (kind != SliceKind::kGuarded && kind != SliceKind::kGuardBehind) return nullptr;
    return static_cast<const GuardedBlock*>(entry->record.load(kRelaxed));
}

void WriteBlock(const void* pointer) noexcept {
    const SliceEntry* const entry = arena::g_slice_map.Find(AddressOf(pointer));
    // A heap that cannot grow keeps its books under a lock, which may be held.
    if (entry == nullptr || entry->kind.load(kRelaxed) == SliceKind::kRegion) return;
    const BlockInfo info = Describe(pointer);
    if (info.heap == nullptr) return;
    Line line;
    line.Put("strata:   block ").PutAddress(info.block).Put(", ");
    const GuardedBlock* const guarded = GuardedAt(pointer);
    if (info.status == BlockStatus::kLive || guarded != nullptr) {
        line.PutDecimal(info.requested).Put(" bytes requested, ");
    } else {
        line.PutDecimal(info.usable).Put(" bytes usable, ");
    }
    line.Put(NameOf(info.status)).Put(", of ");
    PutHeap(line, info.heap);
    Write(line);
    if (guarded == nullptr) return;
    WriteStack("allocated", guarded->allocated);
    if (!guarded->live.load(kRelaxed)) WriteStack("freed", guarded->freed);
}

STRATA_NOINLINE void WriteFatalDetails(const void* pointer) noexcept {
    WriteBlock(pointer);
    os::StackTrace stack = {};
    os::CaptureStack(stack);
    WriteStack("found", stack);
}

// ---- access violations -------------------------------------------------------------------------

// The slab of a hardened heap that `address` is in a guard of; nullptr when it is in none.
// `behind`: in the one behind it.
const slab::Slab* GuardedSlabAt(const void* address, bool& behind) noexcept {
    const uintptr_t at = AddressOf(address);
    const SliceEntry* const entry = arena::g_slice_map.Find(at);
    if (entry == nullptr || entry->kind.load(kRelaxed) != SliceKind::kNone ||
        arena::g_arenas.OwnerOf(at) != slab::kGuardOwner) {
        return nullptr;
    }
    // An overflow comes from the slab in front of its guard; and each slab has a guard on both
    // sides, so one neighbour is a guard, or somebody else's.
    for (const uintptr_t neighbour : {at - kSliceSize, at + kSliceSize}) {
        const SliceEntry* const other = arena::g_slice_map.Find(neighbour);
        if (other == nullptr || other->kind.load(kRelaxed) != SliceKind::kSlab) continue;
        const auto* const found = static_cast<const slab::Slab*>(other->record.load(kRelaxed));
        if (!found->hardened) continue;
        behind = neighbour < at;
        return found;
    }
    return nullptr;
}

bool IsGuarded(const void* address) noexcept {
    bool behind;
    return GuardedAt(address) != nullptr || GuardedSlabAt(address, behind) != nullptr;
}

const char* VerbOf(os::Fault::Kind kind) noexcept {
    switch (kind) {
        case os::Fault::Kind::kRead:
            return "read of ";
        case os::Fault::Kind::kWrite:
            return "write to ";
        case os::Fault::Kind::kExecute:
            break;
    }
    return "execution of ";
}

void PutOffset(Line& line, const void* address, const void* block) noexcept {
    const bool before = AddressOf(address) < AddressOf(block);
    line.Put(before ? "-" : "");
    line.PutDecimal(before ? AddressOf(block) - AddressOf(address)
                           : AddressOf(address) - AddressOf(block));
}

void PutGuarded(Line& line, const os::Fault& fault, const GuardedBlock& guarded) noexcept {
    const bool live = guarded.live.load(kRelaxed);
    const bool before = AddressOf(fault.address) < AddressOf(guarded.block);
    line.Put(!live ? "use after free: " : before ? "underflow: " : "overflow: ");
    line.Put(VerbOf(fault.kind)).PutAddress(fault.address).Put(", offset ");
    PutOffset(line, fault.address, guarded.block);
    line.Put(" of ").Put(live ? "" : "freed ").Put("block ").PutAddress(guarded.block).Put(" (");
    line.PutDecimal(guarded.requested.load(kRelaxed)).Put(" bytes requested), ");
    PutHeap(line, static_cast<const Heap*>(guarded.heap));
}

void PutSlab(Line& line, const os::Fault& fault, const slab::Slab& slab, bool behind) noexcept {
    line.Put(behind ? "overflow: " : "underflow: ").Put(VerbOf(fault.kind));
    line.PutAddress(fault.address).Put(", in the guard ").Put(behind ? "behind" : "before");
    line.Put(" the blocks of ").PutDecimal(slab.usable()).Put(" bytes from ");
    line.PutAddress(slab.base).Put(" on, ");
    PutHeap(line, static_cast<const Heap*>(slab.heap));
}

void ReportFault(const os::Fault& fault) noexcept {
    static constinit std::atomic<uint32_t> reports{0};
    if (reports.fetch_add(1, kRelaxed) >= kMostFaultReports) return;
    Line line;
    line.Put("strata: ");
    const GuardedBlock* const guarded = GuardedAt(fault.address);
    bool behind = false;
    if (guarded != nullptr) {
        PutGuarded(line, fault, *guarded);
    } else if (const slab::Slab* const slab = GuardedSlabAt(fault.address, behind)) {
        PutSlab(line, fault, *slab, behind);
    } else {
        return;  // gone since it was asked for
    }
    Write(line);
    WriteStack("accessed", fault.stack);
    if (guarded == nullptr) return;
    WriteStack("allocated", guarded->allocated);
    if (!guarded->live.load(kRelaxed)) WriteStack("freed", guarded->freed);
}

}  // namespace

void StartReports() noexcept { os::SetFatalDetails(&WriteFatalDetails); }

void WatchGuards() noexcept {
    static constinit std::atomic<bool> watching{false};
    if (watching.load(kRelaxed) || watching.exchange(true, kRelaxed)) return;
    os::WatchFaults(&IsGuarded, &ReportFault);
}

}  // namespace strata::heap
