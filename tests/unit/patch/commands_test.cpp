// The commands, on files in a folder of their own.
#include "patch/commands.h"

#ifndef _WIN32
#include <sys/resource.h>

#include <csignal>
#endif

#include "commands_fixture.h"

namespace strata::patch {
namespace {

TEST_F(Commands, PatchInPlaceAndUndo) {
    fs::last_write_time(At("p.exe"), fs::last_write_time(At("p.exe")) - std::chrono::hours(100));
    const fs::file_time_type before = fs::last_write_time(At("p.exe"));
    EXPECT_EQ(kExitDone, Do(Action::kPatch));
    EXPECT_EQ(
        "p.exe: patched: strata-override.dll is its first import; the original is "
        "p.exe.strata-backup\n" +
            std::string(kNoDll),
        out_);
    EXPECT_EQ("", err_);
    EXPECT_EQ(ApplyPatch(original_, {}).bytes, Read("p.exe"));
    EXPECT_EQ(original_, Read("p.exe.strata-backup"));
    EXPECT_EQ(before, fs::last_write_time(At("p.exe.strata-backup")));
    EXPECT_LT(before, fs::last_write_time(At("p.exe")));
    EXPECT_EQ((Names{"p.exe", "p.exe.strata-backup"}), NamesInFolder());

    EXPECT_EQ(kExitDone, Do(Action::kVerify));
    EXPECT_EQ(
        "p.exe: patched, and all is right\n"
        "  ok     the first import is strata-override.dll, by ordinal 1\n"
        "  ok     the headers and the new section are as the patch wrote them\n"
        "  ok     without the patch, the file has the SHA-256 of the original\n"
        "  ok     the checksum is " +
            std::string("0x") +
            [&] {
                std::ostringstream hex;
                hex << std::hex << Image(Read("p.exe")).optional().checksum;
                return hex.str();
            }() +
            "\n  ok     the backup is the original\n" + kNoDll,
        out_);

    EXPECT_EQ(kExitDone, Do(Action::kUndo));
    EXPECT_EQ("p.exe: restored from the backup, byte for byte\n", out_);
    EXPECT_EQ(original_, Read("p.exe"));
    EXPECT_EQ(before, fs::last_write_time(At("p.exe")));
    EXPECT_EQ((Names{"p.exe"}), NamesInFolder());
}

TEST_F(Commands, UndoWithoutBackup) {
    ASSERT_EQ(kExitDone, Do(Action::kPatch));
    fs::remove(At("p.exe.strata-backup"));
    EXPECT_EQ(kExitDone, Do(Action::kUndo));
    EXPECT_EQ("p.exe: the patch is removed; the file is the original, byte for byte\n", out_);
    EXPECT_EQ(original_, Read("p.exe"));
}

TEST_F(Commands, DryRunWritesNothing) {
    Command command = For(Action::kPatch);
    command.dry_run = true;
    EXPECT_EQ(kExitDone, Do(command));
    EXPECT_EQ(
        "p.exe: would be patched: strata-override.dll as its first import, 1024 bytes more\n" +
            std::string(kNoDll),
        out_);
    EXPECT_EQ(original_, Read("p.exe"));
    EXPECT_EQ((Names{"p.exe"}), NamesInFolder());

    ASSERT_EQ(kExitDone, Do(Action::kPatch));
    command.action = Action::kUndo;
    EXPECT_EQ(kExitDone, Do(command));
    EXPECT_EQ("p.exe: would be undone: restored from the backup, byte for byte\n", out_);
    EXPECT_NE(original_, Read("p.exe"));
    EXPECT_EQ((Names{"p.exe", "p.exe.strata-backup"}), NamesInFolder());
}

TEST_F(Commands, OutputLeavesTheProgramAlone) {
    Command command = For(Action::kPatch);
    command.output = At("q.exe");
    EXPECT_EQ(kExitDone, Do(command));
    EXPECT_EQ(
        "p.exe: patched as q.exe: strata-override.dll is its first import\n" + std::string(kNoDll),
        out_);
    EXPECT_EQ(original_, Read("p.exe"));
    EXPECT_TRUE(VerifyPatch(Read("q.exe")).Right());
    EXPECT_EQ((Names{"p.exe", "q.exe"}), NamesInFolder());

    EXPECT_EQ(kExitRefused, Do(command));
    EXPECT_EQ("strata-patch: p.exe: q.exe is there already; --force replaces it\n", err_);
    command.force = true;
    EXPECT_EQ(kExitDone, Do(command));
    command.output = command.program;
    EXPECT_EQ(kExitRefused, Do(command));
    EXPECT_EQ("strata-patch: p.exe: --output is the program itself; leave it out\n", err_);

    command.action = Action::kUndo;
    command.program = At("q.exe");
    command.output = At("r.exe");
    EXPECT_EQ(kExitDone, Do(command));
    EXPECT_EQ(original_, Read("r.exe"));
    EXPECT_TRUE(VerifyPatch(Read("q.exe")).Right());
}

TEST_F(Commands, ABackupIsNeverOverwritten) {
    File older = original_;
    older[0x410] = 0x33;
    Write("p.exe.strata-backup", older);
    EXPECT_EQ(kExitRefused, Do(Action::kPatch));
    EXPECT_EQ(
        "strata-patch: p.exe: there is a backup of another version already, p.exe.strata-backup, "
        "which is never overwritten; move it away or delete it\n",
        err_);
    EXPECT_EQ(older, Read("p.exe.strata-backup"));
    EXPECT_EQ(original_, Read("p.exe"));
    // One of the same version is as good as a new one.
    Write("p.exe.strata-backup", original_);
    EXPECT_EQ(kExitDone, Do(Action::kPatch));
    EXPECT_EQ(original_, Read("p.exe.strata-backup"));
}

TEST_F(Commands, ABackupOfAnotherVersionIsNotRestored) {
    ASSERT_EQ(kExitDone, Do(Action::kPatch));
    File older = original_;
    older[0x410] = 0x33;
    Write("p.exe.strata-backup", older);
    EXPECT_EQ(kExitNotRight, Do(Action::kVerify));
    EXPECT_NE(std::string::npos, out_.find("  WRONG  the backup is not the original\n")) << out_;
    EXPECT_EQ(kExitDone, Do(Action::kUndo));
    EXPECT_EQ(
        "p.exe: the patch is removed; the file is the original, byte for byte\n"
        "note: p.exe.strata-backup is of another version and was left alone\n",
        out_);
    EXPECT_EQ(original_, Read("p.exe"));
    EXPECT_EQ(older, Read("p.exe.strata-backup"));
}

TEST_F(Commands, AChangedFileIsUndoneOnlyByForce) {
    ASSERT_EQ(kExitDone, Do(Action::kPatch));
    File changed = Read("p.exe");
    changed[0x410] = 0x33;
    Write("p.exe", changed);
    EXPECT_EQ(kExitNotRight, Do(Action::kVerify));
    std::string expected =
        "p.exe: patched, but not all is right\n"
        "  ok     the first import is strata-override.dll, by ordinal 1\n"
        "  ok     the headers and the new section are as the patch wrote them\n"
        "  WRONG  without the patch, the file is not the original: it was changed\n"
        "  WRONG  the checksum is ";
    EXPECT_EQ(expected, out_.substr(0, expected.size()));
    expected = "\n  ok     the backup is the original\n" + std::string(kNoDll);
    EXPECT_NE(std::string::npos, out_.find(expected)) << out_;
    EXPECT_EQ(kExitRefused, Do(Action::kUndo));
    const std::string said =
        "strata-patch: p.exe: it has been changed since it was patched, so that taking the patch "
        "away "
        "does not give the original; ";
    EXPECT_EQ(said + "--force restores the backup\n", err_);
    EXPECT_EQ(changed, Read("p.exe"));

    Command force = For(Action::kUndo);
    force.force = true;
    EXPECT_EQ(kExitDone, Do(force));
    EXPECT_EQ(
        "p.exe: restored from the backup, byte for byte\n"
        "note: what was changed since it was patched is gone\n",
        out_);
    EXPECT_EQ(original_, Read("p.exe"));

    Write("p.exe", changed);  // and no backup any more
    EXPECT_EQ(kExitRefused, Do(Action::kUndo));
    EXPECT_EQ(said + "--force does it all the same\n", err_);
    EXPECT_EQ(kExitDone, Do(force));
    EXPECT_EQ(
        "p.exe: the patch is removed; the file is NOT byte for byte the original\n"
        "note: what was changed since it was patched is still in it\n",
        out_);
    File without = original_;
    without[0x410] = 0x33;
    EXPECT_EQ(without, Read("p.exe"));

    // With the headers changed as well, nobody knows what the patch is.
    changed[ImageBuilder::kFileHeaderAt + 4] ^= 1;
    Write("p.exe", changed);
    EXPECT_EQ(kExitRefused, Do(force));
    EXPECT_EQ(said + "get a whole copy of the original\n", err_);
}

TEST_F(Commands, WhatCameAfterThePatchIsNamed) {
    ASSERT_EQ(kExitDone, Do(Action::kPatch));
    Write("p.exe", WithOverlay(Read("p.exe"), "signature"));
    EXPECT_EQ(kExitDone, Do(Action::kUndo));
    EXPECT_EQ(
        "p.exe: restored from the backup, byte for byte\n"
        "note: what was changed since it was patched is gone: 9 bytes were added at the end, at "
        "0x1200 "
        "(a signature?)\n",
        out_);
    EXPECT_EQ(original_, Read("p.exe"));
}

TEST_F(Commands, NothingToUndoOrVerify) {
    EXPECT_EQ(kExitRefused, Do(Action::kUndo));
    EXPECT_EQ("strata-patch: p.exe: it is not patched by strata-patch\n", err_);
    EXPECT_EQ(kExitNotRight, Do(Action::kVerify));
    EXPECT_EQ("p.exe: not patched\n", out_);
    Write("p.exe.strata-backup", original_);
    EXPECT_EQ(kExitRefused, Do(Action::kUndo));
    EXPECT_EQ(
        "strata-patch: p.exe: it is not patched by strata-patch (p.exe.strata-backup is there; "
        "rename "
        "it by hand if it is what you want)\n",
        err_);
    Write("p.exe", File(100, 'x'));
    EXPECT_EQ(kExitNotRight, Do(Action::kVerify));
    EXPECT_EQ(
        "strata-patch: p.exe: it is not a Windows program (PE file): it does not begin with MZ\n",
        err_);
}

TEST_F(Commands, VerifySaysWhichImportIsFirst) {
    ASSERT_EQ(kExitDone, Do(Action::kPatch));
    File changed = Read("p.exe");
    const Image image(changed);
    const SectionHeader& section = image.sections().back();
    const uint64_t at = image.directory(kImportDirectory).rva - section.rva + section.raw_offset;
    Poke(changed, at, Peek<ImportDescriptor>(changed, at + sizeof(ImportDescriptor)));
    Write("p.exe", changed);
    EXPECT_EQ(kExitNotRight, Do(Action::kVerify));
    for (const char* line :
         {"  WRONG  the first import is not strata-override.dll, by ordinal 1\n",
          "  WRONG  the new section differs from what the patch wrote, first at "}) {
        EXPECT_NE(std::string::npos, out_.find(line)) << line << out_;
    }
    EXPECT_EQ(kExitDone, Do(Action::kList));
    EXPECT_NE(std::string::npos,
              out_.find("  patched         yes, but strata-override.dll does not come first\n"))
        << out_;
}

TEST_F(Commands, RefusalsChangeNothing) {
    ASSERT_EQ(kExitDone, Do(Action::kPatch));
    const File patched = Read("p.exe");
    EXPECT_EQ(kExitRefused, Do(Action::kPatch));
    EXPECT_EQ(patched, Read("p.exe"));
    EXPECT_EQ(original_, Read("p.exe.strata-backup"));
}

TEST_F(Commands, AReadOnlyFileIsLeftAlone) {
    fs::permissions(At("p.exe"),
                    fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write,
                    fs::perm_options::remove);
    EXPECT_EQ(kExitRefused, Do(Action::kPatch));
    EXPECT_EQ("strata-patch: p.exe: it is read-only; make it writable first, or use --output\n",
              err_);
    EXPECT_EQ((Names{"p.exe"}), NamesInFolder());
    Command command = For(Action::kPatch);
    command.output = At("q.exe");
    EXPECT_EQ(kExitDone, Do(command));
}

TEST_F(Commands, MissingFiles) {
    Command command = For(Action::kPatch);
    command.program = At("no.exe");
    EXPECT_EQ(kExitFile, Do(command));
    EXPECT_EQ(0u, err_.find("strata-patch: no.exe cannot be read: ")) << err_;
    command.program = folder_;
    EXPECT_EQ(kExitFile, Do(command));
    EXPECT_NE(std::string::npos, err_.find(" is not a file\n")) << err_;
    command = For(Action::kPatch);
    command.output = At("no/such/folder.exe");
    EXPECT_EQ(kExitFile, Do(command));
    EXPECT_NE(std::string::npos, err_.find("no")) << err_;
    EXPECT_EQ((Names{"p.exe"}), NamesInFolder());
}

TEST_F(Commands, TheDllBesideIsLookedAt) {
    ImageBuilder builder;
    const uint32_t addresses[1] = {0x1000};
    ExportTable table = {};
    table.ordinal_base = 1;
    table.address_count = 1;
    table.addresses = builder.Add(addresses);
    builder.SetDirectory(kExportDirectory, {builder.Add(table), sizeof table});
    builder.file().characteristics |= kFileIsDll;
    Write("strata-override.dll", builder.Build());
    ASSERT_EQ(kExitDone, Do(Action::kPatch));
    EXPECT_EQ(std::string::npos, out_.find("note")) << out_;
    for (const File& other : {original_, File(10, 'x')}) {
        Write("strata-override.dll", other);
        EXPECT_EQ(kExitDone, Do(Action::kVerify));
        EXPECT_NE(std::string::npos,
                  out_.find("note: the strata-override.dll beside it is no 64-bit x86 DLL with an "
                            "export of ordinal 1: the program does not start\n"))
            << out_;
    }
}

#ifndef _WIN32
TEST_F(Commands, ALinkStaysALink) {
    fs::create_symlink("p.exe", At("link.exe"));
    Command command = For(Action::kPatch);
    command.program = At("link.exe");
    EXPECT_EQ(kExitDone, Do(command));
    EXPECT_TRUE(fs::is_symlink(At("link.exe")));
    EXPECT_TRUE(VerifyPatch(Read("p.exe")).Right());
    EXPECT_EQ((Names{"link.exe", "p.exe", "p.exe.strata-backup"}), NamesInFolder());
    command.action = Action::kUndo;
    EXPECT_EQ(kExitDone, Do(command));
    EXPECT_EQ(original_, Read("p.exe"));
}

TEST_F(Commands, AFullDiskLeavesEverythingAsItWas) {
    // Room for the backup, but not for the patched file.
    rlimit before;
    ASSERT_EQ(0, getrlimit(RLIMIT_FSIZE, &before));
    const rlimit small = {original_.size() + 100, before.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &small));
    const int code = Do(Action::kPatch);
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    EXPECT_EQ(kExitFile, code);
    EXPECT_NE(std::string::npos, err_.find(" cannot be written: File too large\n")) << err_;
    EXPECT_EQ(original_, Read("p.exe"));
    EXPECT_EQ((Names{"p.exe"}), NamesInFolder());
}

TEST_F(Commands, PermissionsStay) {
    fs::permissions(At("p.exe"), fs::perms(0751));
    ASSERT_EQ(kExitDone, Do(Action::kPatch));
    EXPECT_EQ(fs::perms(0751), fs::status(At("p.exe")).permissions());
    EXPECT_EQ(fs::perms(0751), fs::status(At("p.exe.strata-backup")).permissions());
}
#endif

TEST_F(Commands, NamesBeyondAscii) {
    const std::string name = "\xC3\xA4\xE6\x97\xA5.exe";
    Write(name, original_);
    Command command = For(Action::kPatch);
    command.program = At(name);
    EXPECT_EQ(kExitDone, Do(command)) << err_;
    EXPECT_EQ(name + ": patched: strata-override.dll is its first import; the original is " + name +
                  ".strata-backup\n" + kNoDll,
              out_);
}

}  // namespace
}  // namespace strata::patch
