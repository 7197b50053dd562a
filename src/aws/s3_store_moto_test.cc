// S3Store against moto: another's reading of S3 (it verifies no signatures).
#include <gtest/gtest.h>

#include "aws/moto_server_for_tests.h"
#include "aws/s3_store.h"
#include "aws/service_client.h"
#include "base/random.h"
#include "net/curl_transport.h"
#include "store/conformance_test.h"

namespace rekindle {
namespace {

struct MotoS3Fixture {
  static std::string why_skipped() {
    if (!MotoServer::program().empty()) return "";
    return "NOT TESTED against moto, which is not installed: call tools/peers/moto to get it";
  }
  MotoS3Fixture() {
    if (!why_skipped().empty()) return;
    static const std::unique_ptr<MotoServer> moto = MotoServer::start().value();
    S3StoreOptions options;
    options.bucket = {"test-" + random.hex(8), "us-east-1", moto->url(), {}, {"AKIDEXAMPLE", "secret", ""}};
    HttpRequest make_bucket;
    make_bucket.method = "PUT";
    make_bucket.url = fmt::format("{}/{}", moto->url(), options.bucket.bucket);
    EXPECT_EQ(transport.send(make_bucket).value().status, 200);
    opened = S3Store::open(options, transport, clock, random).value();
  }
  ObjectStore& store() { return *opened; }

  CurlTransport transport;
  SystemClock clock;
  SystemRandom random;
  std::unique_ptr<S3Store> opened;
};

INSTANTIATE_TYPED_TEST_SUITE_P(MotoS3, ObjectStoreConformance, MotoS3Fixture);

}  // namespace
}  // namespace rekindle
