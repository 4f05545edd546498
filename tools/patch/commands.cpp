#include "patch/commands.h"

#include <stdexcept>

#include "patch/describe.h"
#include "patch/text.h"

namespace strata::patch {

namespace {

std::string NameOf(const Path& path) { return ToUtf8(path.filename()); }

// Lines that begin with the program's name as it was given.
class Speaker {
public:
    Speaker(const Command& command, std::ostream& out)
        : name_(ToUtf8(command.program)), out_(out) {}
    void Say(const std::string& text) const { out_ << name_ << ": " << text << "\n"; }
    void Note(const std::string& text) const { out_ << "note: " << text << "\n"; }
    std::ostream& out() const { return out_; }

private:
    std::string name_;
    std::ostream& out_;
};

// A mistake in the patch must not reach the disk.
void CheckOwnWork(Bytes original, Bytes patched) {
    const Verification verification = VerifyPatch(patched);
    const Original back = RestoreOriginal(patched);
    if (!verification.Right() || !back.identical ||
        !std::equal(original.begin(), original.end(), back.bytes.begin(), back.bytes.end())) {
        throw std::logic_error("the patched file does not pass its own check (" +
                               verification.problem + "); nothing has been written");
    }
}

// What is missing for the patched program to start.
void NoteDll(const Path& program, const std::string& dll, const Speaker& speaker) {
    const Path path = program.parent_path() / FromUtf8(dll);
    if (!Exists(path)) {
        return speaker.Note("without " + dll + " beside it the program does not start");
    }
    bool usable = false;
    try {
        const std::vector<uint8_t> bytes = ReadWholeFile(path);
        usable = ExportsOrdinal(Image(bytes), kImportOrdinal);
    } catch (const Refused&) {
    }
    if (!usable) {
        speaker.Note("the " + dll + " beside it is no 64-bit x86 DLL with an export of ordinal " +
                     std::to_string(kImportOrdinal) + ": the program does not start");
    }
}

int List(const Command& command, const Speaker& speaker) {
    const std::string text = Describe(ReadWholeFile(command.program), command.dll);
    speaker.out() << ToUtf8(command.program) << "\n" << text;
    return kExitDone;
}

int Verify(const Command& command, const Speaker& speaker) {
    const Path program = FollowLinks(command.program);
    const std::vector<uint8_t> bytes = ReadWholeFile(program);
    const Verification found = VerifyPatch(bytes);
    if (!found.patched) {
        speaker.Say("not patched");
        return kExitNotRight;
    }
    bool right = found.Right();
    const auto line = [&](bool good, const std::string& text) {
        speaker.out() << (good ? "  ok     " : "  WRONG  ") << text << "\n";
    };
    speaker.Say(right ? "patched, and all is right" : "patched, but not all is right");
    line(found.first, std::string("the first import is ") + (found.first ? "" : "not ") +
                          Printable(found.dll) + ", by ordinal " + std::to_string(kImportOrdinal));
    line(found.headers, found.headers
                            ? "the headers and the new section are as the patch wrote them"
                            : found.problem);
    line(found.original, found.original
                             ? "without the patch, the file has the SHA-256 of the original"
                             : "without the patch, the file is not the original: it was changed");
    line(found.checksum, "the checksum is " + Hex(found.stored_checksum) +
                             (found.checksum ? "" : " and should be " + Hex(found.right_checksum)));
    const Path backup = BackupOf(program);
    if (Exists(backup)) {
        const Sha256 expected = FindRecord(Image(bytes))->original_sha256;
        const bool same = ComputeSha256(ReadWholeFile(backup)) == expected;
        line(same, same ? "the backup is the original" : "the backup is not the original");
        right = right && same;
    }
    NoteDll(program, found.dll, speaker);
    return right ? kExitDone : kExitNotRight;
}

void CheckOutput(const Command& command) {
    std::error_code error;
    if (std::filesystem::equivalent(command.output, command.program, error)) {
        throw Refused(Reason::kFileExists, "--output is the program itself; leave it out");
    }
    if (Exists(command.output) && !command.force) {
        throw Refused(Reason::kFileExists,
                      ToUtf8(command.output) + " is there already; --force replaces it");
    }
}

void WriteOutput(const Command& command, Bytes bytes, const Path& model) {
    WriteWholeFile(command.output, bytes, model,
                   command.force ? Existing::kReplace : Existing::kRefuse, Modified::kNow);
}

// Throws unless there is none, or it is a copy of this very file; says which.
bool CheckBackup(const Path& backup, const std::vector<uint8_t>& bytes) {
    if (!Exists(backup)) return false;
    if (ReadWholeFile(backup) == bytes) return true;
    throw Refused(Reason::kFileExists,
                  "there is a backup of another version already, " + NameOf(backup) +
                      ", which is never overwritten; move it away or delete it");
}

void PatchInPlace(const Path& program, const std::vector<uint8_t>& original, Bytes patched,
                  bool has_backup) {
    const Path backup = BackupOf(program);
    if (!has_backup) {
        WriteWholeFile(backup, original, program, Existing::kRefuse, Modified::kAsModel);
    }
    try {
        WriteWholeFile(program, patched, program, Existing::kReplace, Modified::kNow);
    } catch (...) {
        std::error_code ignored;
        if (!has_backup) std::filesystem::remove(backup, ignored);
        throw;
    }
}

int Patch(const Command& command, const Speaker& speaker) {
    const Path program = FollowLinks(command.program);
    const std::vector<uint8_t> original = ReadWholeFile(program);
    const PatchedFile patched = ApplyPatch(original, {command.dll, command.force});
    CheckOwnWork(original, patched.bytes);

    const bool in_place = command.output.empty();
    bool has_backup = false;
    if (in_place) {
        CheckReplaceable(program);
        has_backup = CheckBackup(BackupOf(program), original);
    } else {
        CheckOutput(command);
    }
    const Path& target = in_place ? program : command.output;
    const std::string what = in_place ? "" : " as " + ToUtf8(target);
    if (command.dry_run) {
        speaker.Say("would be patched" + what + ": " + command.dll + " as its first import, " +
                    Count(patched.bytes.size() - original.size(), "byte") + " more");
    } else if (in_place) {
        PatchInPlace(program, original, patched.bytes, has_backup);
        speaker.Say("patched: " + command.dll + " is its first import; the original is " +
                    NameOf(BackupOf(program)));
    } else {
        WriteOutput(command, patched.bytes, program);
        speaker.Say("patched" + what + ": " + command.dll + " is its first import");
    }
    for (const std::string& remark : patched.remarks) speaker.Note(remark);
    NoteDll(target, command.dll, speaker);
    return kExitDone;
}

// What --undo puts in the program's place.
struct Undoing {
    std::vector<uint8_t> bytes;
    bool from_backup = false;
    std::string how;
    std::vector<std::string> notes;
};

// The patched file cannot give back its original. Only --force goes on: with the backup where it is
// this file's, else by taking the patch off what the file has become.
void ForceUndo(const Command& command, Bytes patched, const Path& backup, Undoing& undoing) {
    const std::optional<PatchRecord> record = FindRecord(Image(patched));
    const std::vector<uint8_t> kept =
        Exists(backup) ? ReadWholeFile(backup) : std::vector<uint8_t>();
    const bool is_ours = ComputeSha256(kept) == record->original_sha256;
    const bool removable = VerifyPatch(patched).headers;
    if (!command.force || (!is_ours && !removable)) {
        throw Refused(
            Reason::kChanged,
            "it has been changed since it was patched, so that taking the patch away does "
            "not give the original; " +
                std::string(is_ours     ? "--force restores the backup"
                            : removable ? "--force does it all the same"
                                        : "get a whole copy of the original"));
    }
    undoing.from_backup = is_ours;
    if (is_ours) {
        undoing.bytes = kept;
        undoing.how = "restored from the backup, byte for byte";
        undoing.notes.push_back("what was changed since it was patched is gone");
    } else {
        undoing.how = "the patch is removed; the file is NOT byte for byte the original";
        undoing.notes.push_back("what was changed since it was patched is still in it");
    }
}

// A program that was brought up to date since is not patched, and its backup is an old version.
Original TakePatchOff(Bytes patched, const Path& backup) {
    try {
        return RestoreOriginal(patched);
    } catch (const Refused& refused) {
        if (!Exists(backup)) throw;
        throw Refused(refused.reason(), std::string(refused.what()) + " (" + NameOf(backup) +
                                            " is there; rename it by hand if it is what you want)");
    }
}

Undoing PlanUndo(const Command& command, const std::vector<uint8_t>& patched, const Path& backup) {
    Undoing undoing;
    Original original = TakePatchOff(patched, backup);
    undoing.bytes = std::move(original.bytes);
    if (!original.identical) {
        ForceUndo(command, patched, backup, undoing);
        return undoing;
    }
    const Verification found = VerifyPatch(patched);
    if (!found.Right()) {
        undoing.notes.push_back("what was changed since it was patched is gone: " +
                                (found.problem.empty() ? "the checksum" : found.problem));
    }
    const bool has_backup = Exists(backup);
    undoing.from_backup = has_backup && ReadWholeFile(backup) == undoing.bytes;
    undoing.how = undoing.from_backup
                      ? "restored from the backup, byte for byte"
                      : "the patch is removed; the file is the original, byte for byte";
    if (has_backup && !undoing.from_backup) {
        undoing.notes.push_back(NameOf(backup) + " is of another version and was left alone");
    }
    return undoing;
}

int Undo(const Command& command, const Speaker& speaker) {
    const Path program = FollowLinks(command.program);
    const Path backup = BackupOf(program);
    const Undoing undoing = PlanUndo(command, ReadWholeFile(program), backup);
    const bool in_place = command.output.empty();
    if (in_place) {
        CheckReplaceable(program);
    } else {
        CheckOutput(command);
    }
    if (command.dry_run) {
        speaker.Say("would be undone: " + undoing.how);
    } else {
        if (!in_place) {
            WriteOutput(command, undoing.bytes, program);
        } else if (undoing.from_backup) {
            MoveOver(backup, program);
        } else {
            WriteWholeFile(program, undoing.bytes, program, Existing::kReplace, Modified::kNow);
        }
        speaker.Say(undoing.how + (in_place ? "" : "; written as " + ToUtf8(command.output)));
    }
    for (const std::string& note : undoing.notes) speaker.Note(note);
    return kExitDone;
}

}  // namespace

Path BackupOf(const Path& program) {
    Path backup = program;
    return backup += ".strata-backup";
}

int Run(const Command& command, std::ostream& out, std::ostream& err) {
    const Speaker speaker(command, out);
    try {
        switch (command.action) {
            case Action::kList:
                return List(command, speaker);
            case Action::kVerify:
                return Verify(command, speaker);
            case Action::kUndo:
                return Undo(command, speaker);
            case Action::kPatch:
                return Patch(command, speaker);
        }
    } catch (const Refused& refused) {
        err << "strata-patch: " << ToUtf8(command.program) << ": " << refused.what() << "\n";
        // Whatever keeps --verify from reading the file, it is not right.
        return command.action == Action::kVerify ? kExitNotRight : kExitRefused;
    } catch (const std::exception& error) {
        err << "strata-patch: " << error.what() << "\n";
    }
    return kExitFile;
}

}  // namespace strata::patch
