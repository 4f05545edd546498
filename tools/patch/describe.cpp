#include "patch/describe.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "patch/patch.h"
#include "patch/text.h"

namespace strata::patch {

namespace {

std::string Machine(const Image& image) {
    switch (image.file().machine) {
        case kMachineAmd64:
            return ReadLoadConfig(image).arm64ec ? "ARM64EC" : "64-bit x86";
        case kMachineI386:
            return "32-bit x86";
        case kMachineArm64:
            return "ARM64";
        default:
            return "unknown (" + Hex(image.file().machine) + ")";
    }
}

std::string Subsystem(const Image& image) {
    switch (image.optional().subsystem) {
        case kSubsystemWindowsGui:
            return "Windows";
        case kSubsystemWindowsConsole:
            return "console";
        default:
            return "subsystem " + std::to_string(image.optional().subsystem);
    }
}

std::string Checksum(const Image& image) {
    const uint32_t stored = image.optional().checksum;
    const uint32_t right = ComputeChecksum(image.bytes(), image.checksum_at());
    if (stored == right) return Hex(stored) + ", right";
    return stored == 0 ? "0 (none)" : Hex(stored) + ", wrong: " + Hex(right) + " would be right";
}

std::string Overlay(const Image& image) {
    const Range overlay = FindOverlay(image);
    return overlay.bytes == 0 ? "none"
                              : Count(overlay.bytes, "byte") + " at " + Hex(overlay.offset);
}

std::string InFile(Directory directory) {
    return directory.bytes == 0 ? "none"
                                : Count(directory.bytes, "byte") + " at " + Hex(directory.rva);
}

std::string Line(const char* name, const std::string& value) {
    char text[32];
    std::snprintf(text, sizeof text, "  %-16s", name);
    return text + value + "\n";
}

std::string Sections(const Image& image) {
    std::string text =
        "  sections          memory      size        file        size        access\n";
    for (const SectionHeader& section : image.sections()) {
        const uint32_t access = section.characteristics;
        char line[160];
        std::snprintf(
            line, sizeof line,
            "    %-14s  0x%08" PRIx32 "  0x%08" PRIx32 "  0x%08" PRIx32 "  0x%08" PRIx32
            "  %c%c%c\n",
            SectionName(section).c_str(), section.rva, section.virtual_bytes, section.raw_offset,
            section.raw_bytes, (access & kSectionRead) != 0 ? 'r' : '-',
            (access & kSectionWrite) != 0 ? 'w' : '-', (access & kSectionExecute) != 0 ? 'x' : '-');
        text += line;
    }
    return text;
}

std::string Imports(const std::vector<Import>& imports) {
    std::string text = "  imports, in the order of loading\n";
    for (const Import& import : imports) {
        std::string name = Printable(import.dll);
        name.resize(std::max<size_t>(name.size(), 30), ' ');
        text += "    " + name + "  " + Count(import.functions, "function");
        if (import.by_ordinal != 0) {
            text += " (" + std::to_string(import.by_ordinal) + " by ordinal)";
        }
        text += import.descriptor.time_stamp != 0 ? ", bound\n" : "\n";
    }
    return imports.empty() ? "  imports           none\n" : text;
}

std::string Patched(const Image& image, const std::vector<Import>& imports,
                    const std::string& dll) {
    if (const std::optional<PatchRecord> record = FindRecord(image)) {
        const std::string name = ImportedByPatch(image, *record);
        const bool first = !imports.empty() && imports[0].dll == name;
        return Line("patched", first ? "yes: " + Printable(name) + " comes first"
                                     : "yes, but " + Printable(name) + " does not come first") +
               Line("original", Count(record->original_bytes, "byte") + ", SHA-256 " +
                                    ToText(record->original_sha256));
    }
    std::string text = Line("patched", "no");
    const std::vector<Obstacle> obstacles = FindObstacles(image, imports, dll);
    for (const Obstacle& obstacle : obstacles) {
        text += Line(obstacle.can_be_forced ? "unless forced" : "not possible", obstacle.message);
    }
    return obstacles.empty() ? text + Line("can be patched", "yes") : text;
}

}  // namespace

std::string Describe(Bytes bytes, const std::string& dll) {
    const Image image(bytes);
    const std::vector<Import> imports = ReadImports(image);
    const uint16_t flags = image.optional().dll_characteristics;
    const bool moves = (flags & kDynamicBase) != 0;
    return Line("machine", Machine(image)) +
           Line("kind", (image.IsDll() ? "DLL, " : "program, ") + Subsystem(image)) +
           Line("file", Count(bytes.size(), "byte")) +
           Line("image",
                Hex(image.optional().image_bytes) + " bytes at " + Hex(image.image_base())) +
           Line("checksum", Checksum(image)) +
           Line("ASLR", !moves                                 ? "no"
                        : (flags & kHighEntropyAddresses) != 0 ? "yes, 64-bit"
                                                               : "yes") +
           Line("CFG", (flags & kControlFlowGuard) != 0 ? "yes" : "no") +
           Line(".NET", IsManagedOnly(image) ? "yes, IL only"
                        : IsManaged(image)   ? "yes, mixed"
                                             : "no") +
           Line("signature", InFile(image.directory(kCertificateDirectory))) +
           Line("bound imports", InFile(image.directory(kBoundImportDirectory))) +
           Line("overlay", Overlay(image)) + Sections(image) + Imports(imports) +
           Patched(image, imports, dll);
}

}  // namespace strata::patch
