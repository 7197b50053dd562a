// Objects as files of a directory; also of a shared one (NFS), from several machines.
#pragma once

#include <filesystem>
#include <memory>

#include "store/object_store.h"

namespace rekindle {

// An object is a file of the same name. It is written in `.incoming`, synced, then linked under its name:
// link() refuses a name that is taken, which rename() would not. The writer holds a lock on its file in
// `.incoming`, so that opening the store can tell what a dead writer left there and remove it.
class LocalStore final : public ObjectStore {
 public:
  // Makes the directory if it is absent; its parent must exist.
  static Result<std::unique_ptr<LocalStore>> open(const std::filesystem::path& directory);

  Result<> put(const std::string& name, ByteView content) override;
  Result<Bytes> get(const std::string& name) override;
  Result<> read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) override;
  Result<std::uint64_t> size(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(std::string_view prefix) override;
  Result<> remove(const std::string& name) override;

 private:
  explicit LocalStore(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<> remove_what_the_dead_left();
  Result<> make_folders(const std::filesystem::path& folder);

  const std::filesystem::path directory_;
};

}  // namespace rekindle
