// RtlWalkHeap: our entries first, then those of the system's part of the same heap. The state of
// the walk is in the caller's structure alone: an address of ours goes on with ours, any other with
// the original's.
#include <cstddef>

#include "override/heap_entries.h"

namespace strata::override {

namespace {

// RTL_HEAP_WALK_ENTRY, as public symbols and headers have it (not PROCESS_HEAP_ENTRY, into which
// HeapWalk translates it).
struct RtlWalkEntry {
    void* address;
    SIZE_T bytes;
    uint8_t overhead;
    uint8_t segment_index;
    uint16_t flags;
    union {
        struct {
            SIZE_T settable;
            uint16_t tag;
            uint16_t back_trace;
            ULONG reserved[2];
        } block;
        struct {
            ULONG committed;
            ULONG uncommitted;
            void* first;
            void* last;
        } segment;
    };
};
static_assert(sizeof(RtlWalkEntry) == 48 && offsetof(RtlWalkEntry, flags) == 18 &&
              offsetof(RtlWalkEntry, segment) == 24);

constexpr uint16_t kBusy = 0x0001;
constexpr uint16_t kSegment = 0x0002;
// The user value and the three settable flags.
constexpr uint16_t kSettableValue = 0x0010;
constexpr uint16_t kSettableFlagsShift = 4;  // from HEAP_SETTABLE_USER_FLAG1 (0x200) to 0x20
constexpr uint16_t kUncommitted = 0x0100;
// Later systems report and expect this one for uncommitted ranges; both are set and both are read.
constexpr uint16_t kUncommittedLater = 0x1000;

constexpr LONG kSuccess = 0;

api::WalkEntry FromNative(const RtlWalkEntry& native) noexcept {
    api::WalkEntry entry;
    entry.address = native.address;
    entry.bytes = native.bytes;
    entry.region_index = native.segment_index;
    entry.overhead = native.overhead;
    if ((native.flags & kSegment) != 0) {
        entry.kind = api::WalkEntry::Kind::kRegion;
        entry.committed_bytes = native.segment.committed;
        entry.uncommitted_bytes = native.segment.uncommitted;
        entry.first_block = native.segment.first;
        entry.last_block = native.segment.last;
    } else if ((native.flags & (kUncommitted | kUncommittedLater)) != 0) {
        entry.kind = api::WalkEntry::Kind::kUncommitted;
    } else {
        entry.kind =
            (native.flags & kBusy) != 0 ? api::WalkEntry::Kind::kBusy : api::WalkEntry::Kind::kFree;
    }
    return entry;
}

ULONG Saturated(size_t value) noexcept {
    return value < UINT32_MAX ? static_cast<ULONG>(value) : UINT32_MAX;
}

RtlWalkEntry ToNative(const api::WalkEntry& entry) noexcept {
    RtlWalkEntry native = {};
    native.address = entry.address;
    native.bytes = entry.bytes;
    native.overhead = entry.overhead;
    native.segment_index = entry.region_index;
    switch (entry.kind) {
        case api::WalkEntry::Kind::kRegion:
            native.flags = kSegment;
            native.segment.committed = Saturated(entry.committed_bytes);
            native.segment.uncommitted = Saturated(entry.uncommitted_bytes);
            native.segment.first = entry.first_block;
            native.segment.last = entry.last_block;
            break;
        case api::WalkEntry::Kind::kBusy:
            native.flags = kBusy;
            if (entry.has_user) {
                native.flags |= kSettableValue;
                native.flags |= static_cast<uint16_t>(entry.user_flags >> kSettableFlagsShift);
                native.block.settable = reinterpret_cast<SIZE_T>(entry.user_value);
            }
            break;
        case api::WalkEntry::Kind::kUncommitted:
            native.flags = kUncommitted | kUncommittedLater;
            break;
        case api::WalkEntry::Kind::kFree:
            break;
    }
    return native;
}

template <Watch kWatch>
STRATA_NOINLINE LONG NTAPI WalkEntryPoint(void* handle, RtlWalkEntry* native) {
    heap::Heap* const heap = HeapOf(handle);
    if (heap != nullptr && (native->address == nullptr || heap::Owns(native->address))) {
        api::WalkEntry entry = FromNative(*native);
        if (api::HeapWalkStep(*heap, entry)) {
            Count<kWatch>(Entry::kWalk, Served::kStrata);
            *native = ToNative(entry);
            return kSuccess;
        }
        *native = {};  // from the beginning of the system's part
    }
    CountForeign<kWatch>(Entry::kWalk, STRATA_RETURN_ADDRESS());
    return Original<WalkFunction>(Entry::kWalk)(handle, native);
}

}  // namespace

const void* WalkReplacement(Watch watch) noexcept {
    switch (watch) {
        case Watch::kNone:
            return reinterpret_cast<const void*>(&WalkEntryPoint<Watch::kNone>);
        case Watch::kCounted:
            return reinterpret_cast<const void*>(&WalkEntryPoint<Watch::kCounted>);
        case Watch::kRecorded:
            return reinterpret_cast<const void*>(&WalkEntryPoint<Watch::kRecorded>);
    }
    return nullptr;
}

}  // namespace strata::override
