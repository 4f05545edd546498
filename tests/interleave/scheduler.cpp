#include "scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <ucontext.h>

// The thread slot, which belongs to the coroutine that runs.
namespace strata::os {
extern constinit thread_local void* t_slot __attribute__((tls_model("initial-exec")));
uintptr_t ThreadToken() noexcept;
}  // namespace strata::os

namespace strata::interleave {

namespace {

constexpr size_t kStackBytes = 256 * 1024;
constexpr size_t kNoThread = SIZE_MAX;

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[kStackBytes]};
    std::function<void()> body;
    void* slot = nullptr;  // os::t_slot while it does not run
    const void* waiting = nullptr;
    bool ended = true;
};

// One choice that a run made.
struct Choice {
    size_t taken;
    size_t options;
};

struct State {
    std::vector<std::unique_ptr<Thread>> threads;
    ucontext_t main;
    void* main_slot = nullptr;
    size_t running = kNoThread;
    Bounds bounds;
    size_t preemptions = 0;
    std::vector<Choice> path;
    size_t depth = 0;
    size_t divergences = 0;
    std::string problem;
};

State g;

bool CanRun(const Thread& thread) { return !thread.ended && thread.waiting == nullptr; }

// Takes the next choice of the path, or begins a new part of it.
size_t Choose(size_t options) {
    if (options < 2) return 0;
    if (g.depth == g.path.size()) g.path.push_back({0, options});
    const Choice choice = g.path[g.depth++];
    if (choice.options != options) {
        // Something happened in an earlier run that happens only once (a record got its memory).
        // What comes from here on is tried anew.
        ++g.divergences;
        g.path.resize(g.depth);
        g.path.back() = {0, options};
    }
    return g.path[g.depth - 1].taken;
}

void SwitchTo(size_t next) {
    const size_t from = g.running;
    if (from == next) return;
    void*& save = from == kNoThread ? g.main_slot : g.threads[from]->slot;
    save = os::t_slot;
    g.running = next;
    os::t_slot = next == kNoThread ? g.main_slot : g.threads[next]->slot;
    ucontext_t* const old = from == kNoThread ? &g.main : &g.threads[from]->context;
    swapcontext(old, next == kNoThread ? &g.main : &g.threads[next]->context);
}

// Any other thread that can run; the main one ends the run when there is none.
void SwitchAway() {
    size_t options[8];
    size_t count = 0;
    for (size_t i = 0; i < g.threads.size(); ++i) {
        if (i != g.running && CanRun(*g.threads[i])) options[count++] = i;
    }
    SwitchTo(count == 0 ? kNoThread : options[Choose(count)]);
}

void Trampoline() {
    g.threads[g.running]->body();
    g.threads[g.running]->ended = true;
    SwitchAway();
}

void Start(Thread& thread, const std::function<void()>& body) {
    thread.body = body;
    thread.ended = false;
    thread.waiting = nullptr;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.get();
    thread.context.uc_stack.ss_size = kStackBytes;
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, Trampoline, 0);
}

// Whether there is another path; it is then set up.
bool NextPath() {
    while (!g.path.empty() && g.path.back().taken + 1 == g.path.back().options) g.path.pop_back();
    if (g.path.empty()) return false;
    ++g.path.back().taken;
    return true;
}

std::string PathText() {
    std::string text;
    for (const Choice& choice : g.path) text += " " + std::to_string(choice.taken);
    return text;
}

void RunOnce(const Scenario& scenario) {
    g.preemptions = 0;
    g.depth = 0;
    for (auto& thread : g.threads) thread->slot = nullptr;
    if (scenario.prepare) scenario.prepare();
    for (size_t i = 0; i < scenario.threads.size(); ++i) {
        Start(*g.threads[i], scenario.threads[i]);
    }
    SwitchAway();
    for (const auto& thread : g.threads) {
        if (!thread->ended) return Fail("a deadlock");
    }
    if (scenario.check) scenario.check();
}

}  // namespace

Result Explore(const Scenario& scenario, const Bounds& bounds) {
    g.threads.clear();
    for (size_t i = 0; i < scenario.threads.size(); ++i) {
        g.threads.push_back(std::make_unique<Thread>());
    }
    g.bounds = bounds;
    g.path.clear();
    g.problem.clear();
    RunOnce(scenario);  // what happens only once has then happened
    g.path.clear();
    g.divergences = 0;
    Result result;
    do {
        RunOnce(scenario);
        ++result.runs;
        if (g.path.size() > result.most_points) result.most_points = g.path.size();
        if (testing::Test::HasFailure()) Fail("an assertion failed");
        if (result.runs == bounds.runs) Fail("not all orders within the bound were tried");
        if (g.divergences > 100) Fail("the scenario is not the same in each run");
        if (!g.problem.empty()) {
            result.problem = g.problem + ", with the choices" + PathText();
            return result;
        }
    } while (NextPath());
    return result;
}

void Fail(const std::string& what) {
    if (g.problem.empty()) g.problem = what;
}

void AsThread(size_t index, const std::function<void()>& body) {
    Thread& thread = *g.threads[index];
    // Alone: no other can run, so there is nothing to choose.
    Start(thread, body);
    SwitchTo(index);
    if (!thread.ended) Fail("a thread waits in its preparation");
}

void Point(std::memory_order order) noexcept {
    if (g.running == kNoThread) return;
    if (order == std::memory_order_relaxed && g.bounds.grain == Grain::kOrdered) return;
    SystemPoint();
}

void SystemPoint() noexcept {
    if (g.running == kNoThread || g.preemptions == g.bounds.preemptions) return;
    size_t options[8] = {g.running};
    size_t count = 1;
    for (size_t i = 0; i < g.threads.size(); ++i) {
        if (i != g.running && CanRun(*g.threads[i])) options[count++] = i;
    }
    const size_t chosen = Choose(count);
    if (chosen == 0) return;
    ++g.preemptions;
    SwitchTo(options[chosen]);
}

void Yield() noexcept {
    if (g.running == kNoThread) return;
    for (size_t i = 1; i < g.threads.size(); ++i) {
        const size_t next = (g.running + i) % g.threads.size();
        if (CanRun(*g.threads[next])) return SwitchTo(next);
    }
}

void Wait(const void* address) noexcept {
    if (g.running == kNoThread) {
        std::fputs("the main thread would wait for ever\n", stderr);
        std::abort();
    }
    g.threads[g.running]->waiting = address;
    SwitchAway();
}

void Wake(const void* address) noexcept {
    size_t options[8];
    size_t count = 0;
    for (size_t i = 0; i < g.threads.size(); ++i) {
        if (!g.threads[i]->ended && g.threads[i]->waiting == address) options[count++] = i;
    }
    if (count != 0) g.threads[options[Choose(count)]]->waiting = nullptr;
}

}  // namespace strata::interleave

namespace strata::os {
uintptr_t ThreadToken() noexcept { return interleave::g.running + 2; }
}  // namespace strata::os
