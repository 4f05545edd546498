// What is written into the headers of a process that was created suspended. Wine's loader goes by
// the import descriptors alone; Windows' also by the directory of the address tables, so that is
// looked at here.
#include "override/import_directory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace strata::override {
namespace {

constexpr DWORD kTextRva = 0x1000;
constexpr DWORD kTextBytes = 0x200;
constexpr DWORD kDirectories = 16;

// A program written down by hand: one section, which returns 42, and no imports.
struct SmallProgram {
    IMAGE_DOS_HEADER dos = {};
    IMAGE_NT_HEADERS64 headers = {};
    IMAGE_SECTION_HEADER text = {};
    uint8_t code[kTextBytes] = {0xB8, 42, 0, 0, 0, 0xC3};

    SmallProgram() {
        dos.e_magic = IMAGE_DOS_SIGNATURE;
        dos.e_lfanew = sizeof dos;
        headers.Signature = IMAGE_NT_SIGNATURE;
        headers.FileHeader = {IMAGE_FILE_MACHINE_AMD64,
                              1,
                              0,
                              0,
                              0,
                              sizeof headers.OptionalHeader,
                              IMAGE_FILE_EXECUTABLE_IMAGE | IMAGE_FILE_LARGE_ADDRESS_AWARE};
        IMAGE_OPTIONAL_HEADER64& optional = headers.OptionalHeader;
        optional.Magic = IMAGE_NT_OPTIONAL_HDR64_MAGIC;
        optional.AddressOfEntryPoint = kTextRva;
        optional.BaseOfCode = kTextRva;
        optional.ImageBase = 0x1'4000'0000;
        optional.SectionAlignment = 0x1000;
        optional.FileAlignment = 0x200;
        optional.MajorOperatingSystemVersion = optional.MajorSubsystemVersion = 6;
        optional.SizeOfImage = 0x2000;
        optional.SizeOfHeaders = 0x400;
        optional.Subsystem = IMAGE_SUBSYSTEM_WINDOWS_CUI;
        optional.SizeOfStackReserve = optional.SizeOfHeapReserve = 0x100000;
        optional.SizeOfStackCommit = optional.SizeOfHeapCommit = 0x1000;
        optional.NumberOfRvaAndSizes = kDirectories;
        memcpy(text.Name, ".text", 5);
        text.Misc.VirtualSize = kTextBytes;
        text.VirtualAddress = kTextRva;
        text.SizeOfRawData = kTextBytes;
        text.PointerToRawData = 0x400;
        text.Characteristics = IMAGE_SCN_MEM_READ | IMAGE_SCN_MEM_EXECUTE | IMAGE_SCN_CNT_CODE;
    }

    // An import of kernel32.dll, whose tables are behind the code.
    void AddImport() {
        constexpr DWORD kName = 0x40;
        constexpr DWORD kThunks = 0x60;
        constexpr DWORD kAddresses = 0x80;
        constexpr DWORD kFunction = 0xA0;
        constexpr DWORD kDescriptors = 0x100;
        memcpy(code + kName, "kernel32.dll", 13);
        memcpy(code + kFunction + 2, "GetLastError", 13);
        const uint64_t thunk = kTextRva + kFunction;
        memcpy(code + kThunks, &thunk, sizeof thunk);
        memcpy(code + kAddresses, &thunk, sizeof thunk);
        IMAGE_IMPORT_DESCRIPTOR descriptor = {};
        descriptor.OriginalFirstThunk = kTextRva + kThunks;
        descriptor.FirstThunk = kTextRva + kAddresses;
        descriptor.Name = kTextRva + kName;
        memcpy(code + kDescriptors, &descriptor, sizeof descriptor);
        headers.OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT] = {
            kTextRva + kDescriptors, 2 * sizeof descriptor};
    }
};

// The program as a suspended process.
class Suspended {
public:
    explicit Suspended(const SmallProgram& program) {
        wchar_t folder[MAX_PATH];
        wchar_t path[MAX_PATH];
        GetTempPathW(MAX_PATH, folder);
        GetTempFileNameW(folder, L"sip", 0, path);
        path_ = path;
        std::vector<uint8_t> bytes(0x400 + kTextBytes);
        memcpy(bytes.data(), &program, offsetof(SmallProgram, code));
        memcpy(bytes.data() + 0x400, program.code, kTextBytes);
        const HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr);
        DWORD written = 0;
        EXPECT_TRUE(
            WriteFile(file, bytes.data(), static_cast<DWORD>(bytes.size()), &written, nullptr));
        CloseHandle(file);
        STARTUPINFOW startup = {};
        startup.cb = sizeof startup;
        EXPECT_TRUE(CreateProcessW(path, nullptr, nullptr, nullptr, FALSE, CREATE_SUSPENDED,
                                   nullptr, nullptr, &startup, &process_))
            << GetLastError();
    }
    ~Suspended() {
        TerminateProcess(process_.hProcess, 0);
        WaitForSingleObject(process_.hProcess, INFINITE);
        CloseHandle(process_.hProcess);
        CloseHandle(process_.hThread);
        DeleteFileW(path_.c_str());
    }
    Suspended(const Suspended&) = delete;
    Suspended& operator=(const Suspended&) = delete;

    HANDLE process() const { return process_.hProcess; }
    InjectError Inject() const {
        InjectRequest request = {};
        request.dll_name = "C:\\strata-override.dll";
        return InjectImport(process_.hProcess, request).error;
    }
    // The image base is what the headers say: there is no directory of relocations.
    template <typename T>
    T Read(uint64_t rva) const {
        T value = {};
        SIZE_T read = 0;
        EXPECT_TRUE(ReadProcessMemory(
            process_.hProcess,
            reinterpret_cast<void*>(SmallProgram().headers.OptionalHeader.ImageBase + rva), &value,
            sizeof value, &read));
        return value;
    }
    IMAGE_DATA_DIRECTORY Directory(DWORD index) const {
        return Read<IMAGE_NT_HEADERS64>(sizeof(IMAGE_DOS_HEADER))
            .OptionalHeader.DataDirectory[index];
    }

