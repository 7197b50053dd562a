#include "app/home_workplace.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace rekindle {
namespace {

Account account_with(Workplace& workplace, const std::string& key_id) {
  Account account;
  account.name = "aws";
  account.region = "eu-central-1";
  account.access_key_id = key_id;
  account.sealed_secret_access_key = workplace.seal("secret").value();
  return account;
}

TEST(HomeWorkplace, AnAccountIsMadeAnewWhenItsSettingsChangedOnly) {
  auto home = TemporaryDirectory::make().value();
  const auto workplace = open_home(home.path().string()).value();
  Catalog* catalog = workplace->catalog().value();
  ASSERT_TRUE(catalog->put(account_with(*workplace, "AKIAFIRST")).ok());
  const RecoveryTarget* first = workplace->sites().account("aws").value();
  EXPECT_EQ(workplace->sites().account("aws").value(), first);
  ASSERT_TRUE(catalog->put(account_with(*workplace, "AKIASECOND")).ok());  // a rotated key
  const RecoveryTarget* second = workplace->sites().account("aws").value();
  EXPECT_NE(second, first) << "which lives on, so that its address is not used again";
  EXPECT_EQ(workplace->sites().account("aws").value(), second);
}

TEST(HomeWorkplace, RunsScriptsInTheInstancesOfAnAccountThatIsKnown) {
  auto home = TemporaryDirectory::make().value();
  const auto workplace = open_home(home.path().string()).value();
  ASSERT_TRUE(workplace->catalog().value()->put(account_with(*workplace, "AKIAFIRST")).ok());
  const GuestScripts* scripts = workplace->sites().guest_scripts("aws").value();
  EXPECT_NE(scripts, nullptr);
  EXPECT_EQ(workplace->sites().guest_scripts("aws").value(), scripts);
  EXPECT_EQ(workplace->sites().guest_scripts("elsewhere").error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace rekindle
