// Runs a few threads in every order that matters: a stateless model checker for the real code.
//
// The threads are coroutines of one thread of the system. Each access to an atomic variable (by
// watched_atomic.h), each call to the system for memory and each wait is a point where another
// thread may go on. Explore() runs a scenario again and again, each time with another choice at the
// last point that has one left, until there are none: depth-first, after Musuvathi and Qadeer
// ("Iterative Context Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007). At
// most `preemptions` times in a run a thread that could go on is interrupted; switches at waits and
// ends are free. What it sees are sequentially consistent executions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace strata::interleave {

// Which accesses are points.
enum class Grain {
    kOrdered,  // those with an order stronger than relaxed (locks, publication), and the system's
    kAll
};

struct Bounds {
    size_t preemptions = 2;
    Grain grain = Grain::kOrdered;
    size_t runs = 3'000'000;  // more are a failure: the bound is to be met
};

struct Scenario {
    std::function<void()> prepare;               // before each run, alone
    std::vector<std::function<void()>> threads;  // each from its start to its end
    std::function<void()> check;                 // after each run, alone
};

struct Result {
    size_t runs = 0;
    size_t most_points = 0;  // points with a choice, in one run
    std::string problem;     // empty: none
};

// Stops at the first run with a problem: one that a thread or `check` reports by Fail, a deadlock,
// or a GoogleTest failure.
Result Explore(const Scenario& scenario, const Bounds& bounds);

// To be called by the code of a scenario.
void Fail(const std::string& what);

// Runs `body` as thread `index` of the scenario, before it: what is kept for that thread (its slot)
// stays for the run. For `prepare`.
void AsThread(size_t index, const std::function<void()>& body);

// ---- for the system layer -----------------------------------------------------------------------

// Another thread may go on.
void SystemPoint() noexcept;
// The thread has nothing to do until another has done something.
void Yield() noexcept;
// Until a Wake for the same address.
void Wait(const void* address) noexcept;
void Wake(const void* address) noexcept;

}  // namespace strata::interleave
