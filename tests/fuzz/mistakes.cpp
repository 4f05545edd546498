// Operations that are mistakes. Each must be caught at the call, in any state of the heap.
#include <algorithm>
#include <cstring>

#include "fatal_trap.h"
#include "heap/fast_path.h"
#include "operations.h"
#include "support/probe.h"

namespace strata::fuzz {

void Machine::Mistake() {
    const uint8_t what = input_.Byte();
    // A lock that is held when the process ends in a fatal error would stay held here.
    if (!kTrapsFatal || locked_) return;
    switch (what % 7) {
        case 0:
            return DoubleFree();
        case 1:
            return InteriorFree();
        case 2:
            return ForeignFree();
        case 3:
            return WrongHeapFree();
        case 4:
            return WrongSizeFree();
        case 5:
            return WriteAfterFree();
        default:
            return UseDeadHeap();
    }
}

void Machine::DoubleFree() {
    if (freed_.empty()) return;
    void* const block = freed_[freed_.size() - 1 - input_.Below(freed_.size())];
    // Handed out anew: then it is live, and nobody can tell.
    if (strata_owns(block) != 0) return;
    const uint8_t how = input_.Byte();
    FUZZ_CHECK(EndsFatally([=] {
        switch (how % 4) {
            case 0:
                return strata_free(block);
            case 1:
                return strata_free_sized(block, how);
            case 2:
                static_cast<void>(strata_realloc(block, how));
                return;
            default:
                static_cast<void>(strata_requested_size(block));
                return;
        }
    }));
}

void Machine::InteriorFree() {
    if (live_.empty()) return;
    const Live& block = live_[input_.Below(live_.size())];
    if (block.usable < 2) return;
    void* const inside = static_cast<char*>(block.address) + 1 + input_.Word() % (block.usable - 1);
    FUZZ_CHECK(EndsFatally([=] { strata_free(inside); }));
    Check(block);
}

void Machine::ForeignFree() {
    static char global[64];
    char local[64];
    char* const choices[] = {global, local, reinterpret_cast<char*>(uintptr_t{8}),
                             reinterpret_cast<char*>(uintptr_t{input_.Word()} << 32),
                             reinterpret_cast<char*>(~uintptr_t{0})};
    char* const pointer = choices[input_.Below(5)];
    if (pointer == nullptr || strata_owns(pointer) != 0) return;
    FUZZ_CHECK(EndsFatally([=] { strata_free(pointer); }));
}

void Machine::WrongHeapFree() {
    if (live_.empty() || heaps_.size() < 2) return;
    const Live& block = live_[input_.Below(live_.size())];
    const size_t other = (block.heap + 1 + input_.Below(heaps_.size() - 1)) % heaps_.size();
    heap::Heap* const heap = heaps_[other].heap;
    void* const address = block.address;
    FUZZ_CHECK(
        EndsFatally([=] { strata_heap_free(reinterpret_cast<strata_heap*>(heap), address); }));
    Check(block);
}

void Machine::WrongSizeFree() {
    if (live_.empty()) return;
    const Live& block = live_[input_.Below(live_.size())];
    const size_t wrong = input_.Size();
    void* const address = block.address;
    if (wrong == block.requested) return;
    FUZZ_CHECK(EndsFatally([=] { strata_free_sized(address, wrong); }));
    Check(block);
}

// Whatever is written into memory that is free must not change what is handed out later.
void Machine::WriteAfterFree() {
    if (freed_.empty()) return;
    char* const block = static_cast<char*>(freed_[input_.Below(freed_.size())]);
    const size_t bytes = 1 + input_.Byte() % 64;
    const uint8_t value = input_.Byte();
    // Heaps that check would notice, rightly, later; and the memory may be gone, or part of a new
    // slab that has never handed it out.
    arena::SliceEntry* entry = nullptr;
    StateByte* state = nullptr;
    if (!slab::FindState(block, entry, state)) return;
    if (LoadState(state) != static_cast<uint8_t>(State::kFreeDirty)) return;
    const heap::BlockInfo info = heap::Describe(block);
    if (info.heap != heap::ProcessHeap() || info.usable < bytes || !test::CanWrite(block)) return;
    if (map_.Overlaps(AddressOf(block), bytes)) return;
    std::memset(block, value, bytes);
}

void Machine::UseDeadHeap() {
    if (dead_heaps_.empty()) return;
    void* const handle = dead_heaps_[input_.Below(dead_heaps_.size())];
    FUZZ_CHECK(heap::FromHandle(handle) == nullptr);
    auto* const heap = static_cast<strata_heap*>(handle);
    const bool allocate = input_.Bit();
    FUZZ_CHECK(EndsFatally([=] {
        if (allocate) {
            static_cast<void>(strata_heap_malloc(heap, 100));
        } else {
            static_cast<void>(strata_heap_validate(heap));
        }
    }));
}

}  // namespace strata::fuzz
