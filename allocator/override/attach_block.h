// How the launcher and the override DLL speak to each other when the DLL is brought into a process
// that runs already: through a block of memory in that process, at one of a few agreed addresses.
// The launcher writes there what it wants and the DLL's path, starts a thread at LoadLibraryW with
// the path, and reads the answer when the thread has ended. Nobody can write such a block who could
// not write the process's code as well; a section with a name could be made by anybody who guesses
// it.
//
// Shared by the launcher and the override DLL: no C runtime, no heap.
#pragma once

#include <cstddef>
#include <cstdint>

#include "override/import_directory.h"

namespace strata::override {

inline constexpr uint32_t kAttachRequire = 1;
inline constexpr uint32_t kAttachChildren = 2;
inline constexpr uint32_t kAttachVerbose = 4;
inline constexpr uint32_t kAttachStatistics = 8;

inline constexpr size_t kAttachPathLength = 1024;

struct AttachBlock {
    uint64_t magic;
    uint64_t self;              // where it lies
    uint32_t bytes;             // sizeof(AttachBlock)
    uint32_t flags;             // kAttach...
    volatile uint32_t state;    // ReportState
    uint32_t redirected;        // number of entry points
    uint32_t unserved;          // kActive: number of C runtimes of which nothing is served
    char reason[kReasonBytes];  // kDeclined: why
    char served[1024];          // kActive: what is served besides ntdll's functions, and what not
    wchar_t dll_path[kAttachPathLength];
    wchar_t statistics_file[kAttachPathLength];  // empty: none
};
inline constexpr uint64_t kAttachMagic = 0x5453'4952'5441'0003;

// Where a block may lie: addresses that no image prefers and that the system, which gives out
// addresses from both ends of what there is, comes to last.
inline constexpr size_t kAttachPlaces = 8;
constexpr uint64_t AttachPlace(size_t i) noexcept {
    return 0x5354'5241'0000 + i * uint64_t{0x1000'0000};
}
static_assert(AttachPlace(kAttachPlaces) < 0x7FFF'0000'0000 && AttachPlace(0) % 0x10000 == 0);

// In the process that is attached to: the block that has not been answered yet, or nullptr.
AttachBlock* FindAttachBlock() noexcept;

}  // namespace strata::override
