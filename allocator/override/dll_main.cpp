// The override DLL's life: everything happens at process attach, before the program's own imports
// are initialised; after that only threads and the process come to an end.
//
// Under the loader lock, so: no C runtime, no waiting, no loading of other DLLs.
#include "heap/heap.h"
#include "override/attach_block.h"
#include "override/children.h"
#include "override/coverage.h"
#include "override/import_directory.h"
#include "override/install.h"
#include "override/recording.h"
#include "override/report.h"
#include "override/settings.h"
#include "override/status.h"
#include "store/options.h"

namespace strata::override {

namespace {

constinit Settings g_settings;
constinit char g_dll_name[sizeof InjectionBlock::dll_name] = {};

// The redirects lead into this DLL for good: FreeLibrary must not take it away.
bool Pin() noexcept {
    HMODULE module;
    return GetModuleHandleExW(
               GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
               reinterpret_cast<const wchar_t*>(&g_settings), &module) != 0;
}

// The name by which children will import this DLL; false, which has been said, when it has none.
bool FindOwnName(HINSTANCE instance, const InjectionBlock* block) noexcept {
    if (block != nullptr) {
        os::TextSink(g_dll_name, sizeof g_dll_name).Put(block->dll_name);
        return true;
    }
    wchar_t path[kLongestPath];
    const DWORD length = GetModuleFileNameW(instance, path, kLongestPath);
    const char* problem = "the DLL does not know its path";
    if (length > 0 && length < kLongestPath) {
        problem = NameForImport(path, g_dll_name, sizeof g_dll_name);
    }
    if (problem == nullptr) return true;
    os::TextBuffer<256> text;
    Say(text.Put("child processes run without Strata: the DLL: ").Put(problem).text());
    return false;
}

void Report(const InjectionBlock& block) noexcept {
    const auto section = reinterpret_cast<HANDLE>(block.section);
    const auto event = reinterpret_cast<HANDLE>(block.event);
    if (section != nullptr) {
        auto* const report = static_cast<InjectionReport*>(
            MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, sizeof(InjectionReport)));
        if (report != nullptr) {
            const bool active = g_status.state == STRATA_OVERRIDE_ACTIVE;
            report->redirected = g_status.redirected;
            os::TextSink(report->reason, sizeof report->reason).Put(g_status.reason);
            report->state =
                static_cast<uint32_t>(active ? ReportState::kActive : ReportState::kDeclined);
            UnmapViewOfFile(report);
        }
        CloseHandle(section);
    }
    if (event != nullptr) {
        SetEvent(event);
        CloseHandle(event);
    }
}

void Report(AttachBlock& block) noexcept {
    block.redirected = g_status.redirected;
    os::TextSink(block.reason, sizeof block.reason).Put(g_status.reason);
    const bool active = g_status.state == STRATA_OVERRIDE_ACTIVE;
    if (active) {
        os::TextSink served(block.served, sizeof block.served);
        block.unserved = static_cast<uint32_t>(PutCoverage(served));
    }
    block.state = static_cast<uint32_t>(active ? ReportState::kActive : ReportState::kDeclined);
}

void ApplyRequest(const AttachBlock& block) noexcept {
    g_settings.require = (block.flags & kAttachRequire) != 0;
    g_settings.children |= (block.flags & kAttachChildren) != 0;
    g_settings.verbose |= (block.flags & kAttachVerbose) != 0;
    g_settings.statistics |= (block.flags & kAttachStatistics) != 0;
    if (block.statistics_file[0] != 0) g_settings.statistics_path = block.statistics_file;
}

void SayWhatHappened() noexcept {
    os::TextBuffer<512> text;
    switch (g_status.state) {
        case STRATA_OVERRIDE_ACTIVE:
            text.Put("active, ").PutDecimal(g_status.redirected);
            text.Put(" of ntdll's heap functions redirected");
            if (g_status.children) text.Put(", children included");
            break;
        case STRATA_OVERRIDE_DECLINED:
            text.Put("declined: ").Put(g_status.reason);
            break;
        case STRATA_OVERRIDE_INACTIVE:
            text.Put("inactive: ").Put(g_status.reason);
            break;
    }
    Say(text.text());
    if (g_status.heap_made) {
        os::TextBuffer<512> options;
        store::PutOptions(options);
        PutSettings(options, g_settings);
        Say(os::TextBuffer<640>().Put("options: ").Put(options.text()).text());
    }
}

// The outcome for the loader: whether the DLL stays.
bool Stays(bool asked_from_outside) noexcept {
    if (g_status.state == STRATA_OVERRIDE_ACTIVE) return true;
    if (g_settings.require) return false;
    // A process that was attached to and declined is left as it was, unless there is already memory
    // of Strata's in it.
    return !asked_from_outside || g_status.heap_made;
}

bool Attach(HINSTANCE instance) noexcept {
    const InjectionBlock* const block = FindInjectionBlock();
    AttachBlock* const attach = block == nullptr ? FindAttachBlock() : nullptr;
    uint32_t error = 0;
    if (os::OpenLog(error) == os::AppendFile::Result::kFailed) {
        os::TextBuffer<128> text;
        text.Put("the file of STRATA_LOG cannot be opened (error ").PutDecimal(error).Put(")");
        Say(text.text());
    }
    g_settings = ReadSettings();
    if (attach != nullptr) ApplyRequest(*attach);
    if (block != nullptr) {
        RestoreImportDirectory(*block);
        g_settings.require = (block->flags & kInjectRequire) != 0;
        g_settings.children |= (block->flags & kInjectChildren) != 0;
    }
    if (g_settings.disable) {
        os::TextSink(g_status.reason, sizeof g_status.reason).Put("STRATA_DISABLE is set");
    } else if (!OpenStatisticsFile(g_settings) && g_settings.require) {
        SetDeclined("the file for the statistics cannot be opened");
    } else {
        g_settings.recording = g_settings.record && StartRecording(g_settings);
        Install(g_settings);
    }
    const bool active = g_status.state == STRATA_OVERRIDE_ACTIVE;
    // Not from a DLL that is about to go.
    const bool leaves = !active && (g_settings.require || attach != nullptr);
    if (!g_settings.disable && g_settings.children && !leaves) {
        g_status.children = FindOwnName(instance, block) &&
                            FollowChildren(instance, g_dll_name, g_settings.verbose);
    }
    if (active || g_status.children) Pin();
    if (!active) FinishRecording();
    if (g_settings.verbose) SayWhatHappened();
    if (block != nullptr) Report(*block);
    if (attach != nullptr) Report(*attach);
    const bool stays = Stays(attach != nullptr);
    // A process that is to end because the DLL goes ends without a message box.
    if (block != nullptr && stays) RestoreErrorMode(block->error_modes);
    return stays;
}

}  // namespace

}  // namespace strata::override

extern "C" BOOL WINAPI StrataOverrideEntry(HINSTANCE instance, DWORD reason, LPVOID reserved) {
    using namespace strata;
    switch (reason) {
        case DLL_PROCESS_ATTACH:
            return override::Attach(instance) ? TRUE : FALSE;
        case DLL_THREAD_DETACH:
            if (override::g_status.state == STRATA_OVERRIDE_ACTIVE) {
                heap::ThreadDetach();
                override::g_recorder.ThreadEnds();
            }
            break;
        case DLL_PROCESS_DETACH:
            // Only the end of the process comes here while the DLL is in use: it is pinned.
            if (reserved != nullptr) override::ReportAtExit(override::g_settings);
            if (reserved != nullptr) override::FinishRecording();
            if (reserved != nullptr && override::g_status.state == STRATA_OVERRIDE_ACTIVE) {
                heap::ProcessDetach();
            }
            break;
        default:
            break;
    }
    return TRUE;
}
