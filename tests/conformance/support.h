// What the rules share: names for error codes, a heap that is destroyed at the end of a rule,
// patterns in blocks, exceptions, other threads, and a list of everything that HeapWalk says.
#pragma once

#include "conformance.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace conformance {

inline constexpr size_t kKiB = 1024, kMiB = 1024 * 1024;

// One size of each kind of block that allocators tend to tell apart.
inline constexpr size_t kSmall = 40, kMedium = 5000, kLarge = 200 * kKiB, kHuge = 3 * kMiB;

// Sizes that no system can serve.
inline constexpr SIZE_T kImpossible = SIZE_T{1} << 47;
inline constexpr SIZE_T kImpossibleSizes[] = {SIZE_MAX, SIZE_MAX - 16, SIZE_MAX / 2, kImpossible};

// --- The last error ---

// Sets the last error to a value that no function sets, so that "unchanged" can be told.
void SeedError();
// The name of the last error: "unchanged", "NO_ERROR", "ERROR_...".
const char* ErrorNow();

// --- Heaps ---

class Heap {
public:
    explicit Heap(const HeapApi& api, DWORD options = 0, SIZE_T initial = 0, SIZE_T maximum = 0)
        : api_(api), handle_(api.create(options, initial, maximum)) {}
    Heap(const HeapApi& api, HANDLE handle) : api_(api), handle_(handle) {}
    ~Heap() {
        if (handle_ != nullptr) api_.destroy(handle_);
    }
    Heap(const Heap&) = delete;
    Heap& operator=(const Heap&) = delete;

    operator HANDLE() const { return handle_; }
    bool ok() const { return handle_ != nullptr; }
    // Destroys it now.
    BOOL Destroy() {
        HANDLE handle = handle_;
        handle_ = nullptr;
        return api_.destroy(handle);
    }

private:
    const HeapApi& api_;
    HANDLE handle_;
};

// --- Contents ---

// Writes a pattern that depends on `seed`: all of a small block; of a larger one its edges and
// every 512th byte, because touching pages is slow.
void Stamp(void* block, size_t bytes, unsigned seed);
// Is the pattern of a block of `stamped` bytes whole in the first `bytes` bytes of this one?
bool IsStamped(const void* block, size_t stamped, size_t bytes, unsigned seed);
bool IsFilled(const void* block, size_t from, size_t to, unsigned char value);
inline bool IsZero(const void* block, size_t from, size_t to) {
    return IsFilled(block, from, to, 0);
}
// Leaves memory of about `bytes` bytes in the heap's store of free memory that is not zero.
void SoilFreeMemory(const HeapApi& api, HANDLE heap, size_t bytes);

// --- Exceptions ---

struct Raised {
    DWORD code = 0;      // of the first one; 0: none
    unsigned count = 0;  // how many
};
// Calls `body`; an exception with STATUS_NO_MEMORY or STATUS_ACCESS_VIOLATION ends it.
Raised Catch(const std::function<void()>& body);
// "STATUS_NO_MEMORY raised once" and the like.
Observed Describe(const Raised& raised);

// --- Other threads ---

// Runs `body` in a thread of its own and waits for its end.
void InOtherThread(const std::function<void()>& body);

// A thread that may be made to wait by a lock: the body must own what it uses, since nobody waits
// for a thread that never ends. Exists when the thread runs, so that a busy machine looks like no
// lock.
class Waiter {
public:
    explicit Waiter(std::function<void()> body);
    bool HasEndedWithin(unsigned milliseconds) const;

private:
    std::shared_ptr<std::atomic<bool>> done_;
};

// --- HeapWalk ---

struct Walked {
    std::vector<PROCESS_HEAP_ENTRY> entries;
    bool ended = false;  // by ERROR_NO_MORE_ITEMS
    DWORD error = 0;     // the last error at the end

    const PROCESS_HEAP_ENTRY* Busy(const void* block) const;
    bool IsInsideRegion(const PROCESS_HEAP_ENTRY& entry) const;
};
inline constexpr WORD kRegionFlag = PROCESS_HEAP_REGION,
                      kUncommittedFlag = PROCESS_HEAP_UNCOMMITTED_RANGE,
                      kBusyFlag = PROCESS_HEAP_ENTRY_BUSY;

inline bool Is(const PROCESS_HEAP_ENTRY& entry, WORD flag) { return (entry.wFlags & flag) != 0; }
// By cbData or by lpLastBlock, whichever is more: there are systems whose cbData is the size of the
// region's header, a matter for a rule of its own.
const char* EndOfRegion(const PROCESS_HEAP_ENTRY& region);

Walked WalkAll(const HeapApi& api, HANDLE heap);

struct Block {
    void* address;
    size_t bytes;
};
// Are the busy entries exactly these blocks, with exact sizes? "exact", or what is wrong.
Observed CompareBusy(const Walked& walked, const std::vector<Block>& live);

// --- Filling ---

// Allocates blocks, sizes[0], sizes[1] ... and round again, until one fails.
std::vector<Block> Fill(const HeapApi& api, HANDLE heap, const std::vector<size_t>& sizes);
size_t TotalBytes(const std::vector<Block>& blocks);
void FreeAll(const HeapApi& api, HANDLE heap, std::vector<Block>& blocks);

}  // namespace conformance
