// For tests: an AwsSite whose AWS says what it is told to say.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "aws/aws_site.h"
#include "aws/canned_transport.h"

namespace rekindle {

inline std::string fault_xml(std::string_view code) {
  return fmt::format(
      "<Response><Errors><Error><Code>{}</Code><Message>m</Message></Error></Errors></Response>", code);
}
inline std::string snapshots(std::string_view state, std::string_view more = "") {
  return fmt::format(
      "<R xmlns='urn:ec2'><snapshotSet><item><snapshotId>snap-1</snapshotId><status>{}</status>"
      "<volumeSize>2</volumeSize>{}</item></snapshotSet></R>",
      state, more);
}
inline std::string images(std::string_view state, std::string_view snapshot = "snap-1") {
  return fmt::format(
      "<R "
      "xmlns='urn:ec2'><imagesSet><item><imageId>ami-1</imageId><imageState>{}</"
      "imageState><blockDeviceMapping>"
      "<item><ebs><snapshotId>{}</snapshotId></ebs></item></blockDeviceMapping></item></imagesSet></R>",
      state, snapshot);
}
inline std::string instances(std::string_view state) {
  return fmt::format(
      "<R xmlns='urn:ec2'><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>"
      "<instanceState><name>{}</name></instanceState></item></instancesSet></item></reservationSet></R>",
      state);
}
inline std::string started(std::string_view id) {
  return fmt::format(
      "<R xmlns='urn:ec2'><instancesSet><item><instanceId>{}</instanceId><instanceState><code>0</code>"
      "<name>pending</name></instanceState></item></instancesSet></R>",
      id);
}

class AwsSiteTest : public testing::Test {
 protected:
  static AwsSiteOptions options() {
    AwsSiteOptions options;
    options.region = "eu-central-1";
    options.endpoint = "http://127.0.0.1:1";
    options.credentials = {"AKIDEXAMPLE", "secret", ""};
    return options;
  }
  ImageId start(std::optional<ImageId> parent = {}) {
    transport.answer(201, R"({"SnapshotId":"snap-1"})");
    return *site->start_image({gib + 1, std::move(parent), "", "token", {{"rekindle", "yes"}}});
  }
  std::unique_ptr<ImageWriter> open_writer() {
    transport.answer(200, snapshots("pending"));
    return *site->open_writer(ImageId("snap-1"));
  }
  TemplateSpec template_spec() {
    TemplateSpec spec;
    spec.name = "rekindle web";
    spec.firmware = Firmware::uefi;
    spec.disks = {{ImageId("snap-1"), ""}, {ImageId("snap-2"), ""}};
    spec.tags = {{"rekindle", "yes"}};
    return spec;
  }
  const HttpRequest& last() { return transport.requests().back(); }

  CannedTransport transport;
  ManualClock clock{*from_iso8601("2026-11-22T12:00:00Z")};
  SeededRandom random{1};
  std::unique_ptr<AwsSite> site = *AwsSite::make(options(), transport, clock, random);
};

}  // namespace rekindle
