// Makes a process that was created suspended load a DLL before everything else: its import
// directory is replaced by a copy with that DLL in front, so that the loader itself maps and
// initialises the DLL first, ahead of the program's own imports. The DLL puts the headers back when
// it attaches.
//
// The PE format (Microsoft, "PE Format", The Import Directory Table) lets the directory lie at any
// 32-bit offset from the image base; the new one lies in a block above the image.
//
// Shared by the launcher and by the override DLL (for child processes): no C runtime, no heap.
#pragma once

#include <cstddef>
#include <cstdint>

#include "override/error_mode.h"
#include "override/windows_api.h"

namespace strata::override {

// Of what the launcher and the DLL say to each other, here and in attach_block.h. The DLL exports
// it, so that a launcher of another version leaves it alone.
inline constexpr uint32_t kProtocolVersion = 3;

enum class ReportState : uint32_t { kPending, kActive, kDeclined };

inline constexpr size_t kReasonBytes = 240;

// What the DLL tells the launcher: lies in a section that both have mapped.
struct InjectionReport {
    volatile uint32_t state;  // ReportState
    uint32_t redirected;      // number of entry points
    char reason[kReasonBytes];
};

inline constexpr uint32_t kInjectRequire = 1;   // end the process rather than run it natively
inline constexpr uint32_t kInjectChildren = 2;  // inject into its children, too

// Stands in the process in front of its new import descriptors.
struct InjectionBlock {
    uint64_t magic;
    uint32_t bytes;    // sizeof(InjectionBlock)
    uint32_t flags;    // kInject...
    uint64_t event;    // of this process, or 0; to be set when the report is made
    uint64_t section;  // of this process, or 0; where the report goes
    ErrorModes error_modes;
    IMAGE_DATA_DIRECTORY import_directory;  // the original values
    IMAGE_DATA_DIRECTORY bound_imports;
    IMAGE_DATA_DIRECTORY address_table;
    uint64_t name_thunks[2];  // what the DLL's descriptor leads to: ordinal 1, end
    uint64_t address_thunks[2];
    char dll_name[MAX_PATH * 2];
};
inline constexpr uint64_t kInjectionMagic = 0x5453'4952'5441'0002;
static_assert(sizeof(InjectionBlock) % 8 == 0);

// The export that the new descriptor imports. It does nothing: importing it loads the DLL.
inline constexpr uint16_t kMarkerOrdinal = 1;

enum class InjectError : uint8_t {
    kNone,
    kMachine,       // not a 64-bit x86 image
    kHeaders,       // without room for the directories that a loader needs
    kManaged,       // IL-only .NET: its imports are not what is run
    kAlreadyThere,  // injected before
    kSystem,        // `call` failed with `system_error`
};

struct InjectResult {
    InjectError error = InjectError::kNone;
    const char* call = nullptr;
    uint32_t system_error = 0;
};

struct InjectRequest {
    const char* dll_name;  // absolute path (see NameForImport)
    uint32_t flags = 0;
    uint64_t event = 0;  // as in InjectionBlock
    uint64_t section = 0;
    ErrorModes error_modes = {};
};

// `process` was created suspended and has not run. On failure it is as it was, except perhaps for
// an unused allocation; it can still be resumed.
InjectResult InjectImport(HANDLE process, const InjectRequest& request) noexcept;

// A clause: "it is not a 64-bit x86 program".
const char* InjectErrorText(InjectError error) noexcept;

// A path as an import descriptor can give it to every program: the loader decodes it with the
// program's code page, which a manifest can choose, so that only ASCII is sure (ADR 34). The path
// itself, else with short (8.3) names. nullptr, or a clause that says why there is none.
const char* NameForImport(const wchar_t* path, char* name, size_t capacity) noexcept;
inline constexpr size_t kLongestPath = 1024;  // that is looked at

// In the injected process: the block, or nullptr when this process was not injected.
InjectionBlock* FindInjectionBlock() noexcept;

// In the injected process: puts the original directories back into the image's headers.
bool RestoreImportDirectory(const InjectionBlock& block) noexcept;

}  // namespace strata::override
