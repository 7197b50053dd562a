#include "prepare/boot_certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

using testing::HasSubstr;

Readiness ready() {
  Readiness readiness;
  readiness.ready = readiness.convertible = true;
  readiness.report.distribution = "Debian";
  readiness.report.boots_from_bios = true;
  KernelReport kernel;
  kernel.version = "6.1.0";
  kernel.outcome = KernelOutcome::already_converted;
  kernel.has_nic_driver = true;
  readiness.report.kernels = {kernel};
  readiness.report.network = {NetworkVerdict::comes_up, "ens192 by DHCP (ifupdown)"};
  return readiness;
}

TEST(BootCertificate, SaysYesWhereEveryPartIsThere) {
  const BootCertificate certificate = certify(ready(), Firmware::bios);
  EXPECT_TRUE(certificate.would_boot) << certificate.reason;
  EXPECT_EQ(certificate.checks.size(), 7U);
  EXPECT_EQ(certificate.checks.at(4).detail, "ens192 by DHCP (ifupdown)");
  EXPECT_TRUE(certificate.warnings.empty());
}

TEST(BootCertificate, NamesTheFirstPartThatIsMissing) {
  EXPECT_THAT(certify(ready(), Firmware::uefi).reason, HasSubstr("boot loader: no loader at"));
  Readiness readiness = ready();
  readiness.report.kernels[0].outcome = KernelOutcome::no_initrd;
  EXPECT_THAT(certify(readiness, Firmware::bios).reason, HasSubstr("6.1.0: no_initrd"));
  readiness = ready();
  readiness.report.kernels.clear();
  EXPECT_THAT(certify(readiness, Firmware::bios).reason, HasSubstr("no kernel was found"));
  readiness = ready();
  readiness.report.kernels[0].has_nic_driver = false;
  EXPECT_THAT(certify(readiness, Firmware::bios).reason, HasSubstr("ena"));
  readiness = ready();
  readiness.report.obstacles = {"/etc/fstab mounts / from /dev/sdq1"};
  EXPECT_THAT(certify(readiness, Firmware::bios).reason, HasSubstr("/dev/sdq1"));
  readiness = ready();
  readiness.ready = false;
  readiness.reason = "the guest is not converted yet";
  EXPECT_THAT(certify(readiness, Firmware::bios).reason, HasSubstr("nothing left to convert: the guest"));
}

TEST(BootCertificate, AGuestThatNobodyCouldReachWouldNotBoot) {
  Readiness readiness = ready();
  readiness.report.network = {NetworkVerdict::stays_down, "ens192 is not brought up"};
  const BootCertificate certificate = certify(readiness, Firmware::bios);
  EXPECT_FALSE(certificate.would_boot);
  EXPECT_EQ(certificate.reason, "network configuration: ens192 is not brought up");
}

TEST(BootCertificate, WhatIsNotKnownOfTheNetworkIsTheFirstWarning) {
  Readiness readiness = ready();
  readiness.report.network = {NetworkVerdict::not_known, "wicked brings it up"};
  readiness.report.warnings = {"swap will not be there"};
  const BootCertificate certificate = certify(readiness, Firmware::bios);
  EXPECT_TRUE(certificate.would_boot) << certificate.reason;
  ASSERT_EQ(certificate.warnings.size(), 2U);
  EXPECT_EQ(certificate.warnings[0], "network configuration: wicked brings it up");
}

TEST(BootCertificate, AKernelThatIsReadyIsEnough) {
  Readiness readiness = ready();
  KernelReport old;
  old.version = "5.10";
  old.outcome = KernelOutcome::no_initrd;
  readiness.report.kernels.push_back(old);
  const BootCertificate certificate = certify(readiness, Firmware::bios);
  EXPECT_TRUE(certificate.would_boot);
  EXPECT_THAT(certificate.checks.at(2).detail, HasSubstr("5.10: no_initrd"));
}

TEST(BootCertificate, TheSignatureIsOverEverythingElse) {
  BootCertificate certificate = certify(ready(), Firmware::bios);
  const std::string text = signed_text(certificate);
  certificate.signature = "signature";
  EXPECT_EQ(signed_text(certificate), text);
  certificate.content_ids = {"ab"};
  EXPECT_NE(signed_text(certificate), text);
}

}  // namespace
}  // namespace rekindle
