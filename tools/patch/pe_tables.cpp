#include "patch/pe_tables.h"

#include <algorithm>
#include <cstddef>

#include "patch/text.h"

namespace strata::patch {

namespace {

// More than any program has; they end the reading of tables that lead in circles.
constexpr size_t kMaxDescriptors = 4096;
constexpr size_t kMaxFunctions = size_t{1} << 20;
constexpr size_t kMaxNameBytes = 260;
constexpr size_t kMaxDebugEntries = 64;

// One entry of an import lookup table; false at its end.
bool ReadThunk(const Image& image, uint64_t rva, bool& by_ordinal) {
    bool read;
    bool more;
    if (image.Is64()) {
        uint64_t thunk = 0;
        read = image.ReadRva(rva, thunk);
        more = thunk != 0;
        by_ordinal = (thunk & kOrdinalFlag64) != 0;
    } else {
        uint32_t thunk = 0;
        read = image.ReadRva(rva, thunk);
        more = thunk != 0;
        by_ordinal = (thunk & kOrdinalFlag32) != 0;
    }
    if (!read) ThrowDamaged("a table of imported functions lies at " + Hex(rva) + " in memory");
    return more;
}

void CountFunctions(const Image& image, Import& import, size_t& total) {
    const ImportDescriptor& descriptor = import.descriptor;
    const uint64_t table =
        descriptor.name_thunks != 0 ? descriptor.name_thunks : descriptor.address_thunks;
    const uint64_t step = image.Is64() ? sizeof(uint64_t) : sizeof(uint32_t);
    bool by_ordinal = false;
    for (uint64_t rva = table; ReadThunk(image, rva, by_ordinal); rva += step) {
        ++import.functions;
        import.by_ordinal += by_ordinal;
        if (++total > kMaxFunctions) {
            ThrowDamaged("it claims to import more than " + std::to_string(kMaxFunctions) +
                         " functions");
        }
    }
}

bool IsZero(Bytes bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

// The parts of the file that its headers tell of.
std::vector<Range> KnownRanges(const Image& image) {
    std::vector<Range> known = {{0, image.raw_end()}};
    const FileHeader& file = image.file();
    if (file.symbol_table != 0 && file.symbol_count != 0) {
        const uint64_t symbols = uint64_t{file.symbol_count} * kSymbolBytes;
        uint32_t strings = 0;
        image.ReadAt(file.symbol_table + symbols, strings);
        known.push_back({file.symbol_table, symbols + std::max<uint64_t>(strings, 4)});
    }
    const Directory certificates = image.directory(kCertificateDirectory);
    known.push_back({certificates.rva, certificates.bytes});
    const Directory debug = image.directory(kDebugDirectory);
    for (size_t i = 0; i < kMaxDebugEntries && (i + 1) * sizeof(DebugEntry) <= debug.bytes; ++i) {
        DebugEntry entry;
        if (!image.ReadRva(uint64_t{debug.rva} + i * sizeof entry, entry)) break;
        known.push_back({entry.raw_offset, entry.bytes});
    }
    std::sort(known.begin(), known.end(),
              [](const Range& a, const Range& b) { return a.offset < b.offset; });
    return known;
}

}  // namespace

std::vector<Import> ReadImports(const Image& image) {
    std::vector<Import> imports;
    const uint64_t table = image.directory(kImportDirectory).rva;
    if (table == 0) return imports;
    size_t functions = 0;
    for (size_t i = 0; i < kMaxDescriptors; ++i) {
        const uint64_t rva = table + i * sizeof(ImportDescriptor);
        Import import;
        if (!image.ReadRva(rva, import.descriptor)) {
            ThrowDamaged("import " + std::to_string(i) + " lies at " + Hex(rva) + " in memory");
        }
        // The loader stops here, too, whatever the other fields are.
        if (import.descriptor.name == 0 || import.descriptor.address_thunks == 0) return imports;
        const std::optional<std::string> name =
            image.ReadText(import.descriptor.name, kMaxNameBytes);
        if (!name) {
            ThrowDamaged("the name of import " + std::to_string(i) + " lies at " +
                         Hex(import.descriptor.name) + " in memory");
        }
        import.dll = *name;
        CountFunctions(image, import, functions);
        imports.push_back(import);
    }
    ThrowDamaged("it claims to import more than " + std::to_string(kMaxDescriptors) + " DLLs");
}

bool ExportsOrdinal(const Image& image, uint32_t ordinal) {
    if (!image.Is64() || !image.IsDll() || image.file().machine != kMachineAmd64) return false;
    const uint64_t rva = image.directory(kExportDirectory).rva;
    ExportTable table;
    if (rva == 0 || !image.ReadRva(rva, table)) return false;
    if (ordinal < table.ordinal_base || ordinal - table.ordinal_base >= table.address_count) {
        return false;
    }
    uint32_t address = 0;
    const uint64_t index = ordinal - table.ordinal_base;
    return image.ReadRva(table.addresses + index * sizeof address, address) && address != 0;
}

bool IsManaged(const Image& image) { return image.directory(kManagedDirectory).rva != 0; }

bool IsManagedOnly(const Image& image) {
    ManagedHeader header;
    return IsManaged(image) && image.ReadRva(image.directory(kManagedDirectory).rva, header) &&
           (header.flags & kManagedIlOnly) != 0;
}

LoadConfig ReadLoadConfig(const Image& image) {
    LoadConfig config;
    const uint64_t rva = image.directory(kLoadConfigDirectory).rva;
    uint32_t size = 0;
    if (!image.Is64() || rva == 0 || !image.ReadRva(rva, size)) return config;
    uint64_t metadata = 0;
    if (size >= kDependentLoadFlagsAt + sizeof config.dependent_load_flags) {
        image.ReadRva(rva + kDependentLoadFlagsAt, config.dependent_load_flags);
    }
    if (size >= kArm64EcMetadataAt + sizeof metadata) {
        image.ReadRva(rva + kArm64EcMetadataAt, metadata);
    }
    config.arm64ec = metadata != 0;
    return config;
}

Range FindOverlay(const Image& image) {
    const Bytes bytes = image.bytes();
    std::vector<Range> known = KnownRanges(image);
    known.push_back({bytes.size(), 0});  // sorted behind all that lie in the file
    uint64_t end = 0;
    for (const Range& range : known) {
        const uint64_t begin = std::min<uint64_t>(range.offset, bytes.size());
        if (begin > end && !IsZero(bytes.subspan(end, begin - end))) return {end, begin - end};
        end = std::max(end, std::min<uint64_t>(range.offset + range.bytes, bytes.size()));
    }
    return {};
}

}  // namespace strata::patch
