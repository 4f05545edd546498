// The DLL that is brought into programs: where it is, and that it is one.
#pragma once

#include <string>

namespace strata::run {

// `given`, or strata-override.dll beside this program. An absolute path. Throws Failure (kExitLauncher)
// when it is not there, is not a DLL for 64-bit x86, or is no override DLL of this launcher's version: that
// is known by what it exports, before any program has it.
std::wstring FindOverrideDll(const std::wstring& given);

}  // namespace strata::run
