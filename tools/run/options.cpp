#include "run/options.h"

#include <strata/version.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <vector>

#include "run/command_line.h"
#include "run/errors.h"

namespace strata::run {

namespace {

constexpr char kFooter[] =
    "Everything behind the program's name belongs to the program and is handed on as it is "
    "written.\n"
    "\n"
    "Exit code: the program's; 125 when strata-run fails, 126 when the program cannot be run,\n"
    "127 when there is no such program. With --attach: 0 when Strata is active in the process, or\n"
    "declined and has said so; 125 when it failed (or declined, with --require), 126 when the\n"
    "process cannot be attached to, 127 when there is none.";

class Formatter : public CLI::Formatter {
public:
    std::string make_usage(const CLI::App*, std::string) const override {
        return "Usage: strata-run [options] program [arguments]\n"
               "       strata-run [options] --attach PID\n";
    }
};

// The index of the program's name: the first argument that is neither an option nor an option's
// value. Found before CLI11 sees anything, because what follows belongs to the program, whatever it
// looks like.
size_t FindProgramName(const CLI::App& app, const std::vector<Argument>& arguments) {
    size_t at = 1;
    for (; at < arguments.size(); ++at) {
        const std::string text = ToUtf8(arguments[at].value);
        if (text == "--") return at + 1;
        if (text.empty() || text.front() != '-') break;
        const CLI::Option* const option = app.get_option_no_throw(text);
        if (option != nullptr && option->get_items_expected_min() > 0) ++at;  // its value
    }
    return at;
}

}  // namespace

Options ParseOptions(const std::wstring& command_line) {
    Options options;
    std::string stats_file;
    std::string record;
    std::string dll;

    CLI::App app("Runs a 64-bit Windows program with its heap replaced by Strata.", "strata-run");
    app.formatter(std::make_shared<Formatter>());
    app.footer(kFooter);
    app.add_flag("-v,--verbose", options.verbose,
                 "Say what was redirected, and what not and why (STRATA_VERBOSE=1)");
    app.add_flag("-s,--stats", options.stats,
                 "Print at exit who served how many heap calls (STRATA_STATS=1)");
    app.add_option("--stats-file", stats_file,
                   "Append that as one line of JSON to FILE (STRATA_STATS_FILE)")
        ->type_name("FILE");
    app.add_option("--record", record,
                   "Write every heap call to FILE, for strata-replay (STRATA_RECORD); slower, and\n"
                   "implies --require. With --children each process writes FILE.<its id>")
        ->type_name("FILE");
    app.add_flag("--require", options.require,
                 "Fail when Strata cannot take the heap over, instead of running without it");
    app.add_flag("-c,--children", options.children,
                 "Do the same to the programs it starts (STRATA_CHILDREN=1)");
    app.add_flag("-d,--disable", options.disable,
                 "Run the program as if there were no Strata (STRATA_DISABLE=1)");
    app.add_option("--dll", dll,
                   "The override DLL (default: strata-override.dll beside strata-run)")
        ->type_name("PATH");
    CLI::Option* const attach =
        app.add_option("-a,--attach", options.attach,
                       "Bring Strata into a process that is running, and let it go on")
            ->type_name("PID")
            ->excludes("--disable");
    app.add_option(
           "--timeout", options.timeout_seconds,
           "How long a process may take to load the DLL (default: 30). A program that is started\n"
           "is then waited for all the same, or ended with --require")
        ->type_name("SECONDS")
        ->check(CLI::Range(1u, 3600u));
    app.set_version_flag("--version", "strata-run " STRATA_VERSION_STRING);

    const std::vector<Argument> arguments = SplitCommandLine(command_line);
    const size_t program = FindProgramName(app, arguments);
    std::vector<std::string> ours;  // in reverse order, as CLI11 wants them
    for (size_t i = std::min(program, arguments.size()); i-- > 1;) {
        if (arguments[i].value != L"--") ours.push_back(ToUtf8(arguments[i].value));
    }
    try {
        app.parse(ours);
        options.is_attach = attach->count() != 0;
        const bool has_program = program < arguments.size();
        if (!options.is_attach && !has_program) throw CLI::RequiredError("program");
        if (options.is_attach && has_program) {
            throw CLI::ExtrasError("strata-run", {ToUtf8(arguments[program].value)});
        }
        if (has_program) {
            options.program = arguments[program].value;
            options.command_line = command_line.substr(arguments[program].begin);
        }
    } catch (const CLI::ParseError& error) {
        // CLI11's own codes are of no use to the caller of a launcher.
        options.exit = true;
        options.exit_code = app.exit(error, std::cout, std::cerr) == 0 ? 0 : kExitLauncher;
        return options;
    }
    options.stats_file = FromUtf8(stats_file);
    options.record = FromUtf8(record);
    options.dll = FromUtf8(dll);
    return options;
}

}  // namespace strata::run
