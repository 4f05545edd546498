#include "patch/checks.h"

#include <algorithm>

#include "patch/text.h"

namespace strata::patch {

namespace {

// Names that packers and protectors give to their sections.
constexpr const char* kPackerSections[] = {
    "UPX0",     "UPX1",    "UPX2", ".MPRESS1", ".MPRESS2", ".aspack", ".adata",   ".nsp0",
    ".nsp1",    ".petite", "pec1", "PEC2",     ".vmp0",    ".vmp1",   ".themida", ".winlice",
    ".enigma1", ".packed", ".yP",  "PELOCKnt", ".perplex", ".taz"};

class Finder {
public:
    Finder(const Image& image, const std::vector<Import>& imports)
        : image_(image), imports_(imports) {}

    void CheckPatched(const std::string& dll);
    void CheckMachine();
    void CheckKind();
    void CheckRoom();
    void CheckWhatCanBeForced();
    std::vector<Obstacle> Take() { return std::move(found_); }

private:
    void Never(Reason reason, const std::string& message) {
        found_.push_back({reason, message, false, ""});
    }
    void Unless(Reason reason, const std::string& message, const std::string& forced) {
        found_.push_back({reason, message, true, forced});
    }

    const Image& image_;
    const std::vector<Import>& imports_;
    std::vector<Obstacle> found_;
};

void Finder::CheckPatched(const std::string& dll) {
    for (const Import& import : imports_) {
        if (!EqualNames(import.dll, dll)) continue;
        return Never(Reason::kAlreadyPatched, "it is patched already: it imports " +
                                                  Printable(import.dll) +
                                                  "; see --verify, and --undo to take it back");
    }
    for (const SectionHeader& section : image_.sections()) {
        if (SectionName(section) == kPatchSection) {
            return Never(Reason::kAlreadyPatched,
                         std::string("it is patched already: it has a section ") + kPatchSection +
                             "; see --list, and --undo to take it back");
        }
    }
}

void Finder::CheckMachine() {
    // IL-only programs for any processor are marked as 32-bit ones.
    if (IsManagedOnly(image_)) {
        return Never(Reason::kManaged,
                     "it is a .NET program of IL code only, which does not use its import table");
    }
    const uint16_t machine = image_.file().machine;
    if (machine == kMachineI386) {
        Never(Reason::k32Bit, "it is a 32-bit program; Strata is 64-bit only");
    } else if (machine == kMachineArm64 || ReadLoadConfig(image_).arm64ec) {
        Never(Reason::kArm64, "it is an ARM64 program; Strata's override is for x86-64 only");
    } else if (machine != kMachineAmd64) {
        Never(Reason::kOtherMachine,
              "it is a program for another kind of processor (machine " + Hex(machine) + ")");
    } else if (!image_.Is64()) {
        Never(Reason::kDamaged, "it is damaged: 64-bit x86 code with a 32-bit optional header");
    }
}

void Finder::CheckKind() {
    if ((image_.file().characteristics & kFileIsExecutable) == 0) {
        Never(Reason::kUnusual, "it is not marked as executable: a linker did not finish it");
    }
    const uint16_t subsystem = image_.optional().subsystem;
    if (subsystem != kSubsystemWindowsGui && subsystem != kSubsystemWindowsConsole) {
        Never(Reason::kSubsystem,
              "it is no Windows program but a driver, an EFI application or the like "
              "(subsystem " +
                  std::to_string(subsystem) + ")");
    }
    if ((image_.optional().dll_characteristics & kForceIntegrity) != 0) {
        Never(Reason::kIntegrity,
              "it demands a valid signature (FORCE_INTEGRITY), which a patch makes invalid: "
              "Windows would "
              "not start it; use strata-run");
    }
    if (image_.directory_count() <= kAddressTableDirectory) {
        Never(Reason::kUnusual, "its headers have only " +
                                    std::to_string(image_.directory_count()) +
                                    " data directories, too few for a patch; use strata-run");
    } else if (!imports_.empty() &&
               image_.SectionAround(image_.directory(kImportDirectory).rva) == nullptr) {
        Never(Reason::kUnusual, "its import directory at " +
                                    Hex(image_.directory(kImportDirectory).rva) +
                                    " lies in no section; use strata-run");
    }
}

// One more section header must fit behind the others. What a bound import directory has there is
// free: it is switched off.
void Finder::CheckRoom() {
    const uint64_t begin = image_.section_table_end();
    const uint64_t end = begin + sizeof(SectionHeader);
    if (image_.sections().size() >= kMaxSections) {
        return Never(Reason::kNoRoom, "it has " + std::to_string(kMaxSections) +
                                          " sections, as many as Windows allows; use strata-run");
    }
    if (end > image_.optional().header_bytes) {
        return Never(Reason::kNoRoom,
                     "it has no room for one more section header: its headers end at " +
                         Hex(image_.optional().header_bytes) + ", " + Hex(end) +
                         " would be needed; use strata-run");
    }
    const Directory bound = image_.directory(kBoundImportDirectory);
    for (uint64_t at = begin; at < end; ++at) {
        const bool is_bound = at >= bound.rva && at - bound.rva < bound.bytes;
        if (image_.bytes()[at] != 0 && !is_bound) {
            return Never(Reason::kNoRoom,
                         "it has no room for one more section header: something unknown is at " +
                             Hex(at) + " in the file; use strata-run");
        }
    }
}

void Finder::CheckWhatCanBeForced() {
    if (image_.IsDll()) {
        Unless(Reason::kDll,
               "it is a DLL, not a program; patch the program that loads it, or say --force: "
               "Strata then "
               "comes as late as this DLL",
               "it is a DLL: Strata comes as late as it does");
    }
    const Directory certificates = image_.directory(kCertificateDirectory);
    if (certificates.rva != 0 || certificates.bytes != 0) {
        Unless(Reason::kSigned,
               "it is signed (" + Count(certificates.bytes, "byte") + " at " +
                   Hex(certificates.rva) +
                   "), and a patch makes the signature invalid; --force drops the signature, "
                   "--undo brings "
                   "it back",
               "its signature is dropped; --undo brings it back");
    }
    const std::string packed = SignOfPacking(image_);
    if (!packed.empty()) {
        Unless(Reason::kPacked,
               "it looks packed or protected (" + packed +
                   "), and such programs often check or rebuild themselves; unpack it first, use "
                   "strata-run, "
                   "or try --force",
               "it looks packed (" + packed + "): see that it runs");
    }
    const Range overlay = FindOverlay(image_);
    if (overlay.bytes != 0) {
        Unless(Reason::kOverlay,
               "it carries " + Count(overlay.bytes, "byte") +
                   " of other data behind its sections, at " + Hex(overlay.offset) +
                   " (an installer, an archive?), which some programs look for from the end of the "
                   "file; "
                   "use strata-run, or try --force: the data stays at its place, the patch comes "
                   "behind it",
               "the " + Count(overlay.bytes, "byte") + " of other data at " + Hex(overlay.offset) +
                   " stay there, the patch is behind them: see that it runs");
    }
    const uint16_t flags = ReadLoadConfig(image_).dependent_load_flags;
    if ((flags & kSearchAnywhere) != 0 && (flags & kSearchProgramFolder) == 0) {
        Unless(Reason::kSearchPath,
               "it was linked with /DEPENDENTLOADFLAG:" + Hex(flags) +
                   ": Windows does not look for its DLLs beside it; use strata-run, or --force and "
                   "put the "
                   "DLL where Windows looks",
               "the DLL is not looked for beside it (/DEPENDENTLOADFLAG:" + Hex(flags) + ")");
    }
}

}  // namespace

std::string SignOfPacking(const Image& image) {
    for (const SectionHeader& section : image.sections()) {
        const std::string name = SectionName(section);
        for (const char* known : kPackerSections) {
            if (name == known) return "section " + name;
        }
    }
    const uint32_t entry = image.optional().entry_point;
    const SectionHeader* const code = entry != 0 ? image.SectionAround(entry) : nullptr;
    if (code != nullptr && (code->characteristics & kSectionWrite) != 0) {
        return "its entry point is in the writable section " + SectionName(*code);
    }
    return "";
}

std::vector<Obstacle> FindObstacles(const Image& image, const std::vector<Import>& imports,
                                    const std::string& dll) {
    Finder finder(image, imports);
    finder.CheckPatched(dll);
    finder.CheckMachine();
    finder.CheckKind();
    finder.CheckRoom();
    finder.CheckWhatCanBeForced();
    return finder.Take();
}

void CheckDllName(const std::string& dll) {
    const bool plain = std::all_of(dll.begin(), dll.end(), [](char c) {
        return c > 0x20 && c < 0x7F && std::string("\\/:*?\"<>|").find(c) == std::string::npos;
    });
    const bool ends = dll.size() > 4 && EqualNames(dll.substr(dll.size() - 4), ".dll");
    if (!plain || !ends || dll.size() > kMaxDllName) {
        throw Refused(
            Reason::kDllName,
            "--dll wants the name of a DLL without a folder, in ASCII and without blanks, "
            "such as strata-override.dll; got \"" +
                Printable(dll) + "\"");
    }
}

}  // namespace strata::patch
