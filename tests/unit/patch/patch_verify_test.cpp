// What --verify sees, and what --undo makes of a file without its backup.
#include "image_builder.h"
#include "patch/patch.h"

namespace strata::patch {
namespace {

// The file offset of our import descriptor.
uint64_t OurDescriptorAt(const File& patched) {
    const Image image(patched);
    const SectionHeader& section = image.sections().back();
    return image.directory(kImportDirectory).rva - section.rva + section.raw_offset;
}

TEST(Verify, SeesEveryChangedByte) {
    const File patched = ApplyPatch(ImageBuilder().Build(), {}).bytes;
    for (size_t at = 0; at < patched.size(); ++at) {
        File changed = patched;
        changed[at] ^= 0x10;
        bool right = false;
        try {
            right = VerifyPatch(changed).Right();
        } catch (const Refused&) {
        }
        EXPECT_FALSE(right) << "at " << at;
    }
}

TEST(Verify, SaysWhatIsWrong) {
    const File patched = ApplyPatch(ImageBuilder().Build(), {}).bytes;
    const auto fix_checksum = [](File& file) {
        Poke(file, Image(file).checksum_at(), ComputeChecksum(file, Image(file).checksum_at()));
    };
    File content = patched;
    content[0x410] ^= 1;
    fix_checksum(content);
    Verification found = VerifyPatch(content);
    EXPECT_TRUE(found.first && found.headers && found.checksum) << found.problem;
    EXPECT_FALSE(found.original);
    EXPECT_FALSE(RestoreOriginal(content).identical);

    File headers = patched;
    headers[ImageBuilder::kFileHeaderAt + offsetof(FileHeader, time_stamp)] ^= 1;
    fix_checksum(headers);
    found = VerifyPatch(headers);
    EXPECT_TRUE(found.first && found.original && found.checksum);
    EXPECT_EQ("the headers differ from what the patch wrote, first at 0x88", found.problem);

    File checksum = patched;
    checksum[Image(patched).checksum_at()] ^= 1;
    found = VerifyPatch(checksum);
    EXPECT_TRUE(found.first && found.original && found.headers) << found.problem;
    EXPECT_FALSE(found.checksum);
    EXPECT_EQ(found.right_checksum, Image(patched).optional().checksum);

    File longer = WithOverlay(patched, "signature");
    found = VerifyPatch(longer);
    EXPECT_EQ("9 bytes were added at the end, at 0x1200 (a signature?)", found.problem);
    EXPECT_TRUE(RestoreOriginal(longer).identical);
}

TEST(Verify, SeesAnImportThatCameBefore) {
    // Another tool's descriptor, in front of ours: here, two of the array exchanged.
    File patched = ApplyPatch(ImageBuilder().Build(), {}).bytes;
    const uint64_t at = OurDescriptorAt(patched);
    const auto ours = Peek<ImportDescriptor>(patched, at);
    const auto other = Peek<ImportDescriptor>(patched, at + sizeof ours);
    Poke(patched, at, other);
    Poke(patched, at + sizeof ours, ours);
    const Verification found = VerifyPatch(patched);
    EXPECT_FALSE(found.first);
    EXPECT_FALSE(found.Right());
    EXPECT_TRUE(RestoreOriginal(patched).identical);
}

TEST(Verify, SeesAnotherFunctionOrName) {
    const File patched = ApplyPatch(ImageBuilder().Build(), {}).bytes;
    const SectionHeader section = Image(patched).sections().back();
    const uint64_t at = OurDescriptorAt(patched);
    const auto ours = Peek<ImportDescriptor>(patched, at);
    ASSERT_TRUE(VerifyPatch(patched).first);

    File ordinal = patched;
    Poke(ordinal, ours.address_thunks - section.rva + section.raw_offset, kOrdinalFlag64 | 2);
    EXPECT_FALSE(VerifyPatch(ordinal).first);
    File second = patched;
    Poke(second, ours.name_thunks - section.rva + section.raw_offset + 8, kOrdinalFlag64 | 1);
    EXPECT_FALSE(VerifyPatch(second).first);
    File name = patched;
    Poke(name, at + offsetof(ImportDescriptor, name),
         Peek<ImportDescriptor>(patched, at + sizeof ours).name);
    EXPECT_EQ("strata-override.dll", VerifyPatch(name).dll);
    EXPECT_FALSE(VerifyPatch(name).first);
}

TEST(Verify, RefusesASectionWithoutANameInIt) {
    File patched = ApplyPatch(ImageBuilder().Build(), {}).bytes;
    const Image image(patched);
    const uint64_t name = Peek<ImportDescriptor>(patched, OurDescriptorAt(patched)).name -
                          image.sections().back().rva + image.sections().back().raw_offset;
    std::fill(patched.begin() + static_cast<ptrdiff_t>(name), patched.end(), uint8_t{'x'});
    EXPECT_NE("", RefusalOf(Reason::kDamaged, [&] { VerifyPatch(patched); }));
}

TEST(Verify, SeesAShorterSection) {
    // The end of the import descriptors, zeros, is all that lies in the last 0x200 bytes.
    ImageBuilder builder;
    while (builder.imports().size() < 10) builder.imports().push_back({"a.dll", {"#1"}});
    File patched = ApplyPatch(builder.Build(), {std::string(147, 'x') + ".dll", false}).bytes;
    ASSERT_EQ(0x1400u, patched.size());
    ASSERT_EQ(0x408u, Image(patched).sections().back().virtual_bytes);
    patched.resize(0x1200);
    Poke(patched, builder.SectionTableEnd() + offsetof(SectionHeader, raw_bytes), uint32_t{0x400});
    EXPECT_EQ("the file ends at 0x1200 instead of 0x1400", VerifyPatch(patched).problem);
}

TEST(Verify, SeesASectionAtAnotherPlace) {
    File patched = ApplyPatch(ImageBuilder().Build(), {}).bytes;
    patched.insert(patched.begin() + 0xE00, 0x400, uint8_t{0});
    Poke(patched, ImageBuilder().SectionTableEnd() + offsetof(SectionHeader, raw_offset),
         uint32_t{0x1200});
    const Verification found = VerifyPatch(patched);
    EXPECT_TRUE(found.first && found.original);
    EXPECT_EQ("the headers are not those of the original", found.problem);
}

TEST(Restore, RefusesARecordThatCannotBe) {
    const File patched = ApplyPatch(ImageBuilder().Build(), {}).bytes;
    const uint64_t record = Image(patched).sections()[3].raw_offset;
    for (const uint64_t field :
         {offsetof(PatchRecord, record_bytes), offsetof(PatchRecord, header_bytes),
          offsetof(PatchRecord, original_bytes)}) {
        File changed = patched;
        Poke(changed, record + field, uint32_t{0x7FFF'FFFF});
        EXPECT_EQ(
            "it is damaged or cut off: the record of the patch at 0xe00 is wrong; get a whole copy "
            "of "
            "it",
            RefusalOf(Reason::kDamaged, [&] { RestoreOriginal(changed); }));
    }
    // As many headers as the original has bytes, but more than the section has.
    File changed = patched;
    Poke(changed, record + offsetof(PatchRecord, header_bytes), uint32_t{0xE00});
    EXPECT_NE("", RefusalOf(Reason::kDamaged, [&] { RestoreOriginal(changed); }));
}

}  // namespace
}  // namespace strata::patch
