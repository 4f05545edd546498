// A PE file in memory: its headers, checked, and what lies where. Only reads; nothing here trusts a
// number of the file before it has been compared with the file's size.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "patch/pe_format.h"
#include "patch/refused.h"

namespace strata::patch {

using Bytes = std::span<const uint8_t>;

constexpr uint64_t AlignUp(uint64_t value, uint64_t alignment) {
    return (value + alignment - 1) / alignment * alignment;
}

// "it is damaged or cut off: <what>; get a whole copy of it"
[[noreturn]] void ThrowDamaged(const std::string& what);

class Image {
public:
    // REQUIRES: `bytes` outlives the image. Throws Refused: kNotPe, kDamaged, or kUnusual for
    // images whose sections are packed closer than a page. 32-bit images are read as well.
    explicit Image(Bytes bytes);

    Bytes bytes() const { return bytes_; }
    const FileHeader& file() const { return file_; }
    const OptionalHeader& optional() const { return optional_; }
    const std::vector<SectionHeader>& sections() const { return sections_; }
    bool Is64() const { return optional_.magic == kMagic64; }
    bool IsDll() const { return (file_.characteristics & kFileIsDll) != 0; }
    uint64_t image_base() const { return image_base_; }

    // File offsets of the parts of the headers.
    uint64_t file_header_at() const { return pe_at_ + sizeof(uint32_t); }
    uint64_t optional_header_at() const { return file_header_at() + sizeof(FileHeader); }
    uint64_t checksum_at() const {
        return optional_header_at() + offsetof(OptionalHeader, checksum);
    }
    uint64_t directories_at() const {
        return optional_header_at() + (Is64() ? kDirectoriesAt64 : kDirectoriesAt32);
    }
    uint64_t section_table_at() const { return optional_header_at() + file_.optional_header_bytes; }
    uint64_t section_table_end() const {
        return section_table_at() + sections_.size() * sizeof(SectionHeader);
    }

    uint32_t directory_count() const { return static_cast<uint32_t>(directories_.size()); }
    // {0, 0} for one that the file does not have.
    Directory directory(DirectoryIndex index) const {
        return index < directories_.size() ? directories_[index] : Directory{0, 0};
    }

    // Where the data of the last section ends, in the file; and the whole image, in memory.
    uint64_t raw_end() const { return raw_end_; }
    uint64_t image_end() const { return image_end_; }

    // nullptr: in the headers, or nowhere.
    const SectionHeader* SectionAround(uint64_t rva) const;

    // False: not (wholly) in the file.
    template <typename T>
    bool ReadAt(uint64_t offset, T& value) const {
        if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return false;
        std::memcpy(&value, bytes_.data() + offset, sizeof(T));
        return true;
    }
    // As the loader would have it in memory: zeros behind a section's data. False: outside of the
    // image, or across a border of sections.
    template <typename T>
    bool ReadRva(uint64_t rva, T& value) const {
        return ReadMemory(rva, reinterpret_cast<uint8_t*>(&value), sizeof(T));
    }
    // A text that ends with a zero; nothing when there is none, or more than `limit` characters.
    std::optional<std::string> ReadText(uint64_t rva, size_t limit) const;

private:
    void ReadHeaders();
    void ReadDirectories();
    void CheckAlignments() const;
    void ReadSections();
    void CheckSection(const SectionHeader& section, uint64_t expected_rva) const;
    void CheckTrailingParts() const;
    bool ReadMemory(uint64_t rva, uint8_t* to, size_t size) const;

    Bytes bytes_;
    uint64_t pe_at_ = 0;
    FileHeader file_ = {};
    OptionalHeader optional_ = {};
    uint64_t image_base_ = 0;
    std::vector<Directory> directories_;
    std::vector<SectionHeader> sections_;
    uint64_t raw_end_ = 0;
    uint64_t image_end_ = 0;
};

// In memory. A linker may leave the virtual size 0 and mean the size in the file.
inline uint32_t MemoryBytes(const SectionHeader& section) {
    return section.virtual_bytes != 0 ? section.virtual_bytes : section.raw_bytes;
}

// Up to eight characters; printable.
std::string SectionName(const SectionHeader& section);

// The checksum of a whole file, with the field itself at `checksum_at` taken as zero: the sum of
// its 16-bit words with the carry added back, and the size (CheckSumMappedFile of imagehlp.dll).
uint32_t ComputeChecksum(Bytes bytes, uint64_t checksum_at);

}  // namespace strata::patch
