#include "override/recording.h"

#include "os/process.h"
#include "override/status.h"

namespace strata::override {

namespace {

constinit os::Memory g_memory{os::kCallsOf<os::SystemMemory>};
constexpr uint64_t kMillisecondsTo1970 = 11644473600000;  // from 1601, where FILETIME begins
constexpr DWORD kMaxPath = 0x4000;

void SayNot(const char* what, DWORD error) noexcept {
    os::TextBuffer<256> text;
    text.Put("not recording: ").Put(what);
    if (error != 0) text.Put(" (error ").PutDecimal(error).Put(")");
    Say(text.text());
}

bool WriteAt(void* file, uint64_t offset, const void* data, size_t bytes) noexcept {
    const DWORD error = GetLastError();
    OVERLAPPED where = {};
    where.Offset = static_cast<DWORD>(offset);
    where.OffsetHigh = static_cast<DWORD>(offset >> 32);
    DWORD written = 0;
    const bool done =
        WriteFile(file, data, static_cast<DWORD>(bytes), &written, &where) && written == bytes;
    SetLastError(error);
    return done;
}

void GaveUp(void*, const char* why) noexcept {
    os::TextBuffer<256> text;
    Say(text.Put("the recording has ended early: ").Put(why).text());
}

// STRATA_RECORD; with children, each process adds its id, since all of them are told the same name.
HANDLE Create(const Settings& settings) noexcept {
    static wchar_t path[kMaxPath + 16];  // one call, at the start
    const DWORD length = GetEnvironmentVariableW(L"STRATA_RECORD", path, kMaxPath);
    if (length == 0 || length >= kMaxPath) {
        SetLastError(ERROR_FILENAME_EXCED_RANGE);
        return INVALID_HANDLE_VALUE;
    }
    if (settings.children) {
        os::TextBuffer<16> suffix;
        suffix.PutChar('.').PutDecimal(os::ProcessId());
        for (size_t i = 0; i <= suffix.length(); ++i) {
            path[length + i] = static_cast<wchar_t>(suffix.text()[i]);
        }
    }
    return CreateFileW(path, GENERIC_WRITE, FILE_SHARE_READ, nullptr, CREATE_ALWAYS,
                       FILE_ATTRIBUTE_NORMAL, nullptr);
}

// What kernel32 and the C runtimes do with a heap as a whole. 0: not in the trace on its own
// account.
constexpr observe::OtherCall OtherOf(Entry entry) noexcept {
    using observe::OtherCall;
    switch (entry) {
        case Entry::kValidate:
        case Entry::kValidateProcessHeaps:
            return OtherCall::kValidate;
        case Entry::kWalk:
            return OtherCall::kWalk;
        case Entry::kLock:
            return OtherCall::kLock;
        case Entry::kUnlock:
            return OtherCall::kUnlock;
        case Entry::kCompact:
            return OtherCall::kCompact;
        case Entry::kGetUserInfo:
        case Entry::kSetUserValue:
        case Entry::kSetUserFlags:
            return OtherCall::kUserValue;
        case Entry::kQueryInformation:
        case Entry::kSetInformation:
            return OtherCall::kInformation;
        default:
            return OtherCall{};
    }
}

}  // namespace

constinit observe::Recorder g_recorder{g_memory};

bool StartRecording(const Settings& settings) noexcept {
    const HANDLE file = Create(settings);
    if (file == INVALID_HANDLE_VALUE) {
        SayNot("the file of STRATA_RECORD cannot be created", GetLastError());
        return false;
    }
    observe::FileHeader header = {};
    os::TextSink program(header.program, sizeof header.program);
    PutProgramName(program);
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    const uint64_t ticks = (uint64_t{now.dwHighDateTime} << 32) | now.dwLowDateTime;
    header.started = ticks / 10000 - kMillisecondsTo1970;
    header.process_id = os::ProcessId();
    if (g_recorder.Start({file, WriteAt, GaveUp}, header, GetProcessHeap())) return true;
    SayNot("there is no thread slot, or the file cannot be written", 0);
    CloseHandle(file);
    return false;
}

void FinishRecording() noexcept { g_recorder.Finish(); }

void RecordOther(Entry entry) noexcept {
    if (const observe::OtherCall call = OtherOf(entry); call != observe::OtherCall{}) {
        g_recorder.Calls(call);
    }
}

}  // namespace strata::override
