// The tables of a PE file that a patch has to know: imports, exports, .NET header, load
// configuration, and what lies behind the sections.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "patch/pe_image.h"

namespace strata::patch {

struct Import {
    std::string dll;  // as the file has it; Printable() before it is shown
    ImportDescriptor descriptor;
    size_t functions = 0;
    size_t by_ordinal = 0;  // of these
};

// In the order in which the loader takes them. Empty when there is no import directory; throws
// Refused (kDamaged).
std::vector<Import> ReadImports(const Image& image);

// Whether the image is a 64-bit x86 DLL that exports something by this ordinal.
bool ExportsOrdinal(const Image& image, uint32_t ordinal);

// A .NET image whose code is IL only: the runtime starts it and leaves its imports alone.
bool IsManagedOnly(const Image& image);
bool IsManaged(const Image& image);

// What matters of the load configuration; zeros where the file has none. 64-bit images only.
struct LoadConfig {
    uint16_t dependent_load_flags = 0;
    bool arm64ec = false;
};
LoadConfig ReadLoadConfig(const Image& image);

// A range of the file.
struct Range {
    uint64_t offset = 0;
    uint64_t bytes = 0;
};

// Data behind the sections that no header tells of: an installer's files, an archive. COFF symbols,
// debug data and certificates are told of, and zeros are only padding. {0, 0}: none.
Range FindOverlay(const Image& image);

}  // namespace strata::patch
