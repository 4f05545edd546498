// The misuse matrix: one small program for each way to misuse a heap, at three sizes, within one
// thread and across threads (docs/security.md). A program says on standard output which messages
// may end it, marks where the misuse begins and where it has gone unnoticed, and says what it then
// saw; matrix.py draws the conclusion.
#pragma once

#include <cstddef>

#include "../cases.h"

namespace strata::misuse {

// How a program is run.
struct Run {
    int size;      // 0 small, 1 medium, 2 large
    size_t bytes;  // 40, 3000 or 100,000
    bool other;    // the misuse is another thread's

    // Of the three, the one for this size.
    template <typename T>
    T Pick(T small, T medium, T large) const {
        return size == 0 ? small : size == 1 ? medium : large;
    }
};

// Marks: the misuse begins; it was not noticed.
void BeginMisuse();
void EndMisuse();
// What the program saw once the misuse went unnoticed.
void Say(const char* result);
// What it means when the misuse ends in a fault of the processor.
void SayOnFault(const char* result);

// Starts a thread that does what it is asked to. It is there before the first misuse, because to
// make one takes memory from the heap under test.
void StartHelper();
void InHelper(void (*function)(void*), void* argument);
template <typename F>
void InHelper(F& body) {
    InHelper([](void* argument) { (*static_cast<F*>(argument))(); }, &body);
}

// Does it, between the marks, in the thread that the run asks for.
template <typename F>
void Misuse(const Run& run, F body) {
    auto marked = [&] {
        BeginMisuse();
        body();
        EndMisuse();
    };
    if (run.other) {
        InHelper(marked);
    } else {
        marked();
    }
}

// True under STRATA_HARDENED or STRATA_PAGE_HEAP, where blocks have other sizes and ends.
bool IsStrict();

// What the process says of a freed block of `bytes` bytes: the message while its record is there,
// and with `gone`, or in strict modes, the one for an address where no block is any more.
void ExpectFreed(const char* verb, const void* block, size_t bytes, bool gone = false);
// Of a pointer into a live block.
void ExpectInside(const void* pointer, const void* block, size_t bytes);
// Of a block of `bytes` bytes behind or before which something was overwritten; only strict modes
// can.
void ExpectDamage(const void* block, size_t bytes);
// Of a free block that was written to at `offset`; only strict modes can.
void ExpectWrittenAfterFree(const void* block, size_t offset);

// A block among many live ones, with those at the nearest addresses, so that an overflow has
// something to hit.
struct Neighbours {
    char* before;
    char* block;
    char* behind;
};
Neighbours MallocAmongOthers(size_t bytes);

struct Row {
    int number;
    void (*run)(const Run& run);
};

// A null function ends each list.
extern const Row kFreeRows[];      // 1 to 10
extern const Row kOverflowRows[];  // 11 to 19
extern const Row kOtherRows[];     // 20 to 30

}  // namespace strata::misuse
