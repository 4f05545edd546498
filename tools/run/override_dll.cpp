#include "run/override_dll.h"

#include "override/import_directory.h"
#include "run/command_line.h"
#include "run/errors.h"
#include "run/pe_file.h"
#include "run/program.h"

namespace strata::run {

namespace {

constexpr wchar_t kDllName[] = L"strata-override.dll";

// What allocator/override/strata-override.def lists.
struct Exported {
    const char* name;
    WORD ordinal;
};
constexpr Exported kMarker = {"StrataOverrideMarker", override::kMarkerOrdinal};
constexpr Exported kStatus = {"StrataOverrideStatus", 2};
constexpr Exported kProtocol = {"StrataOverrideProtocol", 3};

// The exports by name of an image on disk.
class Exports {
public:
    explicit Exports(const PeFile& file)
        : file_(file),
          table_(file.AtRva<IMAGE_EXPORT_DIRECTORY>(
              file.Directory(IMAGE_DIRECTORY_ENTRY_EXPORT).VirtualAddress)) {}

    // The address of what has this name and this ordinal, relative to the image; 0: nothing has.
    DWORD Find(const Exported& wanted) const {
        if (table_ == nullptr) return 0;
        for (DWORD i = 0; i < table_->NumberOfNames; ++i) {
            const auto* const name =
                file_.AtRva<DWORD>(table_->AddressOfNames + uint64_t{i} * sizeof(DWORD));
            const auto* const index =
                file_.AtRva<WORD>(table_->AddressOfNameOrdinals + uint64_t{i} * sizeof(WORD));
            if (name == nullptr || index == nullptr) return 0;
            if (file_.TextAtRva(*name) != wanted.name) continue;
            const auto* const address =
                file_.AtRva<DWORD>(table_->AddressOfFunctions + uint64_t{*index} * sizeof(DWORD));
            const bool right = *index + table_->Base == wanted.ordinal;
            return right && address != nullptr ? *address : 0;
        }
        return 0;
    }

private:
    const PeFile& file_;
    const IMAGE_EXPORT_DIRECTORY* table_;
};

std::string ProblemOf(const std::wstring& path) {
    const std::string problem = ImageProblem(path, true);
    if (!problem.empty()) return problem;
    const PeFile file(path);
    const Exports exports(file);
    if (exports.Find(kMarker) == 0 || exports.Find(kStatus) == 0) {
        return "it is not an override DLL: it does not export " + std::string(kMarker.name) +
               " by ordinal 1 and " + kStatus.name;
    }
    const auto* const protocol = file.AtRva<uint32_t>(exports.Find(kProtocol));
    const uint32_t version = protocol != nullptr ? *protocol : 0;
    if (version == override::kProtocolVersion) return "";
    return "it is an override DLL of another version: it speaks version " +
           std::to_string(version) + " with its launcher, this strata-run version " +
           std::to_string(override::kProtocolVersion);
}

}  // namespace

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
    const std::string problem = ProblemOf(path);
    if (!problem.empty()) {
        throw Failure(kExitLauncher,
                      "the override DLL cannot be used: " + ToUtf8(path) + ": " + problem);
    }
    return path;
}

// As an image, so that addresses in it are what they are in a process; the low bits of such a
// handle say so.
MappedDll::MappedDll(const std::wstring& path)
    : path_(path), module_(LoadLibraryExW(path.c_str(), nullptr, LOAD_LIBRARY_AS_IMAGE_RESOURCE)) {
    const uintptr_t image = reinterpret_cast<uintptr_t>(module_) & ~uintptr_t{3};
    traits_.path = path_.c_str();
    if (image != 0) traits_ = override::TraitsOf(reinterpret_cast<void*>(image), path_.c_str());
}

MappedDll::~MappedDll() {
    if (module_ != nullptr) FreeLibrary(module_);
}

}  // namespace strata::run
