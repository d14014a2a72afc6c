"""Does with a network what terraform, ansible's virt_net and cockpit do, by
python3-libvirt on the connection that is given, and checks every answer."""

import sys
import threading
import time
import xml.etree.ElementTree as ET

import libvirt

URI = sys.argv[1]
XML = """<network>
  <name>py</name>
  <forward mode='nat'/>
  <bridge name='virbr77' stp='on' delay='0'/>
  <domain name='py.test'/>
  <ip address='192.168.177.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.177.2' end='192.168.177.254'/></dhcp>
  </ip>
</network>"""
HOST = "<host mac='52:54:00:00:77:01' name='reserved' ip='192.168.177.9'/>"

libvirt.registerErrorHandler(lambda ctx, err: None, None)
libvirt.virEventRegisterDefaultImpl()


def loop():
    while True:
        libvirt.virEventRunDefaultImpl()


threading.Thread(target=loop, daemon=True).start()


def equal(what, got, want):
    if got != want:
        raise SystemExit("%s: got %r, want %r" % (what, got, want))


def refused(what, code, call):
    try:
        call()
    except libvirt.libvirtError as err:
        equal(what, err.get_error_code(), code)
        return
    raise SystemExit("%s: no error" % what)


def names(flags):
    return sorted(n.name() for n in conn.listAllNetworks(flags))


conn = libvirt.open(URI)
events = []
conn.registerCloseCallback(lambda *args: None, None)
callback = conn.networkEventRegisterAny(
    None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
    lambda c, net, event, detail, opaque: events.append((net.name(), event)), None)
conn.setKeepAlive(5, 3)
equal("alive", conn.isAlive(), 1)

refused("absent", libvirt.VIR_ERR_NO_NETWORK, lambda: conn.networkLookupByName("py"))
net = conn.networkDefineXML(XML)
equal("name", net.name(), "py")
equal("again by name", conn.networkLookupByName("py").UUIDString(), net.UUIDString())
equal("again by UUID", conn.networkLookupByUUIDString(net.UUIDString()).name(), "py")
equal("inactive", (net.isActive(), net.isPersistent(), net.autostart()), (0, 1, 0))
equal("defined networks", "py" in conn.listDefinedNetworks(), True)
net.setAutostart(1)
equal("autostart", net.autostart(), 1)
net.create()
refused("started twice", libvirt.VIR_ERR_OPERATION_INVALID, net.create)
equal("active", net.isActive(), 1)
equal("bridge", net.bridgeName(), "virbr77")
equal("active networks", "py" in conn.listNetworks(), True)
equal("counts", conn.numOfNetworks() >= 1 and conn.numOfDefinedNetworks() >= 0, True)
for flags, listed in [
    (0, True),
    (libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE, True),
    (libvirt.VIR_CONNECT_LIST_NETWORKS_INACTIVE, False),
    (libvirt.VIR_CONNECT_LIST_NETWORKS_PERSISTENT | libvirt.VIR_CONNECT_LIST_NETWORKS_AUTOSTART, True),
    (libvirt.VIR_CONNECT_LIST_NETWORKS_TRANSIENT, False),
    (libvirt.VIR_CONNECT_LIST_NETWORKS_NO_AUTOSTART, False),
]:
    equal("listed with flags %d" % flags, "py" in names(flags), listed)

both = libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE | libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
net.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, -1, HOST, both)
for flags in (0, libvirt.VIR_NETWORK_XML_INACTIVE):
    hosts = ET.fromstring(net.XMLDesc(flags)).findall("ip/dhcp/host")
    equal("reservation", [h.get("ip") for h in hosts], ["192.168.177.9"])
refused("reservation twice", libvirt.VIR_ERR_OPERATION_INVALID, lambda: net.update(
    libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, -1, HOST, both))
equal("leases", net.DHCPLeases(), [])
equal("ports", net.listAllPorts(), [])

# Terraform redefines a running network by undefine and define.
net.undefine()
equal("transient", (net.isActive(), net.isPersistent()), (1, 0))
net = conn.networkDefineXML(XML.replace("<name>", "<uuid>%s</uuid><name>" % net.UUIDString()))
equal("persistent again", (net.isActive(), net.isPersistent()), (1, 1))
net.destroy()
refused("stopped twice", libvirt.VIR_ERR_OPERATION_INVALID, net.destroy)
net.undefine()
refused("gone", libvirt.VIR_ERR_NO_NETWORK, net.XMLDesc)
transient = conn.networkCreateXML(XML)
equal("transient", (transient.isActive(), transient.isPersistent()), (1, 0))
refused("autostart of a transient network", libvirt.VIR_ERR_OPERATION_INVALID, lambda: transient.setAutostart(1))
transient.destroy()
refused("no name", libvirt.VIR_ERR_NO_NAME, lambda: conn.networkDefineXML("<network/>"))

want = [("py", e) for e in (
    libvirt.VIR_NETWORK_EVENT_DEFINED, libvirt.VIR_NETWORK_EVENT_STARTED,
    libvirt.VIR_NETWORK_EVENT_UNDEFINED, libvirt.VIR_NETWORK_EVENT_DEFINED,
    libvirt.VIR_NETWORK_EVENT_STOPPED, libvirt.VIR_NETWORK_EVENT_UNDEFINED,
    libvirt.VIR_NETWORK_EVENT_STARTED, libvirt.VIR_NETWORK_EVENT_STOPPED)]
end = time.monotonic() + 20
while len(events) < len(want) and time.monotonic() < end:
    time.sleep(0.02)
equal("events", events, want)
conn.networkEventDeregisterAny(callback)
conn.unregisterCloseCallback()
conn.close()
print("PASS")
