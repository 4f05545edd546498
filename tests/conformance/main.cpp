// The command line of the conformance program.
#include "runner.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace conformance {

namespace {

constexpr int kUsage = 1, kCannotStart = 2;

constexpr char kHelp[] =
    "conformance [--api system|strata] [--list] [--filter TEXT] [--isolate] [--json FILE]\n"
    "\n"
    "Observes how a heap behaves, rule by rule, and compares with what Windows documents.\n"
    "\n"
    "  --api system   kernel32's heap functions (default)\n"
    "  --api strata   the StrataHeap* functions of strata.dll\n"
    "  --list         the rules, with what Windows documents and where\n"
    "  --filter TEXT  only rules whose id or topic contains TEXT\n"
    "  --isolate      in processes of their own, so that one that ends its process is only one.\n"
    "                 Under strata-run, this needs strata-run's option --children.\n"
    "  --json FILE    the results as JSON, too\n"
    "\n"
    "A line per rule: ok, differs or skipped, its id, and what was observed. Exit code 0: all "
    "rules\n"
    "ran, whatever they observed; 1: wrong usage; 2: could not start.\n";

struct Options {
    bool strata = false, list = false, isolate = false;
    const char* filter = "";
    const char* json = nullptr;
    long child = -1;  // internal: run as child, from this rule on
};

// The exit code of a wrong or finished command line, or -1.
int Parse(int count, char** arguments, Options& options) {
    for (int i = 1; i < count; ++i) {
        const char* name = arguments[i];
        const char* value = i + 1 < count ? arguments[i + 1] : nullptr;
        const auto is = [&](const char* wanted) { return std::strcmp(name, wanted) == 0; };
        if (is("--help")) {
            std::fputs(kHelp, stdout);
            return 0;
        } else if (is("--list")) {
            options.list = true;
        } else if (is("--isolate")) {
            options.isolate = true;
        } else if (is("--api") && value != nullptr &&
                   (std::strcmp(value, "system") == 0 || std::strcmp(value, "strata") == 0)) {
            options.strata = std::strcmp(value, "strata") == 0;
            ++i;
        } else if (is("--filter") && value != nullptr) {
            options.filter = value;
            ++i;
        } else if (is("--json") && value != nullptr) {
            options.json = value;
            ++i;
        } else if (is("--child") && value != nullptr) {
            options.child = std::atol(value);
            ++i;
        } else {
            std::fputs(kHelp, stderr);
            return kUsage;
        }
    }
    return -1;
}

// --- Output ---

std::vector<Result> results;

const char* Name(Verdict verdict) {
    switch (verdict) {
        case Verdict::kOk:
            return "ok";
        case Verdict::kDiffers:
            return "differs";
        default:
            return "skipped";
    }
}

void Report(const Result& result) {
    const Verdict verdict = Judge(result);
    std::printf("%-7s  %-36s  %s", Name(verdict), result.rule->id, result.observed.c_str());
    if (verdict == Verdict::kDiffers) std::printf("  (expected: %s)", result.rule->expected);
    std::printf("\n");
    std::fflush(stdout);
    results.push_back(result);
}

void WriteString(FILE* file, const char* key, const char* text, const char* end) {
    std::fprintf(file, "\"%s\": \"", key);
    for (; *text != '\0'; ++text) {
        if (*text == '"' || *text == '\\') std::fputc('\\', file);
        std::fputc(*text, file);
    }
    std::fprintf(file, "\"%s", end);
}

bool WriteJson(const Options& options) {
    FILE* file = std::fopen(options.json, "w");
    if (file == nullptr) return false;
    std::fprintf(file, "{");
    WriteString(file, "api", options.strata ? "strata" : "system", ", ");
    std::fprintf(file, "\"overridden\": %s, \"rules\": [", IsOverridden() ? "true" : "false");
    const char* separator = "\n";
    for (const Result& result : results) {
        std::fprintf(file, "%s{", separator);
        WriteString(file, "id", result.rule->id, ", ");
        WriteString(file, "topic", result.topic->name, ", ");
        WriteString(file, "title", result.rule->title, ", ");
        WriteString(file, "expected", result.rule->expected, ", ");
        WriteString(file, "source", result.rule->source, ", ");
        WriteString(file, "observed", result.observed.c_str(), ", ");
        WriteString(file, "verdict", Name(Judge(result)), "}");
        separator = ",\n";
    }
    std::fprintf(file, "\n]}\n");
    return std::fclose(file) == 0;
}

void PrintCounts() {
    size_t counts[3] = {};
    for (const Result& result : results) ++counts[static_cast<size_t>(Judge(result))];
    std::printf("%zu rules: %zu ok, %zu differ, %zu skipped\n", results.size(), counts[0],
                counts[1], counts[2]);
}

// The command line of a child, but for the number at its end.
std::wstring ChildCommand(const Options& options) {
    wchar_t path[MAX_PATH] = {};
    GetModuleFileNameW(nullptr, path, MAX_PATH);
    std::wstring command = L"\"" + std::wstring(path) + L"\" --api ";
    command += options.strata ? L"strata" : L"system";
    if (*options.filter != '\0') {
        command += L" --filter \"";
        // Filters are parts of ids, which are ASCII.
        for (const char* c = options.filter; *c != '\0'; ++c) command += static_cast<wchar_t>(*c);
        command += L"\"";
    }
    return command + L" --child ";
}

// `damaged`: a rule crashed or hangs in this process.
int Run(const Options& options, bool& damaged) {
    const std::vector<Entry> entries = Select(options.filter);
    if (options.list) {
        for (const Entry& entry : entries) {
            std::printf("%-36s  %s\n%38s%s  [%s]\n", entry.rule->id, entry.rule->title, "",
                        entry.rule->expected, entry.rule->source);
        }
        return 0;
    }
    HeapApi api = SystemApi();
    if (options.strata && !StrataApi(api)) {
        std::fprintf(stderr, "strata.dll, or one of its functions, was not found\n");
        return kCannotStart;
    }
    if (options.child >= 0) return RunAsChild(entries, static_cast<size_t>(options.child), api);
    if (options.isolate) {
        if (!RunIsolated(entries, ChildCommand(options), Report)) {
            std::fprintf(stderr,
                         "a child process could not be started, or is on another heap than this "
                         "one (strata-run: --children)\n");
            return kCannotStart;
        }
    } else {
        for (const Entry& entry : entries) Report(RunHere(entry, api, damaged));
    }
    PrintCounts();
    if (options.json != nullptr && !WriteJson(options)) {
        std::fprintf(stderr, "%s cannot be written\n", options.json);
        return kCannotStart;
    }
    return 0;
}

}  // namespace

}  // namespace conformance

int main(int count, char** arguments) {
    conformance::Options options;
    int code = conformance::Parse(count, arguments, options);
    bool damaged = false;
    if (code < 0) code = conformance::Run(options, damaged);
    std::fflush(stdout);
    // An orderly end may wait for the locks that such a rule holds.
    if (damaged) TerminateProcess(GetCurrentProcess(), static_cast<UINT>(code));
    return code;
}
