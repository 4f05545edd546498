// Child processes get the override, too: CreateProcessW, CreateProcessA, and where they can be had
// CreateProcessAsUserW and CreateProcessAsUserA are redirected, so that each child is created
// suspended, gets the DLL into its import directory as the launcher does it, and goes on.
#pragma once

#include "override/import_directory.h"

namespace strata::override {

// `dll`: this DLL, as it is loaded; `dll_name`: as in InjectRequest; kept by pointer. False when
// the functions cannot be redirected, which has been said on standard error then. A child that may
// not load the DLL runs as it is, and one line says so.
bool FollowChildren(HINSTANCE dll, const char* dll_name, bool verbose) noexcept;

}  // namespace strata::override
