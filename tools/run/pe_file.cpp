#include "run/pe_file.h"

namespace strata::run {

namespace {

constexpr uint64_t kNowhere = ~uint64_t{0};
constexpr size_t kLongestText = 256;

}  // namespace

PeFile::PeFile(const std::wstring& path) {
    file_ = CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                        OPEN_EXISTING, 0, nullptr);
    if (file_ == INVALID_HANDLE_VALUE) {
        error_ = GetLastError();
        return;
    }
    Map();
    FindHeaders();
}

PeFile::~PeFile() {
    if (data_ != nullptr) UnmapViewOfFile(data_);
    if (mapping_ != nullptr) CloseHandle(mapping_);
    if (file_ != INVALID_HANDLE_VALUE) CloseHandle(file_);
}

void PeFile::Map() {
    LARGE_INTEGER size = {};
    GetFileSizeEx(file_, &size);
    mapping_ = CreateFileMappingW(file_, nullptr, PAGE_READONLY, 0, 0, nullptr);
    if (mapping_ != nullptr) {
        data_ = static_cast<const uint8_t*>(MapViewOfFile(mapping_, FILE_MAP_READ, 0, 0, 0));
    }
    // An empty file cannot be mapped.
    if (data_ != nullptr) size_ = static_cast<uint64_t>(size.QuadPart);
}

void PeFile::FindHeaders() {
    const auto* const dos = At<IMAGE_DOS_HEADER>(0);
    if (dos == nullptr || dos->e_magic != IMAGE_DOS_SIGNATURE) return;
    headers_at_ = static_cast<uint32_t>(dos->e_lfanew);
    const auto* const signature = At<DWORD>(headers_at_);
    if (signature == nullptr || *signature != IMAGE_NT_SIGNATURE) return;
    header_ = At<IMAGE_FILE_HEADER>(headers_at_ + sizeof(DWORD));
}

IMAGE_DATA_DIRECTORY PeFile::Directory(DWORD index) const {
    const auto* const magic = At<WORD>(headers_at_ + offsetof(IMAGE_NT_HEADERS64, OptionalHeader));
    if (header_ == nullptr || magic == nullptr) return {};
    const auto find = [&]<typename Headers>(const Headers* headers) -> IMAGE_DATA_DIRECTORY {
        if (headers == nullptr || headers->OptionalHeader.NumberOfRvaAndSizes <= index) return {};
        return headers->OptionalHeader.DataDirectory[index];
    };
    if (*magic == IMAGE_NT_OPTIONAL_HDR64_MAGIC) return find(At<IMAGE_NT_HEADERS64>(headers_at_));
    if (*magic == IMAGE_NT_OPTIONAL_HDR32_MAGIC) return find(At<IMAGE_NT_HEADERS32>(headers_at_));
    return {};
}

WORD PeFile::DllCharacteristics() const {
    static_assert(offsetof(IMAGE_NT_HEADERS64, OptionalHeader.DllCharacteristics) ==
                  offsetof(IMAGE_NT_HEADERS32, OptionalHeader.DllCharacteristics));
    const auto* const flags =
        At<WORD>(headers_at_ + offsetof(IMAGE_NT_HEADERS64, OptionalHeader.DllCharacteristics));
    return header_ != nullptr && flags != nullptr ? *flags : WORD{0};
}

uint64_t PeFile::OffsetOf(uint64_t rva) const {
    if (header_ == nullptr) return kNowhere;
    const uint64_t table =
        headers_at_ + offsetof(IMAGE_NT_HEADERS64, OptionalHeader) + header_->SizeOfOptionalHeader;
    for (WORD i = 0; i < header_->NumberOfSections; ++i) {
        const auto* const section =
            At<IMAGE_SECTION_HEADER>(table + i * sizeof(IMAGE_SECTION_HEADER));
        if (section == nullptr) return kNowhere;
        const DWORD begin = section->VirtualAddress;
        if (rva < begin || rva - begin >= section->SizeOfRawData) continue;
        return uint64_t{section->PointerToRawData} + rva - begin;
    }
    return kNowhere;
}

std::string PeFile::TextAtRva(uint64_t rva) const {
    std::string text;
    const uint64_t at = OffsetOf(rva);
    while (text.size() < kLongestText) {
        const char* const next = At<char>(at + text.size());
        if (next == nullptr) return "";
        if (*next == 0) return text;
        text += *next;
    }
    return "";
}

}  // namespace strata::run
