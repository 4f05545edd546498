// Environment variables of this process, as os::GetOption sees them.
#pragma once

#ifdef _WIN32
#include <windows.h>
#else
#include <cstdlib>
#endif

namespace strata::test {

// REQUIRES: no other thread reads or writes the environment.
inline void SetVariable(const char* name, const char* value) {
#ifdef _WIN32
    SetEnvironmentVariableA(name, value);
#else
    setenv(name, value, 1);
#endif
}

inline void UnsetVariable(const char* name) {
#ifdef _WIN32
    SetEnvironmentVariableA(name, nullptr);
#else
    unsetenv(name);
#endif
}

}  // namespace strata::test
