"""EC2 called past the product: the few calls with which tests and benchmarks look at the region as a third party
would. Signature Version 4 by the standard library, so that it works wherever the product does."""

import base64
import datetime
import hashlib
import hmac
import json
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

BLOCK_BYTES = 524288


class Ec2Refused(Exception):
    pass


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Ec2:
    """`region` is what `rekindle sandbox start` printed about it; with a `session`, of assume_role(), as its role."""

    def __init__(self, region, session=None):
        self.region = region
        self.session = session

    def call(self, action, **parameters):
        """The answer as an element without namespaces. Keys as in the API, with _ for a dot: Filter_1_Name="..."."""
        return self._query("ec2", "2016-11-15", action, parameters)

    def assume_role(self, name):
        """The keys of a session of the role."""
        answer = self._query("sts", "2011-06-15", "AssumeRole",
                             {"RoleArn": f"arn:aws:iam::{self.account()}:role/{name}", "RoleSessionName": "test"})
        return {name: answer.findtext(f".//{name}") for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}

    def account(self):
        return self._query("sts", "2011-06-15", "GetCallerIdentity", {}).findtext(".//Account")

    def start_snapshot(self, **body):
        """The id of a snapshot of blocks, by the EBS direct APIs."""
        answer = self._send("ebs", "StartSnapshot", "POST", "/snapshots", json.dumps(body).encode())
        return json.loads(answer)["SnapshotId"]

    def put_block(self, snapshot, index):
        """Puts a block of zeros."""
        block = bytes(BLOCK_BYTES)
        self._send("ebs", "PutSnapshotBlock", "PUT", f"/snapshots/{snapshot}/blocks/{index}", block, {
            "x-amz-checksum": base64.b64encode(hashlib.sha256(block).digest()).decode(),
            "x-amz-checksum-algorithm": "SHA256", "x-amz-data-length": str(BLOCK_BYTES)})

    def _query(self, service, version, action, parameters):
        fields = {"Action": action, "Version": version}
        fields.update({key.replace("_", "."): value for key, value in parameters.items()})
        answer = self._send(service, action, "POST", "/", urllib.parse.urlencode(fields).encode(),
                            {"content-type": "application/x-www-form-urlencoded; charset=utf-8"})
        return _without_namespaces(ElementTree.fromstring(answer))

    def _send(self, service, action, method, path, body, headers=None):
        request = urllib.request.Request(self.region["endpoint"] + path, data=body, method=method,
                                         headers=self._signed(service, method, path, body, headers or {}))
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as refusal:
            raise Ec2Refused(f"{action}: {refusal.read().decode()}") from None

    def _signed(self, service, method, path, body, more):
        now = datetime.datetime.now(datetime.timezone.utc)
        headers = {"content-type": "application/json", **more, "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
                   "host": urllib.parse.urlsplit(self.region["endpoint"]).netloc}
        key_id, secret = self.region["access_key_id"], self.region["secret_access_key"]
        if self.session:
            key_id, secret = self.session["AccessKeyId"], self.session["SecretAccessKey"]
            headers["x-amz-security-token"] = self.session["SessionToken"]
        headers = dict(sorted(headers.items()))
        names = ";".join(headers)
        canonical = "\n".join([method, path, "", *(f"{name}:{text}" for name, text in headers.items()), "", names,
                               _sha256(body)])
        scope = [now.strftime("%Y%m%d"), self.region["name"], service, "aws4_request"]
        to_sign = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], "/".join(scope), _sha256(canonical.encode())])
        key = ("AWS4" + secret).encode()
        for part in scope:
            key = _hmac(key, part)
        signature = _hmac(key, to_sign).hex()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={key_id}/{'/'.join(scope)}, "
                                    f"SignedHeaders={names}, Signature={signature}")
        return headers


def _without_namespaces(root):
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
