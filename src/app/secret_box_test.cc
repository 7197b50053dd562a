#include "app/secret_box.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"

namespace rekindle {
namespace {

TEST(SecretBox, OpensWhatTheSameHomeSealed) {
  auto home = TemporaryDirectory::make().value();
  SystemRandom random;
  const std::string sealed = SecretBox::open(home.path(), random)->seal("pa ss", random);
  EXPECT_EQ(sealed.find("pa ss"), std::string::npos);
  EXPECT_EQ(SecretBox::open(home.path(), random)->unseal(sealed).value(), "pa ss");
}

TEST(SecretBox, RefusesWhatAnotherHomeSealed) {
  auto home = TemporaryDirectory::make().value();
  auto other = TemporaryDirectory::make().value();
  SystemRandom random;
  const std::string sealed = SecretBox::open(home.path(), random)->seal("x", random);
  EXPECT_EQ(SecretBox::open(other.path(), random)->unseal(sealed).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(SecretBox::open(home.path(), random)->unseal("AAAA").error().code(), ErrorCode::corrupt);
}

TEST(SecretBox, KeepsItsKeyFromOthers) {
  auto home = TemporaryDirectory::make().value();
  SystemRandom random;
  ASSERT_TRUE(SecretBox::open(home.path(), random).ok());
  struct stat status{};
  ASSERT_EQ(::stat((home.path() / "secret.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

}  // namespace
}  // namespace rekindle