private:
    std::wstring path_;
    PROCESS_INFORMATION process_ = {};
};

TEST(ImportDirectory, AProgramWithoutImportsGetsAnAddressTable) {
    const Suspended program{SmallProgram()};
    ASSERT_EQ(InjectError::kNone, program.Inject());
    const DWORD imports = program.Directory(IMAGE_DIRECTORY_ENTRY_IMPORT).VirtualAddress;
    ASSERT_NE(0u, imports);
    const auto ours = program.Read<IMAGE_IMPORT_DESCRIPTOR>(imports);
    const IMAGE_DATA_DIRECTORY table = program.Directory(IMAGE_DIRECTORY_ENTRY_IAT);
    EXPECT_EQ(ours.FirstThunk, table.VirtualAddress);
    EXPECT_EQ(2 * sizeof(uint64_t), table.Size);
    EXPECT_EQ(0u, program.Read<IMAGE_IMPORT_DESCRIPTOR>(imports + sizeof ours).Name);
    // What the DLL puts back is what was there.
    const auto block = program.Read<InjectionBlock>(imports - sizeof(InjectionBlock));
    EXPECT_EQ(0u, block.import_directory.VirtualAddress);
    EXPECT_EQ(0u, block.address_table.VirtualAddress);
}

TEST(ImportDirectory, AnAddressTableWithoutAnEntryIsItsSection) {
    for (const DWORD size_in_memory : {kTextBytes, DWORD{0}}) {
        SmallProgram small;
        small.AddImport();
        small.text.Misc.VirtualSize = size_in_memory;
        const Suspended program(small);
        ASSERT_EQ(InjectError::kNone, program.Inject());
        const IMAGE_DATA_DIRECTORY table = program.Directory(IMAGE_DIRECTORY_ENTRY_IAT);
        EXPECT_EQ(kTextRva, table.VirtualAddress);
        EXPECT_EQ(kTextBytes, table.Size);
    }
}

TEST(ImportDirectory, SaysWhenThereAreTooFewDirectories) {
    SmallProgram small;
    small.headers.OptionalHeader.NumberOfRvaAndSizes = IMAGE_DIRECTORY_ENTRY_IAT;
    const Suspended program(small);
    EXPECT_EQ(InjectError::kHeaders, program.Inject());
}

// What a descriptor names; "!" and the reason when it cannot.
std::string NameOf(const std::wstring& path, size_t capacity = sizeof InjectionBlock::dll_name) {
    std::vector<char> name(capacity);
    const char* const problem = NameForImport(path.c_str(), name.data(), capacity);
    return problem == nullptr ? name.data() : std::string("!") + problem;
}

// A folder of this name among the temporary files, with a file in it.
class Folder {
public:
    Folder(const std::wstring& name, const std::wstring& file) {
        wchar_t folder[MAX_PATH];
        GetTempPathW(MAX_PATH, folder);
        folder_ = std::wstring(folder) + name;
        path_ = folder_ + L"\\" + file;
        CreateDirectoryW(folder_.c_str(), nullptr);
        CloseHandle(
            CreateFileW(path_.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr));
    }
    ~Folder() {
        DeleteFileW(path_.c_str());
        RemoveDirectoryW(folder_.c_str());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    const std::wstring& path() const { return path_; }

private:
    std::wstring folder_;
    std::wstring path_;
};

TEST(NameForImport, LeavesAsciiAsItIs) {
    EXPECT_EQ("C:\\a folder\\strata-override.dll", NameOf(L"C:\\a folder\\strata-override.dll"));
}

TEST(NameForImport, TakesShortNamesForWhatIsNotAscii) {
    for (const wchar_t* name : {L"strata-\u00e4", L"strata-\u65e5\u672c"}) {
        const Folder folder(name, L"strata-override.dll");
        wchar_t short_path[MAX_PATH];
        GetShortPathNameW(folder.path().c_str(), short_path, MAX_PATH);
        if (std::wstring(short_path) == folder.path()) GTEST_SKIP() << "no short names here";
        const std::string found = NameOf(folder.path());
        for (const char c : found) EXPECT_GT(c, 0) << found;
        EXPECT_NE(std::string::npos, found.find("\\strata-override.dll")) << "the module's name";
        EXPECT_NE(INVALID_FILE_ATTRIBUTES, GetFileAttributesA(found.c_str())) << found;
    }
    const Folder folder(L"strata-\u00e4", L"\u00f6verride.dll");
    const std::string found = NameOf(folder.path());
    for (const char c : found) EXPECT_GT(c, 0) << found;
    EXPECT_NE(INVALID_FILE_ATTRIBUTES, GetFileAttributesA(found.c_str())) << found;
}

TEST(NameForImport, SaysWhenThereIsNone) {
    // What is not there has no short name, as nothing has on a volume without them.
    EXPECT_NE(std::string::npos,
              NameOf(L"C:\\no such \u00e4\\strata-override.dll").find("!its path is not ASCII"));
    EXPECT_EQ("!its path is too long", NameOf(L"C:\\strata-override.dll", 10));
    EXPECT_EQ("!its path is too long", NameOf(L"C:\\\u00e4" + std::wstring(2000, L'x')));
}

}  // namespace
}  // namespace strata::override
