// The text of --list.
#include "patch/describe.h"

#include "commands_fixture.h"

namespace strata::patch {
namespace {

TEST_F(Commands, List) {
    EXPECT_EQ(kExitDone, Do(Action::kList));
    EXPECT_EQ(
        "p.exe\n"
        "  machine         64-bit x86\n"
        "  kind            program, console\n"
        "  file            3584 bytes\n"
        "  image           0x4000 bytes at 0x40000000\n"
        "  checksum        0 (none)\n"
        "  ASLR            yes, 64-bit\n"
        "  CFG             no\n"
        "  .NET            no\n"
        "  signature       none\n"
        "  bound imports   none\n"
        "  overlay         none\n"
        "  sections          memory      size        file        size        access\n"
        "    .text           0x00001000  0x00000123  0x00000400  0x00000200  r-x\n"
        "    .rdata          0x00002000  0x000005f0  0x00000600  0x00000600  r--\n"
        "    .data           0x00003000  0x00000800  0x00000c00  0x00000200  rw-\n"
        "  imports, in the order of loading\n"
        "    KERNEL32.dll                    3 functions\n"
        "    msvcrt.dll                      2 functions (1 by ordinal)\n"
        "  patched         no\n"
        "  can be patched  yes\n",
        out_);
    ASSERT_EQ(kExitDone, Do(Action::kPatch));
    EXPECT_EQ(kExitDone, Do(Action::kList));
    EXPECT_NE(std::string::npos,
              out_.find("    strata-override.dll             1 function (1 by ordinal)\n"))
        << out_;
    EXPECT_NE(std::string::npos,
              out_.find("  patched         yes: strata-override.dll comes first\n"
                        "  original        3584 bytes, SHA-256 " +
                        ToText(ComputeSha256(original_)) + "\n"))
        << out_;
}

TEST_F(Commands, ListOfWhatCannotBePatched) {
    ImageBuilder builder(false);
    builder.imports()[0].dll = "\x1B[31m.dll";
    builder.optional().dll_characteristics = kControlFlowGuard;
    File file = builder.Build();
    Poke(file, Image(file).checksum_at(), uint32_t{5});
    Write("p.exe", WithOverlay(file, "more"));
    EXPECT_EQ(kExitDone, Do(Action::kList));
    for (const char* line :
         {"  machine         32-bit x86\n", "  ASLR            no\n", "  CFG             yes\n",
          "  overlay         4 bytes at 0xe00\n", "  checksum        0x5, wrong: 0x",
          "    ?[31m.dll  ", "  not possible    it is a 32-bit program; Strata is 64-bit only\n",
          "  unless forced   it carries 4 bytes of other data"}) {
        EXPECT_NE(std::string::npos, out_.find(line)) << line << "\n" << out_;
    }
}

}  // namespace
}  // namespace strata::patch
