#include "run/program.h"

#include <windows.h>

#include <cwchar>

#include "run/command_line.h"
#include "run/errors.h"
#include "run/pe_file.h"

namespace strata::run {

namespace {

constexpr DWORD kIlOnly = 1;  // COMIMAGE_FLAGS_ILONLY, corhdr.h

bool EndsWith(const std::wstring& text, const wchar_t* end) {
    const size_t length = std::wcslen(end);
    return text.size() >= length && _wcsicmp(text.c_str() + text.size() - length, end) == 0;
}

// .NET programs of IL code only are started by the runtime, which leaves their imports alone.
bool IsManaged(const PeFile& file) {
    const DWORD rva = file.Directory(IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR).VirtualAddress;
    if (rva == 0) return false;
    const auto* const header = file.AtRva<IMAGE_COR20_HEADER>(rva);
    return header != nullptr && (header->Flags & kIlOnly) != 0;
}

}  // namespace

bool IsFile(const std::wstring& path) {
    const DWORD attributes = GetFileAttributesW(path.c_str());
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

std::string ImageProblem(const std::wstring& path, bool dll) {
    const PeFile file(path);
    if (file.error() != 0) return SystemErrorText("CreateFileW", file.error());
    if (file.header() == nullptr) return "it is not a Windows program (PE file)";
    const bool managed = IsManaged(file);
    switch (file.header()->Machine) {
        case IMAGE_FILE_MACHINE_AMD64:
            break;
        case IMAGE_FILE_MACHINE_I386:
            if (managed) break;
            return "it is a 32-bit program; Strata is 64-bit only";
        case IMAGE_FILE_MACHINE_ARM64:
            return "it is an ARM64 program; Strata's override is for x86-64 only";
        default:
            return "it is a program for another kind of processor";
    }
    const bool is_dll = (file.header()->Characteristics & IMAGE_FILE_DLL) != 0;
    if (is_dll != dll) return dll ? "it is not a DLL" : "it is a DLL, not a program";
    if (managed) {
        return "it is a .NET program of IL code only, which does not use its import table";
    }
    return "";
}

std::wstring FullPath(const std::wstring& path) {
    const DWORD needed = GetFullPathNameW(path.c_str(), 0, nullptr, nullptr);
    std::wstring full(needed, 0);
    full.resize(GetFullPathNameW(path.c_str(), needed, full.data(), nullptr));
    return full;
}

std::wstring FindProgram(const std::wstring& name) {
    std::wstring found;
    if (name.find_first_of(L"\\/:") != std::wstring::npos) {
        for (const std::wstring& path : {name, name + L".exe"}) {
            if (found.empty() && IsFile(path)) found = FullPath(path);
        }
    } else {
        wchar_t path[0x8000];
        const DWORD length = SearchPathW(nullptr, name.c_str(), L".exe", 0x8000, path, nullptr);
        if (length != 0 && length < 0x8000 && IsFile(path)) found = path;
    }
    if (found.empty()) throw Failure(kExitNotFound, ToUtf8(name) + ": there is no such program");
    if (EndsWith(found, L".bat") || EndsWith(found, L".cmd")) {
        throw Failure(kExitCannotRun, ToUtf8(found) +
                                          ": it is a batch file; run cmd.exe /c with it, and "
                                          "--children for the programs that it starts");
    }
    return found;
}

void CheckProgram(const std::wstring& path) {
    const std::string problem = ImageProblem(path, false);
    if (!problem.empty()) throw Failure(kExitCannotRun, ToUtf8(path) + ": " + problem);
}

}  // namespace strata::run
