#include "operations.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "arena/process_arenas.h"
#include "cache/thread_cache.h"
#include "heap/statistics.h"
#include "heap/walk.h"
#include "slab/large_run.h"

namespace strata::fuzz {

namespace {

// A thread that does one thing at a time, while its creator waits.
class Worker {
public:
    Worker() : thread_([this] { Loop(); }) {}
    ~Worker() {
        Do(nullptr);
        thread_.join();
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void Do(const std::function<void()>* body) {
        std::unique_lock guard(mutex_);
        body_ = body;
        busy_ = true;
        changed_.notify_all();
        changed_.wait(guard, [&] { return !busy_; });
    }

private:
    void Loop() {
        std::unique_lock guard(mutex_);
        for (;;) {
            changed_.wait(guard, [&] { return busy_; });
            const bool end = body_ == nullptr;
            if (!end) (*body_)();
            busy_ = false;
            changed_.notify_all();
            if (end) return;
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    const std::function<void()>* body_ = nullptr;
    bool busy_ = false;
    std::thread thread_;
};

constexpr size_t kMostHeaps = 6;
constexpr size_t kWorkers = 2;

// Made at the first run, and never ended: a thread costs more than a run.
std::vector<std::unique_ptr<Worker>>& Workers() {
    static auto* const workers = [] {
        auto* made = new std::vector<std::unique_ptr<Worker>>;
        for (size_t i = 0; i < kWorkers; ++i) made->push_back(std::make_unique<Worker>());
        return made;
    }();
    return *workers;
}

test::FaultInjector& Faults() {
    static auto* const faults = new test::FaultInjector(arena::g_memory);
    return *faults;
}

}  // namespace

Machine::Machine(Input input) : input_(input), faults_(Faults()) {
    heaps_.push_back({heap::ProcessHeap(), false, false});
}

Machine::~Machine() = default;

void Machine::Run() {
    while (!input_.AtEnd()) Step();
    Finish();
}

void Machine::Step() { Dispatch(input_.Byte()); }

void Machine::Dispatch(uint8_t what) {
    switch (what % 32) {
        default:
            return Allocate();
        case 11:
        case 12:
        case 13:
        case 14:
        case 15:
        case 16:
            return FreeOne();
        case 17:
        case 18:
        case 19:
            return ResizeOne();
        case 20:
            return CreateHeap();
        case 21:
            if (heaps_.size() > 1 && !locked_) DestroyHeap(1 + input_.Below(heaps_.size() - 1));
            return;
        case 22:
            return Walk();
        case 23:
            return Validate();
        case 24:
            return what < 128 ? InjectFaults() : StopFaults();
        case 25: {
            const size_t thread = input_.Below(kWorkers + 1);
            const size_t steps = 1 + input_.Below(16);
            return OnThread(thread, [&] {
                for (size_t i = 0; i < steps && !input_.AtEnd(); ++i) Step();
            });
        }
        case 26:
            if (!locked_) strata_purge();
            return;
        case 27:
            return Locked();
        case 28:
            return UserValue();
        case 29:
            return Probe();
        case 30:
            return Mistake();
        case 31:
            if (!live_.empty()) Check(live_[input_.Below(live_.size())]);
            return;
    }
}

// Threads do not nest: inside one, it is the thread itself. The thread behind the last worker is a
// new one, which ends with its step.
void Machine::OnThread(size_t thread, const std::function<void()>& body) {
    if (locked_ || on_thread_) return body();
    on_thread_ = true;
    if (thread < kWorkers) {
        Workers()[thread]->Do(&body);
    } else {
        std::thread(body).join();
    }
    on_thread_ = false;
}

void Machine::CreateHeap() {
    if (heaps_.size() >= kMostHeaps) return;
    const uint8_t kind = input_.Byte();
    heap::HeapRequest request;
    if (kind % 4 == 1) {
        request.maximum = RoundUp(size_t{input_.Word()} * 16 + 4096, kPageSize);
        request.initial = std::min(request.maximum, RoundUp(input_.Word(), kPageSize));
    } else if (kind % 4 == 2) {
        request.initial = input_.Word();
    }
    request.check_tail = (kind & 0x30) == 0x10;
    request.check_free = (kind & 0xC0) == 0x40;
    request.executable = (kind & 0x0C) == 0x0C;
    heap::Heap* const heap = heap::CreateHeap(request);
    if (heap == nullptr) {
        FUZZ_CHECK(faulty_);
        return;
    }
    std::erase(dead_heaps_, static_cast<void*>(heap));
    FUZZ_CHECK(heap::FromHandle(heap) == heap);
    heaps_.push_back({heap, request.maximum != 0, request.check_tail});
}

void Machine::DestroyHeap(size_t index) {
    for (size_t i = live_.size(); i-- > 0;) {
        if (live_[i].heap == index) {
            Check(live_[i]);
            Forget(i);
        }
    }
    heap::Heap* const heap = heaps_[index].heap;
    heap::DestroyHeap(heap);
    FUZZ_CHECK(heap::FromHandle(heap) == nullptr);
    dead_heaps_.push_back(heap);
    // The last one takes its place.
    const size_t last = heaps_.size() - 1;
    for (Live& block : live_) {
        if (block.heap == last) block.heap = index;
    }
    heaps_[index] = heaps_[last];
    heaps_.pop_back();
}

// A walk meets exactly the live blocks, with their sizes, each once.
void Machine::Walk() {
    const size_t index = AnyHeap();
    std::map<void*, size_t> expected;
    for (const Live& block : live_) {
        if (block.heap == index) expected[block.address] = block.requested;
    }
    heap::WalkEntry entry;
    while (heap::WalkStep(*heaps_[index].heap, entry)) {
        if (entry.kind != heap::WalkEntry::Kind::kBusy) continue;
        const auto found = expected.find(entry.address);
        FUZZ_CHECK(found != expected.end());
        FUZZ_CHECK(found->second == entry.bytes);
        expected.erase(found);
    }
    FUZZ_CHECK(expected.empty());
}

void Machine::Validate() {
    for (const HeapState& each : heaps_) FUZZ_CHECK(heap::IsConsistent(*each.heap));
    for (const Live& block : live_) {
        FUZZ_CHECK(heap::IsIntactBlock(*heaps_[block.heap].heap, block.address));
    }
}

// Some operations by the thread that has a whole heap locked.
void Machine::Locked() {
    if (locked_) return;
    heap::Heap& heap = *heaps_[AnyHeap()].heap;
    heap::LockHeap(heap);
    locked_ = true;
    for (size_t i = input_.Below(8); i > 0 && !input_.AtEnd(); --i) Step();
    locked_ = false;
    FUZZ_CHECK(heap::UnlockHeap(heap));
    FUZZ_CHECK(!heap::UnlockHeap(heap));
}

// What is said about an address in or near a block, or about any value whatever.
void Machine::Probe() {
    uintptr_t address = uintptr_t{input_.Word()} << input_.Below(48);
    if (!live_.empty() && input_.Bit()) {
        const Live& block = live_[input_.Below(live_.size())];
        address = AddressOf(block.address) + input_.Word() % (block.usable + 64) - 32;
    } else if (!freed_.empty() && input_.Bit()) {
        address = AddressOf(freed_[input_.Below(freed_.size())]);
    }
    void* const pointer = reinterpret_cast<void*>(address);
    const auto found = std::find_if(live_.begin(), live_.end(),
                                    [&](const Live& each) { return each.address == pointer; });
    const bool live = found != live_.end();
    FUZZ_CHECK((strata_owns(pointer) != 0) == live);
    heap::Heap* const heap = live ? heaps_[found->heap].heap : nullptr;
    FUZZ_CHECK(heap::HeapOfLiveBlock(pointer) == heap);
    for (const HeapState& each : heaps_) {
        size_t requested = 0;
        FUZZ_CHECK(heap::IsLiveBlock(*each.heap, pointer, &requested) == (each.heap == heap));
        FUZZ_CHECK(each.heap != heap || requested == found->requested);
    }
    const heap::BlockInfo info = heap::Describe(pointer);
    FUZZ_CHECK((info.status == heap::BlockStatus::kLive) == live);
    // Addresses of heaps that come and go must be judged, too.
    static_cast<void>(heap::FromHandle(pointer));
}

void Machine::InjectFaults() {
    const uint8_t how = input_.Byte();
    const test::CallSet calls = 1 + how % 31;
    const size_t first = 1 + input_.Below(8);
    if (how < 96) {
        faults_.FailFrom(calls, first);
    } else {
        faults_.FailSome(calls, first, 1 + how % 3);
    }
    faulty_ = true;
}

void Machine::StopFaults() {
    faults_.StopFailing();
    faulty_ = false;
}

void Machine::Finish() {
    StopFaults();
    Validate();
    while (!live_.empty()) {
        const Live block = live_.back();
        Check(block);
        Forget(live_.size() - 1);
        heap::Free(heaps_[block.heap].heap, block.address);
    }
    while (heaps_.size() > 1) DestroyHeap(heaps_.size() - 1);
    FUZZ_CHECK(heap::IsConsistent(*heap::ProcessHeap()));
    for (auto& worker : Workers()) {
        const std::function<void()> purge = [] { strata_purge(); };
        worker->Do(&purge);
    }
    strata_purge();
    heap::Statistics statistics;
    heap::Collect(statistics);
    FUZZ_CHECK(statistics.live_blocks == 0);
    FUZZ_CHECK(arena::g_arenas.slice_committed() == 0);
    FUZZ_CHECK(slab::DirectCommitted() == 0);
}

}  // namespace strata::fuzz
