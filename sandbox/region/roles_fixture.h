// A region in which a test makes roles, as its users do: over its own HTTP interface.
#pragma once

#include "net/curl_transport.h"
#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {

class RegionWithRolesTest : public RegionTest {
 protected:
  void make_role(const nlohmann::json& role) {
    HttpRequest request;
    request.method = "POST";
    request.url = region->endpoint() + "/rekindle-sandbox/roles";
    request.body = to_bytes(as_bytes(role.dump()));
    const auto answer = CurlTransport().send(request);
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    ASSERT_EQ(answer->status, 200) << answer->body_text();
  }
};

}  // namespace rekindle::sandbox
