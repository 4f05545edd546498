// A pool of eight workers, of which one works at a time: it allocates, hands half of its blocks to
// the main thread, and goes idle holding the rest. The main thread frees what it was given while
// the owner sleeps. What an allocator keeps for threads that do nothing is lost to those that do.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "containers.h"
#include "draw.h"
#include "workload.h"

namespace bench {

namespace {

constexpr size_t kWorkers = 8;
constexpr size_t kBlocks = 6'000;

class Worker {
public:
    explicit Worker(uint64_t seed) : random_(seed), thread_([this] { Run(); }) {}

    // One job; returns when it is done and the worker sleeps again.
    void Work(size_t least, size_t most) {
        std::unique_lock lock(mutex_);
        least_ = least;
        most_ = most;
        state_ = State::kBusy;
        changed_.notify_all();
        changed_.wait(lock, [this] { return state_ == State::kIdle; });
    }
    void Stop() {
        {
            const std::lock_guard lock(mutex_);
            state_ = State::kStop;
        }
        changed_.notify_all();
        thread_.join();
    }

    Vector<uint64_t*> handed_over;
    uint64_t checksum = 0;

private:
    enum class State { kIdle, kBusy, kStop };

    void Run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return state_ != State::kIdle; });
            if (state_ == State::kStop) break;
            Job();
            state_ = State::kIdle;
            changed_.notify_all();
        }
        for (uint64_t* block : kept_) Free(block);
        kept_.clear();
    }

    void Job() {
        for (uint64_t* block : kept_) {
            checksum += *block;
            Free(block);
        }
        kept_.clear();
        for (size_t i = 0; i < kBlocks; ++i) {
            const size_t size = random_.LogBetween(least_, most_);
            auto* block = static_cast<uint64_t*>(MallocOrEnd(size));
            *block = size + i;
            (i % 2 == 0 ? kept_ : handed_over).push_back(block);
        }
    }

    Random random_;
    Vector<uint64_t*> kept_;
    std::mutex mutex_;
    std::condition_variable changed_;
    State state_ = State::kIdle;
    size_t least_ = 0;
    size_t most_ = 0;
    std::thread thread_;  // the last: everything it uses stands before it starts
};

}  // namespace

uint64_t RunPool(const Task& task) {
    Vector<Worker*> workers;
    for (size_t i = 0; i < kWorkers; ++i) {
        workers.push_back(new (MallocOrEnd(sizeof(Worker))) Worker(task.seed + i));
    }
    uint64_t checksum = 0;
    const size_t jobs = task.Scaled(1'500);
    for (size_t job = 0; job < jobs; ++job) {
        Worker* worker = workers[job % kWorkers];
        // Each round of the pool likes other sizes: what the sleepers hold does not fit the next
        // one.
        const size_t least = size_t{16} << (job / (2 * kWorkers) % 4);
        worker->Work(least, least * 16);
        for (uint64_t* block : worker->handed_over) {
            checksum += *block;
            Free(block);
        }
        worker->handed_over.clear();
        if (job % 32 == 31) MarkPeak();
    }
    for (Worker* worker : workers) {
        worker->Stop();
        checksum += worker->checksum;
        Delete(worker);
    }
    return checksum;
}

}  // namespace bench
