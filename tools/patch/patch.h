// The patch itself, on files in memory: what it adds, whether a file has it, and how it is taken
// back.
//
// A patched file is the original, byte for byte, with three changes:
//
//   headers         one more section; the import directory leads into it; bound imports are switched off;
//                   the address table directory is filled in where a linker left it empty; a certificate
//                   directory is emptied; sizes and checksum follow
//   padding         zeros up to the file alignment
//   section .strata PatchRecord | the original's headers | thunks | name of the DLL | import descriptors
//
// Nothing of the original moves: not its sections, not its old import descriptors (copies of which
// stand behind the new one), not the data behind its sections, not even a dropped signature. So the
// original can always be had back from the patched file alone.
#pragma once

#include <string>
#include <vector>

#include "patch/checks.h"
#include "patch/pe_image.h"
#include "patch/sha256.h"

namespace strata::patch {

inline constexpr char kDefaultDll[] = "strata-override.dll";
// What is imported: the override DLL's marker (allocator/override/strata-override.def), which does
// nothing.
inline constexpr uint16_t kImportOrdinal = 1;

// At the start of the section.
struct PatchRecord {
    char magic[8];
    uint32_t record_bytes;
    uint32_t header_bytes;  // of the original's headers, which follow
    uint64_t original_bytes;
    Sha256 original_sha256;
};
static_assert(sizeof(PatchRecord) == 56);
inline constexpr char kPatchMagic[] = "STRATAP1";

struct PatchRequest {
    std::string dll = kDefaultDll;
    bool force = false;
};

struct PatchedFile {
    std::vector<uint8_t> bytes;
    std::vector<std::string> remarks;  // what --force did
};

// Throws Refused. The same original and request give the same bytes.
PatchedFile ApplyPatch(Bytes original, const PatchRequest& request);

// The record, if the image has been patched.
std::optional<PatchRecord> FindRecord(const Image& image);

// The DLL that the patch imports; "" when even its name was overwritten.
std::string ImportedByPatch(const Image& image, const PatchRecord& record);

// The file as it was before the patch. Throws Refused (kNotPatched, kDamaged).
struct Original {
    std::vector<uint8_t> bytes;
    bool identical;  // it has the size and the SHA-256 of the file that was patched
};
Original RestoreOriginal(Bytes patched);

// How a file compares with what ApplyPatch makes of its original.
struct Verification {
    bool patched = false;
    std::string dll;
    bool first = false;  // it is the first import, by our ordinal
    bool headers =
        false;  // nothing but the patch's changes; the section and the end of the file, too
    bool original = false;  // everything else is as it was
    bool checksum = false;
    uint32_t stored_checksum = 0;
    uint32_t right_checksum = 0;
    std::string problem;  // of `headers`: what differs

    bool Right() const { return patched && first && headers && original && checksum; }
};
// Throws Refused when the file is not even a PE file that can be read.
Verification VerifyPatch(Bytes bytes);

}  // namespace strata::patch
