#include "replay/plan.h"

#include <algorithm>
#include <bit>

namespace strata::replay {

using observe::EventKind;

namespace {

// What stands for a block in slots_by_stamp; above 0 and below these, its slot + 1.
constexpr uint32_t kNoBlock = 0;
constexpr uint32_t kFreed = UINT32_MAX;
constexpr uint32_t kEndedWithHeap = UINT32_MAX - 1;
constexpr size_t kMostThreads = UINT16_MAX;

class Planner {
public:
    Planner(const Trace& trace, Plan& plan)
        : trace_(trace),
          plan_(plan),
          threads_(trace.threads.size(), kNoOperation),
          free_slots_(trace.threads.size(), kNoOperation) {}

    void Take(const Event& event);

private:
    void Allocate(const Event& event);
    void Free(const Event& event);
    void Resize(const Event& event);
    void QuerySize(const Event& event);
    void DestroyHeap(const Event& event);
    // The block's slot; kNoOperation when it is none that can be replayed.
    uint32_t SlotOf(const Event& event);
    uint32_t NewSlot(const Event& event);
    void End(const Event& event, uint32_t slot, uint32_t how);
    void Add(const Event& event, Do what, uint32_t slot, uint64_t size);
    uint16_t ThreadOf(const Event& event, uint32_t operation);
    void Grow(uint64_t bytes);

