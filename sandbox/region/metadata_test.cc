// What an instance is told of itself.
#include "sandbox/region/metadata.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "sandbox/region/cloud_fixture.h"
#include "sandbox/region/guest_http.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

class MetadataTest : public testing::Test {
 protected:
  MetadataTest() {
    Instance instance;
    instance.id = "i-1";
    instance.state = "running";
    instance.image_id = "ami-1";
    instance.instance_type = "t3.small";
    instance.private_ip = "10.0.5.25";
    instance.zone = "us-east-1b";
    instance.mac = "06:00:00:00:00:01";
    instance.group_ids = {"sg-1", "sg-2"};
    instance.iam_profile = "web-profile";
    instance.user_data = to_base64(as_bytes("#!/bin/sh\n"));
    instance.metadata_options.tokens = "required";
    cloud->state().put(instance);
    for (const char* id : {"sg-1", "sg-2"}) {
      SecurityGroup group;
      group.id = id;
      group.name = std::string(id) + "-name";
      cloud->state().put(group);
    }
    EXPECT_TRUE(cloud->account().put_profile({{"name", "web-profile"}, {"role", "web"}}).ok());
    Role role;
    role.name = "web";
    EXPECT_TRUE(roles->put(role).ok());
  }
  template <typename Change>
  void change(Change how) {
    Instance instance = cloud->state().find<Instance>("i-1").value();
    how(instance);
    cloud->state().put(instance);
  }

  HttpResponse ask(const std::string& path, const std::string& token, const std::string& method = "GET",
                   const std::string& id = "i-1") {
    HttpRequest request;
    request.method = method;
    request.path = request.raw_path = path;
    if (!token.empty()) request.headers.set("X-aws-ec2-metadata-token", token);
    if (method == "PUT") request.headers.set("X-aws-ec2-metadata-token-ttl-seconds", "60");
    return answer_metadata(metadata_of_instance(*cloud, *roles, id).value(), cloud->options(), *roles,
                           request, cloud->now_ms());
  }
  std::string token(const std::string& id = "i-1") {
    return std::string(ask("/latest/api/token", "", "PUT", id).body_text());
  }
  std::string told(const std::string& path) {
    const HttpResponse answer = ask("/latest/" + path, token());
    EXPECT_EQ(answer.status, 200) << path;
    return std::string(answer.body_text());
  }

  TemporaryDirectory folder = TemporaryDirectory::make("metadata").value();
  std::unique_ptr<Cloud> cloud = Cloud::open(options_in(folder.path())).value();
  std::unique_ptr<Roles> roles = Roles::open(folder.path(), "secret").value();
};

TEST_F(MetadataTest, TellsAnInstanceWhatItIs) {
  EXPECT_EQ(told("meta-data/instance-id"), "i-1");
  EXPECT_EQ(told("meta-data/ami-id"), "ami-1");
  EXPECT_EQ(told("meta-data/instance-type"), "t3.small");
  EXPECT_EQ(told("meta-data/local-ipv4"), "10.0.5.25");
  EXPECT_EQ(told("meta-data/mac"), "06:00:00:00:00:01");
  EXPECT_EQ(told("meta-data/placement/availability-zone"), "us-east-1b");
  EXPECT_EQ(told("meta-data/placement/region"), "us-east-1");
  EXPECT_EQ(told("meta-data/security-groups"), "sg-1-name\nsg-2-name");
  EXPECT_EQ(told("user-data"), "#!/bin/sh\n");
  const json document = json::parse(told("dynamic/instance-identity/document"));
  EXPECT_EQ(document["instanceId"], "i-1");
  EXPECT_EQ(document["accountId"], "123456789012");
  EXPECT_EQ(ask("/latest/meta-data/public-ipv4", token()).status, 404) << "it has none";
  change([](Instance& instance) { instance.public_ip = "127.64.0.9"; });
  EXPECT_EQ(told("meta-data/public-ipv4"), "127.64.0.9");
}

TEST_F(MetadataTest, ListsFolders) {
  EXPECT_EQ(told(""), "dynamic/\nmeta-data/\nuser-data");
  EXPECT_EQ(told("meta-data/placement"), "availability-zone\nregion");
  EXPECT_EQ(told("meta-data/iam/"), "info\nsecurity-credentials/");
  EXPECT_EQ(told("meta-data/iam/security-credentials/"), "web");
  EXPECT_EQ(ask("/latest/meta-data/nothing", token()).status, 404);
}

TEST_F(MetadataTest, GivesOutTheKeysOfItsProfilesRole) {
  EXPECT_EQ(json::parse(told("meta-data/iam/info"))["InstanceProfileArn"],
            "arn:aws:iam::123456789012:instance-profile/web-profile");
  const json keys = json::parse(told("meta-data/iam/security-credentials/web"));
  const auto session =
      roles->session_of(keys["AccessKeyId"], keys["Token"].get<std::string>(), cloud->now_ms());
  ASSERT_TRUE(session.has_value());
  EXPECT_EQ(session->name, "web/i-1");
  EXPECT_EQ(session->secret_key, keys["SecretAccessKey"]);
  change([](Instance& instance) { instance.iam_profile.clear(); });
  EXPECT_EQ(ask("/latest/meta-data/iam/security-credentials/web", token()).status, 404);
}

