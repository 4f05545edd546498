// What strata-patch does with files.
#pragma once

#include <ostream>
#include <string>

#include "patch/file.h"
#include "patch/patch.h"

namespace strata::patch {

inline constexpr int kExitDone = 0;
inline constexpr int kExitNotRight = 1;  // --verify
inline constexpr int kExitUsage = 2;
inline constexpr int kExitRefused = 3;  // nothing has been changed
inline constexpr int kExitFile = 4;

enum class Action { kPatch, kList, kVerify, kUndo };

struct Command {
    Action action = Action::kPatch;
    Path program;
    Path output;  // empty: in place
    std::string dll = kDefaultDll;
    bool force = false;
    bool dry_run = false;
};

// Where the original is kept: program.exe.strata-backup.
Path BackupOf(const Path& program);

// Returns an exit code and says in `out` what was done, in `err` what was refused or failed.
int Run(const Command& command, std::ostream& out, std::ostream& err);

}  // namespace strata::patch
