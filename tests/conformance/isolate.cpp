// Rules in child processes. A child writes to its standard output, one line each:
//
//   heap overridden | heap plain     first of all
//   begin <id>                       before a rule
//   end <id> <observed>              after it
//   damaged                          the child stops here: a rule crashed, but not the process
//
// A child that ends in any other way died in the rule that it had begun.
#include "runner.h"

#include <cstdio>
#include <cstring>

namespace conformance {

namespace {

constexpr DWORD kSilenceLimit = 60000;  // milliseconds; longer than the limit of one rule

class Child {
public:
    ~Child() {
        if (process_ != nullptr) {
            TerminateProcess(process_, 1);
            CloseHandle(process_);
        }
        if (pipe_ != nullptr) CloseHandle(pipe_);
    }

    bool Start(std::wstring command) {
        SECURITY_ATTRIBUTES inherit = {sizeof inherit, nullptr, TRUE};
        HANDLE write = nullptr;
        if (!CreatePipe(&pipe_, &write, &inherit, 0)) return false;
        SetHandleInformation(pipe_, HANDLE_FLAG_INHERIT, 0);
        STARTUPINFOW startup = {};
        startup.cb = sizeof startup;
        startup.dwFlags = STARTF_USESTDHANDLES;
        startup.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
        startup.hStdOutput = write;
        startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
        PROCESS_INFORMATION information = {};
        const BOOL started = CreateProcessW(nullptr, command.data(), nullptr, nullptr, TRUE, 0,
                                            nullptr, nullptr, &startup, &information);
        CloseHandle(write);
        if (!started) return false;
        CloseHandle(information.hThread);
        process_ = information.hProcess;
        return true;
    }

    // The next line; false when the child has ended, or has been silent for too long.
    bool ReadLine(std::string& line) {
        ULONGLONG last = GetTickCount64();
        for (;;) {
            const size_t end = text_.find('\n');
            if (end != std::string::npos) {
                line = text_.substr(0, end);
                if (!line.empty() && line.back() == '\r') line.pop_back();
                text_.erase(0, end + 1);
                return true;
            }
            DWORD available = 0;
            if (!PeekNamedPipe(pipe_, nullptr, 0, nullptr, &available, nullptr)) return false;
            if (available != 0) {
                char buffer[4096];
                DWORD got = 0;
                if (!ReadFile(pipe_, buffer, sizeof buffer, &got, nullptr)) return false;
                text_.append(buffer, got);
                last = GetTickCount64();
            } else if (GetTickCount64() - last > kSilenceLimit) {
                silent_ = true;
                return false;
            } else {
                Sleep(2);
            }
        }
    }

    // How it ended, in the words of an observation.
    std::string Ending() {
        if (silent_) return "did not end";
        WaitForSingleObject(process_, 10000);
        DWORD code = 0;
        GetExitCodeProcess(process_, &code);
        char text[48];
        std::snprintf(text, sizeof text, "ended the process: 0x%08lX",
                      static_cast<unsigned long>(code));
        return text;
    }

private:
    HANDLE process_ = nullptr;
    HANDLE pipe_ = nullptr;
    std::string text_;
    bool silent_ = false;
};

bool Begins(const std::string& line, const char* word) {
    return line.compare(0, std::strlen(word), word) == 0;
}

// Runs one child; `next` is the first rule that it has to run, and becomes the first that it has
// not.
bool RunOneChild(const std::vector<Entry>& entries, const std::wstring& command, size_t& next,
                 void (*report)(const Result&)) {
    Child child;
    if (!child.Start(command + std::to_wstring(next))) return false;
    std::string line;
    if (!child.ReadLine(line) || line != (IsOverridden() ? "heap overridden" : "heap plain")) {
        return false;
    }
    bool begun = false;
    while (next < entries.size() && child.ReadLine(line)) {
        const Entry& entry = entries[next];
        const std::string end = std::string("end ") + entry.rule->id + " ";
        if (Begins(line, "begin ")) {
            begun = true;
        } else if (Begins(line, end.c_str())) {
            report({entry.topic, entry.rule, line.substr(end.size())});
            begun = false;
            ++next;
        } else if (line == "damaged") {
            return true;
        }
    }
    if (next == entries.size()) return true;
    if (!begun) return false;
    report({entries[next].topic, entries[next].rule, child.Ending()});
    ++next;
    return true;
}

}  // namespace

bool RunIsolated(const std::vector<Entry>& entries, const std::wstring& command,
                 void (*report)(const Result&)) {
    for (size_t next = 0; next < entries.size();) {
        if (!RunOneChild(entries, command, next, report)) return false;
    }
    return true;
}

int RunAsChild(const std::vector<Entry>& entries, size_t first, const HeapApi& api) {
    std::printf("heap %s\n", IsOverridden() ? "overridden" : "plain");
    std::fflush(stdout);
    for (size_t i = first; i < entries.size(); ++i) {
        std::printf("begin %s\n", entries[i].rule->id);
        std::fflush(stdout);
        bool damaged = false;
        const Result result = RunHere(entries[i], api, damaged);
        std::printf("end %s %s\n", result.rule->id, result.observed.c_str());
        if (damaged) std::printf("damaged\n");
        std::fflush(stdout);
        // Not by return: the end of a damaged process may wait for its locks.
        if (damaged) TerminateProcess(GetCurrentProcess(), 0);
    }
    return 0;
}

}  // namespace conformance
