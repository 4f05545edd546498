// Runs one workload and prints one line of JSON:
//
//   strata_workloads_<allocator> <workload> [--percent N] [--threads N] [--memory] [--latency] [--wait]
//   strata_workloads_<allocator> --list
//
// --memory samples the commit charge every few milliseconds, which takes time: such a run is not
// for comparing times. --wait keeps the process until its input ends, so that others can look at
// it.
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

#include "adapter.h"
#include "commit_sampler.h"
#include "process_memory.h"
#include "workload.h"

namespace bench {

const Workload kWorkloads[] = {
    {"tokens", RunTokens, false, false, false},
    {"json", RunJson, false, false, false},
    {"lru", RunLru, false, false, false},
    {"orders", RunOrders, false, false, false},
    {"memtable", RunMemtable, false, false, false},
    {"server", RunServer, true, false, false},
    {"pipeline", RunPipeline, true, false, false},
    {"frames", RunFrames, false, false, false},
    {"tiles", RunTiles, false, false, false},
    {"pool", RunPool, true, false, false},
    {"documents", RunDocuments, false, true, false},
    {"spike", RunSpike, true, false, true},
    {"heap_memory", RunHeapMemory, true, true, true},
};
const size_t kWorkloadCount = sizeof(kWorkloads) / sizeof(kWorkloads[0]);

namespace {

struct Options {
    Task task;
    size_t threads = 1;
    bool memory = false;
    bool wait = false;
};

char report[16 * 1024];
size_t report_length = 0;

CommitSampler sampler;

uint64_t RunAll(const Workload& workload, const Options& options) {
    if (workload.own_threads || options.threads == 1) return workload.run(options.task);
    constexpr size_t kMostThreads = 8;
    uint64_t checksums[kMostThreads] = {};
    std::thread threads[kMostThreads];
    for (size_t i = 0; i < options.threads && i < kMostThreads; ++i) {
        threads[i] = std::thread([&workload, &options, &checksum = checksums[i], i] {
            Task task = options.task;
            task.seed += i;
            checksum = workload.run(task);
        });
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < kMostThreads; ++i) {
        if (threads[i].joinable()) threads[i].join();
        sum += checksums[i];
    }
    return sum;
}

// What the first malloc of a process adds to its commit charge.
size_t FirstMalloc() {
    const size_t before = PrivateCommit();
    void* block = Malloc(16);
    if (block == nullptr) std::abort();
    *static_cast<volatile char*>(block) = 1;
    const size_t after = PrivateCommit();
    Free(block);
    return after > before ? after - before : 0;
}

void Print(const Workload& workload, const Options& options, double seconds, uint64_t checksum,
           size_t commit_at_start, size_t peak_commit, size_t working_set_at_start,
           size_t first_malloc) {
    std::printf(
        "{\"workload\": \"%s\", \"threads\": %zu, \"percent\": %zu, \"allocator\": \"%s\", "
        "\"version\": \"%s\", \"compiler\": \"%s\", \"flags\": \"%s\", \"seconds\": %.6f, "
        "\"checksum\": \"%016llx\", \"peak_working_set\": %zu, \"working_set_at_start\": %zu, "
        "\"commit_at_start\": %zu, \"peak_commit\": %zu, \"own_peak_commit\": %zu, "
        "\"peak_requested\": %zu, \"first_malloc\": %zu%s%s}\n",
        workload.name, options.threads, options.task.percent, kAllocator, Version().c_str(),
        STRATA_BENCH_COMPILER, STRATA_BENCH_FLAGS, seconds,
        static_cast<unsigned long long>(checksum), PeakWorkingSet(), working_set_at_start,
        commit_at_start, peak_commit, OwnPeakCommit(), PeakRequested(), first_malloc,
        report_length != 0 ? ", " : "", report);
    std::fflush(stdout);
}

int Run(const Workload& workload, const Options& options) {
    if (workload.needs_heaps && !kHasHeaps) {
        std::fprintf(stderr, "%s has no heaps\n", kAllocator);
        return 3;
    }
    const size_t working_set_at_start = WorkingSet();
    const size_t commit_at_start = options.memory ? PrivateCommit() : 0;
    const size_t first_malloc = options.memory ? FirstMalloc() : 0;
    if (options.memory && !workload.is_probe) sampler.Start();
    const auto start = std::chrono::steady_clock::now();
    const uint64_t checksum = RunAll(workload, options);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    Print(workload, options, took.count(), checksum, commit_at_start, sampler.Stop(),
          working_set_at_start, first_malloc);
    if (options.wait) {
        while (std::getchar() != EOF) {
        }
    }
    return 0;
}

int Usage() {
    std::fprintf(stderr,
                 "usage: <workload> [--percent N] [--threads N] [--memory] [--latency] [--wait]\n"
                 "       --list\n");
    return 2;
}

int List() {
    for (const Workload& workload : kWorkloads) {
        std::printf("%s%s%s\n", workload.name, workload.own_threads ? " own_threads" : "",
                    workload.is_probe ? " probe" : "");
    }
    return 0;
}

}  // namespace

void MarkPeak() { sampler.Mark(); }

void Report(const char* format, ...) {
    if (report_length != 0 && report[report_length - 1] == '}') {
        report_length += static_cast<size_t>(
            std::snprintf(report + report_length, sizeof(report) - report_length, ", "));
    }
    va_list arguments;
    va_start(arguments, format);
    const int length =
        std::vsnprintf(report + report_length, sizeof(report) - report_length, format, arguments);
    va_end(arguments);
    if (length < 0 || report_length + static_cast<size_t>(length) >= sizeof(report)) std::abort();
    report_length += static_cast<size_t>(length);
}

}  // namespace bench

int main(int argc, char** argv) {
    using namespace bench;
    if (argc < 2) return Usage();
    if (std::string_view(argv[1]) == "--list") return List();
    Options options;
    for (int i = 2; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--memory") {
            options.memory = true;
        } else if (argument == "--latency") {
            options.task.latency = true;
        } else if (argument == "--wait") {
            options.wait = true;
        } else if (i + 1 < argc && (argument == "--percent" || argument == "--threads")) {
            const size_t value = std::strtoul(argv[++i], nullptr, 10);
            if (value == 0) return Usage();
            (argument == "--percent" ? options.task.percent : options.threads) = value;
        } else {
            return Usage();
        }
    }
    for (const Workload& workload : kWorkloads) {
        if (std::string_view(argv[1]) == workload.name) return Run(workload, options);
    }
    std::fprintf(stderr, "there is no workload %s\n", argv[1]);
    return Usage();
}
