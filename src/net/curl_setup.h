// What every use of libcurl here shares: whom to believe, where no proxy is asked, and what an error means.
#pragma once

#include <curl/curl.h>
#include <openssl/x509.h>

#include <string>
#include <string_view>

#include "net/curl_transport.h"
#include "net/http.h"

namespace rekindle {

// Lower-case hexadecimal; "" of none.
std::string thumbprint_of(X509* certificate, const EVP_MD* hash);
std::string normal_thumbprint(std::string_view text);

const std::string& direct_hosts();  // never through a proxy; as CURLOPT_NOPROXY wants it
bool has_http_proxy();              // whether the environment names one for http:// (or for all)

// Sets what does not depend on the kind of exchange: the URL, protocols, proxies, TLS, the times for
// connecting and for all. `detail` (CURL_ERROR_SIZE bytes) gets an error's text; it, `request` and `trust`
// outlive the transfer.
void set_up(CURL* curl, const HttpRequest& request, const TlsTrust& trust, char* detail);

// `detail`: what libcurl said, or "".
Error error_of(CURLcode code, const char* detail, const HttpRequest& request);
Error too_big(const HttpRequest& request);

}  // namespace rekindle
