#include "patch/patch.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "patch/text.h"

namespace strata::patch {

namespace {

constexpr uint64_t kMaxOffset = uint64_t{1} << 32;
constexpr uint64_t kThunk = sizeof(uint64_t);
static_assert(sizeof kPatchSection <= sizeof(SectionHeader::name));
static_assert(sizeof kPatchMagic == sizeof(PatchRecord::magic) + 1);

// Where the parts of the new section are, from its start.
struct Layout {
    Layout(uint64_t original_headers, size_t dll_name, size_t imports)
        : name_thunks(AlignUp(sizeof(PatchRecord) + original_headers, kThunk)),
          address_thunks(name_thunks + 2 * kThunk),
          name(address_thunks + 2 * kThunk),
          descriptors(AlignUp(name + dll_name + 1, kThunk)),
          descriptor_bytes((imports + 2) * sizeof(ImportDescriptor)),
          end(descriptors + descriptor_bytes) {}

    uint64_t name_thunks;
    uint64_t address_thunks;
    uint64_t name;
    uint64_t descriptors;
    uint64_t descriptor_bytes;  // ours, the program's, and the end
    uint64_t end;
};

template <typename T>
void Put(std::vector<uint8_t>& bytes, uint64_t at, const T& value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

class Patcher {
public:
    Patcher(const Image& image, const std::vector<Import>& imports, const std::string& dll)
        : image_(image),
          imports_(imports),
          dll_(dll),
          header_bytes_(image.section_table_end() + sizeof(SectionHeader)),
          layout_(header_bytes_, dll.size(), imports.size()),
          rva_(image.image_end()),
          raw_offset_(AlignUp(image.bytes().size(), image.optional().file_alignment)),
          raw_bytes_(AlignUp(layout_.end, image.optional().file_alignment)) {}

    std::vector<uint8_t> Make();

private:
    void CheckOffsets() const;
    void WriteSection();
    void WriteDirectories();
    void WriteHeaders();
    uint32_t Rva(uint64_t offset) const { return static_cast<uint32_t>(rva_ + offset); }

    const Image& image_;
    const std::vector<Import>& imports_;
    const std::string& dll_;
    const uint64_t header_bytes_;
    const Layout layout_;
    const uint64_t rva_;
    const uint64_t raw_offset_;
    const uint64_t raw_bytes_;
    std::vector<uint8_t> bytes_;
};

void Patcher::CheckOffsets() const {
    if (rva_ + AlignUp(layout_.end, image_.optional().section_alignment) < kMaxOffset &&
        raw_offset_ + raw_bytes_ < kMaxOffset) {
        return;
    }
    throw Refused(Reason::kNoRoom, "it has no room for one more section: it ends at " +
                                       Hex(image_.bytes().size()) + " in the file and at " +
                                       Hex(rva_) + " in memory, of 4 GiB; use strata-run");
}

void Patcher::WriteSection() {
    PatchRecord record = {};
    std::copy_n(kPatchMagic, sizeof record.magic, record.magic);
    record.record_bytes = sizeof record;
    record.header_bytes = static_cast<uint32_t>(header_bytes_);
    record.original_bytes = image_.bytes().size();
    record.original_sha256 = ComputeSha256(image_.bytes());
    Put(bytes_, raw_offset_, record);
    std::copy_n(image_.bytes().begin(), header_bytes_,
                bytes_.begin() + static_cast<ptrdiff_t>(raw_offset_ + sizeof record));

    Put(bytes_, raw_offset_ + layout_.name_thunks, kOrdinalFlag64 | kImportOrdinal);
    Put(bytes_, raw_offset_ + layout_.address_thunks, kOrdinalFlag64 | kImportOrdinal);
    std::copy(dll_.begin(), dll_.end(),
              bytes_.begin() + static_cast<ptrdiff_t>(raw_offset_ + layout_.name));

    uint64_t at = raw_offset_ + layout_.descriptors;
    Put(bytes_, at,
        ImportDescriptor{Rva(layout_.name_thunks), 0, 0, Rva(layout_.name),
                         Rva(layout_.address_thunks)});
    for (const Import& import : imports_) {
        ImportDescriptor descriptor = import.descriptor;
        // A bound table would be compared with the directory that is switched off below, and could
        // not be read anew without its list of names.
        if (descriptor.name_thunks != 0) descriptor.time_stamp = 0;
        Put(bytes_, at += sizeof descriptor, descriptor);
    }
}

void Patcher::WriteDirectories() {
    const auto set = [this](DirectoryIndex index, Directory directory) {
        Put(bytes_, image_.directories_at() + index * sizeof directory, directory);
    };
    // Windows makes the address tables writable by their directory entry, and where that is empty,
    // by the section around the import directory, which from now on is ours. An image for which it
    // finds neither it refuses. Ours is always writable, and the only one of a program without
    // imports.
    if (image_.directory(kAddressTableDirectory).rva == 0 && imports_.empty()) {
        set(kAddressTableDirectory, {Rva(layout_.address_thunks), 2 * kThunk});
    } else if (image_.directory(kAddressTableDirectory).rva == 0) {
        const SectionHeader& section =
            *image_.SectionAround(image_.directory(kImportDirectory).rva);
        set(kAddressTableDirectory, {section.rva, MemoryBytes(section)});
    }
    set(kImportDirectory,
        {Rva(layout_.descriptors), static_cast<uint32_t>(layout_.descriptor_bytes)});
    set(kBoundImportDirectory, {0, 0});
    set(kCertificateDirectory, {0, 0});
}

void Patcher::WriteHeaders() {
    FileHeader file = image_.file();
    ++file.section_count;
    Put(bytes_, image_.file_header_at(), file);

    SectionHeader section = {};
    std::copy_n(kPatchSection, sizeof kPatchSection, section.name);
    section.virtual_bytes = static_cast<uint32_t>(layout_.end);
    section.rva = Rva(0);
    section.raw_bytes = static_cast<uint32_t>(raw_bytes_);
    section.raw_offset = static_cast<uint32_t>(raw_offset_);
    section.characteristics = kSectionData | kSectionRead | kSectionWrite;
    Put(bytes_, image_.section_table_end(), section);

    OptionalHeader optional = image_.optional();
    optional.initialized_data_bytes += section.raw_bytes;
    optional.image_bytes =
        static_cast<uint32_t>(AlignUp(rva_ + section.virtual_bytes, optional.section_alignment));
    optional.checksum = 0;
    Put(bytes_, image_.optional_header_at(), optional);
    Put(bytes_, image_.checksum_at(), ComputeChecksum(bytes_, image_.checksum_at()));
}

std::vector<uint8_t> Patcher::Make() {
    CheckOffsets();
    bytes_.reserve(raw_offset_ + raw_bytes_);
    bytes_.assign(image_.bytes().begin(), image_.bytes().end());
    bytes_.resize(raw_offset_ + raw_bytes_);
    WriteSection();
    WriteDirectories();
    WriteHeaders();
    return std::move(bytes_);
}

// Whether the first import is this DLL, by our ordinal.
bool IsFirstImport(const Image& image, const std::string& dll) {
    const std::vector<Import> imports = ReadImports(image);
    if (imports.empty() || imports[0].dll != dll || imports[0].functions != 1) return false;
    const ImportDescriptor& descriptor = imports[0].descriptor;
    uint64_t thunk = 0;
    return image.ReadRva(descriptor.address_thunks, thunk) &&
           thunk == (kOrdinalFlag64 | kImportOrdinal);
}

// Compares two files, but for 4 bytes at `checksum` and the digest in the record at `record`; says
// where they differ.
std::string FirstDifference(Bytes is, std::vector<uint8_t> should, uint64_t checksum,
                            uint64_t record, uint64_t original_bytes) {
    if (is.size() < should.size()) {
        return "the file ends at " + Hex(is.size()) + " instead of " + Hex(should.size());
    }
    const uint64_t digest = record + offsetof(PatchRecord, original_sha256);
    if (checksum + sizeof(uint32_t) > should.size() || digest + sizeof(Sha256) > should.size()) {
        return "the headers are not those of the original";
    }
    std::copy_n(is.begin() + static_cast<ptrdiff_t>(checksum), sizeof(uint32_t),
                should.begin() + static_cast<ptrdiff_t>(checksum));
    std::copy_n(is.begin() + static_cast<ptrdiff_t>(digest), sizeof(Sha256),
                should.begin() + static_cast<ptrdiff_t>(digest));
    const auto [at, ignored] = std::mismatch(should.begin(), should.end(), is.begin());
    if (at != should.end()) {
        const auto offset = static_cast<uint64_t>(at - should.begin());
        return std::string(offset < original_bytes ? "the headers differ"
                                                   : "the new section differs") +
               " from what the patch wrote, first at " + Hex(offset);
    }
    if (is.size() > should.size()) {
        return Count(is.size() - should.size(), "byte") + " were added at the end, at " +
               Hex(should.size()) + " (a signature?)";
    }
    return "";
}

}  // namespace

PatchedFile ApplyPatch(Bytes original, const PatchRequest& request) {
    CheckDllName(request.dll);
    const Image image(original);
    const std::vector<Import> imports = ReadImports(image);
    PatchedFile patched;
    for (const Obstacle& obstacle : FindObstacles(image, imports, request.dll)) {
        if (!obstacle.can_be_forced || !request.force) {
            throw Refused(obstacle.reason, obstacle.message);
        }
        patched.remarks.push_back(obstacle.forced);
    }
    patched.bytes = Patcher(image, imports, request.dll).Make();
    return patched;
}

std::optional<PatchRecord> FindRecord(const Image& image) {
    const SectionHeader& section = image.sections().back();
    PatchRecord record;
    if (SectionName(section) != kPatchSection || section.raw_bytes < sizeof record ||
        !image.ReadAt(section.raw_offset, record) ||
        std::memcmp(record.magic, kPatchMagic, sizeof record.magic) != 0) {
        return std::nullopt;
    }
    const bool possible = record.record_bytes == sizeof record &&
                          record.header_bytes <= section.raw_bytes - sizeof record &&
                          record.header_bytes <= record.original_bytes &&
                          record.original_bytes <= section.raw_offset;
    if (!possible)
        ThrowDamaged("the record of the patch at " + Hex(section.raw_offset) + " is wrong");
    return record;
}

std::string ImportedByPatch(const Image& image, const PatchRecord& record) {
    const uint64_t name = Layout(record.header_bytes, 0, 0).name;
    return image.ReadText(image.sections().back().rva + name, kMaxDllName).value_or("");
}

Original RestoreOriginal(Bytes patched) {
    const Image image(patched);
    const std::optional<PatchRecord> record = FindRecord(image);
    if (!record) throw Refused(Reason::kNotPatched, "it is not patched by strata-patch");
    const Bytes headers =
        patched.subspan(image.sections().back().raw_offset + sizeof *record, record->header_bytes);
    const Bytes kept = patched.first(record->original_bytes);
    Original original = {{kept.begin(), kept.end()}, false};
    std::copy(headers.begin(), headers.end(), original.bytes.begin());
    original.identical = ComputeSha256(original.bytes) == record->original_sha256;
    return original;
}

Verification VerifyPatch(Bytes bytes) {
    const Image image(bytes);
    Verification result;
    const std::optional<PatchRecord> record = FindRecord(image);
    if (!record) return result;
    result.patched = true;

    result.dll = ImportedByPatch(image, *record);
    result.first = IsFirstImport(image, result.dll);
    result.stored_checksum = image.optional().checksum;
    result.right_checksum = ComputeChecksum(bytes, image.checksum_at());
    result.checksum = result.stored_checksum == result.right_checksum;

    const Original original = RestoreOriginal(bytes);
    result.original = original.identical;
    try {
        const uint64_t record_at = image.sections().back().raw_offset;
        result.problem =
            FirstDifference(bytes, ApplyPatch(original.bytes, {result.dll, true}).bytes,
                            image.checksum_at(), record_at, record->original_bytes);
    } catch (const Refused& refused) {
        result.problem = std::string("without the patch, ") + refused.what();
    }
    result.headers = result.problem.empty();
    return result;
}

}  // namespace strata::patch
