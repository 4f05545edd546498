#include "patch/patch.h"

#include "image_builder.h"

namespace strata::patch {
namespace {

ImportDescriptor DescriptorAt(const Image& image, size_t index) {
    ImportDescriptor descriptor = {};
    EXPECT_TRUE(image.ReadRva(image.directory(kImportDirectory).rva + index * sizeof descriptor,
                              descriptor));
    return descriptor;
}

TEST(Patch, PutsOurImportFirst) {
    const File original = ImageBuilder().Build();
    const PatchedFile patched = ApplyPatch(original, {});
    EXPECT_TRUE(patched.remarks.empty());
    const Image before(original);
    const Image after(patched.bytes);

    const std::vector<Import> imports = ReadImports(after);
    ASSERT_EQ(3u, imports.size());
    EXPECT_EQ("strata-override.dll", imports[0].dll);
    EXPECT_EQ(1u, imports[0].functions);
    EXPECT_EQ(1u, imports[0].by_ordinal);
    const ImportDescriptor ours = DescriptorAt(after, 0);
    for (const uint32_t table : {ours.name_thunks, ours.address_thunks}) {
        uint64_t thunks[2] = {};
        ASSERT_TRUE(after.ReadRva(table, thunks));
        EXPECT_EQ(uint64_t{0x8000'0000'0000'0001}, thunks[0]);
        EXPECT_EQ(0u, thunks[1]);
        EXPECT_EQ(0u, table % 8);
    }
    EXPECT_NE(ours.name_thunks, ours.address_thunks);
    // The others as they were, their tables in place; an entry of zeros ends them.
    for (size_t i = 0; i < 2; ++i) {
        const ImportDescriptor old = DescriptorAt(before, i);
        const ImportDescriptor copy = DescriptorAt(after, i + 1);
        EXPECT_EQ(0, std::memcmp(&old, &copy, sizeof old));
    }
    const ImportDescriptor end = DescriptorAt(after, 3);
    EXPECT_EQ(0u, end.name | end.name_thunks | end.address_thunks);
    EXPECT_EQ(4 * sizeof end, after.directory(kImportDirectory).bytes);
}

TEST(Patch, AddsASection) {
    const File original = ImageBuilder().Build();
    const File patched = ApplyPatch(original, {}).bytes;
    const Image after(patched);
    ASSERT_EQ(4u, after.sections().size());
    const SectionHeader& section = after.sections()[3];
    EXPECT_EQ(".strata", SectionName(section));
    EXPECT_EQ(0x4000u, section.rva);
    EXPECT_EQ(0xE00u, section.raw_offset);
    EXPECT_EQ(0u, section.raw_bytes % 0x200);
    EXPECT_EQ(patched.size(), section.raw_offset + section.raw_bytes);
    EXPECT_LE(section.virtual_bytes, section.raw_bytes);
    EXPECT_EQ(0xC000'0040u, section.characteristics) << "data that is read and written";
    EXPECT_EQ(0x5000u, after.optional().image_bytes);
    EXPECT_EQ(section.raw_bytes, after.optional().initialized_data_bytes);
    EXPECT_EQ(ComputeChecksum(patched, after.checksum_at()), after.optional().checksum);
}

TEST(Patch, LeavesAllElseAsItIs) {
    ImageBuilder builder;
    const File original = builder.Build();
    const File patched = ApplyPatch(original, {}).bytes;
    std::vector<size_t> changed;
    for (size_t i = 0; i < original.size(); ++i) {
        if (patched[i] != original[i]) changed.push_back(i);
    }
    const auto is_one_of_ours = [&](size_t at) {
        const auto in = [at](size_t begin, size_t bytes) {
            return at >= begin && at < begin + bytes;
        };
        return in(ImageBuilder::kFileHeaderAt + offsetof(FileHeader, section_count), 2) ||
               in(ImageBuilder::kOptionalAt + offsetof(OptionalHeader, initialized_data_bytes),
                  4) ||
               in(ImageBuilder::kOptionalAt + offsetof(OptionalHeader, image_bytes), 4) ||
               in(ImageBuilder::kOptionalAt + offsetof(OptionalHeader, checksum), 4) ||
               in(builder.DirectoryAt(kImportDirectory), 8) ||
               in(builder.SectionTableEnd(), sizeof(SectionHeader));
    };
    for (const size_t at : changed) EXPECT_TRUE(is_one_of_ours(at)) << "at " << at;
    EXPECT_FALSE(changed.empty());
}

TEST(Patch, IsTheSameEveryTime) {
    const File original = ImageBuilder().Build();
    EXPECT_EQ(ApplyPatch(original, {}).bytes, ApplyPatch(original, {}).bytes);
    EXPECT_EQ(ApplyPatch(original, {}).bytes, ApplyPatch(original, {kDefaultDll, true}).bytes);
}

TEST(Patch, TakesAnotherName) {
    const File patched = ApplyPatch(ImageBuilder().Build(), {"my.dll", false}).bytes;
    EXPECT_EQ("my.dll", ReadImports(Image(patched))[0].dll);
    EXPECT_TRUE(VerifyPatch(patched).Right());
}

TEST(Patch, SwitchesBoundImportsOff) {
    ImageBuilder builder;
    File original = builder.Build();
    const uint32_t table = Peek<Directory>(original, builder.DirectoryAt(kImportDirectory)).rva -
                           ImageBuilder::kRdataRva + ImageBuilder::kRdataAt;
    Poke(original, table + offsetof(ImportDescriptor, time_stamp), uint32_t{0xFFFF'FFFF});
    Poke(original, builder.DirectoryAt(kBoundImportDirectory), Directory{0x300, 0x20});
    std::fill_n(original.begin() + 0x300, 0x20, uint8_t{0xB0});
    const File patched = ApplyPatch(original, {}).bytes;
    const Image after(patched);
    EXPECT_EQ(0u, after.directory(kBoundImportDirectory).rva);
    EXPECT_EQ(0u, after.directory(kBoundImportDirectory).bytes);
    EXPECT_EQ(0u, DescriptorAt(after, 1).time_stamp);
    EXPECT_EQ(original, RestoreOriginal(patched).bytes);
}

TEST(Patch, KeepsTheStampOfABoundTableWithoutNames) {
    ImageBuilder builder;
    File original = builder.Build();
    const uint32_t table = Peek<Directory>(original, builder.DirectoryAt(kImportDirectory)).rva -
                           ImageBuilder::kRdataRva + ImageBuilder::kRdataAt;
    Poke(original, table + offsetof(ImportDescriptor, name_thunks), uint32_t{0});
    Poke(original, table + offsetof(ImportDescriptor, time_stamp), uint32_t{7});
    const File patched = ApplyPatch(original, {}).bytes;
    EXPECT_EQ(7u, DescriptorAt(Image(patched), 1).time_stamp);
}

TEST(Patch, DropsASignatureFromTheHeaders) {
    const File signed_file = WithSignature(ImageBuilder().Build());
    const File patched = ApplyPatch(signed_file, {kDefaultDll, true}).bytes;
    EXPECT_EQ(0u, Image(patched).directory(kCertificateDirectory).rva);
    EXPECT_EQ(0u, Image(patched).directory(kCertificateDirectory).bytes);
}

TEST(Patch, NamesTheAddressTables) {
    const File with = ImageBuilder().Build();
    const File patched = ApplyPatch(with, {}).bytes;
    EXPECT_EQ(Image(with).directory(kAddressTableDirectory).rva,
              Image(patched).directory(kAddressTableDirectory).rva);
    // Where a linker named none: the section around the old import directory, as the loader would
    // have it.
    const File without = ImageBuilder().NoAddressTableDirectory().Build();
    const File also = ApplyPatch(without, {}).bytes;
    EXPECT_EQ(0x2000u, Image(also).directory(kAddressTableDirectory).rva);
    EXPECT_EQ(ImageBuilder::kRdataBytes - 0x10,
              Image(also).directory(kAddressTableDirectory).bytes);
}

ImageBuilder WithoutImports() {
    ImageBuilder builder;
    builder.imports().clear();
    return builder;
}

TEST(Patch, GivesAProgramWithoutImportsAnAddressTable) {
    const File patched = ApplyPatch(WithoutImports().Build(), {}).bytes;
    const Image after(patched);
    EXPECT_EQ(1u, ReadImports(after).size());
    EXPECT_EQ(DescriptorAt(after, 0).address_thunks, after.directory(kAddressTableDirectory).rva);
    EXPECT_EQ(16u, after.directory(kAddressTableDirectory).bytes);
}

// Files of every kind that can be patched.
std::vector<File> Kinds() {
    const File plain = ImageBuilder().Build();
    File unaligned = WithOverlay(plain, std::string(3, 0));
    File uneven = WithOverlay(WithSymbols(plain), "an odd number of bytes.");
    File wrong_checksum = plain;
    Poke(wrong_checksum, Image(plain).checksum_at(), uint32_t{0x1234'5678});
    return {plain,
            ImageBuilder().NoAddressTableDirectory().Build(),
            WithoutImports().Build(),
            WithSymbols(plain),
            WithSignature(plain),
            WithSignature(WithOverlay(WithSymbols(plain), "setup")),
            unaligned,
            uneven,
            wrong_checksum};
}

TEST(Patch, IsVerifiedAndTakenBackByteForByte) {
    for (const File& original : Kinds()) {
        const File patched = ApplyPatch(original, {kDefaultDll, true}).bytes;
        const Verification found = VerifyPatch(patched);
        EXPECT_TRUE(found.patched);
        EXPECT_EQ("strata-override.dll", found.dll);
        EXPECT_TRUE(found.first);
        EXPECT_TRUE(found.headers) << found.problem;
        EXPECT_TRUE(found.original);
        EXPECT_TRUE(found.checksum);
        const Original back = RestoreOriginal(patched);
        EXPECT_TRUE(back.identical);
        EXPECT_EQ(original, back.bytes);
        // All that followed the sections is where it was.
        EXPECT_TRUE(std::equal(original.begin() + 0x400, original.end(), patched.begin() + 0x400));
    }
}

TEST(Patch, IsNotFoundWhereThereIsNone) {
    const File original = ImageBuilder().Build();
    EXPECT_FALSE(FindRecord(Image(original)));
    EXPECT_FALSE(VerifyPatch(original).patched);
    EXPECT_FALSE(VerifyPatch(original).Right());
    EXPECT_EQ("it is not patched by strata-patch",
              RefusalOf(Reason::kNotPatched, [&] { RestoreOriginal(original); }));
}

}  // namespace
}  // namespace strata::patch
