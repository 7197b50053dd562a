#include "recover/health_check.h"

#include <gtest/gtest.h>

#include "recover/answering_transport_for_tests.h"
#include "site/memory_site.h"

namespace rekindle {
namespace {

using std::chrono::seconds;

class HealthCheck : public testing::Test {
 protected:
  Result<> wait(seconds patience = seconds(10), std::stop_token stop = {}) {
    const auto probe = url_probe(http, "http://10.0.0.5/", stop).value();
    return wait_until_healthy(clock, probe, patience, stop, [&] { return alive; });
  }

  AnsweringTransport http;
  ManualClock clock{Time{}};
  Result<> alive;
};

TEST_F(HealthCheck, WaitsThroughRefusalsAndErrorsUntilItAnswers) {
  http.answer = [&](const HttpRequest&) -> Result<HttpResponse> {
    if (http.requests == 1) return error(ErrorCode::unavailable, "connection refused");
    return HttpResponse::text(http.requests == 2 ? 503 : 200, "text/plain", "");
  };
  EXPECT_TRUE(wait().ok());
  EXPECT_EQ(http.requests, 3);
}

TEST_F(HealthCheck, SaysWhatItSawWhenPatienceIsOver) {
  http.answer = [](const HttpRequest&) { return HttpResponse::text(500, "text/plain", ""); };
  const Result<> healthy = wait();
  EXPECT_EQ(
      healthy.error().message(),
      "http://10.0.0.5/ did not answer within 10.0 s (it answered with status 500); look at the health check "
      "of the plan and the security group");
  EXPECT_FALSE(healthy.error().transient()) << "nobody waits a second time";
}

TEST_F(HealthCheck, EndsWhenTheInstanceIsNotAlive) {
  alive = error(ErrorCode::internal, "the instance stopped");
  EXPECT_EQ(wait(seconds(1000)).error().message(), "the instance stopped");
  EXPECT_LT(clock.now(), Time(seconds(10)));
}

TEST_F(HealthCheck, EndsOnCancel) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(wait(seconds(10), stop.get_token()).error().code(), ErrorCode::cancelled);
}

class InstanceProbe : public testing::Test {
 protected:
  InstanceProbe() {
    instance.private_ip = "10.0.0.5";
    TemplateSpec spec;
    const ImageId image = site.start_image({1 * mib, {}, "", "image", {}}).value();
    spec.disks = {{image, ""}};
    LaunchSpec launch;
    launch.image_template = site.register_template(spec).value();
    instance.id = site.launch(launch).value();
  }
  HealthAnswer look(const std::string& check) {
    return instance_probe(check, instance, http, site, {}).value().look();
  }

  AnsweringTransport http;
  MemorySite site;
  Instance instance;
};

TEST_F(InstanceProbe, AsksTheSiteForItsOwnChecks) {
  EXPECT_TRUE(look("status").healthy);
  site.end_instance(instance.id, "gone");
  EXPECT_FALSE(look("status").healthy);
}

TEST_F(InstanceProbe, LooksForATextInTheConsole) {
  EXPECT_TRUE(look("console:console of").healthy);
  EXPECT_EQ(look("console:login:").said, "\"login:\" is not in it");
}

TEST_F(InstanceProbe, LooksForAPatternInTheConsole) {
  EXPECT_TRUE(look("console:^console of instance-[0-9]+").healthy);
  EXPECT_EQ(look("console:^of instance-").said, "\"^of instance-\" is not in it");
  EXPECT_EQ(look("console:*** ready").said, "\"*** ready\" is not in it") << "kept by an earlier version";
}

TEST_F(InstanceProbe, ConnectsToAPort) {
  const HealthAnswer answer = instance_probe("tcp://127.0.0.1:1", instance, http, site, {}).value().look();
  EXPECT_FALSE(answer.healthy);
  EXPECT_EQ(http.requests, 0);
}

TEST_F(InstanceProbe, AsksAUrlWithItsAddress) {
  http.answer = [](const HttpRequest&) { return HttpResponse::text(200, "text/plain", ""); };
  EXPECT_TRUE(look("http://{private_ip}/").healthy);
  EXPECT_EQ(http.last_url, "http://10.0.0.5/");
  EXPECT_EQ(instance_probe("what?", instance, http, site, {}).error().code(), ErrorCode::invalid_argument);
}

TEST(HealthCheckUrl, HasTheAddressesInTheirPlaces) {
  EXPECT_EQ(health_check_url("http://{public_ip}/?from={private_ip}&or={public_ip}", "10.0.0.5", "192.0.2.7"),
            "http://192.0.2.7/?from=10.0.0.5&or=192.0.2.7");
  EXPECT_EQ(health_check_url("https://web.example.com/", "10.0.0.5", ""), "https://web.example.com/");
}

TEST(LastConsoleLine, IsTheLastThatSaysSomething) {
  EXPECT_EQ(last_console_line("booting\nKernel panic - not syncing\r\n\r\n  \n"),
            "its console ends with \"Kernel panic - not syncing\"");
  EXPECT_EQ(last_console_line("one line"), "its console ends with \"one line\"");
  EXPECT_EQ(last_console_line("text\n\x01\x02\n"), "its console ends with \"text\"");
  EXPECT_EQ(last_console_line(" \r\n"), "its console is empty");
  EXPECT_EQ(last_console_line(""), "its console is empty");
}

}  // namespace
}  // namespace rekindle
