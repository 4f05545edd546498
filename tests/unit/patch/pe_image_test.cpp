#include "patch/pe_image.h"

#include "image_builder.h"

namespace strata::patch {
namespace {

TEST(PeImage, ReadsTheHeaders) {
    ImageBuilder builder;
    const File file = builder.Build();
    const Image image(file);
    EXPECT_TRUE(image.Is64());
    EXPECT_FALSE(image.IsDll());
    EXPECT_EQ(kMachineAmd64, image.file().machine);
    EXPECT_EQ(0x4000'0000u, image.image_base());
    EXPECT_EQ(builder.DirectoriesAt(), image.directories_at());
    EXPECT_EQ(builder.SectionTableAt(), image.section_table_at());
    EXPECT_EQ(builder.SectionTableEnd(), image.section_table_end());
    EXPECT_EQ(16u, image.directory_count());
    ASSERT_EQ(3u, image.sections().size());
    EXPECT_EQ(".rdata", SectionName(image.sections()[1]));
    EXPECT_EQ(0xE00u, image.raw_end());
    EXPECT_EQ(0x4000u, image.image_end());
}

TEST(PeImage, Reads32BitHeaders) {
    ImageBuilder builder(false);
    const File file = builder.Build();
    const Image image(file);
    EXPECT_FALSE(image.Is64());
    EXPECT_EQ(0x4000'0000u, image.image_base());
    EXPECT_EQ(builder.SectionTableEnd(), image.section_table_end());
    EXPECT_NE(0u, image.directory(kImportDirectory).rva);
}

TEST(PeImage, HasNoDirectoriesBeyondTheirCount) {
    File file = ImageBuilder().Build();
    Poke(file, ImageBuilder().DirectoriesAt() - 4, uint32_t{2});
    const Image image(file);
    EXPECT_NE(0u, image.directory(kImportDirectory).rva);
    EXPECT_EQ(0u, image.directory(kAddressTableDirectory).rva);
    // More than sixteen is read as sixteen, as the loader does.
    Poke(file, ImageBuilder().DirectoriesAt() - 4, uint32_t{0xFFFF'FFFF});
    EXPECT_EQ(16u, Image(file).directory_count());
}

TEST(PeImage, ReadsMemoryAsTheLoaderHasIt) {
    const File file = ImageBuilder().Build();
    const Image image(file);
    uint16_t headers = 0;
    EXPECT_TRUE(image.ReadRva(0, headers));
    EXPECT_EQ(kDosSignature, headers);
    EXPECT_FALSE(image.ReadRva(0x3FF, headers)) << "half of it is in no section";
    EXPECT_FALSE(image.ReadRva(0x400, headers));

    uint8_t code = 0;
    EXPECT_TRUE(image.ReadRva(0x1000, code));
    EXPECT_EQ(0x90, code);
    // .data: 0x200 bytes in the file, zeros up to the end of its page.
    uint32_t data = 0;
    EXPECT_TRUE(image.ReadRva(0x3000, data));
    EXPECT_EQ(Peek<uint32_t>(file, 0xC00), data);
    EXPECT_TRUE(image.ReadRva(0x31FE, data));
    EXPECT_EQ(Peek<uint16_t>(file, 0xDFE), data) << "two bytes of it are in the file";
    data = 1;
    EXPECT_TRUE(image.ReadRva(0x3FFC, data));
    EXPECT_EQ(0u, data);
    EXPECT_FALSE(image.ReadRva(0x3FFD, data));
    EXPECT_FALSE(image.ReadRva(0xFFFF'FFFFu, data));
    EXPECT_FALSE(image.ReadRva(~uint64_t{0}, data));

    EXPECT_EQ(&image.sections()[0], image.SectionAround(0x1FFF));
    EXPECT_EQ(&image.sections()[1], image.SectionAround(0x2000));
    EXPECT_EQ(nullptr, image.SectionAround(0xFFF));
    EXPECT_EQ(nullptr, image.SectionAround(0x4000));
}

TEST(PeImage, ReadsTexts) {
    ImageBuilder builder;
    const uint32_t rva = builder.AddBytes("hello", 6);
    const File file = builder.Build();
    const Image image(file);
    EXPECT_EQ("hello", image.ReadText(rva, 5));
    EXPECT_FALSE(image.ReadText(rva, 4));
    EXPECT_EQ("", image.ReadText(0x3FFF, 5));
    EXPECT_FALSE(image.ReadText(0x4000, 5));
    EXPECT_FALSE(image.ReadText(0x1000, 0x100)) << "no zero near";
}

TEST(PeImage, ReadsAtOffsets) {
    const File file = ImageBuilder().Build();
    const Image image(file);
    uint32_t value = 0;
    EXPECT_TRUE(image.ReadAt(file.size() - 4, value));
    EXPECT_FALSE(image.ReadAt(file.size() - 3, value));
    EXPECT_FALSE(image.ReadAt(~uint64_t{0}, value));
}

// The plain rule, in 64 bits, folded at the end.
uint32_t SlowChecksum(const File& file, size_t skip) {
    uint64_t sum = 0;
    for (size_t i = 0; i < file.size(); ++i) {
        if (i >= skip && i < skip + 4) continue;
        sum += uint64_t{file[i]} << (i % 2 * 8);
    }
    while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<uint32_t>(sum + file.size());
}

TEST(PeImage, ComputesTheChecksum) {
    File file = ImageBuilder().Build();
    const uint64_t at = Image(file).checksum_at();
    EXPECT_EQ(ImageBuilder::kOptionalAt + 64, at);
    const uint32_t sum = ComputeChecksum(file, at);
    EXPECT_EQ(SlowChecksum(file, at), sum);
    Poke(file, at, sum);
    EXPECT_EQ(sum, ComputeChecksum(file, at)) << "the field itself does not count";
    file.push_back(0xFF);
    EXPECT_EQ(SlowChecksum(file, at), ComputeChecksum(file, at)) << "an odd size";
    for (size_t i = 0x400; i < file.size(); ++i) file[i] = 0xFF;
    EXPECT_EQ(SlowChecksum(file, at), ComputeChecksum(file, at)) << "with carries";
}

TEST(PeImage, ShowsOnlyPrintableSectionNames) {
    SectionHeader section = {};
    std::memcpy(section.name, "\x1B[2Jabcd", 8);
    EXPECT_EQ("?[2Jabcd", SectionName(section));
}

}  // namespace
}  // namespace strata::patch
