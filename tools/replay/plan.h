// A trace made ready to be run: what each thread has to do, in which order, and what must have been
// done before by others.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "replay/pages.h"
#include "replay/trace_reader.h"

namespace strata::replay {

inline constexpr uint32_t kNoOperation = UINT32_MAX;

enum class Do : uint8_t { kAllocate, kAllocateZeroed, kFree, kResize, kResizeZeroed, kQuerySize };

// One call. The operations stand in the order of the trace.
struct Operation {
    uint64_t size;
    uint32_t slot;  // which block: live blocks have slots of their own
    uint32_t next;  // of the same thread, or kNoOperation
    uint32_t
        after;  // another thread's operation on the same block that comes first, or kNoOperation
    uint16_t thread;  // an index in Plan::threads
    Do what;
};
static_assert(sizeof(Operation) == 24);

struct ThreadPlan {
    uint32_t number;  // in the trace
    uint32_t first;   // operation
    uint32_t last;
    uint64_t operations;
};

// What --info tells.
struct TraceSummary {
    uint64_t calls[8] = {};  // by EventKind
    uint64_t zeroed = 0;
    uint64_t failed = 0;
    uint64_t foreign = 0;  // calls about blocks from before the recording
    uint64_t lost = 0;     // calls about blocks whose allocation is missing
    uint64_t across = 0;   // blocks that another thread freed than the one that allocated
    uint64_t heaps = 0;    // created, beside the process heap
    uint64_t ended_with_heap = 0;
    uint64_t requested = 0;  // bytes, of all allocations
    uint64_t live = 0;       // bytes, now
    uint64_t live_blocks = 0;
    uint64_t peak_live = 0;
    uint64_t peak_blocks = 0;
    std::map<uint64_t, uint64_t> sizes;  // upper end of a power-of-two range -> allocations
};

struct Plan {
    // `most`: operations.
    explicit Plan(size_t most, size_t stamps)
        : operations(most), slots_by_stamp(stamps), blocks(most) {}

    struct Block {
        uint64_t size;
        uint32_t last;  // operation on it
        uint32_t heap;
        uint64_t stamp;
        uint32_t next_free;
        uint16_t allocated_by;
        bool live;
    };

    PageArray<Operation> operations;
    std::vector<ThreadPlan> threads;  // in the order of their first operation
    TraceSummary summary;

    // Only for making the plan, but kept: memory given back now would be missing in "at the start".
    PageArray<uint32_t> slots_by_stamp;
    PageArray<Block> blocks;
};

// Checks what the events say of each other, too: that a block is freed once, and resized only while
// it lives. Throws TraceDamage, and std::bad_alloc.
void MakePlan(const Trace& trace, Plan& plan);

// The room that a plan needs at most.
size_t MostOperations(const Trace& trace);

// The summary as lines of text.
std::string DescribeTrace(const Trace& trace, const Plan& plan);

}  // namespace strata::replay
