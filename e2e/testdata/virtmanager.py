"""Drives virt-manager's own code for networks as its windows do: the wizard,
then start, stop, autostart, rename and delete of what it made.

virtmanager.py relay|facade

With relay the network calls go to the network driver's own socket, and all
others to libvirtd: what virtqemud does for its clients. With facade all go to
libvirtd.
"""

import os
import sys
import time

sys.path.insert(0, "/usr/share/virt-manager")
os.environ.setdefault("GSETTINGS_BACKEND", "memory")

import gi
gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
gi.require_version("GtkSource", "4")
gi.require_version("LibvirtGLib", "1.0")
from gi.repository import LibvirtGLib

from virtinst import BuildConfig, cli
import libvirt

cli.setupLogging("test", False, False, False)
from gi.repository import Gtk
assert Gtk.init_check()[0], "no display"
from virtManager.lib.testmock import CLITestOptionsClass
from virtManager import config
config.vmmConfig.get_instance(BuildConfig, CLITestOptionsClass([]))
LibvirtGLib.init(None)
LibvirtGLib.event_register()

from virtManager.connection import vmmConnection
from virtManager.createnet import vmmCreateNetwork
from virtManager.engine import vmmEngine
from virtManager.error import vmmErrorDialog


def relay(conn, networks):
    """Has conn make its network calls on another connection."""
    for name in dir(networks):
        if "etwork" in name and "Filter" not in name and not name.startswith("_"):
            setattr(conn, name, getattr(networks, name))


connected = []


def wait(what, condition, seconds=20):
    """Runs virt-manager until condition holds. It does not show a network that
    was started before it had finished reading it as active, until the next
    event: one a second is made up."""
    end, refresh = time.monotonic() + seconds, time.monotonic() + 1
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("not within %d s: %s" % (seconds, what))
        while Gtk.events_pending():
            Gtk.main_iteration()
        if connected and time.monotonic() > refresh:
            refresh += 1
            for n in connected[0].list_nets():
                n.recache_from_event_loop()
        time.sleep(0.02)
    print("ok:", what, flush=True)


def fail(self, summary, *args, **kwargs):
    raise SystemExit("virt-manager says: %s %s" % (summary, kwargs.get("details", "")))


def connect(how):
    conn = vmmConnection("qemu:///system")
    if how == "relay":
        backend = conn.get_backend()
        opened = backend.open

        def open_both(*args):
            opened(*args)
            relay(backend._libvirtconn, libvirt.open("network:///system"))
        backend.open = open_both
    ended = []
    conn.connect("open-completed", lambda c, err: ended.append(err))
    conn.open()
    wait("connected", lambda: ended)
    assert not ended[0], ended[0]
    assert conn.using_network_events
    connected.append(conn)
    return conn


def net(conn, name):
    return next((n for n in conn.list_nets() if n.get_name() == name), None)


def shown(conn, name, condition=lambda n: True):
    """Whether virt-manager lists the network and the condition holds of it.
    A network that is replaced has no or another object for a moment."""
    found = net(conn, name)
    return found is not None and condition(found)


def act(conn, name, what):
    wait("listed to " + what, lambda: shown(conn, name))
    getattr(net(conn, name), what)()


def taken(direct):
    try:
        made = direct.networkLookupByName("wizard")
        return "<forward mode='bridge'/>" in made.XMLDesc() and made.isActive()
    except libvirt.libvirtError:
        return False  # between libvirt's and ours


def main(how):
    vmmErrorDialog.show_err = fail
    vmmEngine.get_instance()._tick_thread.start()
    conn = connect(how)
    wait("default is listed", lambda: net(conn, "default"))

    wizard = vmmCreateNetwork(conn)
    wizard.show(None)
    wizard.widget("net-name").set_text("wizard")
    wizard.widget("net-ipv4-network").set_text("192.168.190.0/24")
    wizard.finish(None)
    wait("the wizard's network is listed and active", lambda: shown(conn, "wizard", lambda n: n.is_active()))
    wait("the wizard is done", lambda: not wizard.topwin.get_visible())
    made = net(conn, "wizard")
    assert made.get_autostart()
    if how == "facade":
        # libvirt's own driver made it; vnetmgr is to take it over.
        direct = libvirt.open("qemu:///system")
        wait("vnetmgr took it over", lambda: taken(direct), 60)
        conn.schedule_priority_tick(pollnet=True, force=True)
    else:
        assert made.get_ipv4_network() == ["192.168.190.0/24", ["192.168.190.128", "192.168.190.254"]], made.get_ipv4_network()
    wait("it is shown as active", lambda: shown(conn, "wizard", lambda n: n.is_active() and n.get_bridge_device().startswith("virbr")))
    wait("it has no leases", lambda: shown(conn, "wizard", lambda n: n.get_dhcp_leases(refresh=True) == []))
    act(conn, "wizard", "stop")
    wait("stopped", lambda: shown(conn, "wizard", lambda n: not n.is_active()))
    act(conn, "wizard", "start")
    wait("started", lambda: shown(conn, "wizard", lambda n: n.is_active()))
    net(conn, "wizard").set_autostart(False)
    assert not net(conn, "wizard").get_autostart()
    act(conn, "wizard", "stop")
    wait("stopped again", lambda: shown(conn, "wizard", lambda n: not n.is_active()))
    made = net(conn, "wizard")
    if how == "facade":
        # The facade comes back: its delete is a stop (docs/libvirt.md).
        made.delete()
        wait("the deleted facade is back", lambda: shown(conn, "wizard", lambda n: n is not made))
        return
    made.define_name("renamed")
    wait("renamed", lambda: shown(conn, "renamed") and not shown(conn, "wizard"))
    net(conn, "renamed").delete()
    wait("deleted", lambda: not net(conn, "renamed"))


main(sys.argv[1])
print("PASS", flush=True)
os._exit(0)
