#include "patch/pe_tables.h"

#include "image_builder.h"

namespace strata::patch {
namespace {

TEST(PeTables, ReadsImportsInOrder) {
    for (const bool is_64 : {true, false}) {
        const File file = ImageBuilder(is_64).Build();
        const std::vector<Import> imports = ReadImports(Image(file));
        ASSERT_EQ(2u, imports.size());
        EXPECT_EQ("KERNEL32.dll", imports[0].dll);
        EXPECT_EQ(3u, imports[0].functions);
        EXPECT_EQ(0u, imports[0].by_ordinal);
        EXPECT_EQ("msvcrt.dll", imports[1].dll);
        EXPECT_EQ(2u, imports[1].functions);
        EXPECT_EQ(1u, imports[1].by_ordinal);
    }
}

TEST(PeTables, ReadsImportsWithoutAListOfNames) {
    ImageBuilder builder;
    File file = builder.Build();
    const uint32_t at = Peek<Directory>(file, builder.DirectoryAt(kImportDirectory)).rva -
                        ImageBuilder::kRdataRva + ImageBuilder::kRdataAt;
    Poke(file, at, uint32_t{0});
    EXPECT_EQ(3u, ReadImports(Image(file))[0].functions) << "counted in the address table";
}

TEST(PeTables, NoImportsAreNone) {
    ImageBuilder builder;
    builder.imports().clear();
    const File file = builder.Build();
    EXPECT_TRUE(ReadImports(Image(file)).empty());
}

TEST(PeTables, RefusesImportsThatLeadNowhere) {
    ImageBuilder builder;
    File file = builder.Build();
    const uint32_t directory = builder.DirectoryAt(kImportDirectory);
    const uint32_t table = Peek<Directory>(file, directory).rva;
    const uint32_t at = table - ImageBuilder::kRdataRva + ImageBuilder::kRdataAt;
    const auto refusal = [](const File& bytes) {
        return RefusalOf(Reason::kDamaged, [&] { ReadImports(Image(bytes)); });
    };
    File changed = file;
    Poke(changed, directory, uint32_t{0x5000});
    EXPECT_EQ("it is damaged or cut off: import 0 lies at 0x5000 in memory; get a whole copy of it",
              refusal(changed));
    changed = file;
    Poke(changed, at + 20 + 12, uint32_t{0x8000'0000});
    EXPECT_EQ(
        "it is damaged or cut off: the name of import 1 lies at 0x80000000 in memory; get a whole "
        "copy of it",
        refusal(changed));
    changed = file;
    Poke(changed, at, uint32_t{0x3FF9});
    EXPECT_EQ(
        "it is damaged or cut off: a table of imported functions lies at 0x3ff9 in memory; get a "
        "whole copy of it",
        refusal(changed));
}

// A last section of 2 MiB without a zero in it, to which the import directory leads.
File WithEndlessImports() {
    ImageBuilder builder;
    File file = builder.Build();
    const uint32_t size = 0x20'0000;
    file.resize(0xC00 + size);
    SectionHeader section = Peek<SectionHeader>(file, builder.SectionAt(2));
    section.virtual_bytes = section.raw_bytes = size;
    Poke(file, builder.SectionAt(2), section);
    Poke(file, ImageBuilder::kOptionalAt + offsetof(OptionalHeader, image_bytes), 0x3000 + size);
    for (uint32_t at = 0xC00; at < file.size(); at += 4) Poke(file, at, uint32_t{0x2004});
    Poke(file, builder.DirectoryAt(kImportDirectory), uint32_t{0x3000});
    return file;
}

TEST(PeTables, StopsAtEndlessImports) {
    const File file = WithEndlessImports();
    EXPECT_EQ(
        "it is damaged or cut off: it claims to import more than 4096 DLLs; get a whole copy of it",
        RefusalOf(Reason::kDamaged, [&] { ReadImports(Image(file)); }));
}

TEST(PeTables, StopsAtEndlessFunctions) {
    File file = WithEndlessImports();
    Poke(file, file.size() - 8, uint64_t{0});
    for (uint32_t i = 0; i < 5; ++i) Poke(file, 0xC00 + i * 20, uint32_t{0x3000});
    EXPECT_EQ(
        "it is damaged or cut off: it claims to import more than 1048576 functions; get a whole "
        "copy "
        "of it",
        RefusalOf(Reason::kDamaged, [&] { ReadImports(Image(file)); }));
}

TEST(PeTables, FindsExportsByOrdinal) {
    ImageBuilder builder;
    ExportTable table = {};
    table.ordinal_base = 5;
    table.address_count = 3;
    const uint32_t addresses[4] = {0x1000, 0, 0x1010, 0x1020};  // one more than is said
    table.addresses = builder.Add(addresses);
    builder.SetDirectory(kExportDirectory, {builder.Add(table), sizeof table});
    builder.file().characteristics |= kFileIsDll;
    const File file = builder.Build();
    const Image image(file);
    EXPECT_FALSE(ExportsOrdinal(image, 4));
    EXPECT_TRUE(ExportsOrdinal(image, 5));
    EXPECT_FALSE(ExportsOrdinal(image, 6)) << "an ordinal that is not used";
    EXPECT_TRUE(ExportsOrdinal(image, 7));
    EXPECT_FALSE(ExportsOrdinal(image, 8));

    File program = file;
    Poke(program, ImageBuilder::kFileHeaderAt + offsetof(FileHeader, characteristics),
         kFileIsExecutable);
    EXPECT_FALSE(ExportsOrdinal(Image(program), 5)) << "not a DLL";
}

TEST(PeTables, KnowsDotNet) {
    for (const uint32_t flags : {kManagedIlOnly, uint32_t{0}}) {
        ImageBuilder builder;
        ManagedHeader header = {};
        header.bytes = 72;
        header.flags = flags;
        builder.SetDirectory(kManagedDirectory, {builder.Add(header), 72});
        const File file = builder.Build();
        EXPECT_TRUE(IsManaged(Image(file)));
        EXPECT_EQ(flags == kManagedIlOnly, IsManagedOnly(Image(file)));
    }
    const File file = ImageBuilder().Build();
    EXPECT_FALSE(IsManaged(Image(file)));
    EXPECT_FALSE(IsManagedOnly(Image(file)));
}

File WithLoadConfig(uint32_t size, uint16_t flags, uint64_t metadata) {
    ImageBuilder builder;
    File config(256);
    Poke(config, 0, size);
    Poke(config, 78, flags);
    Poke(config, 200, metadata);
    builder.SetDirectory(kLoadConfigDirectory,
                         {builder.AddBytes(config.data(), config.size()), 256});
    return builder.Build();
}

TEST(PeTables, ReadsTheLoadConfiguration) {
    const File whole = WithLoadConfig(256, 0x800, 0x4000'1000);
    EXPECT_EQ(0x800, ReadLoadConfig(Image(whole)).dependent_load_flags);
    EXPECT_TRUE(ReadLoadConfig(Image(whole)).arm64ec);
    const File shorter = WithLoadConfig(200, 0x800, 0x4000'1000);
    EXPECT_EQ(0x800, ReadLoadConfig(Image(shorter)).dependent_load_flags);
    EXPECT_FALSE(ReadLoadConfig(Image(shorter)).arm64ec);
    const File old = WithLoadConfig(78, 0x800, 0x4000'1000);
    EXPECT_EQ(0, ReadLoadConfig(Image(old)).dependent_load_flags);
    const File none = ImageBuilder().Build();
    EXPECT_EQ(0, ReadLoadConfig(Image(none)).dependent_load_flags);
}

void ExpectOverlay(uint64_t offset, uint64_t bytes, const File& file) {
    const Range overlay = FindOverlay(Image(file));
    EXPECT_EQ(offset, overlay.offset);
    EXPECT_EQ(bytes, overlay.bytes);
}

TEST(PeTables, FindsOverlays) {
    const File plain = ImageBuilder().Build();
    ExpectOverlay(0, 0, plain);
    ExpectOverlay(0xE00, 4, WithOverlay(plain, "data"));
    ExpectOverlay(0xE00, 8, WithOverlay(plain, std::string("\0\0\0\0data", 8)));
    ExpectOverlay(0, 0, WithOverlay(plain, std::string(100, 0)));
}

TEST(PeTables, KnowsWhatIsNoOverlay) {
    const File plain = ImageBuilder().Build();
    ExpectOverlay(0, 0, WithSymbols(plain));
    ExpectOverlay(0, 0, WithSignature(plain));
    ExpectOverlay(0, 0, WithSignature(WithSymbols(plain)));
    ExpectOverlay(0xE00, 8, WithSignature(WithOverlay(plain, "12345678")));
    const File behind = WithOverlay(WithSymbols(plain), "more");
    ExpectOverlay(behind.size() - 4, 4, behind);

    ImageBuilder builder;
    DebugEntry entry = {};
    entry.raw_offset = 0xE00;
    entry.bytes = 6;
    builder.SetDirectory(kDebugDirectory, {builder.Add(entry), sizeof entry});
    const File debug = builder.Build();
    ExpectOverlay(0, 0, WithOverlay(debug, "debug!"));
    ExpectOverlay(0xE06, 4, WithOverlay(debug, "debug!more"));
}

}  // namespace
}  // namespace strata::patch
