// A burst of work and then nothing: a few hundred megabytes are allocated, all but a twentieth is
// freed, and the process idles with one small call every 100 ms. What matters is not time but how
// much memory it holds while it idles.
#include <chrono>
#include <thread>

#include "containers.h"
#include "draw.h"
#include "process_memory.h"
#include "workload.h"

namespace bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMoments = 128;

struct Moment {
    size_t milliseconds;
    size_t commit;
    size_t working_set;
};

class Timeline {
public:
    void Note() {
        if (count_ == kMoments) return;
        const auto since = Clock::now() - start_;
        moments_[count_++] = {
            static_cast<size_t>(
                std::chrono::duration_cast<std::chrono::milliseconds>(since).count()),
            PrivateCommit(), WorkingSet()};
    }
    void Print() const {
        Report("\"timeline\": [");
        for (size_t i = 0; i < count_; ++i) {
            Report("%s[%zu, %zu, %zu]", i == 0 ? "" : ", ", moments_[i].milliseconds,
                   moments_[i].commit, moments_[i].working_set);
        }
        Report("]");
    }
    const Moment& last() const { return moments_[count_ - 1]; }

private:
    const Clock::time_point start_ = Clock::now();
    Moment moments_[kMoments];
    size_t count_ = 0;
};

}  // namespace

uint64_t RunSpike(const Task& task) {
    static Timeline timeline;
    Random random(task.seed);
    const size_t spike = task.Scaled(size_t{240} << 20);
    struct Block {
        char* bytes;
        size_t size;
    };
    Vector<Block> blocks;
    size_t live = 0;
    timeline.Note();
    for (size_t next_note = spike / 8; live < spike;) {
        const size_t size = random.LogBetween(32, random.Below(50) == 0 ? 512 * 1024 : 4'096);
        auto* bytes = static_cast<char*>(MallocOrEnd(size));
        for (size_t at = 0; at < size; at += 4'096) bytes[at] = 1;
        bytes[size - 1] = 1;
        blocks.push_back({bytes, size});
        live += size;
        if (live >= next_note) {
            timeline.Note();
            next_note += spike / 8;
        }
    }
    MarkPeak();
    // What stays is the newest part, as after a batch of work. (Survivors here and there would keep
    // a page each, in any allocator that cannot move them.)
    Vector<Block> kept;
    const size_t newest = blocks.size() - blocks.size() / 25;
    for (size_t i = 0; i < blocks.size(); ++i) {
        if (i >= newest) {
            kept.push_back(blocks[i]);
        } else {
            live -= blocks[i].size;
            Free(blocks[i].bytes);
        }
    }
    Vector<Block>().swap(blocks);
    live += kept.capacity() * sizeof(Block);
    timeline.Note();
    const auto idle_since = Clock::now();
    for (size_t tick = 1; tick <= 30; ++tick) {
        std::this_thread::sleep_until(idle_since + tick * std::chrono::milliseconds(100));
        Free(MallocOrEnd(64));
        timeline.Note();
        if (tick == 20) {
            Report("\"live\": %zu, \"commit_after_2s\": %zu, \"working_set_after_2s\": %zu, ", live,
                   timeline.last().commit, timeline.last().working_set);
        }
    }
    timeline.Print();
    uint64_t checksum = kept.size();
    for (const Block& block : kept) {
        checksum = Mix(checksum, block.size);
        Free(block.bytes);
    }
    return checksum;
}

}  // namespace bench
