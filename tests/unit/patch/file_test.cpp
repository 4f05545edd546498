#include "patch/file.h"

#include "commands_fixture.h"

namespace strata::patch {
namespace {

using Files = Commands;

TEST_F(Files, AreWrittenWhole) {
    const File large(3'000'001, 0x5A);
    for (const File& file : {File(), File(1, 7), large}) {
        WriteWholeFile(At("q.exe"), file, At("p.exe"), Existing::kReplace, Modified::kNow);
        EXPECT_EQ(file, Read("q.exe"));
    }
    EXPECT_EQ((Names{"p.exe", "q.exe"}), NamesInFolder());
}

TEST_F(Files, AreNotReplacedUnlessAsked) {
    Write("q.exe", File(1, 7));
    EXPECT_EQ("q.exe is there already", WithoutFolder(RefusalOf(Reason::kFileExists, [&] {
                  WriteWholeFile(At("q.exe"), original_, At("p.exe"), Existing::kRefuse,
                                 Modified::kNow);
              })));
    EXPECT_EQ(File(1, 7), Read("q.exe"));
    EXPECT_EQ((Names{"p.exe", "q.exe"}), NamesInFolder()) << "no temporary file stays";
    WriteWholeFile(At("r.exe"), original_, At("p.exe"), Existing::kRefuse, Modified::kNow);
    EXPECT_EQ(original_, Read("r.exe"));
    EXPECT_EQ((Names{"p.exe", "q.exe", "r.exe"}), NamesInFolder());
}

TEST_F(Files, MoveOverOthers) {
    Write("q.exe", File(1, 7));
    MoveOver(At("q.exe"), At("p.exe"));
    EXPECT_EQ(File(1, 7), Read("p.exe"));
    EXPECT_EQ((Names{"p.exe"}), NamesInFolder());
    EXPECT_THROW(MoveOver(At("no.exe"), At("p.exe")), FileError);
    EXPECT_EQ(File(1, 7), Read("p.exe"));
}

TEST_F(Files, ThatAreNotThereAreNamed) {
    try {
        ReadWholeFile(At("no.exe"));
        ADD_FAILURE();
    } catch (const FileError& error) {
        EXPECT_EQ(0u, WithoutFolder(error.what()).find("no.exe cannot be read: ")) << error.what();
    }
}

}  // namespace
}  // namespace strata::patch
