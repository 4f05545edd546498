#include "replay/run.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "adapter.h"
#include "commit_sampler.h"
#include "process_memory.h"

namespace strata::replay {

namespace {

constexpr size_t kLine = 64;
constexpr size_t kPage = 4096;
constexpr uint32_t kCheckEvery = 64;  // calls between two looks at the others

// What programs may rely on for the size of a block.
constexpr bool kExactSizes = std::string_view(bench::kAllocator) == "strata" ||
                             std::string_view(bench::kAllocator) == "direct" ||
                             std::string_view(bench::kAllocator) == "default" ||
                             std::string_view(bench::kAllocator) == "requested";

struct Block {
    char* at;
    uint64_t size;
};

struct alignas(64) Progress {
    // The operation that the thread does now; those before it, of this thread, are done. At first,
    // its first; at last, kNoOperation.
    std::atomic<uint32_t> at;
};

class Run {
public:
    Run(const Plan& plan, const RunOptions& options)
        : plan_(plan),
          options_(options),
          step_(options.touch == Touch::kPage ? kPage : kLine),
          blocks_(plan.blocks.size() + 1),
          progress_(plan.threads.size() + 1),
          running_(plan.threads.size()) {
        blocks_.Resize(plan.blocks.size() + 1);
        progress_.Resize(plan.threads.size() + 1);
        std::memset(static_cast<void*>(blocks_.data()), 0, blocks_.size() * sizeof(Block));
    }

    void Once();
    void FreeTheRest();

    uint64_t checksum() const { return checksum_.load(); }
    uint64_t faults() const { return faults_.load(); }
    const std::string& first_fault() const { return first_fault_; }

private:
    void Thread(uint32_t index);
    void StartDue(uint32_t operation);
    uint32_t Slowest() const;
    void WaitForOthers(uint32_t operation);
    void WaitFor(uint32_t operation);
    void Perform(const Operation& operation, uint64_t& sum);
    void Allocate(Block& block, const Operation& operation);
    void Resize(Block& block, const Operation& operation);
    void TouchFrom(const Block& block, uint64_t from, char value) const;
    void Verify(const Block& block, uint64_t size, char value, bool zero_behind, uint64_t old_size);
    void Fault(const char* what, const Operation& operation);

    static char ValueOf(uint32_t slot) { return static_cast<char>(slot ^ 0x5A); }

