// Every reason to refuse, with its message.
#include "patch/checks.h"

#include "image_builder.h"

namespace strata::patch {
namespace {

std::string Refusal(Reason reason, const File& file, bool force = false) {
    return RefusalOf(reason, [&] { ApplyPatch(file, {kDefaultDll, force}); });
}

// Whatever is said, --force does not help.
void ExpectNever(Reason reason, const std::string& message, const File& file) {
    EXPECT_EQ(message, Refusal(reason, file));
    EXPECT_EQ(message, Refusal(reason, file, true));
}

// With --force it is done, and said.
void ExpectUnlessForced(Reason reason, const std::string& message, const std::string& remark,
                        const File& file) {
    EXPECT_EQ(message, Refusal(reason, file));
    const PatchedFile patched = ApplyPatch(file, {kDefaultDll, true});
    EXPECT_EQ(std::vector<std::string>{remark}, patched.remarks);
    EXPECT_TRUE(VerifyPatch(patched.bytes).Right()) << VerifyPatch(patched.bytes).problem;
    EXPECT_EQ(file, RestoreOriginal(patched.bytes).bytes);
}

TEST(Checks, NotAProgram) {
    ExpectNever(Reason::kNotPe, "it is not a Windows program (PE file): it does not begin with MZ",
                {});
    const std::string script = "#!/bin/sh\n";
    ExpectNever(Reason::kNotPe, "it is not a Windows program (PE file): it does not begin with MZ",
                File(script.begin(), script.end()));
    File dos = ImageBuilder().Build();
    Poke(dos, ImageBuilder::kPeAt, uint32_t{0x4C45});
    ExpectNever(Reason::kNotPe,
                "it is not a Windows program (PE file): there is no PE header at 0x80", dos);
}

TEST(Checks, OtherMachines) {
    ExpectNever(Reason::k32Bit, "it is a 32-bit program; Strata is 64-bit only",
                ImageBuilder(false).Build());
    ImageBuilder arm;
    arm.file().machine = kMachineArm64;
    ExpectNever(Reason::kArm64, "it is an ARM64 program; Strata's override is for x86-64 only",
                arm.Build());
    ImageBuilder other;
    other.file().machine = 0x5064;
    ExpectNever(Reason::kOtherMachine,
                "it is a program for another kind of processor (machine 0x5064)", other.Build());
    ImageBuilder mixed(false);
    mixed.file().machine = kMachineAmd64;
    ExpectNever(Reason::kDamaged, "it is damaged: 64-bit x86 code with a 32-bit optional header",
                mixed.Build());

    ImageBuilder arm64ec;
    File config(256);
    Poke(config, 0, uint32_t{256});
    Poke(config, kArm64EcMetadataAt, uint64_t{0x4000'2000});
    arm64ec.SetDirectory(kLoadConfigDirectory,
                         {arm64ec.AddBytes(config.data(), config.size()), 256});
    ExpectNever(Reason::kArm64, "it is an ARM64 program; Strata's override is for x86-64 only",
                arm64ec.Build());
}

TEST(Checks, DotNet) {
    const auto managed = [](bool is_64, uint32_t flags) {
        ImageBuilder builder(is_64);
        ManagedHeader header = {};
        header.bytes = 72;
        header.flags = flags;
        builder.SetDirectory(kManagedDirectory, {builder.Add(header), 72});
        return builder.Build();
    };
    const std::string message =
        "it is a .NET program of IL code only, which does not use its import table";
    ExpectNever(Reason::kManaged, message, managed(true, kManagedIlOnly));
    ExpectNever(Reason::kManaged, message, managed(false, kManagedIlOnly));
    EXPECT_EQ("", Refusal(Reason::kManaged, managed(true, 0)))
        << "with code of its own, it imports";
}

TEST(Checks, Kind) {
    ImageBuilder driver;
    driver.optional().subsystem = 1;
    ExpectNever(
        Reason::kSubsystem,
        "it is no Windows program but a driver, an EFI application or the like (subsystem 1)",
        driver.Build());
    ImageBuilder object;
    object.file().characteristics = 0;
    ExpectNever(Reason::kUnusual, "it is not marked as executable: a linker did not finish it",
                object.Build());
    ImageBuilder integrity;
    integrity.optional().dll_characteristics |= kForceIntegrity;
    ExpectNever(
        Reason::kIntegrity,
        "it demands a valid signature (FORCE_INTEGRITY), which a patch makes invalid: Windows "
        "would not start it; use strata-run",
        integrity.Build());
    ImageBuilder flat;
    flat.optional().section_alignment = 0x200;
    ExpectNever(Reason::kUnusual,
                "its sections are packed closer than a page (alignment 0x200), as in drivers; use "
                "strata-run",
                flat.Build());
    ImageBuilder window;
    window.optional().subsystem = kSubsystemWindowsGui;
    EXPECT_EQ("", Refusal(Reason::kSubsystem, window.Build()));
}

TEST(Checks, Imports) {
    File few = ImageBuilder().Build();
    Poke(few, ImageBuilder().DirectoriesAt() - 4, uint32_t{12});
    ExpectNever(Reason::kUnusual,
                "its headers have only 12 data directories, too few for a patch; use strata-run",
                few);

    // A table of one import in the headers, behind the section table.
    ImageBuilder builder;
    File headers = builder.Build();
    const uint32_t table = Peek<Directory>(headers, builder.DirectoryAt(kImportDirectory)).rva;
    const auto first =
        Peek<ImportDescriptor>(headers, table - ImageBuilder::kRdataRva + ImageBuilder::kRdataAt);
    Poke(headers, 0x3C0, first);
    Poke(headers, builder.DirectoryAt(kImportDirectory), uint32_t{0x3C0});
    ExpectNever(Reason::kUnusual,
                "its import directory at 0x3c0 lies in no section; use strata-run", headers);
}

TEST(Checks, Room) {
    ImageBuilder builder;
    File used = builder.Build();
    used[builder.SectionTableEnd() + 39] = 1;
    ExpectNever(Reason::kNoRoom,
                "it has no room for one more section header: something unknown is at 0x227 in the "
                "file; use strata-run",
                used);
    // The same byte, when it belongs to bound imports.
    Poke(used, builder.DirectoryAt(kBoundImportDirectory),
         Directory{builder.SectionTableEnd(), 40});
    EXPECT_EQ("", Refusal(Reason::kNoRoom, used));
    Poke(used, builder.DirectoryAt(kBoundImportDirectory),
         Directory{builder.SectionTableEnd(), 39});
    EXPECT_NE("", Refusal(Reason::kNoRoom, used)) << "the byte behind them does not";

    // A section table at the very end of the headers: further data directories take the place.
    ImageBuilder tight;
    const uint16_t more = ImageBuilder::kHeaderBytes - tight.SectionTableEnd();
    const File loose = tight.Build();
    File full = loose;
    const auto optional_bytes = static_cast<uint16_t>(tight.file().optional_header_bytes + more);
    Poke(full, ImageBuilder::kFileHeaderAt + 16, optional_bytes);
    std::copy(loose.begin() + tight.SectionTableAt(), loose.begin() + tight.SectionTableEnd(),
              full.begin() + tight.SectionTableAt() + more);
    ExpectNever(Reason::kNoRoom,
                "it has no room for one more section header: its headers end at 0x400, 0x428 would "
                "be needed; use strata-run",
                full);
}

// As many sections as Windows allows: .rdata, .data and 94 without data, behind larger headers.
File WithManySections() {
    constexpr uint32_t kHeaders = 0x1400;
    ImageBuilder builder;
    const File small = builder.Build();
    const auto rdata = Peek<SectionHeader>(small, builder.SectionAt(1));
    const auto data = Peek<SectionHeader>(small, builder.SectionAt(2));
    File file(small.begin(), small.begin() + builder.SectionTableAt());
    file.resize(kHeaders);
    file.insert(file.end(), small.begin() + rdata.raw_offset, small.end());
    for (uint32_t i = 0; i < kMaxSections; ++i) {
        SectionHeader section = i == 0 ? rdata : data;
        section.rva = 0x2000 + i * 0x1000;
        section.raw_offset += kHeaders - rdata.raw_offset;
        if (i > 1) section.raw_bytes = section.raw_offset = 0;
        Poke(file, builder.SectionAt(i), section);
    }
    Poke(file, ImageBuilder::kFileHeaderAt + 2, static_cast<uint16_t>(kMaxSections));
    Poke(file, ImageBuilder::kOptionalAt + offsetof(OptionalHeader, header_bytes), kHeaders);
    Poke(file, ImageBuilder::kOptionalAt + offsetof(OptionalHeader, image_bytes),
         0x2000 + kMaxSections * 0x1000);
    return file;
}

TEST(Checks, RoomAmongTheSections) {
    const File full = WithManySections();
    ExpectNever(Reason::kNoRoom, "it has 96 sections, as many as Windows allows; use strata-run",
                full);
    File one_less = full;
    Poke(one_less, ImageBuilder::kFileHeaderAt + 2, static_cast<uint16_t>(kMaxSections - 1));
    Poke(one_less, ImageBuilder::kOptionalAt + offsetof(OptionalHeader, image_bytes),
         0x2000 + (kMaxSections - 1) * 0x1000);
    Poke(one_less, ImageBuilder().SectionAt(kMaxSections - 1), SectionHeader{});
    EXPECT_EQ("", Refusal(Reason::kNoRoom, one_less));
}

TEST(Checks, RoomInTheAddressSpace) {
    ImageBuilder builder;
    File file = builder.Build();
    SectionHeader last = Peek<SectionHeader>(file, builder.SectionAt(2));
    last.virtual_bytes = 0xFFFF'C000;
    Poke(file, builder.SectionAt(2), last);
    Poke(file, ImageBuilder::kOptionalAt + offsetof(OptionalHeader, image_bytes),
         uint32_t{0xFFFF'F000});
    ExpectNever(
        Reason::kNoRoom,
        "it has no room for one more section: it ends at 0xe00 in the file and at 0xfffff000 "
        "in memory, of 4 GiB; use strata-run",
        file);
}

TEST(Checks, AlreadyPatched) {
    const File patched = ApplyPatch(ImageBuilder().Build(), {}).bytes;
    ExpectNever(
        Reason::kAlreadyPatched,
        "it is patched already: it imports strata-override.dll; see --verify, and --undo to "
        "take it back",
        patched);
    const std::string other =
        RefusalOf(Reason::kAlreadyPatched, [&] { ApplyPatch(patched, {"other.dll", true}); });
    EXPECT_EQ(
        "it is patched already: it has a section .strata; see --list, and --undo to take it back",
        other);
    ImageBuilder linked;
    linked.imports().push_back({"STRATA-Override.DLL", {"#1"}});
    ExpectNever(
        Reason::kAlreadyPatched,
        "it is patched already: it imports STRATA-Override.DLL; see --verify, and --undo to "
        "take it back",
        linked.Build());
}

TEST(Checks, WhatCanBeForced) {
    ImageBuilder dll;
    dll.file().characteristics |= kFileIsDll;
    ExpectUnlessForced(
        Reason::kDll,
        "it is a DLL, not a program; patch the program that loads it, or say --force: "
        "Strata then comes as late as this DLL",
        "it is a DLL: Strata comes as late as it does", dll.Build());
    const File plain = ImageBuilder().Build();
    ExpectUnlessForced(Reason::kSigned,
                       "it is signed (64 bytes at 0xe00), and a patch makes the signature invalid; "
                       "--force drops the signature, --undo brings it back",
                       "its signature is dropped; --undo brings it back", WithSignature(plain));
    ExpectUnlessForced(
        Reason::kOverlay,
        "it carries 7 bytes of other data behind its sections, at 0xe00 (an installer, an "
        "archive?), "
        "which some programs look for from the end of the file; use strata-run, or try --force: "
        "the "
        "data stays at its place, the patch comes behind it",
        "the 7 bytes of other data at 0xe00 stay there, the patch is behind them: see that it runs",
        WithOverlay(plain, "archive"));
}

TEST(Checks, PackedPrograms) {
    File upx = ImageBuilder().Build();
    Poke(upx, ImageBuilder().SectionAt(0), std::array<char, 6>{"UPX0"});
    ExpectUnlessForced(
        Reason::kPacked,
        "it looks packed or protected (section UPX0), and such programs often check or "
        "rebuild themselves; unpack it first, use strata-run, or try --force",
        "it looks packed (section UPX0): see that it runs", upx);
    ImageBuilder unpacker;
    unpacker.optional().entry_point = 0x3010;
    ExpectUnlessForced(
        Reason::kPacked,
        "it looks packed or protected (its entry point is in the writable section "
        ".data), and such programs often check or rebuild themselves; unpack it first, "
        "use strata-run, or try --force",
        "it looks packed (its entry point is in the writable section .data): see that "
        "it runs",
        unpacker.Build());
}

TEST(Checks, SearchPath) {
    const auto linked_with = [](uint16_t flags) {
        ImageBuilder builder;
        File config(256);
        Poke(config, 0, uint32_t{256});
        Poke(config, kDependentLoadFlagsAt, flags);
        builder.SetDirectory(kLoadConfigDirectory,
                             {builder.AddBytes(config.data(), config.size()), 256});
        return builder.Build();
    };
    ExpectUnlessForced(
        Reason::kSearchPath,
        "it was linked with /DEPENDENTLOADFLAG:0x800: Windows does not look for its DLLs "
        "beside it; use strata-run, or --force and put the DLL where Windows looks",
        "the DLL is not looked for beside it (/DEPENDENTLOADFLAG:0x800)", linked_with(0x800));
    EXPECT_EQ("", Refusal(Reason::kSearchPath, linked_with(0xA00)));
    EXPECT_EQ("", Refusal(Reason::kSearchPath, linked_with(0x1000)));
    EXPECT_EQ("", Refusal(Reason::kSearchPath, linked_with(0x8)));
}

TEST(Checks, DllNames) {
    for (const char* name : {"strata-override.dll", "x.DLL", "a_b.c.dll"}) {
        EXPECT_EQ("", RefusalOf(Reason::kDllName, [&] { CheckDllName(name); })) << name;
    }
    for (const std::string name : {"", ".dll", "x", "x.exe", "a\\x.dll", "a/x.dll", "c:x.dll",
                                   "a b.dll", "\xC3\xA4.dll", "x.dll\n"}) {
        EXPECT_NE("", RefusalOf(Reason::kDllName, [&] { CheckDllName(name); })) << name;
    }
    EXPECT_EQ(
        "--dll wants the name of a DLL without a folder, in ASCII and without blanks, such as "
        "strata-override.dll; got \"a/x.dll\"",
        RefusalOf(Reason::kDllName, [] { CheckDllName("a/x.dll"); }));
    EXPECT_NE("",
              RefusalOf(Reason::kDllName, [] { CheckDllName(std::string(200, 'x') + ".dll"); }));
}

}  // namespace
}  // namespace strata::patch
