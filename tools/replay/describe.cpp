#include <cinttypes>
#include <cstdio>

#include "replay/plan.h"

namespace strata::replay {

namespace {

constexpr const char* kKindNames[] = {
    "",     "allocate", "free", "resize", "size of a block", "create a heap", "destroy a heap",
    "other"};

std::string Bytes(uint64_t bytes) {
    constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes);
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
    char text[40];
    std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
    return text;
}

template <typename... Arguments>
void AddLine(std::string& text, const char* format, Arguments... arguments) {
    char line[300];
    std::snprintf(line, sizeof line, format, arguments...);
    text += line;
    text += '\n';
}

void AddSizes(std::string& text, const TraceSummary& summary) {
    uint64_t all = 0;
    uint64_t most = 1;
    for (const auto& [size, count] : summary.sizes) {
        all += count;
        most = count > most ? count : most;
    }
    if (all == 0) return;
    text += "sizes of the blocks:\n";
    for (const auto& [size, count] : summary.sizes) {
        const std::string bar(static_cast<size_t>(40 * count / most), '#');
        AddLine(text, "  up to %10s %12" PRIu64 " %5.1f %%  %s", Bytes(size).c_str(), count,
                100.0 * static_cast<double>(count) / static_cast<double>(all), bar.c_str());
    }
}

void AddThreads(std::string& text, const Plan& plan) {
    constexpr size_t kShown = 8;
    AddLine(text, "threads with blocks: %zu", plan.threads.size());
    for (size_t i = 0; i < plan.threads.size() && i < kShown; ++i) {
        AddLine(text, "  thread %-4u %12" PRIu64 " calls", plan.threads[i].number,
                plan.threads[i].operations);
    }
    if (plan.threads.size() > kShown) AddLine(text, "  and %zu more", plan.threads.size() - kShown);
}

}  // namespace

std::string DescribeTrace(const Trace& trace, const Plan& plan) {
    const TraceSummary& summary = plan.summary;
    std::string text;
    AddLine(text, "program: %s (process %u), recorded for %.1f s", trace.program.c_str(),
            trace.process_id, static_cast<double>(trace.milliseconds) / 1000);
    AddLine(text, "%s",
            trace.whole ? "the trace is whole"
                        : "the trace is not whole: its end is missing, and with it up to "
                          "64 KiB of each thread's last calls");
    if (!trace.cut.empty())
        AddLine(text, "damaged; what stands before is used: %s", trace.cut.c_str());
    AddLine(text, "calls: %" PRIu64 ", in %zu bytes, %.1f a call", trace.events, trace.bytes.size(),
            trace.events == 0
                ? 0.0
                : static_cast<double>(trace.bytes.size()) / static_cast<double>(trace.events));
    for (size_t kind = 1; kind < std::size(kKindNames); ++kind) {
        if (summary.calls[kind] == 0) continue;
        AddLine(text, "  %-16s %12" PRIu64, kKindNames[kind], summary.calls[kind]);
    }
    AddLine(text,
            "of these: zeroed %" PRIu64 ", failed %" PRIu64
            ", about blocks from before the recording %" PRIu64
            ", about blocks whose allocation is lost %" PRIu64,
            summary.zeroed, summary.failed, summary.foreign, summary.lost);
    AddLine(text,
            "blocks freed by another thread than allocated them: %" PRIu64
            "; ended with their heap: %" PRIu64,
            summary.across, summary.ended_with_heap);
    AddLine(text,
            "requested in all: %s; live at most: %s in %" PRIu64
            " blocks; at the end: %s in %" PRIu64,
            Bytes(summary.requested).c_str(), Bytes(summary.peak_live).c_str(), summary.peak_blocks,
            Bytes(summary.live).c_str(), summary.live_blocks);
    AddThreads(text, plan);
    AddSizes(text, summary);
    return text;
}

}  // namespace strata::replay
