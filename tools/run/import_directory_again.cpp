// The launcher and the override DLL share this source; here it is compiled as part of an ordinary
// program, there without a C runtime.
#include "override/import_directory.cpp"  // NOLINT(bugprone-suspicious-include)
