// The DLL that is brought into programs: where it is, and that it is one.
#pragma once

#include <windows.h>

#include <string>

#include "override/loadable.h"

namespace strata::run {

// `given`, or strata-override.dll beside this program. An absolute path. Throws Failure
// (kExitLauncher) when it is not there, is not a DLL for 64-bit x86, or is no override DLL of this
// launcher's version: that is known by what it exports, before any program has it.
std::wstring FindOverrideDll(const std::wstring& given);

// What a process must allow for the DLL to be loaded into it.
class MappedDll {
public:
    // A DLL that cannot be mapped is taken for one without any mark.
    explicit MappedDll(const std::wstring& path);
    ~MappedDll();
    MappedDll(const MappedDll&) = delete;
    MappedDll& operator=(const MappedDll&) = delete;
    const override::DllTraits& traits() const { return traits_; }

private:
    std::wstring path_;
    HMODULE module_;
    override::DllTraits traits_;
};

}  // namespace strata::run
