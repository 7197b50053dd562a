// The product's AWS site against a local region of its own: neither half has seen the other's reading of the
// protocols.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "aws/aws_site.h"
#include "base/file.h"
#include "net/curl_transport.h"
#include "sandbox/region/region.h"

namespace rekindle {

class AwsSiteContract : public testing::Test {
 protected:
  void SetUp() override {
    sandbox::RegionOptions options;
    options.directory = directory.path();
    options.access_key = "AKIDEXAMPLE";
    options.secret_key = "secret";
    options.account_id = "123456789012";
    region = sandbox::Region::start(options).value();
    network = region->make_network("10.0.0.0/16", "10.0.1.0/24").value();
    site = make_site("secret");
  }
  void TearDown() override { EXPECT_TRUE(region->terminate_everything().ok()); }

  std::unique_ptr<AwsSite> make_site(const std::string& secret, const std::string& installation = "",
                                     const AwsSiteOptions::Proxy& proxy = {}) {
    AwsSiteOptions options;
    options.installation = installation;
    options.proxy = proxy;
    options.region = "us-east-1";
    options.endpoint = region->endpoint();
    options.credentials = {"AKIDEXAMPLE", secret, ""};
    return AwsSite::make(options, transport, clock, random).value();
  }

  // A knob of the region: "quotas", "keys", "instance-profiles", "roles".
  void account_has(const std::string& what, const nlohmann::json& body) {
    HttpRequest request;
    request.method = "POST";
    request.url = region->endpoint() + "/rekindle-sandbox/" + what;
    request.body = to_bytes(as_bytes(body.dump()));
    ASSERT_EQ(transport.send(request)->status, 200);
  }

  static Bytes pattern(int value) { return Bytes(image_block_bytes, static_cast<std::byte>(value)); }

  ImageId make_image(const std::string& token, std::optional<ImageId> parent,
                     const std::map<std::uint64_t, int>& blocks) {
    ImageSpec spec;
    spec.size_bytes = 1 * gib;
    spec.parent = std::move(parent);
    spec.token = token;
    spec.tags = {{"rekindle:token", token}};
    const ImageId id = site->start_image(spec).value();
    auto writer = site->open_writer(id).value();
    for (const auto& [index, value] : blocks) EXPECT_TRUE(writer->put_block(index, pattern(value)).ok());
    const auto completed = writer->complete();
    EXPECT_TRUE(completed.ok()) << completed.error().message();
    return id;
  }

  Bytes block(const ImageId& id, std::uint64_t index) {
    Bytes content(image_block_bytes);
    const auto result = site->open_image(id).value()->read_at(index * image_block_bytes, content);
    EXPECT_TRUE(result.ok()) << result.error().message();
    return content;
  }

  TemporaryDirectory directory = TemporaryDirectory::make("rk").value();
  SystemClock clock;
  SystemRandom random;
  CurlTransport transport;
  std::unique_ptr<sandbox::Region> region;
  sandbox::Region::Network network;
  std::unique_ptr<AwsSite> site;
};

}  // namespace rekindle
