// A folder with a program p.exe in it, and the commands run there.
#pragma once

#include <chrono>
#include <fstream>
#include <sstream>

#include "image_builder.h"
#include "patch/commands.h"

namespace strata::patch {

namespace fs = std::filesystem;

class Commands : public testing::Test {
protected:
    void SetUp() override {
        const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
        const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
        folder_ = Path(testing::TempDir()) /
                  (std::string("strata-") + test.name() + "-" + std::to_string(ticks));
        fs::create_directories(folder_);
        original_ = ImageBuilder().Build();
        Write("p.exe", original_);
    }
    void TearDown() override {
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
            fs::permissions(entry.path(), fs::perms::owner_all, fs::perm_options::add, ignored);
        }
        fs::remove_all(folder_, ignored);
    }

    Path At(const std::string& name) const { return folder_ / FromUtf8(name); }
    void Write(const std::string& name, const File& file) {
        std::ofstream stream(At(name), std::ios::binary);
        stream.write(reinterpret_cast<const char*>(file.data()),
                     static_cast<std::streamsize>(file.size()));
        ASSERT_TRUE(stream.flush());
    }
    File Read(const std::string& name) const { return ReadWholeFile(At(name)); }
    Command For(Action action) const {
        Command command;
        command.action = action;
        command.program = At("p.exe");
        return command;
    }

    // Runs it; what it prints, with the folder's name taken out, is in out_ and err_.
    int Do(const Command& command) {
        std::ostringstream out;
        std::ostringstream err;
        const int code = strata::patch::Run(command, out, err);
        out_ = WithoutFolder(out.str());
        err_ = WithoutFolder(err.str());
        return code;
    }
    int Do(Action action) { return Do(For(action)); }

    std::vector<std::string> NamesInFolder() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder_)) {
            names.push_back(ToUtf8(entry.path().filename()));
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    std::string WithoutFolder(std::string text) const {
        const std::string prefix = ToUtf8(folder_ / "x");
        const std::string folder = prefix.substr(0, prefix.size() - 1);
        for (size_t at; (at = text.find(folder)) != std::string::npos;)
            text.erase(at, folder.size());
        return text;
    }

    Path folder_;
    File original_;
    std::string out_;
    std::string err_;
};

using Names = std::vector<std::string>;

inline constexpr char kNoDll[] =
    "note: without strata-override.dll beside it the program does not start\n";

}  // namespace strata::patch
