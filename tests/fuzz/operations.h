// A program for the allocator, read from a fuzzer's input, and a model that knows what it must do:
// no two live blocks overlap, each is aligned and of exactly the size asked for, keeps its bytes,
// is zero where that was promised, walks and validations see what is there, and mistakes are
// caught.
//
// Operations run on one of three threads, one at a time, so that a run can be repeated. Some of
// them are mistakes (double, interior, foreign, wrong-heap, wrong-size frees, writes into freed
// blocks): where fatal errors can be trapped (fatal_trap.h), they must end in one, and change
// nothing.
#pragma once

#include <functional>
#include <vector>

#include "heap/heap.h"
#include "input.h"
#include "support/fault_injection.h"
#include "support/model.h"

#include <strata/strata.h>

namespace strata::fuzz {

class Machine {
public:
    explicit Machine(Input input);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // The whole input; then everything is freed, and nothing may be left.
    void Run();

private:
    struct Live {
        void* address;
        size_t requested;
        size_t usable;
        size_t heap;  // index
        uint64_t seed;
        bool user;
    };
    struct HeapState {
        heap::Heap* heap;
        bool fixed;
        bool check_tail;
    };

    void Step();
    void Dispatch(uint8_t what);
    void OnThread(size_t thread, const std::function<void()>& body);

    // Blocks (blocks.cpp).
    void Allocate();
    void* AllocateBlock(size_t heap, size_t bytes, size_t& alignment, bool& zero, bool& user);
    void Note(void* block, size_t bytes, size_t alignment, size_t heap, bool user);
    void Fill(Live& block);
    void Check(const Live& block);
    void CheckPattern(const Live& block, const void* now, size_t bytes);
    void FreeOne();
    void ResizeOne();
    void UserValue();
    void Forget(size_t index);

    // Whole heaps and the system (operations.cpp).
    void CreateHeap();
    void DestroyHeap(size_t index);
    void Walk();
    void Validate();
    void Locked();
    void Probe();
    void InjectFaults();
    void StopFaults();
    void Finish();

    // Mistakes (mistakes.cpp).
    void Mistake();
    void DoubleFree();
    void InteriorFree();
    void ForeignFree();
    void WrongHeapFree();
    void WrongSizeFree();
    void WriteAfterFree();
    void UseDeadHeap();

    bool MayFail(size_t bytes, size_t heap) const;
    size_t AnyHeap() { return input_.Below(heaps_.size()); }

    Input input_;
    test::FaultInjector& faults_;
    bool faulty_ = false;
    std::vector<HeapState> heaps_;
    std::vector<Live> live_;
    test::IntervalMap map_;
    std::vector<void*> freed_;  // addresses of freed blocks, newest last
    std::vector<void*> dead_heaps_;
    size_t live_bytes_ = 0;
    bool locked_ = false;     // a heap is locked as a whole
    bool on_thread_ = false;  // on another thread than the input's own
    uint64_t next_seed_ = 1;
};

}  // namespace strata::fuzz
