// The program to run: where it is, and whether it can be run with the override.
#pragma once

#include <string>

namespace strata::run {

// As the system makes it of the current folder.
std::wstring FullPath(const std::wstring& path);

// The file that CreateProcess would start for `name`: itself or with ".exe", and without a folder
// the launcher's folder, the current one, the system's, and those of PATH. Throws Failure
// (kExitNotFound, or kExitCannotRun for a batch file).
std::wstring FindProgram(const std::wstring& name);

// Throws Failure (kExitCannotRun) unless the file is a 64-bit x86 executable whose imports the
// loader will process; the message says what it is instead.
void CheckProgram(const std::wstring& path);

bool IsFile(const std::wstring& path);

// What keeps the image from being used as a program or as a DLL; empty: nothing.
std::string ImageProblem(const std::wstring& path, bool dll);

}  // namespace strata::run
