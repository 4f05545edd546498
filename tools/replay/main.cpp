// strata-replay: runs a recorded trace again. One program per allocator; what differs is adapter.h.
#include <cinttypes>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "replay/options.h"
#include "replay/plan.h"
#include "replay/run.h"
#include "replay/trace_reader.h"

#ifdef _WIN32
#include <process.h>
#else
#include <unistd.h>
#endif

namespace strata::replay {

namespace {

namespace fs = std::filesystem;

constexpr int kExitFault = 1;
constexpr int kExitInput = 2;

fs::path PathOf(const std::string& utf8) {
    return fs::path(std::u8string(utf8.begin(), utf8.end()));
}

void ReadFile(const std::string& name, PageArray<uint8_t>& bytes, size_t size) {
    std::ifstream file(PathOf(name), std::ios::binary);
    bytes.Resize(size);
    if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
        throw std::runtime_error("it cannot be read");
    }
}

const char* NameOf(Touch touch) {
    constexpr const char* kNames[] = {"none", "first", "page", "line"};
    return kNames[static_cast<size_t>(touch)];
}

void PrintJson(const Trace& trace, const Plan& plan, const Options& options,
               const RunResult& result) {
    std::string program;
    for (const char c : trace.program) {
        if (c == '"' || c == '\\') program += '\\';
        if (static_cast<unsigned char>(c) >= 0x20) program += c;
    }
    std::printf(
        "{\"workload\": \"replay\", \"program\": \"%s\", \"threads\": %zu, \"percent\": 100, "
        "\"allocator\": \"%s\", \"version\": \"%s\", \"compiler\": \"%s\", \"flags\": \"%s\", "
        "\"touch\": \"%s\", \"window\": %u, \"repeat\": %u, \"operations\": %" PRIu64
        ", \"seconds\": %.6f, \"checksum\": \"%016" PRIx64
        "\", \"peak_working_set\": %zu, \"working_set_at_start\": %zu, \"commit_at_start\": %zu, "
        "\"peak_commit\": %zu, \"own_peak_commit\": %zu, \"peak_requested\": %zu, "
        "\"peak_live\": %" PRIu64 ", \"faults\": %" PRIu64 "}\n",
        program.c_str(), plan.threads.size(), AllocatorName(), AllocatorVersion().c_str(),
        STRATA_BENCH_COMPILER, STRATA_BENCH_FLAGS, NameOf(options.run.touch), options.run.window,
        options.run.repeat, result.operations, result.seconds, result.checksum,
        result.peak_working_set, result.working_set_at_start, result.commit_at_start,
        result.peak_commit, result.own_peak_commit, result.peak_requested, plan.summary.peak_live,
        result.faults);
}

void PrintText(const Trace& trace, const Plan& plan, const RunResult& result) {
    const auto mebibytes = [](size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
    std::printf("%s on %s %s: %" PRIu64 " calls of %zu threads in %.3f s, %.1f ns a call\n",
                trace.program.c_str(), AllocatorName(), AllocatorVersion().c_str(),
                result.operations, plan.threads.size(), result.seconds,
                result.operations == 0
                    ? 0.0
                    : result.seconds * 1e9 / static_cast<double>(result.operations));
    std::printf(
        "peak working set: %.1f MiB above the start; the program had %.1f MiB live at most\n",
        mebibytes(result.peak_working_set - result.working_set_at_start),
        mebibytes(plan.summary.peak_live));
    if (result.peak_commit != 0) {
        std::printf("peak commit: %.1f MiB above the start\n",
                    mebibytes(result.peak_commit - result.commit_at_start));
    }
    if (result.own_peak_commit != 0) {
        std::printf("peak commit by the allocator's own count: %.1f MiB\n",
                    mebibytes(result.own_peak_commit));
    }
    std::printf("checksum: %016" PRIx64 "\n", result.checksum);
}

int RunFile(const Options& options) {
    const uintmax_t size = fs::file_size(PathOf(options.file));
    PageArray<uint8_t> bytes(static_cast<size_t>(size));
    ReadFile(options.file, bytes, static_cast<size_t>(size));
    const Trace trace = ReadTrace({bytes.data(), bytes.size()}, options.partial);
    Plan plan(MostOperations(trace), static_cast<size_t>(trace.MostStamps()) + 1);
    MakePlan(trace, plan);
    if (options.info) {
        std::fputs(DescribeTrace(trace, plan).c_str(), stdout);
        return 0;
    }
    const RunResult result = RunPlan(plan, options.run);
    if (options.json) {
        PrintJson(trace, plan, options, result);
    } else {
        PrintText(trace, plan, result);
    }
    if (options.wait) {
        std::fflush(stdout);
        while (std::getchar() != EOF) {
        }
    }
    if (result.faults == 0) return 0;
    std::fprintf(stderr, "strata-replay: %" PRIu64 " faults of the allocator; the first: %s\n",
                 result.faults, result.first_fault.c_str());
    return kExitFault;
}

// The program of another allocator, with the same arguments but for the choice. Returns its exit
// code.
int RunOther(const fs::path& self, const Options& options,
             const std::vector<std::string>& arguments) {
    fs::path program = self.parent_path() / ("strata_replay_" + options.allocator);
#ifdef _WIN32
    program += ".exe";
#endif
    if (!fs::exists(program)) {
        throw std::runtime_error("there is no " + program.string() +
                                 ": build the benchmarks (-DSTRATA_BUILD_BENCHMARKS=ON)");
    }
    std::vector<fs::path> values;
    values.push_back(program);
    for (size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (argument == "-a" || argument == "--allocator") {
            ++i;
        } else if (argument.rfind("--allocator=", 0) != 0 && argument.rfind("-a", 0) != 0) {
            values.push_back(PathOf(argument));
        }
    }
#ifdef _WIN32
    // _wspawnv joins them with blanks; a file name has no quotes, and no option ends in a
    // backslash.
    std::vector<std::wstring> quoted;
    for (const fs::path& value : values) quoted.push_back(L"\"" + value.wstring() + L"\"");
    std::vector<const wchar_t*> pointers;
    for (const std::wstring& value : quoted) pointers.push_back(value.c_str());
    pointers.push_back(nullptr);
    const intptr_t code = _wspawnv(_P_WAIT, program.c_str(), pointers.data());
    if (code == -1) throw std::runtime_error(program.string() + " cannot be started");
    return static_cast<int>(code);
#else
    std::vector<char*> pointers;
    for (const fs::path& value : values) pointers.push_back(const_cast<char*>(value.c_str()));
    pointers.push_back(nullptr);
    execv(program.c_str(), pointers.data());
    throw std::runtime_error(program.string() + " cannot be started");
#endif
}

int Main(const fs::path& self, const std::vector<std::string>& arguments) {
    const Options options = ParseOptions(arguments);
    if (options.exit) return options.exit_code;
    try {
        if (!options.allocator.empty() && options.allocator != AllocatorName()) {
            return RunOther(self, options, arguments);
        }
        return RunFile(options);
    } catch (const TraceDamage& damage) {
        std::fprintf(stderr, "strata-replay: %s: %s%s\n", options.file.c_str(), damage.what(),
                     options.partial ? "" : " (--partial uses what stands before)");
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "strata-replay: %s: no memory for a trace of this size\n",
                     options.file.c_str());
    } catch (const fs::filesystem_error& error) {
        std::fprintf(stderr, "strata-replay: %s: %s\n", options.file.c_str(),
                     error.code().message().c_str());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "strata-replay: %s: %s\n", options.file.c_str(), error.what());
        return options.allocator.empty() ? kExitFault : kExitInput;
    }
    return kExitInput;
}

template <typename Char>
int MainOf(int count, Char** values) {
    std::vector<std::string> arguments;
    for (int i = 1; i < count; ++i) {
        const std::u8string utf8 = fs::path(values[i]).u8string();
        arguments.emplace_back(utf8.begin(), utf8.end());
    }
    return Main(count > 0 ? fs::path(values[0]) : fs::path(), arguments);
}

}  // namespace

}  // namespace strata::replay

#ifdef _WIN32
int wmain(int count, wchar_t** values) { return strata::replay::MainOf(count, values); }
#else
int main(int count, char** values) { return strata::replay::MainOf(count, values); }
#endif
