// The parts of a PE file that are read and written here, laid out as in the file. Names and
// meanings are those of Microsoft's "PE Format" page; there is no <windows.h> here, so that the
// same code runs on the machines that package Windows programs.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace strata::patch {

// Structures are copied from and to the file as they are.
static_assert(std::endian::native == std::endian::little);

// "MS-DOS Stub": the file begins with MZ, and at 0x3C stands the offset of the PE signature.
inline constexpr uint16_t kDosSignature = 0x5A4D;
inline constexpr uint32_t kPeOffsetAt = 0x3C;
inline constexpr uint32_t kDosHeaderBytes = 0x40;
inline constexpr uint32_t kPeSignature = 0x0000'4550;

// "COFF File Header".
struct FileHeader {
    uint16_t machine;
    uint16_t section_count;
    uint32_t time_stamp;
    uint32_t symbol_table;  // file offset
    uint32_t symbol_count;
    uint16_t optional_header_bytes;
    uint16_t characteristics;
};
static_assert(sizeof(FileHeader) == 20);

inline constexpr uint16_t kMachineI386 = 0x14C;
inline constexpr uint16_t kMachineAmd64 = 0x8664;
inline constexpr uint16_t kMachineArm64 = 0xAA64;
inline constexpr uint16_t kFileIsExecutable = 0x0002;
inline constexpr uint16_t kFileIsDll = 0x2000;

// "COFF Symbol Table": records of 18 bytes; behind them the string table, which starts with its
// size.
inline constexpr uint32_t kSymbolBytes = 18;

// "Optional Header": the part that PE32 and PE32+ have in common, but for the image base.
struct OptionalHeader {
    uint16_t magic;
    uint8_t linker_version[2];
    uint32_t code_bytes;
    uint32_t initialized_data_bytes;
    uint32_t uninitialized_data_bytes;
    uint32_t entry_point;
    uint32_t code_base;
    uint32_t image_base[2];  // PE32: the base of data, then the image base
    uint32_t section_alignment;
    uint32_t file_alignment;
    uint16_t versions[6];
    uint32_t win32_version;
    uint32_t image_bytes;
    uint32_t header_bytes;
    uint32_t checksum;
    uint16_t subsystem;
    uint16_t dll_characteristics;
};
static_assert(sizeof(OptionalHeader) == 72);
static_assert(offsetof(OptionalHeader, checksum) == 64);

inline constexpr uint16_t kMagic32 = 0x10B;
inline constexpr uint16_t kMagic64 = 0x20B;
// From the start of the optional header to the data directories, which follow their count.
inline constexpr uint32_t kDirectoriesAt32 = 96;
inline constexpr uint32_t kDirectoriesAt64 = 112;

inline constexpr uint16_t kSubsystemWindowsGui = 2;
inline constexpr uint16_t kSubsystemWindowsConsole = 3;

// "DLL Characteristics".
inline constexpr uint16_t kHighEntropyAddresses = 0x0020;
inline constexpr uint16_t kDynamicBase = 0x0040;
inline constexpr uint16_t kForceIntegrity = 0x0080;
inline constexpr uint16_t kControlFlowGuard = 0x4000;

// "Optional Header Data Directories".
struct Directory {
    uint32_t rva;
    uint32_t bytes;
};
static_assert(sizeof(Directory) == 8);

enum DirectoryIndex : uint32_t {
    kExportDirectory = 0,
    kImportDirectory = 1,
    kCertificateDirectory = 4,  // its "rva" is a file offset
    kDebugDirectory = 6,
    kLoadConfigDirectory = 10,
    kBoundImportDirectory = 11,
    kAddressTableDirectory = 12,
    kManagedDirectory = 14,
    kDirectoryCount = 16
};

// "Section Table".
struct SectionHeader {
    char name[8];
    uint32_t virtual_bytes;
    uint32_t rva;
    uint32_t raw_bytes;
    uint32_t raw_offset;
    uint32_t relocations[2];  // and line numbers: of object files only
    uint16_t counts[2];
    uint32_t characteristics;
};
static_assert(sizeof(SectionHeader) == 40);

inline constexpr uint32_t kSectionData = 0x0000'0040;
inline constexpr uint32_t kSectionExecute = 0x2000'0000;
inline constexpr uint32_t kSectionRead = 0x4000'0000;
inline constexpr uint32_t kSectionWrite = 0x8000'0000;
// "Note that the Windows loader limits the number of sections to 96."
inline constexpr uint32_t kMaxSections = 96;

// "Import Directory Table"; the end is an entry of zeros.
struct ImportDescriptor {
    uint32_t name_thunks;  // the import lookup table
    uint32_t time_stamp;   // not 0: bound
    uint32_t forwarder_chain;
    uint32_t name;
    uint32_t address_thunks;  // the import address table
};
static_assert(sizeof(ImportDescriptor) == 20);

// "Import Lookup Table": an ordinal, where the highest bit says so.
inline constexpr uint64_t kOrdinalFlag64 = uint64_t{1} << 63;
inline constexpr uint32_t kOrdinalFlag32 = uint32_t{1} << 31;

// "Export Directory Table".
struct ExportTable {
    uint32_t flags;
    uint32_t time_stamp;
    uint16_t versions[2];
    uint32_t name;
    uint32_t ordinal_base;
    uint32_t address_count;
    uint32_t name_count;
    uint32_t addresses;
    uint32_t names;
    uint32_t ordinals;
};
static_assert(sizeof(ExportTable) == 40);

// "Debug Directory".
struct DebugEntry {
    uint32_t characteristics;
    uint32_t time_stamp;
    uint16_t versions[2];
    uint32_t type;
    uint32_t bytes;
    uint32_t rva;  // 0: not mapped, somewhere in the file only
    uint32_t raw_offset;
};
static_assert(sizeof(DebugEntry) == 28);

// The CLI header (ECMA-335, II.25.3.3), up to its flags.
struct ManagedHeader {
    uint32_t bytes;
    uint16_t versions[2];
    Directory metadata;
    uint32_t flags;
};
static_assert(sizeof(ManagedHeader) == 20);
inline constexpr uint32_t kManagedIlOnly = 1;

// "The Load Configuration Structure", 64-bit: three fields, by offset. Its first field is its size.
inline constexpr uint32_t kDependentLoadFlagsAt = 78;  // 16 bits
inline constexpr uint32_t kArm64EcMetadataAt = 200;    // 64 bits (CHPEMetadataPointer, winnt.h)
// LoadLibraryEx's flags for where to search, and those among them that mean the program's own
// folder.
inline constexpr uint16_t kSearchAnywhere = 0x1F00;
inline constexpr uint16_t kSearchProgramFolder = 0x0200 | 0x1000;

}  // namespace strata::patch
