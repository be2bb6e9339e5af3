#include "vilt/serve/folder.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/error_text.h"
#include "tests/temporary_directory.h"
#include "vilt/serve/refusal.h"

namespace tessera::folder_test {
namespace {

using namespace serve;
namespace fs = std::filesystem;

// Its status, or 0 and what the file holds.
std::pair<int, std::string> opened(const Folder& folder, const std::string& name) {
  try {
    const int descriptor = folder.open(name);
    PictureFile file;
    try {
      file = read_picture_file(descriptor, name, 100);
    } catch (...) {
      ::close(descriptor);
      throw;
    }
    ::close(descriptor);
    return {0, file.bytes};
  } catch (const Refusal& refusal) {
    return {refusal.status, refusal.what()};
  }
}

}  // namespace

TEST_CASE("Names lead to files of the folder and to nothing else") {
  const tests::TemporaryDirectory outside;
  outside.write("secret.png", "secret");
  outside.write("in/a.png", "a");
  outside.write("in/deep/er/b.JPG", "b");
  const fs::path root = outside.path() / "in";
  fs::create_symlink(outside.path() / "secret.png", root / "out.png");
  fs::create_symlink("a.png", root / "alias.png");
  fs::create_directory_symlink(outside.path(), root / "up");
  REQUIRE(::mkfifo((root / "pipe.png").c_str(), 0600) == 0);
  const Folder folder(root);
  CHECK(opened(folder, "a.png") == std::pair<int, std::string>(0, "a"));
  CHECK(opened(folder, "deep/er/b.JPG") == std::pair<int, std::string>(0, "b"));
  for (const std::string name : {"", ".", "..", "../secret.png", "deep/../../secret.png", "deep/../a.png", "./a.png",
                                 "/etc/passwd", "//a.png", "a.png/", "deep//er/b.JPG"})
    CHECK_MESSAGE(opened(folder, name).first == 400, name);
  CHECK(opened(folder, (outside.path() / "secret.png").string()).first == 400);
  CHECK(opened(folder, std::string("a.png\0.png", 10)).first == 400);
  CHECK(opened(folder, std::string(5000, 'a')).first == 400);
  for (const std::string name : {"out.png", "alias.png", "up/secret.png", "up", "deep", "pipe.png", "none.png",
                                 "a.png/b", "%2e%2e/secret.png", "..\\secret.png"})
    CHECK_MESSAGE(opened(folder, name).first == 404, name);
  CHECK(opened(folder, "out.png").second == "'out.png': is a link, and links are not followed");
}

TEST_CASE("A folder that is a link is the folder it leads to; what is moved into its place is not") {
  const tests::TemporaryDirectory work;
  work.write("real/a.png", "a");
  work.write("other/a.png", "other");
  fs::create_directory_symlink(work.path() / "real", work.path() / "link");
  const Folder folder(work.path() / "link");
  CHECK(opened(folder, "a.png").second == "a");
  fs::remove(work.path() / "link");
  fs::create_directory_symlink(work.path() / "other", work.path() / "link");
  CHECK(opened(folder, "a.png").second == "a");
  CHECK(tests::error_of([&] { (void)Folder(work.path() / "none"); }).find("No such file") != std::string::npos);
  CHECK(tests::error_of([&] { (void)Folder(work.path() / "real" / "a.png"); }).find("--folder ") == 0);
}

TEST_CASE("Pictures are listed by name, without links, hidden files and what is none") {
  const tests::TemporaryDirectory work;
  for (const char* name :
       {"b.png", "a.JPEG", "sub/c.webp", "sub/.hidden/d.png", ".e.png", "notes.txt", "f.gif", "z.\xff.png"})
    work.write(name, "x");
  fs::create_symlink("b.png", work.path() / "link.png");
  fs::create_directory_symlink("sub", work.path() / "again");
  const Folder folder(work.path());
  const Folder::List all = folder.list(100);
  CHECK(all.names == std::vector<std::string>{"a.JPEG", "b.png", "f.gif", "sub/c.webp"});
  CHECK(all.whole);
  const Folder::List some = folder.list(2);
  CHECK(some.names.size() == 2);
  CHECK(!some.whole);
}

TEST_CASE("A file that is too large is not read, and a file that changes has another version") {
  const tests::TemporaryDirectory work;
  work.write("a.png", std::string(101, 'x'));
  const Folder folder(work.path());
  CHECK(tests::error_of([&] { (void)opened(folder, "a.png"); }) == "a.png: the file has 101 bytes, the limit is 100");
  const auto version = [&] {
    const int descriptor = folder.open("b.png");
    const PictureFile file = read_picture_file(descriptor, "b.png", 100, false);
    ::close(descriptor);
    CHECK(file.bytes.empty());
    return file.version;
  };
  work.write("b.png", "one");
  const std::string first = version();
  CHECK(version() == first);
  work.write("b.png", "three");
  CHECK(version() != first);
}

}  // namespace tessera::folder_test
