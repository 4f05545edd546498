// Heaps: what the layers above use. Sizes in bytes; all functions may be called from any thread
// and, unless they say otherwise, with any pointer value; a pointer that is not what it should be
// ends the process through os/fatal.h. The last error / errno is set on failure only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arena/process_arenas.h"
#include "base/state_byte.h"
#include "os/fatal.h"

namespace strata::heap {

class Heap;

// ---- life
// -----------------------------------------------------------------------------------------

// Makes everything ready; called by all functions that need it. False when memory is short; a later
// call tries again.
bool Initialize() noexcept;

// The same, once, before anything else is called: with a process heap that checks (see
// HeapRequest).
bool InitializeWithChecks(bool check_tail, bool check_free) noexcept;

// The heap of malloc; nullptr only when Initialize fails.
Heap* ProcessHeap() noexcept;

struct HeapRequest {
    uint32_t options = 0;  // kept for Options()
    // All zero: the heap can grow. Otherwise it is one region of this size, in `memory` of the
    // caller's if given, of which `initial` bytes are committed at once (or were, by the caller).
    // Page multiples.
    size_t maximum = 0;
    size_t initial = 0;
    void* memory = nullptr;
    bool executable = false;  // blocks may hold code
    bool check_tail = false;  // notice writes behind blocks, and into free ones: slower
    bool check_free = false;
    bool hardened = false;   // random blocks, a quarantine, guards around slabs and large blocks
    bool page_heap = false;  // every block on pages of its own, against a guard
};

// A new heap; nullptr when memory is short.
Heap* CreateHeap(const HeapRequest& request) noexcept;

// Frees all blocks of `heap`, and it. REQUIRES: alive, not the process heap, in no other thread's
// use.
void DestroyHeap(Heap* heap) noexcept;

// The heap with this handle; nullptr when `handle` is not a live heap. Any value is allowed.
Heap* FromHandle(void* handle) noexcept;

uint32_t Options(const Heap& heap) noexcept;
bool IsProcessHeap(const Heap& heap) noexcept;

// The number of heaps; fills `heaps` up to `capacity`, in creation order.
size_t ListHeaps(Heap** heaps, size_t capacity) noexcept;

// ---- blocks
// ----------------------------------------------------------------------------------------

// True when `pointer` lies in an arena of Strata: in constant time, without touching it.
inline bool Owns(const void* pointer) noexcept {
    return arena::g_slice_map.Find(AddressOf(pointer)) != nullptr;
}

// nullptr, with the out-of-memory error, when memory is short or `bytes` is impossible.
void* Allocate(Heap& heap, size_t bytes, bool zero) noexcept;
// `alignment`: a power of two.
void* AllocateAligned(Heap& heap, size_t alignment, size_t bytes, bool zero) noexcept;

// Frees a live block. `expected`: the heap it must belong to, or nullptr for any.
void Free(Heap* expected, void* block) noexcept;

// The general form of the two above. `user`: what a user record beside the block holds at first;
// nullptr for none. Its flags can be changed, and its value, as long as the block lives.
struct AllocateOptions {
    size_t alignment = 16;
    bool zero = false;
    bool grows = false;  // it was smaller, and will probably grow again
    const UserRecord* user = nullptr;
};
void* AllocateWith(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept;
// The same without an error.
void* TryAllocateWith(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept;

struct ResizeOptions {
    bool zero = false;         // zero what lies past the old requested size
    bool in_place = false;     // or fail
    bool keep_usable = false;  // what moves is all of UsableSize, not the requested bytes alone
    // A smaller block may move where that saves enough (blocks.cpp); else it stays where it is.
    bool may_move_smaller = false;
    size_t alignment = 16;    // of a moved block
    bool user = false;        // with a user record from now on; one that is there is kept anyway
    uint32_t user_flags = 0;  // its flags, if the block grows
};
// `block` not null. nullptr: it is as it was.
void* Resize(Heap* expected, void* block, size_t bytes, const ResizeOptions& options) noexcept;

// Fatal unless `block` is live. Usable is what the caller may write: what Strata keeps in a block's
// last bytes lies behind it.
size_t RequestedSize(const void* block) noexcept;
size_t UsableSize(const void* block) noexcept;

// What stands at a pointer, without judgement.
// kEnded: a block was there, and its memory has been given back.
enum class BlockStatus : uint8_t { kLive, kFreed, kInterior, kEnded, kUnallocated, kForeign };
struct BlockInfo {
    BlockStatus status = BlockStatus::kForeign;
    Heap* heap = nullptr;         // kLive, kFreed, kInterior
    const void* block = nullptr;  // the start of the block it lies in
    size_t requested = 0;         // kLive
    size_t usable = 0;
};
// Exact for any block that no other thread frees meanwhile.
BlockInfo Describe(const void* pointer) noexcept;
// The same for a pointer about which nothing is known, also against other threads' frees, but only
// true answers for blocks of `heap`: true when it is a live block of it.
bool IsLiveBlock(Heap& heap, const void* pointer, size_t* requested) noexcept;
// True when it is, and nothing that can be checked about it is wrong.
bool IsIntactBlock(Heap& heap, const void* pointer) noexcept;
// The user record of a live block of `heap`; all zero without one, and `found` says whether. False
// when it is no such block.
bool GetUserRecord(Heap& heap, const void* pointer, UserRecord& record,
                   bool* found = nullptr) noexcept;
// False when it is no live block of `heap`, or was allocated without a user record.
bool SetUserValue(Heap& heap, void* pointer, void* value) noexcept;
// Clears the flags in `reset`, then sets those in `set`. Makes a user record if need be and there
// is room for one beside the block; false when not.
bool SetUserFlags(Heap& heap, void* pointer, uint32_t reset, uint32_t set) noexcept;
// The heap in which a live block starts at `pointer`, of which nothing is known either; or nullptr.
Heap* HeapOfLiveBlock(const void* pointer) noexcept;

// Ends the process with the message for what `info` says of `pointer`.
[[noreturn]] void ReportBadPointer(os::Operation operation, const void* pointer,
                                   const BlockInfo& info, const Heap* expected) noexcept;

// ---- whole heaps
// -------------------------------------------------------------------------------------

// Recursive. Others' slow paths wait; their magazines stay usable. Unlock: false when not held.
void LockHeap(Heap& heap) noexcept;
bool UnlockHeap(Heap& heap) noexcept;

// The calling thread is in a call that does not wait for another thread's LockHeap
// (HEAP_NO_SERIALIZE). That nobody else is in the heap meanwhile is the caller's promise; if it is
// broken, the heap stays whole all the same.
class GuestCall {
public:
    explicit GuestCall(Heap& heap) noexcept;
    ~GuestCall();
    GuestCall(const GuestCall&) = delete;
    GuestCall& operator=(const GuestCall&) = delete;

private:
    // Where it is noted: in the thread's cache, with what stood there before, or in the heap.
    const void** noted_ = nullptr;
    const void* before_ = nullptr;
    std::atomic<uintptr_t>* place_ = nullptr;
};

// True when all records of the heap agree with each other.
bool IsConsistent(Heap& heap) noexcept;

// Hands in the calling thread's magazines for this heap and empties its depots, so that free slabs
// and runs go back to the arenas. Without `runs`, the pages behind the ends of large runs are left
// alone. Returns how many runs were looked at.
size_t Trim(Heap& heap, bool runs = true) noexcept;

// Trims all heaps and decommits everything that is free.
void PurgeAll() noexcept;

// The calling thread ends: its magazines are handed in. It may still allocate and free, more
// slowly.
void ThreadDetach() noexcept;

// The process ends, other threads are gone: nothing is freed, nothing waited for.
void ProcessDetach() noexcept;

// For fork in the POSIX build: takes and gives back every lock; what the child calls is told apart.
void LockEverything() noexcept;
void UnlockEverything() noexcept;
void UnlockEverythingInChild() noexcept;

}  // namespace strata::heap