    const Trace& trace_;
    Plan& plan_;
    std::vector<uint32_t> threads_;     // by number in the trace: index in plan_.threads
    std::vector<uint32_t> free_slots_;  // by number: a list, of slots whose block this thread freed
    std::map<uint64_t, uint64_t> live_in_heap_;
};

void Planner::Take(const Event& event) {
    TraceSummary& summary = plan_.summary;
    ++summary.calls[static_cast<size_t>(event.kind)];
    if (event.Has(observe::kFailed) &&
        (event.kind == EventKind::kAllocate || event.kind == EventKind::kResize)) {
        ++summary.failed;
    }
    switch (event.kind) {
        case EventKind::kAllocate:
            return Allocate(event);
        case EventKind::kFree:
            return Free(event);
        case EventKind::kResize:
            return Resize(event);
        case EventKind::kQuerySize:
            return QuerySize(event);
        case EventKind::kCreateHeap:
            ++summary.heaps;
            return;
        case EventKind::kDestroyHeap:
            return DestroyHeap(event);
        case EventKind::kOther:
            return;
    }
}

void Planner::Grow(uint64_t bytes) {
    TraceSummary& summary = plan_.summary;
    summary.live += bytes;
    summary.peak_live = std::max(summary.peak_live, summary.live);
}

void Planner::Allocate(const Event& event) {
    if (event.Has(observe::kFailed)) return;
    TraceSummary& summary = plan_.summary;
    summary.zeroed += event.Has(observe::kZeroed);
    summary.requested += event.size;
    ++summary.sizes[std::bit_ceil(std::max<uint64_t>(std::min(event.size, uint64_t{1} << 62), 1))];
    summary.peak_blocks = std::max(summary.peak_blocks, ++summary.live_blocks);
    Grow(event.size);
    const uint32_t slot = NewSlot(event);
    ++live_in_heap_[event.number];
    Add(event, event.Has(observe::kZeroed) ? Do::kAllocateZeroed : Do::kAllocate, slot, event.size);
    plan_.blocks[slot].allocated_by = plan_.operations[plan_.operations.size() - 1].thread;
}

uint32_t Planner::NewSlot(const Event& event) {
    uint32_t& list = free_slots_[event.thread];
    uint32_t slot = list;
    if (slot != kNoOperation) {
        list = plan_.blocks[slot].next_free;
    } else {
        slot = static_cast<uint32_t>(plan_.blocks.size());
        plan_.blocks.Resize(slot + size_t{1});
    }
    plan_.blocks[slot] = {event.size,  kNoOperation, static_cast<uint32_t>(event.number),
                          event.stamp, kNoOperation, 0,
                          true};
    plan_.slots_by_stamp[event.stamp] = slot + 1;
    return slot;
}

uint32_t Planner::SlotOf(const Event& event) {
    if (event.Has(observe::kForeign)) {
        ++plan_.summary.foreign;
        return kNoOperation;
    }
    const uint32_t found = plan_.slots_by_stamp[event.block];
    if (found == kFreed)
        throw TraceDamage(event.offset, "the event is about a block that is freed already");
    // The address of a block that ended with its heap: what lies there now is not in the trace.
    if (found == kEndedWithHeap) {
        ++plan_.summary.foreign;
        return kNoOperation;
    }
    if (found == kNoBlock) {
        if (trace_.whole)
            throw TraceDamage(event.offset, "the event is about a block that was never allocated");
        ++plan_.summary.lost;
        return kNoOperation;
    }
    return found - 1;
}

// The slot goes to the thread that freed the block: it alone will use it next, after the free.
void Planner::End(const Event& event, uint32_t slot, uint32_t how) {
    Plan::Block& block = plan_.blocks[slot];
    Add(event, Do::kFree, slot, block.size);
    const Operation& free = plan_.operations[plan_.operations.size() - 1];
    plan_.summary.across += free.thread != block.allocated_by;
    plan_.summary.live -= block.size;
    --plan_.summary.live_blocks;
    --live_in_heap_[block.heap];
    plan_.slots_by_stamp[block.stamp] = how;
    block.live = false;
    block.next_free = free_slots_[event.thread];
    free_slots_[event.thread] = slot;
}

void Planner::Free(const Event& event) {
    const uint32_t slot = SlotOf(event);
    if (slot != kNoOperation) End(event, slot, kFreed);
}

void Planner::Resize(const Event& event) {
    const uint32_t slot = SlotOf(event);
    if (slot == kNoOperation || event.Has(observe::kFailed)) return;
    Plan::Block& block = plan_.blocks[slot];
    plan_.summary.live -= block.size;
    Grow(event.size);
    block.size = event.size;
    Add(event, event.Has(observe::kZeroed) ? Do::kResizeZeroed : Do::kResize, slot, event.size);
}

void Planner::QuerySize(const Event& event) {
    const uint32_t slot = SlotOf(event);
    if (slot != kNoOperation) Add(event, Do::kQuerySize, slot, plan_.blocks[slot].size);
}

// Every block that the heap still has is freed by whoever destroyed it.
void Planner::DestroyHeap(const Event& event) {
    uint64_t left = live_in_heap_[event.number];
    plan_.summary.ended_with_heap += left;
    for (uint32_t slot = 0; left > 0 && slot < plan_.blocks.size(); ++slot) {
        if (!plan_.blocks[slot].live || plan_.blocks[slot].heap != event.number) continue;
        End(event, slot, kEndedWithHeap);
        --left;
    }
}

void Planner::Add(const Event& event, Do what, uint32_t slot, uint64_t size) {
    const auto index = static_cast<uint32_t>(plan_.operations.size());
    const uint16_t thread = ThreadOf(event, index);
    Plan::Block& block = plan_.blocks[slot];
    const bool others = block.last != kNoOperation && plan_.operations[block.last].thread != thread;
    plan_.operations.Add(
        {size, slot, kNoOperation, others ? block.last : kNoOperation, thread, what});
    block.last = index;
}

// Appends to the thread's list, which begins with its first operation.
uint16_t Planner::ThreadOf(const Event& event, uint32_t operation) {
    uint32_t& index = threads_[event.thread];
    if (index == kNoOperation) {
        if (plan_.threads.size() == kMostThreads) {
            throw TraceDamage(event.offset,
                              "more threads than can be replayed: " + std::to_string(kMostThreads));
        }
        index = static_cast<uint32_t>(plan_.threads.size());
        plan_.threads.push_back({event.thread, operation, operation, 0});
    }
    ThreadPlan& thread = plan_.threads[index];
    if (thread.operations++ > 0) plan_.operations[thread.last].next = operation;
    thread.last = operation;
    return static_cast<uint16_t>(index);
}

}  // namespace

// Beside the calls themselves, each block may have to be freed when its heap ends.
size_t MostOperations(const Trace& trace) {
    if (trace.events > UINT32_MAX / 2 - 1) {
        throw TraceDamage(
            0, "the trace has more calls than can be replayed: " + std::to_string(trace.events));
    }
    return static_cast<size_t>(2 * trace.events);
}

void MakePlan(const Trace& trace, Plan& plan) {
    Planner planner(trace, plan);
    EventStream events(trace);
    Event event;
    while (events.Next(event)) {
        plan.slots_by_stamp.Resize(static_cast<size_t>(event.stamp) + 1);
        planner.Take(event);
    }
}

}  // namespace strata::replay
