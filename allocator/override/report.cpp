#include "override/report.h"

#include "heap/statistics.h"
#include "os/message.h"
#include "os/process.h"
#include "os/text.h"
#include "override/counters.h"
#include "override/status.h"

namespace strata::override {

namespace {

// Not on the stack: its size is the program's choice. The process has one thread left.
constinit char g_buffer[8192] = {};

void PutRowName(os::TextSink& text, size_t row) noexcept {
    if (row < kEntryCount) {
        text.Put(kEntries[row].name);
        return;
    }
    const size_t crt = (row - kEntryCount) / kCrtKinds;
    text.Put(kCrtNames[crt]).PutChar(' ').Put(kCrtKindNames[(row - kEntryCount) % kCrtKinds]);
}

uint64_t SumOf(const CallCounts& counts) noexcept {
    uint64_t sum = 0;
    for (const uint64_t count : counts.by) sum += count;
    return sum;
}

struct Totals {
    CallCounts calls;
    heap::Statistics heap = {};
    uint64_t active_ms = 0;
};

Totals Collect() noexcept {
    Totals totals;
    for (size_t row = 0; row < kRowCount; ++row) {
        const CallCounts counts = g_counters.Of(row);
        for (size_t kind = 0; kind < kServedKinds; ++kind) totals.calls.by[kind] += counts.by[kind];
    }
    if (g_status.state == STRATA_OVERRIDE_ACTIVE) {
        heap::Collect(totals.heap);
        totals.active_ms = os::Milliseconds() - g_status.active_since;
    }
    return totals;
}

void PutPadded(os::TextSink& text, const char* name, size_t width) noexcept {
    const size_t before = text.length();
    text.Put(name);
    while (text.length() < before + width && text.room() > 0) text.PutChar(' ');
}

void PutRight(os::TextSink& text, uint64_t value, size_t width) noexcept {
    os::TextBuffer<24> digits;
    digits.PutDecimal(value);
    for (size_t i = digits.length(); i < width; ++i) text.PutChar(' ');
    text.Put(digits.text());
}

void PutRow(os::TextSink& text, const char* name, const CallCounts& counts) noexcept {
    text.Put("strata:   ");
    PutPadded(text, name, 26);
    for (const uint64_t count : counts.by) PutRight(text, count, 12);
    text.PutChar('\n');
}

// Of the calls that did not come from ntdll, in tenths of a percent.
void PutShare(os::TextSink& text, const CallCounts& calls) noexcept {
    const uint64_t ours = calls[Served::kStrata];
    const uint64_t all = ours + calls[Served::kOriginal] + calls[Served::kForeign];
    const uint64_t thousandths = all == 0 ? 0 : ours * 1000 / all;
    text.PutDecimal(thousandths / 10).PutChar('.').PutDecimal(thousandths % 10);
}

void PutTable(os::TextSink& text, const Totals& totals) noexcept {
    text.Put("active for ").PutDecimal(totals.active_ms).Put(" ms, ");
    text.PutDecimal(g_status.redirected).Put(" entry points redirected\n");
    text.Put("strata:   ");
    PutPadded(text, "calls served by", 26);
    text.Put("      strata    original     foreign       ntdll\n");
    for (size_t row = 0; row < kRowCount; ++row) {
        const CallCounts counts = g_counters.Of(row);
        if (SumOf(counts) == 0) continue;
        os::TextBuffer<64> name;
        PutRowName(name, row);
        PutRow(text, name.text(), counts);
    }
    PutRow(text, "all", totals.calls);
    text.Put("strata:   ");
    PutShare(text, totals.calls);
    text.Put(" % of the calls from outside ntdll served by Strata\n");
    text.Put("strata:   live at exit: ").PutDecimal(totals.heap.live_blocks).Put(" blocks, ");
    text.PutDecimal(totals.heap.live_bytes).Put(" bytes; peak commit: ");
    text.PutDecimal(totals.heap.peak_committed).Put(" bytes\n");
}

void WriteText(const Totals& totals) noexcept {
    os::TextSink text(g_buffer, sizeof g_buffer);
    PutPrefix(text);
    if (g_status.state == STRATA_OVERRIDE_ACTIVE) {
        PutTable(text, totals);
    } else {
        text.Put("not active: ").Put(g_status.reason).PutChar('\n');
    }
    os::WriteMessage(text.text(), text.length());
}

void PutJsonString(os::TextSink& text, const char* value) noexcept {
    text.PutChar('"');
    for (; *value != 0; ++value) {
        const auto c = static_cast<unsigned char>(*value);
        if (c == '"' || c == '\\') text.PutChar('\\');
        if (c >= 0x20) text.PutChar(*value);
    }
    text.PutChar('"');
}

void PutJsonCounts(os::TextSink& text, const CallCounts& counts) noexcept {
    text.Put("\"strata\":").PutDecimal(counts[Served::kStrata]);
    text.Put(",\"original\":").PutDecimal(counts[Served::kOriginal]);
    text.Put(",\"foreign\":").PutDecimal(counts[Served::kForeign]);
    text.Put(",\"ntdll\":").PutDecimal(counts[Served::kNtdll]);
}

void WriteJson(const Totals& totals, const os::AppendFile& file) noexcept {
    os::TextSink text(g_buffer, sizeof g_buffer);
    os::TextBuffer<512> program;
    PutProgramName(program);
    text.Put("{\"program\":");
    PutJsonString(text, program.text());
    text.Put(",\"pid\":").PutDecimal(os::ProcessId());
    const bool active = g_status.state == STRATA_OVERRIDE_ACTIVE;
    text.Put(",\"active\":").Put(active ? "true" : "false");
    if (!active) {
        text.Put(",\"reason\":");
        PutJsonString(text, g_status.reason);
    }
    text.Put(",\"entries\":[");
    bool first = true;
    for (size_t row = 0; row < kRowCount; ++row) {
        const CallCounts counts = g_counters.Of(row);
        const bool redirected =
            row < kEntryCount ? g_originals[row] != nullptr : SumOf(counts) != 0;
        if (!active || !redirected) continue;
        os::TextBuffer<64> name;
        PutRowName(name, row);
        text.Put(first ? "{\"name\":" : ",{\"name\":");
        first = false;
        PutJsonString(text, name.text());
        text.PutChar(',');
        PutJsonCounts(text, counts);
        text.PutChar('}');
    }
    text.Put("],\"calls\":{");
    PutJsonCounts(text, totals.calls);
    text.Put("},\"live_blocks\":").PutDecimal(totals.heap.live_blocks);
    text.Put(",\"live_bytes\":").PutDecimal(totals.heap.live_bytes);
    text.Put(",\"peak_commit\":").PutDecimal(totals.heap.peak_committed);
    text.Put(",\"active_ms\":").PutDecimal(totals.active_ms).Put("}\n");
    file.Write(text.text(), text.length());
}

}  // namespace

void ReportAtExit(const Settings& settings) noexcept {
    if (settings.disable || !settings.Counting()) return;
    const Totals totals = Collect();
    // The debugger is not told: that would bring handlers of the program to run, whose end this is.
    os::BeginLastWords();
    if (settings.statistics) WriteText(totals);
    if (settings.statistics_file.IsOpen()) WriteJson(totals, settings.statistics_file);
}

}  // namespace strata::override
