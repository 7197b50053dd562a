"""EC2 called past the product: the few calls with which tests and benchmarks look at the region as a third party
would. Signature Version 4 by the standard library, so that it works wherever the product does."""

import datetime
import hashlib
import hmac
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree


class Ec2Refused(Exception):
    pass


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Ec2:
    """`region` is what `rekindle sandbox start` printed about it."""

    def __init__(self, region):
        self.region = region

    def call(self, action, **parameters):
        """The answer as an element without namespaces. Keys as in the API, with _ for a dot: Filter_1_Name="..."."""
        fields = {"Action": action, "Version": "2016-11-15"}
        fields.update({key.replace("_", "."): value for key, value in parameters.items()})
        body = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(self.region["endpoint"] + "/", data=body, headers=self._signed(body))
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                return _without_namespaces(ElementTree.fromstring(answer.read()))
        except urllib.error.HTTPError as refusal:
            raise Ec2Refused(f"{action}: {refusal.read().decode()}") from None

    def _signed(self, body):
        now = datetime.datetime.now(datetime.timezone.utc)
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8",
                   "host": urllib.parse.urlsplit(self.region["endpoint"]).netloc,
                   "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ")}
        names = ";".join(headers)
        canonical = "\n".join(["POST", "/", "", *(f"{name}:{text}" for name, text in headers.items()), "", names,
                               _sha256(body)])
        scope = [now.strftime("%Y%m%d"), self.region["name"], "ec2", "aws4_request"]
        to_sign = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], "/".join(scope), _sha256(canonical.encode())])
        key = ("AWS4" + self.region["secret_access_key"]).encode()
        for part in scope:
            key = _hmac(key, part)
        signature = _hmac(key, to_sign).hex()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.region['access_key_id']}/{'/'.join(scope)}, "
                                    f"SignedHeaders={names}, Signature={signature}")
        return headers


def _without_namespaces(root):
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
