// One row per operation whose instructions are counted. A row's function runs the operation a fixed
// number of times, and says by Counted where it does: callgrind counts nothing outside. What
// belongs to the rows themselves, loops and client requests, lies in this namespace, and
// run_counts.py leaves all functions of it out; so a figure is what runs from the first instruction
// of a call to its return.
#pragma once

#include <valgrind/callgrind.h>

#include <cstddef>

namespace strata::counts {

// Of every row, or a multiple: a whole number of magazines, whichever of the capacities 31, 15, 7,
// 3 and 1 they have. So the exchange of magazines has its exact share in the figure.
inline constexpr size_t kOperations = 31 * 15 * 7;

struct Row {
    const char* name;
    void (*run)();  // called twice: to warm up, and to be counted
    size_t operations = kOperations;
};

// Each ends with a row without a name.
extern const Row kMallocRows[];
extern const Row kHeapRows[];

// Counts while it lives, if it is `active`.
class Counted {
public:
    explicit Counted(bool active = true) : active_(active) {
        if (active_) CALLGRIND_TOGGLE_COLLECT;
    }
    ~Counted() {
        if (active_) CALLGRIND_TOGGLE_COLLECT;
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

private:
    bool active_;
};

// No compiler may know what becomes of `block`.
inline void Keep(void* block) { __asm__ volatile("" : : "r"(block) : "memory"); }

// Which half of a burst counts.
enum class Part { kAllocate, kFree };

// allocate, free, allocate, free …
template <typename Allocate, typename Free>
void Pairs(const Allocate& allocate, const Free& release) {
    const Counted counted;
    for (size_t i = 0; i < kOperations; ++i) {
        void* const block = allocate();
        Keep(block);
        release(block);
    }
}

// Some blocks, then all of them freed: so many that they fit in the thread's two magazines.
constexpr size_t BurstOf(size_t size) { return size <= 1024 ? 16 : 4; }
constexpr size_t BurstOperations(size_t size) { return BurstOf(size) * kOperations; }

template <size_t kSize, Part kPart, typename Allocate, typename Free>
void Bursts(const Allocate& allocate, const Free& release) {
    void* blocks[BurstOf(kSize)];
    for (size_t i = 0; i < kOperations; ++i) {
        {
            const Counted counted(kPart == Part::kAllocate);
            for (void*& block : blocks) block = allocate();
        }
        for (void* block : blocks) Keep(block);
        {
            const Counted counted(kPart == Part::kFree);
            for (void* block : blocks) release(block);
        }
    }
}

}  // namespace strata::counts
