// What the environment, or the launcher, asks of the override.
#pragma once

#include "os/message.h"
#include "os/text.h"
#include "override/entry_table.h"
#include "override/windows_api.h"

namespace strata::override {

struct Settings {
    bool disable = false;     // STRATA_DISABLE
    bool verbose = false;     // STRATA_VERBOSE
    bool statistics = false;  // STRATA_STATS
    bool children = false;    // STRATA_CHILDREN
    bool keep_crt = false;    // STRATA_KEEP_CRT
    bool has_file = false;    // STRATA_STATS_FILE is set
    // Instead of STRATA_STATS_FILE, by the launcher only.
    const wchar_t* statistics_path = nullptr;
    bool record = false;     // STRATA_RECORD is set
    bool recording = false;  // ... and is being written to
    bool require = false;    // by the launcher only
    // Opened at the start, because at the end of a process little is left that can be relied on.
    os::AppendFile statistics_file;

    bool HasFile() const noexcept { return has_file || statistics_path != nullptr; }
    bool Counting() const noexcept { return statistics || HasFile(); }
    Watch HowToWatch() const noexcept {
        if (recording) return Watch::kRecorded;
        return Counting() ? Watch::kCounted : Watch::kNone;
    }
};

// Reads the environment, and says what of it is not understood.
Settings ReadSettings() noexcept;

// Opens the file for the statistics for appending, if there is to be one. False, which has been
// said, when it cannot be.
bool OpenStatisticsFile(Settings& settings) noexcept;

// Those that are on, as they would be set.
void PutSettings(os::TextSink& text, const Settings& settings) noexcept;

}  // namespace strata::override
