#include "override/import_directory.h"

#include <winternl.h>

#include <cstring>

namespace strata::override {

namespace {

constexpr uint64_t kGranularity = 0x10000;
constexpr uint64_t kMaxOffset = uint64_t{1} << 32;  // of anything that the headers point to
constexpr size_t kMaxDescriptors = 4096;            // no program comes near it
constexpr size_t kPebImageBase = 0x10;              // PEB::ImageBaseAddress, x64
constexpr DWORD kIlOnly = 1;                        // COMIMAGE_FLAGS_ILONLY, corhdr.h

using QueryInformationProcess = NTSTATUS(NTAPI*)(HANDLE, PROCESSINFOCLASS, PVOID, ULONG, PULONG);

InjectResult Failed(const char* call, uint32_t error) noexcept {
    return {InjectError::kSystem, call, error};
}

InjectResult Refused(InjectError error) noexcept { return {error, nullptr, 0}; }

// The image of another process, its headers read.
class RemoteImage {
public:
    explicit RemoteImage(HANDLE process) noexcept : process_(process) {}

    InjectResult Open() noexcept;
    InjectResult Check() noexcept;
    InjectResult CountDescriptors(size_t& count) noexcept;
    InjectResult AllocateAbove(size_t bytes, uint64_t& address) noexcept;
    InjectResult CopyDescriptors(uint64_t to, size_t count) noexcept;
    InjectResult WriteHeaders() noexcept;