TEST_F(MetadataTest, AsksForATokenOfThisInstance) {
  const std::string path = "/latest/meta-data/instance-id";
  EXPECT_EQ(ask(path, "").status, 401);
  EXPECT_EQ(ask(path, "nonsense").status, 401);
  EXPECT_EQ(ask("/latest/api/token", "").status, 405);
  EXPECT_EQ(ask(path, token(), "DELETE").status, 405);
  Instance other;
  other.id = "i-2";
  cloud->state().put(other);
  EXPECT_EQ(ask(path, token("i-2")).status, 401);
  change([](Instance& instance) { instance.metadata_options.tokens = "optional"; });
  EXPECT_EQ(ask(path, "").status, 200);
  EXPECT_EQ(ask(path, "nonsense").status, 401) << "a wrong token is no version 1";
  change([](Instance& instance) { instance.metadata_options.endpoint = "disabled"; });
  EXPECT_EQ(ask(path, token()).status, 403);
  EXPECT_FALSE(metadata_of_instance(*cloud, *roles, "i-9").has_value());
}

TEST(GuestHttp, AnswersAHeadWhenItIsWhole) {
  HttpRequest seen;
  const auto handler = [&](const HttpRequest& request) {
    seen = request;
    return HttpResponse::text(401, "text/plain", "no");
  };
  const std::string head = "PUT /latest/a%2Fb?c=d HTTP/1.1\r\nHost: x\r\nX-Token:  abc \r\n\r\n";
  for (std::size_t length = 0; length < head.size(); ++length)
    ASSERT_FALSE(answer_http(std::string_view(head).substr(0, length), handler).has_value()) << length;
  const Bytes answer = answer_http(head, handler).value();
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.path, "/latest/a/b");
  EXPECT_EQ(seen.raw_path, "/latest/a%2Fb");
  EXPECT_EQ(seen.query, "c=d");
  EXPECT_EQ(seen.headers.get("x-token"), "abc");
  EXPECT_EQ(as_text(answer),
            "HTTP/1.1 401 Unauthorized\r\nServer: EC2ws\r\nConnection: close\r\nContent-Length: 2\r\n"
            "Content-Type: text/plain\r\n\r\nno");
}

TEST(GuestHttp, TakesABodyOfTheLengthThatIsSaid) {
  HttpRequest seen;
  const auto handler = [&](const HttpRequest& request) {
    seen = request;
    return HttpResponse::text(200, "text/plain", "");
  };
  const std::string whole = "POST /a HTTP/1.1\r\ncontent-length: 7\r\n\r\na\r\n\r\nbc";
  for (std::size_t length = 0; length < whole.size(); ++length)
    ASSERT_FALSE(answer_http(std::string_view(whole).substr(0, length), handler).has_value()) << length;
  EXPECT_TRUE(answer_http(whole + "more", handler).has_value());
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.body_text(), "a\r\n\r\nbc");
  answer_http("GET /b HTTP/1.1\r\n\r\nmore", handler);
  EXPECT_EQ(seen.path, "/b");
  EXPECT_EQ(seen.body_text(), "") << "none was announced";
}

TEST(GuestHttp, WaitsForNothingThatIsTooLarge) {
  bool was_asked = false;
  const auto handler = [&](const HttpRequest&) {
    was_asked = true;
    return HttpResponse::text(200, "text/plain", "");
  };
  const auto status = [&](const std::string& received) {
    const auto answer = answer_http(received, handler);
    return answer ? std::string(as_text(*answer).substr(9, 3)) : "none";
  };
  const std::string head = "POST / HTTP/1.1\r\nContent-Length: ";
  EXPECT_EQ(status(head + std::to_string(longest_guest_body) + "\r\n\r\n"), "none") << "it may come";
  EXPECT_EQ(status(head + std::to_string(longest_guest_body + 1) + "\r\n\r\n"), "413");
  EXPECT_EQ(status(head + "99999999999999999999999\r\n\r\n"), "413");
  for (const char* wrong : {"", "x", "-1", "1x", "1\r\nContent-Length: 1", "1\r\nTransfer-Encoding: chunked"})
    EXPECT_EQ(status(head + wrong + "\r\n\r\nx"), "400") << wrong;
  EXPECT_EQ(status(std::string(longest_guest_head, 'x')), "none");
  EXPECT_EQ(status(std::string(longest_guest_head + 4, 'x')), "400");
  EXPECT_FALSE(was_asked);
  EXPECT_EQ(status(head + "1\r\n\r\nx"), "200");
}

TEST(GuestHttp, RefusesWhatIsNoRequest) {
  const auto handler = [](const HttpRequest&) { return HttpResponse::text(200, "text/plain", ""); };
  for (const char* wrong : {"GET\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/2\r\n\r\n", "GET x HTTP/1.1\r\n\r\n",
                            "GET / HTTP/1.1\r\nno colon\r\n\r\n", "\r\n\r\n"}) {
    const Bytes answer = answer_http(wrong, handler).value();
    EXPECT_TRUE(as_text(answer).starts_with("HTTP/1.1 400 ")) << wrong;
  }
}

}  // namespace
}  // namespace rekindle::sandbox
