#include "run/program.h"

#include <windows.h>

#include <cstddef>
#include <cstdint>
#include <cwchar>

#include "run/command_line.h"
#include "run/errors.h"

namespace strata::run {

namespace {

constexpr wchar_t kDllName[] = L"strata-override.dll";
constexpr DWORD kIlOnly = 1;  // COMIMAGE_FLAGS_ILONLY, corhdr.h

bool IsFile(const std::wstring& path) {
    const DWORD attributes = GetFileAttributesW(path.c_str());
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

bool EndsWith(const std::wstring& text, const wchar_t* end) {
    const size_t length = std::wcslen(end);
    return text.size() >= length && _wcsicmp(text.c_str() + text.size() - length, end) == 0;
}

// A file mapped as data, to read its headers by offset.
class MappedFile {
public:
    explicit MappedFile(const std::wstring& path) {
        file_ = CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE,
                            nullptr, OPEN_EXISTING, 0, nullptr);
        if (file_ == INVALID_HANDLE_VALUE) {
            error_ = GetLastError();
            return;
        }
        LARGE_INTEGER size = {};
        GetFileSizeEx(file_, &size);
        size_ = static_cast<uint64_t>(size.QuadPart);
        mapping_ = CreateFileMappingW(file_, nullptr, PAGE_READONLY, 0, 0, nullptr);
        if (mapping_ != nullptr) {
            data_ = static_cast<const uint8_t*>(MapViewOfFile(mapping_, FILE_MAP_READ, 0, 0, 0));
        }
        if (data_ == nullptr) size_ = 0;  // an empty file cannot be mapped
    }
    ~MappedFile() {
        if (data_ != nullptr) UnmapViewOfFile(data_);
        if (mapping_ != nullptr) CloseHandle(mapping_);
        if (file_ != INVALID_HANDLE_VALUE) CloseHandle(file_);
    }
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    DWORD error() const { return error_; }

    template <typename T>
    const T* At(uint64_t offset) const {
        if (offset > size_ || size_ - offset < sizeof(T)) return nullptr;
        return reinterpret_cast<const T*>(data_ + offset);
    }

private:
    HANDLE file_ = INVALID_HANDLE_VALUE;
    HANDLE mapping_ = nullptr;
    const uint8_t* data_ = nullptr;
    uint64_t size_ = 0;
    DWORD error_ = 0;
};

// The file header, and where the NT headers start; nullptr when it is no PE file.
const IMAGE_FILE_HEADER* HeaderOf(const MappedFile& file, uint64_t& at) {
    const auto* const dos = file.At<IMAGE_DOS_HEADER>(0);
    if (dos == nullptr || dos->e_magic != IMAGE_DOS_SIGNATURE) return nullptr;
    at = static_cast<uint32_t>(dos->e_lfanew);
    const auto* const signature = file.At<DWORD>(at);
    if (signature == nullptr || *signature != IMAGE_NT_SIGNATURE) return nullptr;
    return file.At<IMAGE_FILE_HEADER>(at + sizeof(DWORD));
}

// .NET programs of IL code only are started by the runtime, which leaves their imports alone.
template <typename Headers>
bool IsManaged(const MappedFile& file, uint64_t at) {
    const Headers* const headers = file.At<Headers>(at);
    if (headers == nullptr ||
        headers->OptionalHeader.NumberOfRvaAndSizes <= IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR) {
        return false;
    }
    const DWORD rva =
        headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR].VirtualAddress;
    if (rva == 0) return false;
    const uint64_t table =
        at + offsetof(Headers, OptionalHeader) + headers->FileHeader.SizeOfOptionalHeader;
    for (WORD i = 0; i < headers->FileHeader.NumberOfSections; ++i) {
        const auto* const section =
            file.At<IMAGE_SECTION_HEADER>(table + i * sizeof(IMAGE_SECTION_HEADER));
        if (section == nullptr) return false;
        const DWORD begin = section->VirtualAddress;
        if (rva < begin || rva - begin >= section->SizeOfRawData) continue;
        const auto* const header =
            file.At<IMAGE_COR20_HEADER>(uint64_t{section->PointerToRawData} + rva - begin);
        return header != nullptr && (header->Flags & kIlOnly) != 0;
    }
    return false;
}

// What keeps the image from being used here; empty: nothing.
std::string ProblemOf(const std::wstring& path, bool dll) {
    const MappedFile file(path);
    if (file.error() != 0) return SystemErrorText("CreateFileW", file.error());
    uint64_t at = 0;
    const IMAGE_FILE_HEADER* const header = HeaderOf(file, at);
    if (header == nullptr) return "it is not a Windows program (PE file)";
    bool managed = false;
    switch (header->Machine) {
        case IMAGE_FILE_MACHINE_AMD64:
            managed = IsManaged<IMAGE_NT_HEADERS64>(file, at);
            break;
        case IMAGE_FILE_MACHINE_I386:
            managed = IsManaged<IMAGE_NT_HEADERS32>(file, at);
            if (managed) break;
            return "it is a 32-bit program; Strata is 64-bit only";
        case IMAGE_FILE_MACHINE_ARM64:
            return "it is an ARM64 program; Strata's override is for x86-64 only";
        default:
            return "it is a program for another kind of processor";
    }
    const bool is_dll = (header->Characteristics & IMAGE_FILE_DLL) != 0;
    if (is_dll != dll) return dll ? "it is not a DLL" : "it is a DLL, not a program";
    if (managed) {
        return "it is a .NET program of IL code only, which does not use its import table";
    }
    return "";
}

}  // namespace

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
    const std::string problem = ProblemOf(path, false);
    if (!problem.empty()) throw Failure(kExitCannotRun, ToUtf8(path) + ": " + problem);
}

std::wstring FindOverrideDll(const std::wstring& given) {
    std::wstring path = given;
    if (path.empty()) {
        wchar_t self[0x8000];
        const DWORD length = GetModuleFileNameW(nullptr, self, 0x8000);
        path.assign(self, length);
        path = path.substr(0, path.find_last_of(L"\\/") + 1) + kDllName;
    }
    path = FullPath(path);
    if (!IsFile(path)) {
        throw Failure(kExitLauncher, "the override DLL is missing: " + ToUtf8(path));
    }
    const std::string problem = ProblemOf(path, true);
    if (!problem.empty()) {
        throw Failure(kExitLauncher,
                      "the override DLL cannot be used: " + ToUtf8(path) + ": " + problem);
    }
    return path;
}

}  // namespace strata::run
