"""A password dialog for gnome-keyring-daemon that is never answered.

The daemon calls BeginPrompting and waits for a call of PromptReady. This program
returns from BeginPrompting and never calls PromptReady.
"""

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

INTERFACE = "org.gnome.keyring.internal.Prompter"


class Prompter(dbus.service.Object):
    @dbus.service.method(INTERFACE, in_signature="o")
    def BeginPrompting(self, callback):
        print("asked", callback, flush=True)

    @dbus.service.method(INTERFACE, in_signature="o")
    def StopPrompting(self, callback):
        print("stopped", callback, flush=True)


DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName("org.gnome.keyring.SystemPrompter", bus)
prompter = Prompter(bus, "/org/gnome/keyring/Prompter")
print("ready", flush=True)
GLib.MainLoop().run()
