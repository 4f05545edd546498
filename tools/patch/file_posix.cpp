#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "patch/file.h"

namespace strata::patch {

namespace {

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

private:
    int fd_;
};

Path FolderOf(const Path& path) { return path.has_parent_path() ? path.parent_path() : Path("."); }

// Goes away with its name unless it is given another.
class Temporary {
public:
    explicit Temporary(const Path& target)
        : name_(target.string() + ".strata-XXXXXX"), file_(mkstemp(name_.data())) {
        if (file_.get() < 0) throw FileError(target, "cannot be written beside", errno);
    }
    ~Temporary() {
        if (!name_.empty()) unlink(name_.c_str());
    }

    void Fill(Bytes bytes, const struct stat& model, Modified modified) {
        for (size_t done = 0; done < bytes.size();) {
            const ssize_t written = write(file_.get(), bytes.data() + done, bytes.size() - done);
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) throw FileError(name_, "cannot be written", errno);
            done += static_cast<size_t>(written);
        }
        // The owner before the mode, which a change of owner may reduce. Only root can give files
        // away.
        if (fchown(file_.get(), model.st_uid, model.st_gid) != 0 && errno != EPERM) {
            throw FileError(name_, "cannot be given to the file's owner", errno);
        }
        const timespec times[2] = {model.st_atim, model.st_mtim};
        if (fchmod(file_.get(), model.st_mode & 07777) != 0 ||
            (modified == Modified::kAsModel && futimens(file_.get(), times) != 0) ||
            fsync(file_.get()) != 0) {
            throw FileError(name_, "cannot be written", errno);
        }
    }

    void MoveTo(const Path& target, Existing existing) {
        if (existing == Existing::kRefuse && link(name_.c_str(), target.c_str()) != 0) {
            // Some file systems have no links: then two steps must do.
            if (errno == EEXIST || Exists(target)) {
                throw Refused(Reason::kFileExists, ToUtf8(target) + " is there already");
            }
            existing = Existing::kReplace;
        }
        if (existing == Existing::kReplace) {
            if (rename(name_.c_str(), target.c_str()) != 0) {
                throw FileError(target, "cannot be replaced", errno);
            }
            name_.clear();
        }
        const Descriptor folder(open(FolderOf(target).c_str(), O_RDONLY | O_CLOEXEC));
        if (folder.get() >= 0) fsync(folder.get());
    }

private:
    std::string name_;
    Descriptor file_;
};

struct stat StatusOf(const Path& path) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0) throw FileError(path, "cannot be read", errno);
    return status;
}

}  // namespace

Path FollowLinks(const Path& path) {
    std::error_code error;
    return std::filesystem::is_symlink(path, error) ? std::filesystem::canonical(path) : path;
}

std::vector<uint8_t> ReadWholeFile(const Path& path) {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status;
    if (file.get() < 0 || fstat(file.get(), &status) != 0) {
        throw FileError(path, "cannot be read", errno);
    }
    if (!S_ISREG(status.st_mode)) throw FileError(ToUtf8(path) + " is not a file");
    std::vector<uint8_t> bytes(static_cast<size_t>(status.st_size));
    for (size_t done = 0; done < bytes.size();) {
        const ssize_t got = read(file.get(), bytes.data() + done, bytes.size() - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw FileError(path, "cannot be read", errno);
        if (got == 0) throw FileError(ToUtf8(path) + " became shorter while it was read");
        done += static_cast<size_t>(got);
    }
    return bytes;
}

// A program that Wine runs can be replaced: its process keeps the old file.
void CheckReplaceable(const Path& path) {
    constexpr mode_t kAnyWrite = S_IWUSR | S_IWGRP | S_IWOTH;
    if ((StatusOf(path).st_mode & kAnyWrite) == 0) {
        throw Refused(Reason::kReadOnly,
                      "it is read-only; make it writable first, or use --output");
    }
    if (access(FolderOf(path).c_str(), W_OK | X_OK) != 0) {
        throw Refused(Reason::kReadOnly, "its folder cannot be written; use --output");
    }
}

void WriteWholeFile(const Path& target, Bytes bytes, const Path& model, Existing existing,
                    Modified modified) {
    const struct stat status = StatusOf(model);
    Temporary file(target);
    file.Fill(bytes, status, modified);
    file.MoveTo(target, existing);
}

void MoveOver(const Path& from, const Path& to) {
    if (rename(from.c_str(), to.c_str()) != 0) throw FileError(to, "cannot be replaced", errno);
}

}  // namespace strata::patch
