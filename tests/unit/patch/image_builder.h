// Small PE files made by hand, so that the tests know every byte of them: a program with three
// sections and two imported DLLs, and what can be added to it.
//
//   0x000 MS-DOS header   0x080 PE header   0x188 section table   0x400 .text   0x600 .rdata   0xC00 .data
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "patch/patch.h"

namespace strata::patch {

using File = std::vector<uint8_t>;

template <typename T>
void Poke(File& file, uint64_t at, const T& value) {
    ASSERT_LE(at + sizeof value, file.size());
    std::memcpy(file.data() + at, &value, sizeof value);
}

template <typename T>
T Peek(const File& file, uint64_t at) {
    T value = {};
    if (at + sizeof value <= file.size()) std::memcpy(&value, file.data() + at, sizeof value);
    return value;
}

struct TestImport {
    std::string dll;
    std::vector<std::string> functions;  // "#7": by ordinal
};

class ImageBuilder {
public:
    static constexpr uint32_t kPeAt = 0x80;
    static constexpr uint32_t kFileHeaderAt = kPeAt + 4;
    static constexpr uint32_t kOptionalAt = kFileHeaderAt + sizeof(FileHeader);
    static constexpr uint32_t kHeaderBytes = 0x400;
    static constexpr uint32_t kRdataRva = 0x2000;
    static constexpr uint32_t kRdataAt = 0x600;
    static constexpr uint32_t kRdataBytes = 0x600;

    explicit ImageBuilder(bool is_64 = true) : is_64_(is_64) {
        file_.machine = is_64 ? kMachineAmd64 : kMachineI386;
        file_.section_count = 3;
        file_.characteristics = kFileIsExecutable;
        file_.optional_header_bytes =
            static_cast<uint16_t>(DirectoriesAt() - kOptionalAt + 16 * sizeof(Directory));
        optional_.magic = is_64 ? kMagic64 : kMagic32;
        optional_.entry_point = 0x1000;
        optional_.image_base[is_64 ? 0 : 1] = 0x4000'0000;
        optional_.section_alignment = 0x1000;
        optional_.file_alignment = 0x200;
        optional_.image_bytes = 0x4000;
        optional_.header_bytes = kHeaderBytes;
        optional_.subsystem = kSubsystemWindowsConsole;
        optional_.dll_characteristics = kDynamicBase | kHighEntropyAddresses;
        imports_ = {{"KERNEL32.dll", {"ExitProcess", "GetProcessHeap", "HeapAlloc"}},
                    {"msvcrt.dll", {"malloc", "#7"}}};
    }

    uint32_t DirectoriesAt() const {
        return kOptionalAt + (is_64_ ? kDirectoriesAt64 : kDirectoriesAt32);
    }
    uint32_t DirectoryAt(DirectoryIndex index) const { return DirectoriesAt() + index * 8; }
    uint32_t SectionTableAt() const { return DirectoriesAt() + 16 * 8; }
    uint32_t SectionAt(uint32_t index) const { return SectionTableAt() + index * 40; }
    uint32_t SectionTableEnd() const { return SectionAt(file_.section_count); }

    FileHeader& file() { return file_; }
    OptionalHeader& optional() { return optional_; }
    std::vector<TestImport>& imports() { return imports_; }
    // In .rdata; its RVA.
    template <typename T>
    uint32_t Add(const T& value) {
        return AddBytes(&value, sizeof value);
    }
    uint32_t AddBytes(const void* bytes, size_t size) {
        const size_t at = rdata_.size();
        rdata_.resize(AlignUp(at + size, 8));
        if (size != 0) std::memcpy(rdata_.data() + at, bytes, size);
        return static_cast<uint32_t>(kRdataRva + at);
    }
    void SetDirectory(DirectoryIndex index, Directory directory) {
        directories_[index] = directory;
    }
    // Without an entry for the address tables, as some linkers leave it.
    ImageBuilder& NoAddressTableDirectory() {
        address_table_directory_ = false;
        return *this;
    }

