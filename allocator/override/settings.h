// What the environment, or the launcher, asks of the override.
#pragma once

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
    HANDLE statistics_file = nullptr;

    bool HasFile() const noexcept { return has_file || statistics_path != nullptr; }
    bool Counting() const noexcept { return statistics || HasFile(); }
    Watch HowToWatch() const noexcept {
        if (recording) return Watch::kRecorded;
        return Counting() ? Watch::kCounted : Watch::kNone;
    }
};

// Reads the environment. A switch is on when it is set to anything but nothing and 0.
Settings ReadSettings() noexcept;

// Opens the file for the statistics for appending, if there is one.
void OpenStatisticsFile(Settings& settings) noexcept;

}  // namespace strata::override
