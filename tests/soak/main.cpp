// A long run with everything at once, and a curve of what it takes: producers and consumers, sizes
// that drift, heaps and threads that come and go. Fails when the commit charge goes above
//   kTimesLive x the most live bytes of the last kDecaySeconds + kConstantCommit,
// when reservations grow without bound, when a block is damaged, or when not all comes back at the
// end.
//
//   strata_soak [--minutes N | --seconds N]      10 minutes by default
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "soak.h"

#include <strata/strata.h>

namespace {

using namespace strata::soak;
using Clock = std::chrono::steady_clock;

constexpr double kTimesLive = 2.0;
constexpr size_t kMiB = size_t{1} << 20;
// Free pages decay in half a second, magazines' surplus in another; on a busy machine later.
constexpr double kDecaySeconds = 4;
// Magazines and depots of eight threads, the run cache, warm slices, records. A magazine holds up
// to 256 KiB of blocks.
constexpr size_t kConstantCommit = 160 * kMiB;
// What is reserved beyond the start: arenas for twice the largest live size, and some.
constexpr size_t kConstantReserved = 1024 * kMiB;
constexpr int kRows = 30;

strata_statistics Statistics() {
    strata_statistics statistics = {};
    statistics.struct_size = sizeof statistics;
    strata_get_statistics(&statistics);
    return statistics;
}

struct Peaks {
    size_t live = 0;
    size_t committed = 0;
    size_t reserved = 0;
    double worst = 0;                              // of committed / allowed
    std::deque<std::pair<double, size_t>> recent;  // seconds, live bytes
};

// One row of the curve. `print`: or only looked at.
bool Look(const Shared& shared, const strata_statistics& start, double seconds, bool print,
          Peaks& peaks) {
    const strata_statistics now = Statistics();
    peaks.live = std::max(peaks.live, now.live_bytes);
    peaks.committed = std::max(peaks.committed, now.committed);
    peaks.reserved = std::max(peaks.reserved, now.reserved);
    // What was live a moment ago may still be committed: it decays.
    peaks.recent.emplace_back(seconds, now.live_bytes);
    while (peaks.recent.front().first < seconds - kDecaySeconds) peaks.recent.pop_front();
    size_t live = 0;
    for (const auto& [when, bytes] : peaks.recent) live = std::max(live, bytes);
    const size_t allowed =
        static_cast<size_t>(kTimesLive * static_cast<double>(live)) + kConstantCommit;
    const size_t allowed_reserved = start.reserved + 4 * peaks.live + kConstantReserved;
    peaks.worst =
        std::max(peaks.worst, static_cast<double>(now.committed) / static_cast<double>(allowed));
    if (print) {
        std::printf("%8.1f %10.1f %10.1f %10.1f %10.1f %8zu %9llu %9llu %9.1f\n", seconds,
                    static_cast<double>(now.live_bytes) / kMiB,
                    static_cast<double>(now.committed) / kMiB, static_cast<double>(allowed) / kMiB,
                    static_cast<double>(now.reserved - start.reserved) / kMiB, now.heaps,
                    static_cast<unsigned long long>(shared.heaps_made),
                    static_cast<unsigned long long>(shared.threads_made),
                    static_cast<double>(shared.operations) / 1e6);
        std::fflush(stdout);
    }
    const bool good =
        now.committed <= allowed && now.reserved <= allowed_reserved && !shared.broken;
    if (!good) {
        std::printf("FAILED: committed %zu of %zu allowed, reserved %zu of %zu allowed%s\n",
                    now.committed, allowed, now.reserved, allowed_reserved,
                    shared.broken ? ", a block was damaged" : "");
    }
    return good;
}

double ParseSeconds(int count, char** arguments) {
    if (count == 1) return 600;
    char* end = nullptr;
    const double number = count == 3 ? std::strtod(arguments[2], &end) : 0;
    const bool minutes = count == 3 && std::strcmp(arguments[1], "--minutes") == 0;
    const bool seconds = count == 3 && std::strcmp(arguments[1], "--seconds") == 0;
    if ((minutes || seconds) && *end == 0 && number > 0) return minutes ? 60 * number : number;
    std::fputs("usage: strata_soak [--minutes N | --seconds N]\n", stderr);
    return 0;
}

bool Run(Shared& shared, const strata_statistics& start, double seconds, Peaks& peaks) {
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 2; ++i) {
        threads.emplace_back(Produce, std::ref(shared), i + 1);
        threads.emplace_back(Consume, std::ref(shared));
        threads.emplace_back(Drift, std::ref(shared), i + 11);
    }
    threads.emplace_back(MakeHeaps, std::ref(shared), 21);
    threads.emplace_back(MakeThreads, std::ref(shared), 31);
    const Clock::time_point began = Clock::now();
    const auto elapsed = [&] {
        return std::chrono::duration<double>(Clock::now() - began).count();
    };
    const double interval = std::max(seconds / kRows, 0.05);
    double next_row = interval;
    bool good = true;
    while (good && elapsed() < seconds) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        const double now = elapsed();
        shared.phase = std::min(now / seconds, 1.0);
        good = Look(shared, start, now, now >= next_row, peaks);
        while (next_row <= now) next_row += interval;
    }
    {
        const std::lock_guard guard(shared.mutex);
        shared.stop = true;
    }
    shared.changed.notify_all();
    for (std::thread& thread : threads) thread.join();
    // What the consumers did not get to before they were told to stop.
    for (std::vector<void*>& batch : shared.batches) {
        for (void* block : batch) strata_free(block);
    }
    return good && !shared.broken;
}

}  // namespace

int main(int count, char** arguments) {
    const double seconds = ParseSeconds(count, arguments);
    if (seconds <= 0) return 2;
    strata_free(strata_malloc(100));
    strata_purge();
    const strata_statistics start = Statistics();
    std::printf("%8s %10s %10s %10s %10s %8s %9s %9s %9s\n", "seconds", "live MiB", "commit",
                "allowed", "reserved+", "heaps", "heaps all", "threads", "million");
    static Shared shared;
    Peaks peaks;
    bool good = Run(shared, start, seconds, peaks);
    strata_purge();
    const strata_statistics end = Statistics();
    std::printf(
        "peaks: live %.1f MiB, commit %.1f MiB, reserved %.1f MiB more than at the start; commit "
        "came to %.0f %% of what was allowed\n",
        static_cast<double>(peaks.live) / kMiB, static_cast<double>(peaks.committed) / kMiB,
        static_cast<double>(peaks.reserved - start.reserved) / kMiB, 100 * peaks.worst);
    std::printf("end: %zu blocks live, commit %.1f MiB (at the start %.1f MiB), heap %s\n",
                end.live_blocks, static_cast<double>(end.committed) / kMiB,
                static_cast<double>(start.committed) / kMiB,
                strata_heap_validate(strata_heap_process()) == 1 ? "consistent" : "NOT CONSISTENT");
    good = good && end.live_blocks == start.live_blocks && end.heaps == start.heaps &&
           end.committed <= start.committed + 8 * kMiB &&
           strata_heap_validate(strata_heap_process()) == 1;
    std::puts(good ? "soak: ok" : "soak: FAILED");
    return good ? 0 : 1;
}
