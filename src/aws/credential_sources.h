// The places where credentials come from: the environment, a profile of the AWS command line, the role of the
// EC2 instance that this program runs on, and a role to be assumed with any of these
// (https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).
#pragma once

#include <string>

#include "aws/aws_profile.h"
#include "aws/credentials.h"
#include "base/clock.h"
#include "base/random.h"
#include "net/http.h"

namespace rekindle {

// The references outlive the credentials made with it; `random` allows any thread.
struct CredentialContext {
  HttpTransport& transport;
  Clock& clock;
  Random& random;
  std::string region;    // whose STS is asked
  std::string endpoint;  // of STS; empty: the real one of the region
  EnvironmentVariables variables = environment_variable;
};

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, as they are now. `unauthenticated`.
Result<Credentials> environment_credentials(const CredentialContext& context);

// Keys, or a role (role_arn with source_profile or credential_source; external_id, role_session_name,
// duration_seconds). The files are read again every five minutes, and when AWS refuses the key; while they
// cannot be read, what they said is gone on with. What needs a person or a program (single sign-on, MFA,
// credential_process, web identity) is refused with what to do.
Credentials profile_credentials(const CredentialContext& context, const std::string& profile);

// By the instance metadata service, version 2 (a session token first); AWS_EC2_METADATA_SERVICE_ENDPOINT
// replaces its address.
Credentials instance_role_credentials(const CredentialContext& context);

struct RoleToAssume {
  std::string arn;  // arn:aws:iam::123456789012:role/rekindle
  std::string external_id = {};
  std::string session_name = "rekindle";
  int seconds = 3600;
};
// STS AssumeRole, called with `caller`.
Credentials assumed_role_credentials(const CredentialContext& context, const Credentials& caller,
                                     const RoleToAssume& role);

}  // namespace rekindle
