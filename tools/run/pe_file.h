// An image as it lies on disk: its headers, and what an address in memory is in the file.
#pragma once

#include <windows.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace strata::run {

class PeFile {
public:
    explicit PeFile(const std::wstring& path);
    ~PeFile();
    PeFile(const PeFile&) = delete;
    PeFile& operator=(const PeFile&) = delete;

    // Of opening the file, or 0.
    DWORD error() const { return error_; }
    // nullptr when it is no PE file.
    const IMAGE_FILE_HEADER* header() const { return header_; }
    // All zero where the image has no such directory.
    IMAGE_DATA_DIRECTORY Directory(DWORD index) const;
    // 0 when the optional header is cut off. It stands at the same place for 32 and 64 bits.
    WORD DllCharacteristics() const;

    // At an offset in the file, or an address relative to the image base; nullptr when the file has
    // no such bytes.
    template <typename T>
    const T* At(uint64_t offset) const {
        if (offset > size_ || size_ - offset < sizeof(T)) return nullptr;
        return reinterpret_cast<const T*>(data_ + offset);
    }
    template <typename T>
    const T* AtRva(uint64_t rva) const {
        return At<T>(OffsetOf(rva));
    }
    // The text that ends with 0; empty when there is none.
    std::string TextAtRva(uint64_t rva) const;

private:
    void Map();
    void FindHeaders();
    uint64_t OffsetOf(uint64_t rva) const;

    HANDLE file_ = INVALID_HANDLE_VALUE;
    HANDLE mapping_ = nullptr;
    const uint8_t* data_ = nullptr;
    uint64_t size_ = 0;
    DWORD error_ = 0;
    uint64_t headers_at_ = 0;
    const IMAGE_FILE_HEADER* header_ = nullptr;
};

}  // namespace strata::run