    const Plan& plan_;
    const RunOptions options_;
    const size_t step_;
    PageArray<Block> blocks_;
    PageArray<Progress> progress_;
    std::vector<std::thread> running_;
    std::mutex start_lock_;
    std::atomic<uint32_t> started_{0};
    std::atomic<bool> failed_{false};
    std::atomic<uint64_t> checksum_{0};
    std::atomic<uint64_t> faults_{0};
    std::mutex fault_lock_;
    std::string first_fault_;
};

void Pause(uint32_t spins) {
    if (spins % 64 == 63) {
        std::this_thread::yield();
    } else {
        __builtin_ia32_pause();
    }
}

// ---- threads: who may do what when --------------------------------------------------------------

void Run::Once() {
    const auto count = static_cast<uint32_t>(plan_.threads.size());
    for (uint32_t i = 0; i < count; ++i) {
        progress_[i].at.store(plan_.threads[i].first, std::memory_order_relaxed);
    }
    started_ = 0;
    StartDue(0);
    // The threads start each other, and the last one is started before the others end.
    for (uint32_t i = 0; i < count; ++i) {
        while (started_.load(std::memory_order_acquire) <= i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        running_[i].join();
    }
    if (failed_) throw std::runtime_error("the allocator has no memory");
}

// Starts the threads whose first operation is not behind `operation`: as late as can be, since a
// program's threads seldom all live at once. They are in the order of their first operations.
void Run::StartDue(uint32_t operation) {
    const auto count = static_cast<uint32_t>(plan_.threads.size());
    const auto is_due = [&](uint32_t index) {
        return index < count && plan_.threads[index].first <= operation;
    };
    if (!is_due(started_.load(std::memory_order_acquire))) return;
    const std::lock_guard guard(start_lock_);
    for (uint32_t next = started_.load(std::memory_order_relaxed); is_due(next); ++next) {
        running_[next] = std::thread([this, next] { Thread(next); });
        started_.store(next + 1, std::memory_order_release);
    }
}

uint32_t Run::Slowest() const {
    uint32_t slowest = kNoOperation;
    const uint32_t count = started_.load(std::memory_order_acquire);
    for (uint32_t i = 0; i < count; ++i) {
        slowest = std::min(slowest, progress_[i].at.load(std::memory_order_acquire));
    }
    return slowest;
}

// Threads that do not meet in any block are kept together as well: otherwise one would have
// allocated everything before another began, and peaks of memory would come that the program never
// had. Whoever is the slowest never waits.
void Run::WaitForOthers(uint32_t operation) {
    StartDue(operation);
    for (uint32_t spins = 0; operation - std::min(Slowest(), operation) > options_.window;
         ++spins) {
        Pause(spins);
    }
}

// Until another thread has done `operation`, which comes earlier in the trace.
void Run::WaitFor(uint32_t operation) {
    const Progress& other = progress_[plan_.operations[operation].thread];
    if (other.at.load(std::memory_order_acquire) > operation) return;
    StartDue(operation);
    for (uint32_t spins = 0; other.at.load(std::memory_order_acquire) <= operation; ++spins) {
        Pause(spins);
    }
}

void Run::Thread(uint32_t index) {
    std::atomic<uint32_t>& at = progress_[index].at;
    uint64_t sum = 0;
    uint32_t since_check = kCheckEvery;
    for (uint32_t i = plan_.threads[index].first; i != kNoOperation; i = plan_.operations[i].next) {
        at.store(i, std::memory_order_release);
        const Operation& operation = plan_.operations[i];
        if (operation.after != kNoOperation) WaitFor(operation.after);
        if (++since_check >= kCheckEvery) {
            since_check = 0;
            WaitForOthers(i);
        }
        Perform(operation, sum);
    }
    at.store(kNoOperation, std::memory_order_release);
    checksum_ += sum;
    // Nobody may be left who would start the next one.
    const uint32_t next = started_.load(std::memory_order_acquire);
    if (next < plan_.threads.size() && Slowest() >= plan_.threads[next].first) {
        StartDue(plan_.threads[next].first);
    }
}

// ---- calls --------------------------------------------------------------------------------------

void Run::Fault(const char* what, const Operation& operation) {
    if (faults_.fetch_add(1) != 0) return;
    const std::lock_guard guard(fault_lock_);
    first_fault_ = std::string(what) + ", call " +
                   std::to_string(&operation - &plan_.operations[0]) + ", " +
                   std::to_string(operation.size) + " bytes";
}

void Run::TouchFrom(const Block& block, uint64_t from, char value) const {
    if (options_.touch == Touch::kNone || block.size == 0) return;
    const uint64_t end = options_.touch == Touch::kFirst ? 1 : block.size;
    for (uint64_t at = (from + step_ - 1) / step_ * step_; at < end; at += step_)
        block.at[at] = value;
}

void Run::Allocate(Block& block, const Operation& operation) {
    const auto size = static_cast<size_t>(operation.size);
    const bool zeroed = operation.what == Do::kAllocateZeroed;
    void* const at = zeroed ? bench::Calloc(size) : bench::Malloc(size);
    if (at == nullptr) {
        failed_ = true;
        block = {nullptr, 0};
        return;
    }
    block = {static_cast<char*>(at), size};
    if (options_.verify) {
        if (zeroed && std::any_of(block.at, block.at + size, [](char c) { return c != 0; })) {
            Fault("a zeroed block is not zero", operation);
        }
        const size_t answered = bench::BlockSize(at);
        if (answered < size || (kExactSizes && answered != size)) Fault("a wrong size", operation);
        if (reinterpret_cast<uintptr_t>(at) % 16 != 0) Fault("a block is not aligned", operation);
    }
    TouchFrom(block, 0, ValueOf(operation.slot));
}

void Run::Resize(Block& block, const Operation& operation) {
    if (block.at == nullptr) return;
    const auto size = static_cast<size_t>(operation.size);
    // A size of 0 is a block to HeapReAlloc, and a free to realloc.
    void* const at = bench::Realloc(block.at, std::max<size_t>(size, 1));
    if (at == nullptr) {
        failed_ = true;
        return;
    }
    const uint64_t old_size = block.size;
    block = {static_cast<char*>(at), size};
    if (operation.what == Do::kResizeZeroed && size > old_size) {
        std::memset(block.at + old_size, 0, size - static_cast<size_t>(old_size));
    }
    if (options_.verify) {
        const uint64_t kept =
            options_.touch == Touch::kNone ? 0 : std::min<uint64_t>(old_size, size);
        const uint64_t end = options_.touch == Touch::kFirst ? std::min<uint64_t>(kept, 1) : kept;
        for (uint64_t i = 0; i < end; i += step_) {
            if (block.at[i] != ValueOf(operation.slot)) {
                Fault("a resized block lost what was in it", operation);
                break;
            }
        }
        const size_t answered = bench::BlockSize(at);
        if (answered < size || (kExactSizes && answered != std::max<size_t>(size, 1))) {
            Fault("a wrong size after resizing", operation);
        }
    }
    TouchFrom(block, old_size, ValueOf(operation.slot));
}

void Run::Perform(const Operation& operation, uint64_t& sum) {
    Block& block = blocks_[operation.slot];
    switch (operation.what) {
        case Do::kAllocate:
        case Do::kAllocateZeroed:
            return Allocate(block, operation);
        case Do::kResize:
        case Do::kResizeZeroed:
            return Resize(block, operation);
        case Do::kQuerySize:
            if (block.at != nullptr && bench::BlockSize(block.at) < block.size) {
                Fault("a block is smaller than it was asked for", operation);
            }
            return;
        case Do::kFree:
            if (block.at == nullptr) return;
            if (options_.touch != Touch::kNone && block.size != 0) {
                sum += static_cast<uint8_t>(block.at[0]) + block.size;
                if (options_.verify && block.at[0] != ValueOf(operation.slot)) {
                    Fault("a block was overwritten", operation);
                }
            }
            bench::Free(block.at);
            block.at = nullptr;
            return;
    }
}

void Run::FreeTheRest() {
    for (size_t i = 0; i < blocks_.size(); ++i) {
        if (blocks_[i].at != nullptr) bench::Free(blocks_[i].at);
        blocks_[i].at = nullptr;
    }
}

}  // namespace

const char* AllocatorName() { return bench::kAllocator; }
std::string AllocatorVersion() { return bench::Version(); }

RunResult RunPlan(const Plan& plan, const RunOptions& options) {
    Run run(plan, options);
    RunResult result;
    result.working_set_at_start = bench::WorkingSet();
    bench::CommitSampler sampler;
    if (options.memory) {
        result.commit_at_start = bench::PrivateCommit();
        sampler.Start();
    }
    for (uint32_t i = 0; i < options.repeat; ++i) {
        const auto start = std::chrono::steady_clock::now();
        run.Once();
        result.seconds +=
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        result.operations += plan.operations.size();
        sampler.Mark();
        if (i + 1 < options.repeat) run.FreeTheRest();
    }
    result.peak_commit = sampler.Stop();
    result.checksum = run.checksum();
    result.peak_working_set = bench::PeakWorkingSet();
    result.own_peak_commit = bench::OwnPeakCommit();
    result.peak_requested = bench::PeakRequested();
    result.faults = run.faults();
    result.first_fault = run.first_fault();
    return result;
}

}  // namespace strata::replay
