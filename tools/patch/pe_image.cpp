#include "patch/pe_image.h"

#include <algorithm>
#include <bit>

#include "patch/text.h"

namespace strata::patch {

namespace {

constexpr uint64_t kMaxRva = uint64_t{1} << 32;
constexpr uint32_t kPage = 0x1000;
constexpr uint32_t kMinFileAlignment = 0x200;
constexpr uint32_t kMaxFileAlignment = 0x10000;

[[noreturn]] void ThrowNotPe(const std::string& what) {
    throw Refused(Reason::kNotPe, "it is not a Windows program (PE file): " + what);
}

std::string Ends(const std::string& what, uint64_t end, uint64_t size) {
    return what + " ends at " + Hex(end) + ", the file at " + Hex(size);
}

}  // namespace

void ThrowDamaged(const std::string& what) {
    throw Refused(Reason::kDamaged,
                  "it is damaged or cut off: " + what + "; get a whole copy of it");
}

Image::Image(Bytes bytes) : bytes_(bytes) {
    ReadHeaders();
    ReadDirectories();
    CheckAlignments();
    ReadSections();
    CheckTrailingParts();
}

void Image::ReadHeaders() {
    uint16_t dos = 0;
    if (!ReadAt(0, dos) || dos != kDosSignature) ThrowNotPe("it does not begin with MZ");
    uint32_t pe_at = 0;
    if (!ReadAt(kPeOffsetAt, pe_at))
        ThrowDamaged(Ends("the MS-DOS header", kDosHeaderBytes, bytes_.size()));
    uint32_t signature = 0;
    if (!ReadAt(pe_at, signature)) {
        ThrowDamaged("the PE header should be at " + Hex(pe_at) + ", the file ends at " +
                     Hex(bytes_.size()));
    }
    if (signature != kPeSignature) ThrowNotPe("there is no PE header at " + Hex(pe_at));
    if (pe_at % 4 != 0) ThrowDamaged("the PE header at " + Hex(pe_at) + " is not aligned");
    pe_at_ = pe_at;

    if (!ReadAt(file_header_at(), file_) || !ReadAt(optional_header_at(), optional_)) {
        ThrowDamaged(Ends("the PE header", optional_header_at() + sizeof optional_, bytes_.size()));
    }
    if (optional_.magic != kMagic32 && optional_.magic != kMagic64) {
        ThrowDamaged("the optional header at " + Hex(optional_header_at()) +
                     " has the magic number " + Hex(optional_.magic));
    }
    image_base_ = Is64() ? uint64_t{optional_.image_base[1]} << 32 | optional_.image_base[0]
                         : optional_.image_base[1];
}

void Image::ReadDirectories() {
    uint32_t count = 0;
    if (!ReadAt(directories_at() - sizeof count, count)) {
        ThrowDamaged(Ends("the optional header", directories_at(), bytes_.size()));
    }
    count = std::min<uint32_t>(count, kDirectoryCount);  // the loader knows of no more
    const uint64_t end = directories_at() + count * sizeof(Directory);
    if (end > section_table_at()) {
        ThrowDamaged("the optional header has " + Hex(file_.optional_header_bytes) +
                     " bytes, too few for its " + std::to_string(count) + " data directories");
    }
    directories_.resize(count);
    for (uint32_t i = 0; i < count; ++i) {
        if (!ReadAt(directories_at() + i * sizeof(Directory), directories_[i])) {
            ThrowDamaged(Ends("the table of data directories", end, bytes_.size()));
        }
    }
}

void Image::CheckAlignments() const {
    const uint32_t section = optional_.section_alignment;
    const uint32_t file = optional_.file_alignment;
    if (!std::has_single_bit(section)) {
        ThrowDamaged("the section alignment " + Hex(section) + " is not a power of two");
    }
    if (section < kPage) {
        throw Refused(Reason::kUnusual, "its sections are packed closer than a page (alignment " +
                                            Hex(section) + "), as in drivers; use strata-run");
    }
    if (!std::has_single_bit(file) || file < kMinFileAlignment || file > kMaxFileAlignment ||
        file > section) {
        ThrowDamaged("the file alignment " + Hex(file) + " is none");
    }
}

void Image::ReadSections() {
    if (file_.section_count == 0 || file_.section_count > kMaxSections) {
        ThrowDamaged("it claims to have " + Count(file_.section_count, "section"));
    }
    const uint64_t table_end = section_table_at() + file_.section_count * sizeof(SectionHeader);
    if (table_end > optional_.header_bytes || optional_.header_bytes > bytes_.size()) {
        ThrowDamaged("the section table ends at " + Hex(table_end) + ", the headers at " +
                     Hex(optional_.header_bytes) + ", the file at " + Hex(bytes_.size()));
    }
    raw_end_ = optional_.header_bytes;
    uint64_t rva = AlignUp(optional_.header_bytes, optional_.section_alignment);
    for (uint16_t i = 0; i < file_.section_count; ++i) {
        SectionHeader section;
        ReadAt(section_table_at() + i * sizeof section, section);
        // The headers may be followed by a gap, the sections not.
        if (i == 0) rva = std::max<uint64_t>(rva, section.rva);
        CheckSection(section, rva);
        rva = AlignUp(rva + MemoryBytes(section), optional_.section_alignment);
        if (section.raw_bytes != 0) {
            raw_end_ = std::max(raw_end_, uint64_t{section.raw_offset} + section.raw_bytes);
        }
        sections_.push_back(section);
    }
    image_end_ = rva;
    if (AlignUp(optional_.image_bytes, optional_.section_alignment) != image_end_) {
        ThrowDamaged("its sections end at " + Hex(image_end_) + " in memory, the image at " +
                     Hex(optional_.image_bytes));
    }
}

// "The VAs for sections must be assigned by the linker so that they are in ascending order and
// adjacent, and they must be a multiple of the SectionAlignment value in the optional header."
void Image::CheckSection(const SectionHeader& section, uint64_t expected_rva) const {
    const std::string name = "section " + SectionName(section);
    if (section.rva != expected_rva || section.rva % optional_.section_alignment != 0) {
        ThrowDamaged(name + " is at " + Hex(section.rva) + " in memory instead of " +
                     Hex(AlignUp(expected_rva, optional_.section_alignment)));
    }
    if (MemoryBytes(section) == 0 || uint64_t{section.rva} + MemoryBytes(section) >= kMaxRva) {
        ThrowDamaged(name + " has " + Hex(MemoryBytes(section)) + " bytes in memory");
    }
    if (section.raw_bytes == 0) return;
    const uint64_t end = uint64_t{section.raw_offset} + section.raw_bytes;
    if (end > bytes_.size()) ThrowDamaged(Ends(name, end, bytes_.size()));
    if (section.raw_offset < optional_.header_bytes ||
        section.raw_offset % optional_.file_alignment != 0) {
        ThrowDamaged(name + " is at " + Hex(section.raw_offset) +
                     " in the file, in the headers or "
                     "not aligned");
    }
}

// What stands in the headers and lies behind the sections: a copy that was cut off lacks it.
void Image::CheckTrailingParts() const {
    const Directory certificates = directory(kCertificateDirectory);
    const uint64_t end = uint64_t{certificates.rva} + certificates.bytes;
    if (certificates.bytes != 0 && end > bytes_.size()) {
        ThrowDamaged(Ends("the signature", end, bytes_.size()));
    }
    if (file_.symbol_table != 0 && file_.symbol_count != 0) {
        const uint64_t strings = file_.symbol_table + uint64_t{file_.symbol_count} * kSymbolBytes;
        uint32_t size = 0;
        if (!ReadAt(strings, size) || strings + size > bytes_.size()) {
            ThrowDamaged(
                Ends("the symbol table", strings + std::max<uint64_t>(size, 4), bytes_.size()));
        }
    }
}

const SectionHeader* Image::SectionAround(uint64_t rva) const {
    for (const SectionHeader& section : sections_) {
        const uint64_t end =
            section.rva + AlignUp(MemoryBytes(section), optional_.section_alignment);
        if (rva >= section.rva && rva < end) return &section;
    }
    return nullptr;
}

bool Image::ReadMemory(uint64_t rva, uint8_t* to, size_t size) const {
    if (rva < optional_.header_bytes) {
        if (optional_.header_bytes - rva < size) return false;
        std::memcpy(to, bytes_.data() + rva, size);
        return true;
    }
    const SectionHeader* const section = SectionAround(rva);
    if (section == nullptr) return false;
    const uint64_t mapped = AlignUp(MemoryBytes(*section), optional_.section_alignment);
    const uint64_t at = rva - section->rva;
    if (mapped - at < size) return false;
    const uint64_t stored = std::min<uint64_t>(section->raw_bytes, mapped);
    const uint64_t copied = at < stored ? std::min<uint64_t>(stored - at, size) : 0;
    if (copied != 0) std::memcpy(to, bytes_.data() + section->raw_offset + at, copied);
    std::memset(to + copied, 0, size - copied);
    return true;
}

std::optional<std::string> Image::ReadText(uint64_t rva, size_t limit) const {
    std::string text;
    char c = 0;
    while (text.size() <= limit && ReadRva(rva + text.size(), c)) {
        if (c == 0) return text;
        text.push_back(c);
    }
    return std::nullopt;
}

std::string SectionName(const SectionHeader& section) {
    const char* const end = std::find(section.name, section.name + sizeof section.name, '\0');
    return Printable({section.name, static_cast<size_t>(end - section.name)});
}

uint32_t ComputeChecksum(Bytes bytes, uint64_t checksum_at) {
    uint32_t sum = 0;
    for (uint64_t at = 0; at < bytes.size(); at += 2) {
        if (at >= checksum_at && at < checksum_at + 4) continue;
        const uint32_t high = at + 1 < bytes.size() ? bytes[at + 1] : 0u;
        sum += bytes[at] | high << 8;
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return sum + static_cast<uint32_t>(bytes.size());
}

}  // namespace strata::patch
