#include "patch/options.h"

#include <strata/version.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>

namespace strata::patch {

namespace {

constexpr char kFooter[] =
    "Without --list, --verify or --undo the program is patched: the DLL becomes its first import, "
    "so that\n"
    "Windows loads it before all others. The original is kept as program.exe.strata-backup.\n"
    "\n"
    "Exit code: 0 done, or --verify found all right; 1 --verify did not; 2 wrong command line;\n"
    "3 refused, nothing has been changed; 4 a file could not be read or written.";

class Formatter : public CLI::Formatter {
public:
    std::string make_usage(const CLI::App*, std::string) const override {
        return "Usage: strata-patch [options] program.exe\n";
    }
};

// Options that would be without effect are a mistake.
constexpr struct {
    const char* option;
    const char* other;
} kExclusions[] = {{"--list", "--verify"},   {"--list", "--undo"},    {"--list", "--output"},
                   {"--list", "--force"},    {"--list", "--dry-run"}, {"--verify", "--undo"},
                   {"--verify", "--output"}, {"--verify", "--force"}, {"--verify", "--dry-run"},
                   {"--verify", "--dll"},    {"--undo", "--dll"}};

void CheckCombination(const CLI::App& app) {
    for (const auto& [option, other] : kExclusions) {
        if (app.count(option) != 0 && app.count(other) != 0) {
            throw CLI::ExcludesError(option, other);
        }
    }
}

}  // namespace

Options ParseOptions(std::vector<std::string> arguments) {
    Options options;
    Command& command = options.command;
    bool list = false;
    bool verify = false;
    bool undo = false;
    std::string program;
    std::string output;

    CLI::App app("Makes a 64-bit Windows program on disk load Strata by itself.", "strata-patch");
    app.formatter(std::make_shared<Formatter>());
    app.footer(kFooter);
    app.allow_windows_style_options(false);  // what begins with a slash is a file
    app.add_flag("-l,--list", list, "Only show the file, its imports, and whether it is patched");
    app.add_flag("--verify", verify,
                 "Only check that it is patched, and that nothing else changed");
    app.add_flag("-u,--undo", undo, "Bring the original back");
    app.add_option("--dll", command.dll, "Import this DLL (default: strata-override.dll)")
        ->type_name("NAME");
    app.add_option("-o,--output", output, "Write this file and leave the program as it is")
        ->type_name("FILE");
    app.add_flag("-f,--force", command.force, "Go on where a refusal says so; replace the output");
    app.add_flag("-n,--dry-run", command.dry_run, "Do all but write");
    app.add_option("program", program, "The program's file")->type_name("")->required();
    app.set_version_flag("--version", "strata-patch " STRATA_VERSION_STRING);

    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
        app.parse(arguments);
        CheckCombination(app);
    } catch (const CLI::ParseError& error) {
        options.exit = true;
        options.exit_code = app.exit(error, std::cout, std::cerr) == 0 ? kExitDone : kExitUsage;
        return options;
    }
    command.action = list     ? Action::kList
                     : verify ? Action::kVerify
                     : undo   ? Action::kUndo
                              : Action::kPatch;
    try {
        command.program = FromUtf8(program);
        command.output = FromUtf8(output);
    } catch (const std::system_error&) {
        std::cerr << "strata-patch: a file's name is not valid UTF-8\n";
        options.exit = true;
        options.exit_code = kExitUsage;
    }
    if (!options.exit && command.program.empty()) {
        std::cerr << "strata-patch: the program's name is empty\n";
        options.exit = true;
        options.exit_code = kExitUsage;
    }
    return options;
}

}  // namespace strata::patch
