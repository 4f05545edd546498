#include "os/lock_rank.h"

#ifdef STRATA_CHECK_LOCK_RANKS
#include <cstddef>

#include "os/message.h"
#include "os/process.h"
#include "os/text.h"

namespace strata::os {

namespace {

constexpr size_t kRanks = static_cast<size_t>(LockRank::kErrorMode) + 1;

// Counts and not the locks themselves: a program may have any number of heaps locked, and fork
// locks all.
struct Held {
    uint32_t count[kRanks];
    LockRank first_allowed;
    LockRank last_allowed;
};
constinit thread_local Held t_held = {};

const char* NameOf(LockRank rank) noexcept {
    switch (rank) {
        case LockRank::kUnordered:
            return "none";
        case LockRank::kGate:
            return "a heap's gate";
        case LockRank::kClass:
            return "a heap's size class";
        case LockRank::kRuns:
            return "a heap's runs";
        case LockRank::kRegistry:
            return "the registry of heaps";
        case LockRank::kGuardedQueue:
            return "the guarded blocks' queue";
        case LockRank::kRunCache:
            return "the run cache";
        case LockRank::kArenas:
            return "the arenas";
        case LockRank::kMetadata:
            return "metadata";
        case LockRank::kMetadataArenas:
            return "the metadata's arenas";
        case LockRank::kCaches:
            return "the list of caches";
        case LockRank::kClosedBins:
            return "a cache's closed bins";
        case LockRank::kRecordedHeaps:
            return "the recorder's heaps";
        case LockRank::kBlockIds:
            return "the recorder's blocks";
        case LockRank::kRecorderMemory:
            return "the recorder's memory";
        case LockRank::kTraceFile:
            return "the trace file";
        case LockRank::kHeapMap:
            return "the map of heaps";
        case LockRank::kErrorMode:
            return "the error mode";
    }
    return "unknown";
}

[[noreturn]] void Die(TextSink& message) noexcept {
    message.Put("\n");
    WriteMessage(message.text(), message.length());
    FailFast();
}

bool IsAllowed(LockRank rank) noexcept {
    return rank >= t_held.first_allowed && rank <= t_held.last_allowed;
}

}  // namespace

void CheckLockRank(LockRank rank) noexcept {
    if (rank == LockRank::kUnordered) return;
    for (size_t i = static_cast<size_t>(rank); i < kRanks; ++i) {
        const auto held = static_cast<LockRank>(i);
        if (t_held.count[i] == 0 || (IsAllowed(rank) && IsAllowed(held))) continue;
        TextBuffer<256> message;
        message.Put("strata: fatal: the lock of ").Put(NameOf(rank));
        message.Put(" is taken by a thread that holds the lock of ").Put(NameOf(held));
        Die(message);
    }
}

void NoteLocked(LockRank rank) noexcept {
    if (rank != LockRank::kUnordered) ++t_held.count[static_cast<size_t>(rank)];
}

void NoteUnlocked(LockRank rank) noexcept {
    if (rank == LockRank::kUnordered) return;
    uint32_t& count = t_held.count[static_cast<size_t>(rank)];
    if (count == 0) {
        TextBuffer<256> message;
        message.Put("strata: fatal: the lock of ").Put(NameOf(rank));
        message.Put(" is given back by a thread that does not hold it");
        Die(message);
    }
    --count;
}

void AllowSeveral(LockRank first, LockRank last) noexcept {
    t_held.first_allowed = first;
    t_held.last_allowed = last;
}

}  // namespace strata::os
#endif
