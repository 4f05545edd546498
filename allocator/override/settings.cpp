#include "override/settings.h"

#include "os/process.h"

namespace strata::override {

namespace {

bool IsOn(const char* name) noexcept {
    char value[8];
    if (os::GetOption(name, value, sizeof value)) return value[0] != 0 && value[0] != '0';
    // Set to something longer, or not set at all.
    wchar_t wide_name[32];
    size_t i = 0;
    for (; name[i] != 0; ++i) wide_name[i] = static_cast<wchar_t>(name[i]);
    wide_name[i] = 0;
    return GetEnvironmentVariableW(wide_name, nullptr, 0) > 1;
}

}  // namespace

Settings ReadSettings() noexcept {
    Settings settings;
    settings.disable = IsOn("STRATA_DISABLE");
    settings.verbose = IsOn("STRATA_VERBOSE");
    settings.statistics = IsOn("STRATA_STATS");
    settings.children = IsOn("STRATA_CHILDREN");
    settings.keep_crt = IsOn("STRATA_KEEP_CRT");
    settings.has_file = GetEnvironmentVariableW(L"STRATA_STATS_FILE", nullptr, 0) > 1;
    settings.record = GetEnvironmentVariableW(L"STRATA_RECORD", nullptr, 0) > 1;
    return settings;
}

void OpenStatisticsFile(Settings& settings) noexcept {
    if (!settings.HasFile()) return;
    static wchar_t
        buffer[0x4000];  // one call, at the start; too large for a stack that others chose
    const wchar_t* path = settings.statistics_path;
    if (path == nullptr) {
        const DWORD length = GetEnvironmentVariableW(L"STRATA_STATS_FILE", buffer, 0x4000);
        if (length == 0 || length >= 0x4000) return;
        path = buffer;
    }
    // Appending is atomic per write, so that several processes can share the file.
    const HANDLE file =
        CreateFileW(path, FILE_APPEND_DATA | SYNCHRONIZE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                    nullptr, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file != INVALID_HANDLE_VALUE) settings.statistics_file = file;
}

}  // namespace strata::override
