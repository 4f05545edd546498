// What stands in the way of patching a program.
#pragma once

#include <string>
#include <vector>

#include "patch/pe_tables.h"

namespace strata::patch {

struct Obstacle {
    Reason reason;
    std::string message;  // what, where, what to do
    bool can_be_forced;
    std::string forced;  // what is then done; empty: nothing that has to be said
};

// All of them; those that --force does not overcome come first. `dll` is the name that is to be
// imported.
std::vector<Obstacle> FindObstacles(const Image& image, const std::vector<Import>& imports,
                                    const std::string& dll);

// Throws Refused (kDllName) unless the name is one that an import table can have: a file name
// without a folder, in ASCII, of up to kMaxDllName characters.
void CheckDllName(const std::string& dll);

inline constexpr size_t kMaxDllName = 200;

// The section that a patch adds; see patch.h.
inline constexpr char kPatchSection[] = ".strata";

// Empty, or by what the image looks like one whose code is packed or encrypted.
std::string SignOfPacking(const Image& image);

}  // namespace strata::patch
