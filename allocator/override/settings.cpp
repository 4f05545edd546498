#include "override/settings.h"

#include "os/process.h"
#include "override/status.h"
#include "store/options.h"

namespace strata::override {

Settings ReadSettings() noexcept {
    Settings settings;
    os::TextBuffer<1024> complaints;
    store::ReadSwitch("STRATA_DISABLE", settings.disable, complaints);
    store::ReadSwitch("STRATA_VERBOSE", settings.verbose, complaints);
    store::ReadSwitch("STRATA_STATS", settings.statistics, complaints);
    store::ReadSwitch("STRATA_CHILDREN", settings.children, complaints);
    store::ReadSwitch("STRATA_KEEP_CRT", settings.keep_crt, complaints);
    settings.has_file = os::HasOption("STRATA_STATS_FILE");
    settings.record = os::HasOption("STRATA_RECORD");
    if (complaints.length() != 0) os::WriteMessage(complaints.text(), complaints.length());
    return settings;
}

bool OpenStatisticsFile(Settings& settings) noexcept {
    uint32_t error = 0;
    const os::AppendFile::Result result =
        settings.statistics_path != nullptr
            ? settings.statistics_file.OpenAt(settings.statistics_path, error)
            : settings.statistics_file.Open("STRATA_STATS_FILE", error);
    if (result != os::AppendFile::Result::kFailed) return true;
    os::TextBuffer<256> text;
    text.Put("the file for the statistics cannot be opened (error ").PutDecimal(error).Put(")");
    Say(text.text());
    return false;
}

void PutSettings(os::TextSink& text, const Settings& settings) noexcept {
    const auto put = [&](const char* name, bool on) {
        if (on) text.Put(text.length() == 0 ? "" : " ").Put(name);
    };
    put("STRATA_STATS=1", settings.statistics);
    put("STRATA_STATS_FILE", settings.HasFile());
    put("STRATA_RECORD", settings.record);
    put("STRATA_CHILDREN=1", settings.children);
    put("STRATA_KEEP_CRT=1", settings.keep_crt);
    put("STRATA_VERBOSE=1", settings.verbose);
    put("STRATA_LOG", os::HasOption("STRATA_LOG"));
}

}  // namespace strata::override
