// Damaged and hostile files: each is refused, or patched rightly. Under the sanitizers this also
// shows that nothing outside of the file is read.
#include <memory>

#include "image_builder.h"
#include "patch/describe.h"

namespace strata::patch {
namespace {

// Whatever can be done with a file. Whether it could be patched.
bool TryAll(const File& file) {
    // A copy of the exact size, so that the sanitizers see the first byte behind it.
    const std::unique_ptr<uint8_t[]> memory(new uint8_t[file.size()]);
    std::copy(file.begin(), file.end(), memory.get());
    const Bytes bytes(memory.get(), file.size());
    bool patchable = false;
    const auto attempt = [](auto function) {
        try {
            function();
        } catch (const Refused& refused) {
            EXPECT_GT(std::strlen(refused.what()), 10u);
        }
    };
    attempt([&] { EXPECT_FALSE(Describe(bytes, kDefaultDll).empty()); });
    attempt([&] { VerifyPatch(bytes); });
    attempt([&] { ExportsOrdinal(Image(bytes), 1); });
    attempt([&] { RestoreOriginal(bytes); });
    attempt([&] {
        const PatchedFile patched = ApplyPatch(bytes, {kDefaultDll, true});
        const Verification found = VerifyPatch(patched.bytes);
        EXPECT_TRUE(found.Right()) << found.problem;
        EXPECT_EQ(file, RestoreOriginal(patched.bytes).bytes);
        patchable = true;
    });
    return patchable;
}

// With everything in it that is read.
File RichFile() {
    ImageBuilder builder;
    const uint32_t addresses[2] = {0x1000, 0x1010};
    ExportTable exports = {};
    exports.ordinal_base = 1;
    exports.address_count = 2;
    exports.addresses = builder.Add(addresses);
    builder.SetDirectory(kExportDirectory, {builder.Add(exports), sizeof exports});
    DebugEntry debug = {};
    debug.raw_offset = 0xE00;
    debug.bytes = 4;
    builder.SetDirectory(kDebugDirectory, {builder.Add(debug), sizeof debug});
    ManagedHeader managed = {};
    managed.bytes = 72;
    builder.SetDirectory(kManagedDirectory, {builder.Add(managed), 72});
    File config(208);
    Poke(config, 0, uint32_t{208});
    builder.SetDirectory(kLoadConfigDirectory, {builder.AddBytes(config.data(), 208), 208});
    return builder.Build();
}

void ExpectCutsAreRefused(const File& file) {
    for (size_t size = 0; size < file.size(); ++size) {
        const File cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(size));
        EXPECT_FALSE(TryAll(cut)) << size;
        try {
            const Image image(cut);
            ADD_FAILURE() << "not refused when cut to " << size;
        } catch (const Refused& refused) {
            EXPECT_EQ(size < 2 ? Reason::kNotPe : Reason::kDamaged, refused.reason())
                << size << ": " << refused.what();
        }
    }
}

TEST(Damage, EveryCutIsRefused) {
    const File plain = ImageBuilder().Build();
    ExpectCutsAreRefused(plain);
    ExpectCutsAreRefused(ApplyPatch(plain, {}).bytes);
    ExpectCutsAreRefused(ImageBuilder(false).Build());
}

TEST(Damage, EveryCutOfWhatFollowsTheSectionsIsRefused) {
    for (const File& file :
         {WithSymbols(ImageBuilder().Build()), WithSignature(ImageBuilder().Build()),
          WithSignature(WithSymbols(ImageBuilder().Build()))}) {
        ExpectCutsAreRefused(file);
    }
}

// Every place in a file, with values that lie at the borders of what is possible. How many of the
// changed files can be patched.
size_t ChangeEveryField(const File& file) {
    size_t patchable = 0;
    for (size_t at = 0; at + 4 <= file.size(); at += 2) {
        if (at >= 0x410 && at < 0x5F0) continue;  // code, which nobody reads
        const auto size = static_cast<uint32_t>(file.size());
        for (const uint32_t value : {0u, 1u, 0x2000u, size - 1, size, size + 1, 0x7FFF'FFFFu,
                                     0x8000'0000u, 0xFFFF'F000u, 0xFFFF'FFFFu}) {
            File changed = file;
            Poke(changed, at, value);
            patchable += TryAll(changed);
        }
        File changed = file;
        Poke(changed, at, uint16_t{0x7FFF});
        patchable += TryAll(changed);
    }
    return patchable;
}

TEST(Damage, NoFieldLeadsAstray) { EXPECT_LT(1000u, ChangeEveryField(RichFile())); }

TEST(Damage, NoFieldOfAPatchedFileLeadsAstray) {
    const File patched = ApplyPatch(WithSymbols(ImageBuilder().Build()), {}).bytes;
    EXPECT_EQ(0u, ChangeEveryField(patched)) << "none is patched twice";
}

TEST(Damage, NoFieldOfA32BitFileLeadsAstray) {
    EXPECT_EQ(0u, ChangeEveryField(ImageBuilder(false).Build()));
}

std::string DamageOf(const File& file) {
    return RefusalOf(Reason::kDamaged, [&] { Image image(file); });
}

// One change of each kind, with its message.
struct Damage {
    uint64_t at;
    uint32_t value;
    const char* message;
};

TEST(Damage, IsNamed) {
    ImageBuilder builder;
    const File file = builder.Build();
    const uint64_t optional = ImageBuilder::kOptionalAt;
    const uint64_t text = builder.SectionAt(0);
    const Damage damages[] = {
        {kPeOffsetAt, 0xDFE, "the PE header should be at 0xdfe, the file ends at 0xe00"},
        {kPeOffsetAt, 0xDF0, ""},  // no signature there: not a PE file
        {optional, 0x107, "the optional header at 0x98 has the magic number 0x107"},
        {ImageBuilder::kFileHeaderAt + 16, 0x2'00E8,
         "the optional header has 0xe8 bytes, too few for its 16 data directories"},
        {optional + 32, 0x1001, "the section alignment 0x1001 is not a power of two"},
        {optional + 36, 0x300, "the file alignment 0x300 is none"},
        {optional + 36, 0x100, "the file alignment 0x100 is none"},
        {optional + 36, 0x2'0000, "the file alignment 0x20000 is none"},
        {optional + 60, 0x1F0,
         "the section table ends at 0x200, the headers at 0x1f0, the file at 0xe00"},
        {optional + 60, 0x2000,
         "the section table ends at 0x200, the headers at 0x2000, the file at 0xe00"},
        {optional + 56, 0x5000, "its sections end at 0x4000 in memory, the image at 0x5000"},
        {ImageBuilder::kFileHeaderAt + 2, 0, "it claims to have 0 sections"},
        {ImageBuilder::kFileHeaderAt + 2, 97, "it claims to have 97 sections"},
        {text + 12, 0x1800, "section .text is at 0x1800 in memory instead of 0x2000"},
        {text + 40 + 12, 0x3000, "section .rdata is at 0x3000 in memory instead of 0x2000"},
        {text + 8, 0xFFFF'F000, "section .text has 0xfffff000 bytes in memory"},
        {text + 16, 0xA01, "section .text ends at 0xe01, the file at 0xe00"},
        {text + 20, 0x200, "section .text is at 0x200 in the file, in the headers or not aligned"},
        {text + 20, 0x410, "section .text is at 0x410 in the file, in the headers or not aligned"},
        {builder.DirectoryAt(kCertificateDirectory) + 4, 0xE01,
         "the signature ends at 0xe01, the file at 0xe00"},
    };
    for (const Damage& damage : damages) {
        File changed = file;
        Poke(changed, damage.at, damage.value);
        if (damage.message[0] == 0) {
            EXPECT_NE("", RefusalOf(Reason::kNotPe, [&] { Image image(changed); }));
            continue;
        }
        EXPECT_EQ(
            std::string("it is damaged or cut off: ") + damage.message + "; get a whole copy of it",
            DamageOf(changed));
    }
}

TEST(Damage, OfTwoFieldsIsNamed) {
    ImageBuilder builder;
    File header = builder.Build();
    Poke(header, kPeOffsetAt, uint32_t{0x82});
    Poke(header, 0x82, kPeSignature);
    EXPECT_EQ(
        "it is damaged or cut off: the PE header at 0x82 is not aligned; get a whole copy of it",
        DamageOf(header));
    File alignment = builder.Build();
    Poke(alignment, ImageBuilder::kOptionalAt + 32, uint32_t{0x10'0000});
    Poke(alignment, ImageBuilder::kOptionalAt + 36, uint32_t{0x2'0000});
    EXPECT_EQ(
        "it is damaged or cut off: the file alignment 0x20000 is none; get a whole copy of it",
        DamageOf(alignment));
    File nothing = builder.Build();
    Poke(nothing, builder.SectionAt(0) + 8, uint32_t{0});
    Poke(nothing, builder.SectionAt(0) + 16, uint32_t{0});
    EXPECT_EQ(
        "it is damaged or cut off: section .text has 0x0 bytes in memory; get a whole copy of it",
        DamageOf(nothing));
}

}  // namespace
}  // namespace strata::patch