    File Build() {
        File file(0xE00);
        Poke(file, 0, kDosSignature);
        Poke(file, kPeOffsetAt, kPeAt);
        Poke(file, kPeAt, kPeSignature);
        AddImports();
        EXPECT_LE(rdata_.size(), kRdataBytes);
        std::copy(rdata_.begin(), rdata_.end(), file.begin() + kRdataAt);
        Poke(file, kFileHeaderAt, file_);
        Poke(file, kOptionalAt, optional_);
        Poke(file, DirectoriesAt() - 4, uint32_t{16});
        Poke(file, DirectoriesAt(), directories_);
        PutSection(file, 0, ".text", {0x1000, 0x123}, {0x400, 0x200},
                   kSectionRead | kSectionExecute);
        PutSection(file, 1, ".rdata", {kRdataRva, kRdataBytes - 0x10}, {kRdataAt, kRdataBytes},
                   kSectionRead);
        PutSection(file, 2, ".data", {0x3000, 0x800}, {0xC00, 0x200}, kSectionRead | kSectionWrite);
        for (uint32_t at = 0x400; at < 0x523; ++at) file[at] = 0x90;
        for (uint32_t at = 0xC00; at < 0xE00; ++at) file[at] = static_cast<uint8_t>(at * 7 + 1);
        return file;
    }

private:
    // {offset, bytes} in memory and in the file.
    static void PutSection(File& file, uint32_t index, const char* name, Directory memory,
                           Directory raw, uint32_t access) {
        SectionHeader section = {};
        std::memcpy(section.name, name, std::strlen(name));
        section.rva = memory.rva;
        section.virtual_bytes = memory.bytes;
        section.raw_offset = raw.rva;
        section.raw_bytes = raw.bytes;
        section.characteristics = access;
        Poke(file, Peek<uint16_t>(file, kFileHeaderAt + 16) + kOptionalAt + index * 40, section);
    }

    uint32_t AddThunks(const std::vector<std::string>& functions) {
        std::vector<uint64_t> thunks;
        for (const std::string& function : functions) {
            const bool by_ordinal = function[0] == '#';
            const uint64_t flag = is_64_ ? kOrdinalFlag64 : kOrdinalFlag32;
            const std::string hint_and_name = std::string(2, 0) + function;
            thunks.push_back(by_ordinal
                                 ? flag | std::stoul(function.substr(1))
                                 : AddBytes(hint_and_name.c_str(), hint_and_name.size() + 1));
        }
        thunks.push_back(0);
        if (is_64_) return AddBytes(thunks.data(), thunks.size() * sizeof(uint64_t));
        const std::vector<uint32_t> narrow(thunks.begin(), thunks.end());
        return AddBytes(narrow.data(), narrow.size() * sizeof(uint32_t));
    }

    void AddImports() {
        std::vector<ImportDescriptor> descriptors;
        uint32_t tables_begin = 0;
        for (const TestImport& import : imports_) {
            ImportDescriptor descriptor = {};
            descriptor.name_thunks = AddThunks(import.functions);
            descriptor.address_thunks = AddThunks(import.functions);
            descriptor.name = AddBytes(import.dll.c_str(), import.dll.size() + 1);
            if (tables_begin == 0) tables_begin = descriptor.address_thunks;
            descriptors.push_back(descriptor);
        }
        if (descriptors.empty()) return;
        descriptors.push_back({});
        const uint32_t bytes = static_cast<uint32_t>(descriptors.size() * sizeof(ImportDescriptor));
        const uint32_t table = AddBytes(descriptors.data(), bytes);
        directories_[kImportDirectory] = {table, bytes};
        if (address_table_directory_) {
            directories_[kAddressTableDirectory] = {tables_begin, table - tables_begin};
        }
    }

    bool is_64_;
    bool address_table_directory_ = true;
    FileHeader file_ = {};
    OptionalHeader optional_ = {};
    Directory directories_[16] = {};
    std::vector<TestImport> imports_;
    File rdata_;
};

// Behind the sections.
inline File WithOverlay(File file, const std::string& data) {
    file.insert(file.end(), data.begin(), data.end());
    return file;
}

// Signed, as far as the headers tell.
inline File WithSignature(File file) {
    file.resize(AlignUp(file.size(), 8));
    const Directory certificates = {static_cast<uint32_t>(file.size()), 0x40};
    file.resize(file.size() + certificates.bytes, 0xC5);
    Poke(file, ImageBuilder().DirectoryAt(kCertificateDirectory), certificates);
    return file;
}

// With COFF symbols behind the sections, as MinGW leaves them.
inline File WithSymbols(File file) {
    FileHeader header = Peek<FileHeader>(file, ImageBuilder::kFileHeaderAt);
    header.symbol_table = static_cast<uint32_t>(file.size());
    header.symbol_count = 2;
    Poke(file, ImageBuilder::kFileHeaderAt, header);
    file.resize(file.size() + 2 * kSymbolBytes, 0x53);
    const std::string strings("\x0A\0\0\0names\0", 10);
    file.insert(file.end(), strings.begin(), strings.end());
    return file;
}

// The message of what a function throws; "" when it throws nothing.
template <typename Function>
std::string RefusalOf(Reason reason, Function function) {
    try {
        function();
    } catch (const Refused& refused) {
        return refused.reason() == reason ? refused.what()
                                          : std::string("another reason: ") + refused.what();
    }
    return "";
}

}  // namespace strata::patch
