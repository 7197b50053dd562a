"""The datacenter's API called past the product: the few calls with which tests and the demo do what an administrator
would do in the vSphere client."""

import re
import ssl
import time
import urllib.error
import urllib.request


class Vim:
    """`datacenter` is what `rekindle sandbox start` printed about it."""

    def __init__(self, datacenter):
        self.url = datacenter["url"]
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # on this computer, with a certificate of its own
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                                  urllib.request.HTTPSHandler(context=context),
                                                  urllib.request.HTTPCookieProcessor())
        content = self.call("RetrieveServiceContent", '<_this type="ServiceInstance">ServiceInstance</_this>')
        manager = re.search(r"<sessionManager[^>]*>([^<]*)<", content).group(1)
        self.collector = re.search(r"<propertyCollector[^>]*>([^<]*)<", content).group(1)
        self.call("Login", f'<_this type="SessionManager">{manager}</_this><userName>{datacenter["user"]}</userName>'
                           f'<password>{datacenter["password"]}</password>')

    def call(self, method, body):
        envelope = ('<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
                    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
                    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
                    f'<{method} xmlns="urn:vim25">{body}</{method}></soapenv:Body></soapenv:Envelope>')
        request = urllib.request.Request(self.url, data=envelope.encode(), method="POST",
                                         headers={"Content-Type": "text/xml", "SOAPAction": "urn:vim25/6.7"})
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as fault:
            raise RuntimeError(f"{method}: {fault.read().decode()}") from fault

    def power_off(self, machine_id):
        """As by pulling the plug, but the datacenter knows of it: change tracking stays whole."""
        self.call("PowerOffVM_Task", f'<_this type="VirtualMachine">{machine_id}</_this>')

    def power_on(self, machine_id):
        self.call("PowerOnVM_Task", f'<_this type="VirtualMachine">{machine_id}</_this>')

    def destroy(self, machine_id):
        """With its disks; it must be off."""
        self.call("Destroy_Task", f'<_this type="VirtualMachine">{machine_id}</_this>')

    def property_of(self, kind, object_id, path):
        """As the XML that it is told in."""
        return self.call("RetrievePropertiesEx", f'<_this type="PropertyCollector">{self.collector}</_this><specSet><propSet>'
                         f'<type>{kind}</type><pathSet>{path}</pathSet></propSet><objectSet><obj type="{kind}">{object_id}'
                         '</obj></objectSet></specSet><options/>')

    def networks_of(self, machine_id):
        """The names of those that its cards are on."""
        devices = self.property_of("VirtualMachine", machine_id, "config.hardware.device")
        return re.findall(r'"VirtualEthernetCardNetworkBackingInfo"[^>]*><deviceName>([^<]*)<', devices)


def wait_until(condition, seconds=60):
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise TimeoutError("it did not come to pass")
        time.sleep(0.1)