    InjectResult Read(uint64_t address, void* to, size_t bytes) const noexcept {
        SIZE_T done = 0;
        if (ReadProcessMemory(process_, reinterpret_cast<void*>(address), to, bytes, &done) &&
            done == bytes) {
            return {};
        }
        return Failed("ReadProcessMemory", GetLastError());
    }
    InjectResult Write(uint64_t address, const void* from, size_t bytes) const noexcept {
        SIZE_T done = 0;
        if (WriteProcessMemory(process_, reinterpret_cast<void*>(address), from, bytes, &done) &&
            done == bytes) {
            return {};
        }
        return Failed("WriteProcessMemory", GetLastError());
    }
    IMAGE_DATA_DIRECTORY& Directory(int index) noexcept {
        return headers_.OptionalHeader.DataDirectory[index];
    }
    uint64_t base() const noexcept { return base_; }
    InjectResult SectionAround(DWORD rva, IMAGE_DATA_DIRECTORY& section) const noexcept;

private:
    HANDLE process_;
    uint64_t base_ = 0;
    uint64_t headers_at_ = 0;
    IMAGE_NT_HEADERS64 headers_ = {};
};

InjectResult RemoteImage::Open() noexcept {
    const auto query = reinterpret_cast<QueryInformationProcess>(reinterpret_cast<void*>(
        GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtQueryInformationProcess")));
    if (query == nullptr) return Failed("GetProcAddress", GetLastError());
    PROCESS_BASIC_INFORMATION information = {};
    const NTSTATUS status =
        query(process_, ProcessBasicInformation, &information, sizeof information, nullptr);
    if (status < 0) return Failed("NtQueryInformationProcess", static_cast<uint32_t>(status));
    const uint64_t peb = reinterpret_cast<uintptr_t>(information.PebBaseAddress);

    InjectResult result = Read(peb + kPebImageBase, &base_, sizeof base_);
    if (result.error != InjectError::kNone) return result;
    IMAGE_DOS_HEADER dos;
    result = Read(base_, &dos, sizeof dos);
    if (result.error != InjectError::kNone) return result;
    if (dos.e_magic != IMAGE_DOS_SIGNATURE) return Refused(InjectError::kMachine);
    headers_at_ = base_ + static_cast<uint32_t>(dos.e_lfanew);
    return Read(headers_at_, &headers_, sizeof headers_);
}

InjectResult RemoteImage::Check() noexcept {
    if (headers_.Signature != IMAGE_NT_SIGNATURE ||
        headers_.FileHeader.Machine != IMAGE_FILE_MACHINE_AMD64 ||
        headers_.OptionalHeader.Magic != IMAGE_NT_OPTIONAL_HDR64_MAGIC) {
        return Refused(InjectError::kMachine);
    }
    if (headers_.OptionalHeader.NumberOfRvaAndSizes <= IMAGE_DIRECTORY_ENTRY_IAT) {
        return Refused(InjectError::kHeaders);
    }
    const IMAGE_DATA_DIRECTORY& managed = Directory(IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR);
    if (headers_.OptionalHeader.NumberOfRvaAndSizes > IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR &&
        managed.VirtualAddress != 0) {
        IMAGE_COR20_HEADER header;
        const InjectResult result = Read(base_ + managed.VirtualAddress, &header, sizeof header);
        if (result.error != InjectError::kNone) return result;
        if ((header.Flags & kIlOnly) != 0) return Refused(InjectError::kManaged);
    }
    const DWORD imports = Directory(IMAGE_DIRECTORY_ENTRY_IMPORT).VirtualAddress;
    if (imports >= headers_.OptionalHeader.SizeOfImage) return Refused(InjectError::kAlreadyThere);
    return {};
}

InjectResult RemoteImage::CountDescriptors(size_t& count) noexcept {
    count = 0;
    const DWORD rva = Directory(IMAGE_DIRECTORY_ENTRY_IMPORT).VirtualAddress;
    if (rva == 0) return {};
    for (; count < kMaxDescriptors; ++count) {
        IMAGE_IMPORT_DESCRIPTOR descriptor;
        const InjectResult result =
            Read(base_ + rva + count * sizeof descriptor, &descriptor, sizeof descriptor);
        if (result.error != InjectError::kNone) return result;
        if (descriptor.Name == 0 || descriptor.FirstThunk == 0) return {};
    }
    return Refused(InjectError::kMachine);
}

InjectResult RemoteImage::AllocateAbove(size_t bytes, uint64_t& address) noexcept {
    const uint64_t limit = base_ + kMaxOffset - kGranularity;
    uint64_t at = base_ + headers_.OptionalHeader.SizeOfImage;
    while (at < limit) {
        MEMORY_BASIC_INFORMATION information;
        if (VirtualQueryEx(process_, reinterpret_cast<void*>(at), &information,
                           sizeof information) == 0) {
            return Failed("VirtualQueryEx", GetLastError());
        }
        const uint64_t end =
            reinterpret_cast<uintptr_t>(information.BaseAddress) + information.RegionSize;
        const uint64_t place = (at + kGranularity - 1) & ~(kGranularity - 1);
        if (information.State == MEM_FREE && place + bytes <= end && place + bytes <= limit) {
            void* const block = VirtualAllocEx(process_, reinterpret_cast<void*>(place), bytes,
                                               MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
            if (block != nullptr) {
                address = reinterpret_cast<uintptr_t>(block);
                return {};
            }
        }
        if (end <= at) break;
        at = end;
    }
    return Failed("VirtualAllocEx", ERROR_NOT_ENOUGH_MEMORY);
}

InjectResult RemoteImage::CopyDescriptors(uint64_t to, size_t count) noexcept {
    const uint64_t from = base_ + Directory(IMAGE_DIRECTORY_ENTRY_IMPORT).VirtualAddress;
    for (size_t i = 0; i < count; ++i) {
        IMAGE_IMPORT_DESCRIPTOR descriptor;
        InjectResult result = Read(from + i * sizeof descriptor, &descriptor, sizeof descriptor);
        if (result.error != InjectError::kNone) return result;
        // Bound imports would be compared with the directory that is switched off below.
        descriptor.TimeDateStamp = 0;
        result = Write(to + i * sizeof descriptor, &descriptor, sizeof descriptor);
        if (result.error != InjectError::kNone) return result;
    }
    return {};
}

// The section that holds `rva`, as a directory entry.
InjectResult RemoteImage::SectionAround(DWORD rva, IMAGE_DATA_DIRECTORY& section) const noexcept {
    const uint64_t table = headers_at_ + offsetof(IMAGE_NT_HEADERS64, OptionalHeader) +
                           headers_.FileHeader.SizeOfOptionalHeader;
    for (WORD i = 0; i < headers_.FileHeader.NumberOfSections; ++i) {
        IMAGE_SECTION_HEADER header;
        const InjectResult result = Read(table + i * sizeof header, &header, sizeof header);
        if (result.error != InjectError::kNone) return result;
        // Some linkers leave the size in memory empty: then it is that in the file.
        const DWORD bytes =
            header.Misc.VirtualSize != 0 ? header.Misc.VirtualSize : header.SizeOfRawData;
        if (rva >= header.VirtualAddress && rva - header.VirtualAddress < bytes) {
            section = {header.VirtualAddress, bytes};
            break;
        }
    }
    return {};
}

InjectResult RemoteImage::WriteHeaders() noexcept {
    void* const at = reinterpret_cast<void*>(headers_at_);
    DWORD protection = 0;
    if (!VirtualProtectEx(process_, at, sizeof headers_, PAGE_READWRITE, &protection)) {
        return Failed("VirtualProtectEx", GetLastError());
    }
    const InjectResult result = Write(headers_at_, &headers_, sizeof headers_);
    DWORD ignored;
    if (!VirtualProtectEx(process_, at, sizeof headers_, protection, &ignored)) {
        return Failed("VirtualProtectEx", GetLastError());
    }
    return result;
}

// The block in front of the descriptors, and the descriptor of our DLL.
void FillBlock(const InjectRequest& request, RemoteImage& image, uint64_t address,
               InjectionBlock& block, IMAGE_IMPORT_DESCRIPTOR& descriptor) noexcept {
    const auto offset_of = [&](size_t member) noexcept {
        return static_cast<DWORD>(address + member - image.base());
    };
    block = {};
    block.magic = kInjectionMagic;
    block.bytes = sizeof block;
    block.flags = request.flags;
    block.event = request.event;
    block.section = request.section;
    block.error_modes = request.error_modes;
    block.import_directory = image.Directory(IMAGE_DIRECTORY_ENTRY_IMPORT);
    block.bound_imports = image.Directory(IMAGE_DIRECTORY_ENTRY_BOUND_IMPORT);
    block.address_table = image.Directory(IMAGE_DIRECTORY_ENTRY_IAT);
    block.name_thunks[0] = block.address_thunks[0] = IMAGE_ORDINAL_FLAG64 | kMarkerOrdinal;
    for (size_t i = 0; i + 1 < sizeof block.dll_name && request.dll_name[i] != 0; ++i) {
        block.dll_name[i] = request.dll_name[i];
    }
    descriptor = {};
    descriptor.OriginalFirstThunk = offset_of(offsetof(InjectionBlock, name_thunks));
    descriptor.FirstThunk = offset_of(offsetof(InjectionBlock, address_thunks));
    descriptor.Name = offset_of(offsetof(InjectionBlock, dll_name));
}

IMAGE_DATA_DIRECTORY OwnAddressTable(const RemoteImage& image, uint64_t address) noexcept {
    return {static_cast<DWORD>(address + offsetof(InjectionBlock, address_thunks) - image.base()),
            sizeof InjectionBlock::address_thunks};
}

// Copies what is ASCII; false when something is not, or there is no room.
bool CopyAscii(const wchar_t* text, char* to, size_t capacity) noexcept {
    for (size_t i = 0; i < capacity; ++i) {
        if (text[i] > 0x7E) return false;
        to[i] = static_cast<char>(text[i]);
        if (text[i] == 0) return true;
    }
    return false;
}

}  // namespace

const char* InjectErrorText(InjectError error) noexcept {
    switch (error) {
        case InjectError::kNone:
            return "nothing is wrong";
        case InjectError::kMachine:
            return "it is not a 64-bit x86 program";
        case InjectError::kHeaders:
            return "its headers have too few data directories";
        case InjectError::kManaged:
            return "it is a .NET program of IL code only, which does not use its import table";
        case InjectError::kAlreadyThere:
            return "its import table has been replaced already";
        case InjectError::kSystem:
            return "a system call failed";
    }
    return "unknown";
}

InjectResult InjectImport(HANDLE process, const InjectRequest& request) noexcept {
    RemoteImage image(process);
    size_t count = 0;
    InjectResult result = image.Open();
    if (result.error == InjectError::kNone) result = image.Check();
    if (result.error == InjectError::kNone) result = image.CountDescriptors(count);
    if (result.error != InjectError::kNone) return result;

    // Ours, the program's, and the end, which is zero as fresh memory is.
    const size_t array_bytes = (count + 2) * sizeof(IMAGE_IMPORT_DESCRIPTOR);
    uint64_t address = 0;
    result = image.AllocateAbove(sizeof(InjectionBlock) + array_bytes, address);
    if (result.error != InjectError::kNone) return result;

    InjectionBlock block;
    IMAGE_IMPORT_DESCRIPTOR ours;
    FillBlock(request, image, address, block, ours);
    const uint64_t array = address + sizeof block;
    result = image.Write(address, &block, sizeof block);
    if (result.error == InjectError::kNone) result = image.Write(array, &ours, sizeof ours);
    if (result.error == InjectError::kNone) {
        result = image.CopyDescriptors(array + sizeof ours, count);
    }
    if (result.error != InjectError::kNone) return result;

    // The loader makes the address tables writable by their directory entry; where a linker left
    // that empty, by the section around the import directory, which now is in no section. An image
    // for which it finds neither it refuses. A program without imports has no table but ours, which
    // is always writable.
    IMAGE_DATA_DIRECTORY& table = image.Directory(IMAGE_DIRECTORY_ENTRY_IAT);
    if (table.VirtualAddress == 0 && count > 0) {
        result = image.SectionAround(block.import_directory.VirtualAddress, table);
        if (result.error != InjectError::kNone) return result;
    }
    if (table.VirtualAddress == 0) table = OwnAddressTable(image, address);
    image.Directory(IMAGE_DIRECTORY_ENTRY_IMPORT) = {static_cast<DWORD>(array - image.base()),
                                                     static_cast<DWORD>(array_bytes)};
    image.Directory(IMAGE_DIRECTORY_ENTRY_BOUND_IMPORT) = {0, 0};
    return image.WriteHeaders();
}

const char* NameForImport(const wchar_t* path, char* name, size_t capacity) noexcept {
    if (CopyAscii(path, name, capacity)) return nullptr;
    wchar_t folder[kLongestPath];
    size_t length = 0;
    size_t file = 0;  // where the file's own name begins
    for (; path[length] != 0; ++length) {
        if (length + 1 == kLongestPath) return "its path is too long";
        folder[length] = path[length];
        if (path[length] == L'\\' || path[length] == L'/') file = length + 1;
    }
    // The folder alone, so that the module keeps its name; both where that is not ASCII either.
    const bool keeps_name = file != 0 && CopyAscii(path + file, name, capacity);
    folder[keeps_name ? file : length] = 0;
    wchar_t short_path[kLongestPath];
    const DWORD short_length = GetShortPathNameW(folder, short_path, kLongestPath);
    const bool is_short = short_length > 0 && short_length < kLongestPath;
    if (is_short && CopyAscii(short_path, name, capacity) &&
        (!keeps_name || CopyAscii(path + file, name + short_length, capacity - short_length))) {
        return nullptr;
    }
    return length >= capacity
               ? "its path is too long"
               : "its path is not ASCII, and has no short (8.3) form that is; put it "
                 "into a folder with a plain name";
}

InjectionBlock* FindInjectionBlock() noexcept {
    auto* const base = reinterpret_cast<uint8_t*>(GetModuleHandleW(nullptr));
    if (base == nullptr) return nullptr;
    const auto* const dos = reinterpret_cast<const IMAGE_DOS_HEADER*>(base);
    const auto* const headers =
        reinterpret_cast<const IMAGE_NT_HEADERS64*>(base + static_cast<uint32_t>(dos->e_lfanew));
    const IMAGE_DATA_DIRECTORY& directory =
        headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
    // Nobody's linker puts it outside the image.
    if (directory.VirtualAddress < headers->OptionalHeader.SizeOfImage + sizeof(InjectionBlock)) {
        return nullptr;
    }
    auto* const block =
        reinterpret_cast<InjectionBlock*>(base + directory.VirtualAddress - sizeof(InjectionBlock));
    // Other tools replace the directory in the same manner, and what they put before it is theirs.
    MEMORY_BASIC_INFORMATION information;
    if (VirtualQuery(block, &information, sizeof information) == 0 ||
        information.State != MEM_COMMIT || information.Protect != PAGE_READWRITE) {
        return nullptr;
    }
    return block->magic == kInjectionMagic && block->bytes == sizeof(InjectionBlock) ? block
                                                                                     : nullptr;
}

bool RestoreImportDirectory(const InjectionBlock& block) noexcept {
    auto* const base = reinterpret_cast<uint8_t*>(GetModuleHandleW(nullptr));
    const auto* const dos = reinterpret_cast<const IMAGE_DOS_HEADER*>(base);
    auto* const headers =
        reinterpret_cast<IMAGE_NT_HEADERS64*>(base + static_cast<uint32_t>(dos->e_lfanew));
    IMAGE_DATA_DIRECTORY* const directories = headers->OptionalHeader.DataDirectory;
    DWORD protection = 0;
    if (!VirtualProtect(headers, sizeof *headers, PAGE_READWRITE, &protection)) return false;
    directories[IMAGE_DIRECTORY_ENTRY_IMPORT] = block.import_directory;
    directories[IMAGE_DIRECTORY_ENTRY_BOUND_IMPORT] = block.bound_imports;
    directories[IMAGE_DIRECTORY_ENTRY_IAT] = block.address_table;
    DWORD ignored;
    return VirtualProtect(headers, sizeof *headers, protection, &ignored) != 0;
}

}  // namespace strata::override
