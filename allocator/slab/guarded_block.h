// Guarded blocks: each on pages of its own, with inaccessible ones before and behind.
//
//   slice 0      slice 1, 2 …
//   +----------+-----------------+- - - - -+
//   | guard    | pages    [block]|  guard  |
//   +----------+-----------------+- - - - -+
//
// The block ends where its pages end, as near as its alignment allows, or begins where they begin;
// what is left of the pages is filled, and looked at when the block is freed. A freed block's pages
// are decommitted at once, and its addresses rest in a queue: a touch faults, and the record still
// says whose block it was, and what the stacks were.
//
// Thread-safe, except that one block is resized or retired by one thread at a time; a second free
// is told from the first by its state.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arena/arena_set.h"
#include "base/constants.h"
#include "base/state_byte.h"
#include "os/lock.h"
#include "os/stack.h"
#include "slab/owners.h"

namespace strata::slab {

struct GuardedBlock {
    GuardedBlock* next;  // list of the owning heap; or, when freed, of the queue
    GuardedBlock* previous;
    store::Heap* heap;
    store::Store* store;  // whose list it is in
    char* base;           // of the slices
    char* pages;          // the committed ones
    char* block;
    size_t slices;
    size_t committed;  // bytes from pages on
    std::atomic<size_t> requested;
    UserRecord user;  // if has_user; its slack is not used
    std::atomic<bool> live;
    std::atomic<bool> has_user;
    bool direct;      // in a reservation of its own
    uintptr_t guard;  // then: the slice that the guard behind begins in
    os::StackTrace allocated;
    os::StackTrace freed;

    // Bytes from `block` to the end of its pages.
    size_t room() const noexcept { return static_cast<size_t>(pages + committed - block); }
    size_t size() const noexcept { return slices * kSliceSize; }
};

struct GuardedRequest {
    size_t bytes = 0;
    size_t alignment = kMinAlignment;  // a power of two, at most kSliceSize
    bool at_front = false;             // the block begins where its pages begin
    os::Access access = os::Access::kReadWrite;
    store::Heap* heap = nullptr;
    store::Store* store = nullptr;
};

// A live block of zeroes; nullptr when memory is short, or the limit is reached.
GuardedBlock* AllocateGuarded(const GuardedRequest& request) noexcept;

// Marks a live block free; false when it is free already. Exactly one caller gets true.
bool MarkFree(GuardedBlock& block) noexcept;

// Takes the pages of a block that MarkFree returned true for, and puts its addresses in the queue.
void RetireGuarded(GuardedBlock* block) noexcept;

// Changes the requested size where the block is. False when it has no room. With `zero` the bytes
// from the old to the new size are zero.
bool ResizeGuarded(GuardedBlock& block, size_t bytes, bool zero) noexcept;

// What was written that is not the caller's.
enum class Overwritten : uint8_t { kNothing, kBefore, kBehind };
Overwritten FindOverwritten(const GuardedBlock& block) noexcept;

// Sets who owns a block's slices, as walks see it: its heap, or kRunOwner for none.
void SetGuardedOwner(const GuardedBlock& block, arena::Owner owner) noexcept;

// The most guarded blocks that live at a time; SIZE_MAX at first.
void LimitGuardedBlocks(size_t most) noexcept;
size_t LiveGuardedBlocks() noexcept;

// Forgets all freed blocks: their addresses may be used again. For tests.
void EmptyGuardedQueue() noexcept;

// For fork in the POSIX build.
os::Lock& GuardedQueueLock() noexcept;

}  // namespace strata::slab
