#include "override/module_image.h"

#include "override/windows_api.h"

namespace strata::override {

namespace {

template <typename T>
const T* At(const ModuleImage& image, uintptr_t offset) noexcept {
    return reinterpret_cast<const T*>(image.begin + offset);
}

// The export directory, and where it ends: an export that points into it is a forwarder.
struct Directory {
    const IMAGE_EXPORT_DIRECTORY* table = nullptr;
    uint32_t begin = 0;
    uint32_t bytes = 0;
};

Directory ExportsOf(const ModuleImage& image) noexcept {
    const auto* const dos = At<IMAGE_DOS_HEADER>(image, 0);
    const auto* const headers = At<IMAGE_NT_HEADERS64>(image, static_cast<uint32_t>(dos->e_lfanew));
    const IMAGE_DATA_DIRECTORY& entry =
        headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_EXPORT];
    Directory directory;
    if (entry.VirtualAddress == 0 || entry.Size < sizeof(IMAGE_EXPORT_DIRECTORY)) return directory;
    directory.table = At<IMAGE_EXPORT_DIRECTORY>(image, entry.VirtualAddress);
    directory.begin = entry.VirtualAddress;
    directory.bytes = entry.Size;
    return directory;
}

// strcmp, which would be a C runtime's.
int Compare(const char* a, const char* b) noexcept {
    while (*a != 0 && *a == *b) {
        ++a;
        ++b;
    }
    return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}

}  // namespace

ModuleImage ImageAt(const void* base) noexcept {
    ModuleImage image;
    if (base == nullptr) return image;
    const auto* const dos = static_cast<const IMAGE_DOS_HEADER*>(base);
    const auto begin = reinterpret_cast<uintptr_t>(base);
    const auto* const headers =
        reinterpret_cast<const IMAGE_NT_HEADERS64*>(begin + static_cast<uint32_t>(dos->e_lfanew));
    if (headers->OptionalHeader.Magic != IMAGE_NT_OPTIONAL_HDR64_MAGIC) return image;
    image.begin = begin;
    image.bytes = headers->OptionalHeader.SizeOfImage;
    return image;
}

ModuleImage FindImage(const wchar_t* name) noexcept { return ImageAt(GetModuleHandleW(name)); }

void* FindExport(const ModuleImage& image, const char* name) noexcept {
    const Directory directory = ExportsOf(image);
    if (directory.table == nullptr) return nullptr;
    const auto* const names = At<uint32_t>(image, directory.table->AddressOfNames);
    const auto* const ordinals = At<uint16_t>(image, directory.table->AddressOfNameOrdinals);
    const auto* const functions = At<uint32_t>(image, directory.table->AddressOfFunctions);
    // Names are sorted by their bytes (PE format, "Export Name Pointer Table").
    size_t low = 0;
    size_t high = directory.table->NumberOfNames;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = Compare(name, At<char>(image, names[middle]));
        if (order == 0) {
            const uint32_t function = functions[ordinals[middle]];
            const bool forwarded = function - directory.begin < directory.bytes;
            return forwarded ? nullptr : reinterpret_cast<void*>(image.begin + function);
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return nullptr;
}

}  // namespace strata::override
